//! Each cipher and each group, in both roles, over one pair of daemons.

use anyhow::{Context, Result};
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::ping_all;
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::PATIENCE;

/// IKE proposal and ESP proposal. Each cipher, integrity algorithm, PRF and group appears, in IKE
/// and in ESP. Extended sequence numbers are tested in `raw_esp`: strongSwan's ESP in user space
/// does not know them.
const COMBINATIONS: &[(&str, &str)] = &[
    ("aes128gcm16-prfsha256-x25519", "aes128gcm16"),
    ("aes256gcm16-prfsha384-ecp256", "aes256gcm16"),
    ("chacha20poly1305-prfsha512-ecp384", "chacha20poly1305"),
    ("aes128-sha1-prfsha1-modp2048", "aes128-sha1"),
    ("aes256-sha256-prfsha256-modp3072", "aes256-sha256"),
    ("aes128-sha384-prfsha384-modp4096", "aes128-sha384"),
    ("aes256-sha512-prfsha512-x25519", "aes256-sha512"),
    ("aes256-sha1-prfsha256-ecp256", "aes256-sha1"),
    ("aes128-sha256-prfsha256-x25519", "aes128-sha256"),
    ("aes256-sha384-prfsha384-x25519", "aes256-sha384"),
    ("aes128-sha512-prfsha512-x25519", "aes128-sha512"),
    ("aes192gcm16-prfsha256-x25519", "aes192gcm16"),
    ("aes192-sha256-prfsha256-modp1536", "aes192-sha256"),
    ("3des-sha1-prfsha1-modp1024", "3des-sha1"),
];

/// Tunnel number `number`, seen from the left, in networks of its own.
fn tunnel(number: usize) -> Tunnel {
    let (ike, esp) = COMBINATIONS[number];
    Tunnel::new(
        &format!("net{number}"),
        End::new(
            "192.0.2.1",
            &format!("left{number}.test"),
            &[&format!("10.1.{number}.0/24")],
        ),
        End::new(
            "192.0.2.2",
            &format!("right{number}.test"),
            &[&format!("10.2.{number}.0/24")],
        ),
    )
    .with_proposals(ike, esp)
}

fn add_inner_addresses(pair: &Pair) -> Result<()> {
    for number in 1..COMBINATIONS.len() {
        pair.left.add_inner(&[&format!("10.1.{number}.1/32")])?;
        pair.right.add_inner(&[&format!("10.2.{number}.1/32")])?;
    }
    Ok(())
}

/// Packets of several lengths pass in both directions: padding has many cases.
fn passes(pair: &Pair, number: usize) -> Result<()> {
    let (left, right) = (format!("10.1.{number}.1"), format!("10.2.{number}.1"));
    ping_all(&pair.left, &left, &right, 3)?;
    ping_all(&pair.right, &right, &left, 3)?;
    for length in ["0", "1", "13", "600", "1300"] {
        let sweep = [
            "-n", "-q", "-c", "1", "-W", "2", "-s", length, "-I", &left, &right,
        ];
        pair.left
            .run("ping", &sweep)
            .with_context(|| format!("{length} octets"))?;
    }
    Ok(())
}

#[test]
fn strongswan_initiates_with_each() -> Result<()> {
    let pair = Pair::new()?;
    add_inner_addresses(&pair)?;
    let tunnels: Vec<Tunnel> = (0..COMBINATIONS.len()).map(tunnel).collect();
    let mirrored: Vec<Tunnel> = tunnels.iter().map(Tunnel::mirrored).collect();
    let headend = Palisade::start(&pair.right, &mirrored, "")?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &tunnels, "")?;
    for (number, combination) in COMBINATIONS.iter().enumerate() {
        swan.initiate(&format!("net{number}"))
            .and_then(|_| passes(&pair, number))
            .with_context(|| format!("{combination:?}\n{}", headend.drops()))?;
    }
    assert_eq!(swan.installed_children()?, COMBINATIONS.len());
    Ok(())
}

#[test]
fn palisade_initiates_with_each() -> Result<()> {
    let pair = Pair::new()?;
    add_inner_addresses(&pair)?;
    let tunnels: Vec<Tunnel> = (0..COMBINATIONS.len()).map(tunnel).collect();
    let swan = StrongSwan::start(&pair.left, Settings::default(), &tunnels, "")?;
    let starting: Vec<Tunnel> = tunnels
        .iter()
        .map(|tunnel| tunnel.mirrored().child("start_action", "\"start\""))
        .collect();
    let headend = Palisade::start(&pair.right, &starting, "")?;
    wait::until("all Child SAs", PATIENCE, || {
        swan.installed_children()
            .is_ok_and(|installed| installed == COMBINATIONS.len())
    })
    .with_context(|| swan.sas().unwrap_or_default())?;
    for (number, combination) in COMBINATIONS.iter().enumerate() {
        passes(&pair, number).with_context(|| format!("{combination:?}\n{}", headend.drops()))?;
    }
    Ok(())
}

/// The responder prefers another group than the one the initiator guessed (RFC 7296 §1.2,
/// INVALID_KE_PAYLOAD), in both roles.
#[test]
fn a_wrongly_guessed_group_is_corrected() -> Result<()> {
    let guess = "aes256gcm16-prfsha256-x25519-ecp384";
    let answer = "aes256gcm16-prfsha256-ecp384";
    {
        let pair = Pair::new()?;
        let left = Tunnel::of_pair().with_proposals(guess, "aes256gcm16");
        let right = Tunnel::of_pair()
            .mirrored()
            .with_proposals(answer, "aes256gcm16");
        crate::stage::Stage::new(&pair, &left, &right)?.up()?;
    }
    let pair = Pair::new()?;
    let left = Tunnel::of_pair().with_proposals(answer, "aes256gcm16");
    let right = Tunnel::of_pair()
        .mirrored()
        .with_proposals(guess, "aes256gcm16")
        .child("start_action", "\"start\"");
    let stage = crate::stage::Stage::new(&pair, &left, &right)?;
    wait::until("a Child SA", PATIENCE, || {
        stage
            .swan
            .installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    stage.passes()
}
