//! The laboratory itself: strongSwan against strongSwan and ike-scan. When these fail, no other result counts.

use std::time::Duration;

use anyhow::Result;
use interop::capture::Capture;
use interop::ike_scan::{Scan, datagrams};
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

/// Braces close on lines of their own: swanctl 5.9 never returns otherwise.
const IKEV1_RESPONDER: &str = "connections {
  old {
    version = 1
    proposals = aes128-sha1-modp1024
    local {
      auth = psk
    }
    remote {
      auth = psk
    }
    children {
      net {
      }
    }
  }
}
secrets {
  ike-test {
    secret = something
  }
}
";

#[test]
fn the_scanner_sees_strongswan() -> Result<()> {
    let Pair { left, right } = Pair::new()?;
    let _responder = StrongSwan::start_with(&right, Settings::default(), IKEV1_RESPONDER)?;
    let wire = Capture::start(&right, "outer", "udp port 500")?;
    let transform = "--trans=(1=7,14=128,2=2,3=1,4=2)";
    let patient = ["--retry=1", "--timeout=5000", transform];
    let scan = Scan::run(&left, "192.0.2.2", &patient)?;
    assert!(scan.says("Main Mode Handshake returned"), "{}", scan.output);
    assert!(scan.says("Dead Peer Detection"), "{}", scan.output);
    let scan = Scan::run(
        &left,
        "192.0.2.2",
        &["--retry=1", "--aggressive", "--id=joe@test", transform],
    )?;
    assert!(!scan.says("Aggressive Mode Handshake returned"));
    let seen = datagrams(wire)?;
    assert_eq!(
        (seen[0].from, seen[1].from),
        ([192, 0, 2, 1], [192, 0, 2, 2])
    );
    // strongSwan's answer is longer than the question.
    assert!(seen[1].payload.len() > seen[0].payload.len());
    Ok(())
}
