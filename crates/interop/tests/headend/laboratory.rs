//! The laboratory itself: strongSwan against strongSwan. When these fail, no other result counts.

use std::time::Duration;

use anyhow::Result;
use interop::network::{BehindNat, Pair};
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{Flow, ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

#[test]
fn two_strongswans_talk() -> Result<()> {
    let Pair { left, right } = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let _responder = StrongSwan::start(&right, Settings::default(), &[tunnel.mirrored()], "")?;
    let initiator = StrongSwan::start(&left, Settings::default(), &[tunnel], "")?;
    assert_eq!(
        ping(&left, "10.1.0.1", "10.2.0.1", 2)?,
        0,
        "no tunnel, no answer"
    );
    initiator.initiate("net")?;
    ping_all(&left, "10.1.0.1", "10.2.0.1", 5)?;
    let flow = Flow::start(
        (&left, "10.1.0.1"),
        (&right, "10.2.0.1"),
        7000,
        Duration::from_millis(5),
    )?;
    std::thread::sleep(Duration::from_millis(500));
    flow.finish()?.complete(50)?;
    assert_eq!(initiator.installed_children()?, 1);
    Ok(())
}

#[test]
fn the_nat_translates_and_forgets() -> Result<()> {
    let nat = BehindNat::new()?;
    let tunnel = Tunnel::new(
        "net",
        End::new("172.16.0.2", "client.test", &["10.1.0.0/24"]),
        End::new("198.51.100.2", "gateway.test", &["10.2.0.0/24"]),
    );
    let mut far = tunnel.mirrored();
    "%any".clone_into(&mut far.remote.address);
    let gateway = StrongSwan::start(&nat.gateway, Settings::default(), &[far], "")?;
    // strongSwan follows a mapping that an IKE message shows; its probes are such messages.
    let tunnel = tunnel.connection("dpd_delay", "1s");
    let client = StrongSwan::start(&nat.client, Settings::default(), &[tunnel], "")?;
    client.initiate("net")?;
    ping_all(&nat.client, "10.1.0.1", "10.2.0.1", 3)?;
    assert!(
        gateway.sas()?.contains("198.51.100.1"),
        "{}",
        gateway.sas()?
    );
    nat.change_mapping(7)?;
    wait::until(
        "traffic over the new mapping",
        Duration::from_secs(10),
        || ping(&nat.client, "10.1.0.1", "10.2.0.1", 1).is_ok_and(|answered| answered == 1),
    )?;
    assert!(
        gateway.sas()?.contains("198.51.100.7"),
        "{}",
        gateway.sas()?
    );
    Ok(())
}
