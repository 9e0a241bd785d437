//! Both ends prove who they are by certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Instant;

use anyhow::Result;
use authority::{Authority, Issued, KeyKind, Wanted};
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::scratch::Scratch;
use interop::strongswan::StrongSwan;
use interop::traffic::ping;
use interop::tunnel::Tunnel;
use interop::wait;

use crate::liveness::{FAST, INTERVAL, SLACK, TRIES, dead};
use crate::stage::{LEFT, PATIENCE, RIGHT, Stage};

/// One authority, one below it that certifies strongSwan, and a certificate for each end.
struct Estate {
    root: Authority,
    between: Authority,
    left: Issued,
    scratch: Scratch,
}

impl Estate {
    fn new(key: KeyKind) -> Result<Self> {
        let root = Authority::root("Root", key)?;
        let between = root.below("Between", key)?;
        let left = between.issue(&Wanted {
            key,
            name: "left",
            dns: &["left.test"],
            ..Wanted::default()
        })?;
        let right = root.issue(&Wanted {
            key,
            name: "right",
            dns: &["right.test"],
            ..Wanted::default()
        })?;
        let scratch = Scratch::new("certificates")?;
        scratch.write("ca.pem", root.certificate())?;
        scratch.write("right.pem", &right.certificate)?;
        let file = scratch.write("right.key", &right.key)?;
        fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            root,
            between,
            left,
            scratch,
        })
    }

    fn swan(&self, pair: &Pair, tunnel: Tunnel) -> Result<StrongSwan> {
        let left = tunnel.authenticated(
            &[("auth", "pubkey"), ("certs", "left.pem")],
            &[("auth", "pubkey"), ("cacerts", "ca.pem")],
        );
        let files = [
            ("x509ca/ca.pem", self.root.certificate()),
            ("x509ca/between.pem", self.between.certificate()),
            ("x509/left.pem", &self.left.certificate),
            ("private/left.key", &self.left.key),
        ];
        StrongSwan::start_certified(&pair.left, &[left], &files)
    }

    fn headend<'p>(&self, pair: &'p Pair, tunnel: Tunnel) -> Result<Palisade<'p>> {
        let file = |name: &str| format!("\"{}\"", self.scratch.path().join(name).display());
        let right = tunnel.authenticated(
            &[
                ("auth", "\"pubkey\""),
                ("certs", &file("right.pem")),
                ("key", &file("right.key")),
            ],
            &[("auth", "\"pubkey\""), ("cacerts", &file("ca.pem"))],
        );
        Palisade::start(&pair.right, &[right], "")
    }

    fn stage<'p>(&self, pair: &'p Pair, left: Tunnel, right: Tunnel) -> Result<Stage<'p>> {
        Ok(Stage {
            pair,
            headend: self.headend(pair, right)?,
            swan: self.swan(pair, left)?,
        })
    }
}

fn strongswan_initiates(key: KeyKind) -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(key)?);
    let tunnel = Tunnel::of_pair();
    let stage = estate.stage(&pair, tunnel.clone(), tunnel.mirrored())?;
    stage.up()?;
    let setups = stage
        .headend
        .metric("palisade_ike_setups_total", "responder")?;
    assert!(setups > 0.5);
    let log = stage.swan.log();
    assert!(
        log.contains("with ECDSA") || log.contains("with RSA"),
        "{log}"
    );
    Ok(())
}

fn palisade_initiates(key: KeyKind) -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(key)?);
    let tunnel = Tunnel::of_pair();
    let swan = estate.swan(&pair, tunnel.clone())?;
    let right = tunnel.mirrored().child("start_action", "\"start\"");
    let headend = estate.headend(&pair, right)?;
    wait::until("a Child SA", PATIENCE, || {
        swan.installed_children().is_ok_and(|n| n == 1)
    })?;
    let stage = Stage {
        pair: &pair,
        swan,
        headend,
    };
    stage.passes()?;
    let setups = stage
        .headend
        .metric("palisade_ike_setups_total", "initiator")?;
    assert!(setups > 0.5);
    Ok(())
}

#[test]
fn strongswan_initiates_with_ecdsa() -> Result<()> {
    strongswan_initiates(KeyKind::EcdsaP256)
}

#[test]
fn strongswan_initiates_with_rsa() -> Result<()> {
    strongswan_initiates(KeyKind::Rsa2048)
}

#[test]
fn palisade_initiates_with_ecdsa() -> Result<()> {
    palisade_initiates(KeyKind::EcdsaP256)
}

#[test]
fn palisade_initiates_with_rsa() -> Result<()> {
    palisade_initiates(KeyKind::Rsa2048)
}

/// Two certificates and a signature of RSA do not fit one datagram of 576 octets, from either side.
#[test]
fn large_messages_go_in_fragments() -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(KeyKind::Rsa2048)?);
    let tunnel = Tunnel::of_pair();
    let right = tunnel.mirrored().connection("fragment_size", "576");
    let stage = estate.stage(&pair, tunnel, right)?;
    stage.up()?;
    let log = stage.swan.log();
    assert!(log.contains("splitting IKE message"), "{log}");
    assert!(log.contains("reassembled fragmented IKE message"), "{log}");
    Ok(())
}

#[test]
fn a_certified_peer_that_dies_is_found_in_time() -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(KeyKind::EcdsaP256)?);
    let dpd = format!("{{ mode = \"periodic\", {FAST} }}");
    let right = Tunnel::of_pair().mirrored().connection("dpd", &dpd);
    let mut stage = estate.stage(&pair, Tunnel::of_pair(), right)?;
    stage.up()?;
    std::thread::sleep(INTERVAL * 2 + TRIES);
    assert!(!dead(&stage));
    assert!(stage.headend.metric("palisade_dpd_answers_total", "")? > 0.5);
    stage.swan.kill()?;
    let killed = Instant::now();
    wait::until("the verdict", INTERVAL + TRIES + PATIENCE, || dead(&stage))?;
    let elapsed = killed.elapsed();
    assert!(
        elapsed <= INTERVAL + TRIES + SLACK,
        "only after {elapsed:?}"
    );
    stage.await_no_peers()
}

#[test]
fn a_distinguished_name_identifies_with_wildcards() -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(KeyKind::EcdsaP256)?);
    let mut left = Tunnel::of_pair();
    left.local.id = "\"C=CH, O=Palisade, CN=left\"".into();
    let mut right = Tunnel::of_pair().mirrored();
    right.remote.id = "C=CH, O=Palisade, CN=*".into();
    let stage = estate.stage(&pair, left, right)?;
    stage.up()?;
    let peers = stage.headend.control(&["peers"])?;
    assert!(peers.contains("CN=left"), "{peers}");
    Ok(())
}

/// The authority has the same name, and another key.
#[test]
fn a_certificate_of_another_authority_opens_nothing() -> Result<()> {
    let (pair, estate) = (Pair::new()?, Estate::new(KeyKind::EcdsaP256)?);
    let stranger = Estate::new(KeyKind::EcdsaP256)?;
    let mixed = Estate {
        left: stranger.left.clone(),
        between: stranger.between,
        ..estate
    };
    let tunnel = Tunnel::of_pair();
    let stage = mixed.stage(&pair, tunnel.clone(), tunnel.mirrored())?;
    let refused = stage.swan.initiate("net").expect_err("it is a stranger");
    assert!(refused.to_string().contains("AUTH_FAILED"), "{refused}");
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    let failed = stage.headend.metric(
        "palisade_ike_setup_failures_total",
        "reason=\"certificate_untrusted\"",
    )?;
    assert!(failed > 0.5);
    Ok(())
}
