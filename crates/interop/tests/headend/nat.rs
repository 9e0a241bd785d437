//! A NAT between the peers, whose mapping changes under way.

use anyhow::Result;
use interop::network::BehindNat;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

/// Seen from the client; the gateway does not know the client's address.
fn tunnels() -> (Tunnel, Tunnel) {
    let client = Tunnel::new(
        "net",
        End::new("172.16.0.2", "client.test", &["10.1.0.0/24"]),
        End::new("198.51.100.2", "gateway.test", &["10.2.0.0/24"]),
    );
    let mut gateway = client.mirrored();
    "%any".clone_into(&mut gateway.remote.address);
    (client, gateway)
}

#[test]
fn palisade_follows_a_client_whose_mapping_changes() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = tunnels();
    let headend = Palisade::start(&nat.gateway, &[gateway], "")?;
    let swan = StrongSwan::start(&nat.client, Settings::default(), &[client], "")?;
    swan.initiate("net")?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)?;
    assert!(
        headend
            .query(&["peers"])?
            .to_string()
            .contains("198.51.100.1")
    );
    for host in [7, 8] {
        nat.change_mapping(host)?;
        // ESP alone must show the new mapping: strongSwan sends no IKE message meanwhile.
        wait::until("traffic over the new mapping", PATIENCE, || {
            ping(&nat.client, LEFT, RIGHT, 1).is_ok_and(|answered| answered == 1)
        })?;
        ping_all(&nat.client, LEFT, RIGHT, 5)?;
        ping_all(&nat.gateway, RIGHT, LEFT, 5)?;
        let peers = headend.query(&["peers"])?.to_string();
        assert!(peers.contains(&format!("198.51.100.{host}")), "{peers}");
    }
    Ok(())
}

/// Behind the same NAT the other way round: Palisade is the client.
#[test]
fn palisade_reaches_out_from_behind_a_nat() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = tunnels();
    let swan = StrongSwan::start(&nat.gateway, Settings::default(), &[gateway], "")?;
    let client = client.child("start_action", "\"start\"");
    let _headend = Palisade::start(&nat.client, &[client], "")?;
    wait::until("a Child SA", PATIENCE, || {
        swan.installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)
}
