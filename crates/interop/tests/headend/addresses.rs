//! Virtual addresses, and IPv6 outside and inside.

use anyhow::{Context, Result};
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::ping_all;
use interop::tunnel::{End, Tunnel};

use crate::stage::Stage;

const POOLS: &str = "[pools.four]\naddrs = \"10.77.0.0/24\"\ndns = [\"10.2.0.53\"]\n\
                     [pools.six]\naddrs = \"fd00:77::/120\"\n";

/// A client that asks for an address of each family, and the headend that has pools of them.
fn virtual_tunnels() -> (Tunnel, Tunnel) {
    let client = Tunnel::new(
        "net",
        End::new("192.0.2.1", "left.test", &[]),
        End::new("192.0.2.2", "right.test", &["10.2.0.0/24", "fd00:2::/64"]),
    );
    let headend = client.mirrored().connection("pools", "[\"four\", \"six\"]");
    (client.connection("vips", "0.0.0.0,::"), headend)
}

/// The addresses that strongSwan installed, IPv4 first.
fn installed(pair: &Pair) -> Result<[String; 2]> {
    let listing = pair.left.ip("-o addr show")?;
    let address_in = |prefix: &str| {
        listing
            .split_whitespace()
            .find(|word| word.starts_with(prefix))
            .and_then(|word| word.split('/').next())
            .map(str::to_owned)
            .with_context(|| format!("no {prefix} in {listing}"))
    };
    Ok([address_in("10.77.0.")?, address_in("fd00:77::")?])
}

#[test]
fn virtual_addresses_are_handed_out_and_stay_with_their_peer() -> Result<()> {
    let pair = Pair::new()?;
    let (left, right) = virtual_tunnels();
    let headend = Palisade::start(&pair.right, &[right], POOLS)?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[left], "")?;
    swan.initiate("net")?;
    let [four, six] = installed(&pair)?;
    ping_all(&pair.left, &four, "10.2.0.1", 5)?;
    ping_all(&pair.right, "10.2.0.1", &four, 5)?;
    ping_all(&pair.left, &six, "fd00:2::1", 5)?;
    ping_all(&pair.right, "fd00:2::1", &six, 5)?;

    swan.control(&["--terminate", "--ike", "net", "--timeout", "10"])?;
    swan.initiate("net")?;
    assert_eq!(
        installed(&pair)?,
        [four, six],
        "the same peer gets the same addresses again"
    );
    let peers = headend.query(&["peers"])?;
    assert!(peers.to_string().contains("10.77.0."), "{peers}");
    Ok(())
}

/// What a newcomer does: no configuration on one side, the text that was printed on the other.
#[test]
fn the_client_configuration_that_is_printed_works_as_it_stands() -> Result<()> {
    let pair = Pair::new()?;
    let headend = Palisade::start_embedded(&pair.right)?;
    let log = headend.log();
    let (_, printed) = log
        .split_once("\nconnections {")
        .with_context(|| log.clone())?;
    let (printed, _) = printed.rsplit_once("\n}\n").with_context(|| log.clone())?;
    // Only the headend's address may have to be set: this one has no way to the rest of the world.
    let printed: String = printed
        .lines()
        .map(|line| match line.trim_start().starts_with("remote_addrs") {
            true => "    remote_addrs = 192.0.2.2\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    let swanctl = format!("connections {{{printed}}}\n");
    let swan = StrongSwan::start_with(&pair.left, Settings::default(), &swanctl)?;
    swan.initiate("net")?;
    let listing = pair.left.ip("-o addr show")?;
    assert!(
        listing.contains("10.77.0.2/32") && listing.contains("fd77::2/128"),
        "{listing}"
    );
    ping_all(&pair.left, "10.77.0.2", "10.77.0.1", 5)?;
    ping_all(&pair.left, "fd77::2", "fd77::1", 5)?;
    ping_all(&pair.right, "10.77.0.1", "10.77.0.2", 5)
}

#[test]
fn palisade_asks_for_a_virtual_address() -> Result<()> {
    let pair = Pair::new()?;
    let left = Tunnel::new(
        "net",
        End::new("192.0.2.1", "left.test", &["10.1.0.0/24"]),
        End::new("192.0.2.2", "right.test", &[]),
    );
    let right = left
        .mirrored()
        .connection("vips", "[\"0.0.0.0\"]")
        .child("start_action", "\"start\"");
    let pools = "pools {\n  four {\n    addrs = 10.88.0.0/24\n  }\n}";
    let left = left.connection("pools", "four");
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[left], pools)?;
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    interop::wait::until("a Child SA", crate::stage::PATIENCE, || {
        swan.installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    ping_all(&pair.right, "10.88.0.1", "10.1.0.1", 5)
}

#[test]
fn ipv6_outside_and_inside() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::new(
        "net",
        End::new("2001:db8::1", "left.test", &["fd00:1::/64", "10.1.0.0/24"]),
        End::new("2001:db8::2", "right.test", &["fd00:2::/64", "10.2.0.0/24"]),
    );
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    ping_all(&pair.left, "fd00:1::1", "fd00:2::1", 5)?;
    ping_all(&pair.right, "fd00:2::1", "fd00:1::1", 5)
}

#[test]
fn ipv6_inside_ipv4() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::new(
        "net",
        End::new("192.0.2.1", "left.test", &["fd00:1::/64"]),
        End::new("192.0.2.2", "right.test", &["fd00:2::/64"]),
    );
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.swan.initiate("net")?;
    ping_all(&pair.left, "fd00:1::1", "fd00:2::1", 5)?;
    ping_all(&pair.right, "fd00:2::1", "fd00:1::1", 5)
}
