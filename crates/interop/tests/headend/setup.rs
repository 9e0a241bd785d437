//! Tunnels come up, whoever starts, and only for those who may.

use anyhow::Result;
use interop::capture::Capture;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::scratch::Scratch;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{ping, ping_all};
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT, Stage};

#[test]
fn strongswan_initiates() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0, "no tunnel, no answer");
    let esp = Capture::start(&pair.right, "outer", "udp port 4500")?;
    stage.up()?;
    // Ten echo requests and their answers, besides IKE_AUTH.
    assert!(esp.count()? >= 20);
    assert!(
        stage
            .headend
            .metric("palisade_ike_setups_total", "responder")?
            > 0.5
    );
    assert!(
        stage
            .headend
            .metric("palisade_esp_packets_total", "inbound")?
            > 9.5
    );
    Ok(())
}

#[test]
fn palisade_initiates() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let swan = StrongSwan::start(
        &pair.left,
        Settings::default(),
        std::slice::from_ref(&tunnel),
        "",
    )?;
    let right = tunnel.mirrored().child("start_action", "\"start\"");
    let headend = Palisade::start(&pair.right, &[right], "")?;
    wait::until("a Child SA", PATIENCE, || {
        swan.installed_children().is_ok_and(|n| n == 1)
    })?;
    ping_all(&pair.right, RIGHT, LEFT, 5)?;
    ping_all(&pair.left, LEFT, RIGHT, 5)?;
    assert!(headend.metric("palisade_ike_setups_total", "initiator")? > 0.5);
    Ok(())
}

#[test]
fn palisade_initiates_when_traffic_asks_for_it() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let swan = StrongSwan::start(
        &pair.left,
        Settings::default(),
        std::slice::from_ref(&tunnel),
        "",
    )?;
    let right = tunnel.mirrored().child("start_action", "\"trap\"");
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    assert_eq!(swan.installed_children()?, 0);
    // The packets that ask for the tunnel may be lost to its set-up.
    wait::until("an answer", PATIENCE, || {
        ping(&pair.right, RIGHT, LEFT, 1).is_ok_and(|answered| answered == 1)
    })?;
    ping_all(&pair.right, RIGHT, LEFT, 5)?;
    assert_eq!(swan.installed_children()?, 1);
    Ok(())
}

#[test]
fn a_wrong_secret_opens_nothing() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let headend = Palisade::start(&pair.right, &[tunnel.mirrored()], "")?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[], "")?;
    swan.reload_with_secret(&[tunnel], "not the secret")?;
    let refused = swan
        .initiate("net")
        .expect_err("the secret is wrong")
        .to_string();
    assert!(refused.contains("AUTH_FAILED"), "{refused}");
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    assert!(headend.metric("palisade_ike_setup_failures_total", "")? > 0.5);
    assert!(headend.metric("palisade_child_sas", "")? < 0.5);
    Ok(())
}

/// Two Child SAs under one IKE SA, each for traffic of its own.
#[test]
fn several_children_share_an_ike_sa() -> Result<()> {
    let pair = Pair::new()?;
    pair.left.add_inner(&["10.1.9.1/32"])?;
    pair.right.add_inner(&["10.2.9.1/32"])?;
    let tunnel = Tunnel::of_pair().another_child("other", "10.1.9.0/24", "10.2.9.0/24");
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    assert_eq!(ping(&pair.left, "10.1.9.1", "10.2.9.1", 2)?, 0);
    stage.swan.initiate("other")?;
    ping_all(&pair.left, "10.1.9.1", "10.2.9.1", 5)?;
    ping_all(&pair.right, "10.2.9.1", "10.1.9.1", 5)?;
    stage.passes()?;
    let sas = stage.swan.sas()?;
    assert_eq!(sas.matches("ESTABLISHED").count(), 1, "{sas}");
    assert_eq!(sas.matches("INSTALLED").count(), 2, "{sas}");
    Ok(())
}

/// Every source must return a cookie first (RFC 7296 §2.6).
#[test]
fn strongswan_returns_the_cookie() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let always = "[headend]\ncookie_threshold = 0\n";
    let stage = Stage::with_sections(&pair, &tunnel, &tunnel.mirrored(), always)?;
    stage.up()?;
    assert!(
        stage.swan.log().contains("N(COOKIE)"),
        "no cookie was asked for"
    );
    Ok(())
}

/// IKE_AUTH with sixty selectors does not fit into 576 octets (RFC 7383).
#[test]
fn long_messages_are_fragmented_both_ways() -> Result<()> {
    let pair = Pair::new()?;
    let mut left = Tunnel::of_pair();
    left.remote.selectors = (0..60).map(|net| format!("10.2.{net}.0/25")).collect();
    let right = left.mirrored().connection("fragment_size", "576");
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    let settings = Settings {
        fragment_size: Some(576),
        ..Settings::default()
    };
    let swan = StrongSwan::start(&pair.left, settings, &[left], "")?;
    swan.initiate("net")?;
    ping_all(&pair.left, LEFT, RIGHT, 5)?;
    ping_all(&pair.right, RIGHT, LEFT, 5)?;
    let log = swan.log();
    assert!(log.contains("splitting IKE message"), "sent whole");
    assert!(log.contains("received fragment #2"), "received whole");
    Ok(())
}

#[test]
fn selectors_are_narrowed_to_what_both_allow() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let mut wide = tunnel.clone();
    wide.remote.selectors = vec!["10.0.0.0/8".to_owned()];
    let stage = Stage::new(&pair, &wide, &tunnel.mirrored())?;
    stage.up()?;
    let sas = stage.swan.sas()?;
    assert!(sas.contains("remote 10.2.0.0/24"), "{sas}");
    Ok(())
}

/// What is outside the selectors is dropped, though it comes through the tunnel.
#[test]
fn an_inner_source_outside_the_selectors_is_dropped() -> Result<()> {
    let pair = Pair::new()?;
    pair.left.add_inner(&["10.1.77.1/32"])?;
    let tunnel = Tunnel::of_pair();
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    assert_eq!(ping(&pair.left, "10.1.77.1", RIGHT, 2)?, 0);
    stage.passes()
}

#[test]
fn metrics_please_promtool() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    let page = stage.headend.metrics()?;
    let series = page.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 2_000, "{series} series");
    let scratch = Scratch::new("metrics")?;
    let file = scratch.write("page", &page)?;
    let judge = format!("promtool check metrics <{} 2>&1", file.display());
    let verdict = pair.right.run("sh", &["-c", &judge])?;
    assert!(verdict.trim().is_empty(), "{verdict}");
    Ok(())
}
