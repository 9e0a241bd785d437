//! Palisade to Palisade: ESP as an IP protocol of its own and extended sequence numbers, neither of
//! which strongSwan's ESP in user space knows.

use anyhow::Result;
use interop::capture::Capture;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::traffic::ping_all;
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

const RAW: &str = "[headend]\nraw_esp = true\n";

fn talk(
    tunnel: &Tunnel,
    protocol: &str,
    (left_inner, right_inner): (&str, &str),
    sections: &str,
) -> Result<()> {
    let pair = Pair::new()?;
    let _responder = Palisade::start(&pair.right, &[tunnel.mirrored()], sections)?;
    let starting = tunnel.clone().child("start_action", "\"start\"");
    let initiator = Palisade::start(&pair.left, &[starting], sections)?;
    wait::until("a Child SA", PATIENCE, || {
        initiator
            .metric("palisade_child_sas", "")
            .is_ok_and(|children| children > 0.5)
    })?;
    let esp = Capture::start(&pair.right, "outer", protocol)?;
    ping_all(&pair.left, left_inner, right_inner, 5)?;
    ping_all(&pair.right, right_inner, left_inner, 5)?;
    let packets = esp.count()?;
    assert!(packets >= 20, "only {packets} packets of {protocol}");
    Ok(())
}

#[test]
fn protocol_50_over_ipv4() -> Result<()> {
    talk(&Tunnel::of_pair(), "ip proto 50", (LEFT, RIGHT), RAW)
}

#[test]
fn protocol_50_shared_by_several_workers() -> Result<()> {
    for offload in ["true", "false"] {
        let sections = format!("{RAW}shards = 3\noffload = {offload}\n");
        talk(&Tunnel::of_pair(), "ip proto 50", (LEFT, RIGHT), &sections)
            .map_err(|error| error.context(offload))?;
    }
    Ok(())
}

#[test]
fn protocol_50_over_ipv6_shared_by_several_workers() -> Result<()> {
    let sections = format!("{RAW}shards = 3\n");
    talk(
        &ipv6(),
        "ip6 proto 50",
        ("fd00:1::1", "fd00:2::1"),
        &sections,
    )
}

fn ipv6() -> Tunnel {
    Tunnel::new(
        "net",
        End::new("2001:db8::1", "left.test", &["fd00:1::/64"]),
        End::new("2001:db8::2", "right.test", &["fd00:2::/64"]),
    )
}

#[test]
fn protocol_50_over_ipv6() -> Result<()> {
    talk(&ipv6(), "ip6 proto 50", ("fd00:1::1", "fd00:2::1"), RAW)
}

#[test]
fn forced_encapsulation() -> Result<()> {
    let tunnel = Tunnel::of_pair().connection("encap", "true");
    talk(&tunnel, "udp port 4500", (LEFT, RIGHT), "")
}

#[test]
fn extended_sequence_numbers() -> Result<()> {
    for esp in [
        "aes128gcm16-esn",
        "chacha20poly1305-esn",
        "aes256-sha256-esn",
        "aes128-sha1-esn",
    ] {
        let tunnel = Tunnel::of_pair().with_proposals("aes256gcm16-prfsha256-x25519", esp);
        talk(
            &tunnel,
            "udp port 4500",
            (LEFT, RIGHT),
            "[headend]\nraw_esp = false\n",
        )
        .map_err(|error| error.context(esp))?;
    }
    Ok(())
}
