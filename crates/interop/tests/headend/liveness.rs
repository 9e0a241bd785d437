//! Dead peers are found in the time that the policy allows, and living ones answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use interop::network::Pair;
use interop::traffic::ping;
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT, Stage};

/// Interval 2 s, then tries at +0, +1, +2 s (the gaps of IKEv2 grow inside the same total), the
/// verdict at +3 s.
pub(crate) const FAST: &str =
    "interval = \"2s\", retry = \"1s\", retries = 2, jitter = 0, allow_fast = true";
pub(crate) const INTERVAL: Duration = Duration::from_secs(2);
pub(crate) const TRIES: Duration = Duration::from_secs(3);
/// For the scrape that notices, and a loaded machine.
pub(crate) const SLACK: Duration = Duration::from_millis(700);

pub(crate) fn dead(stage: &Stage<'_>) -> bool {
    stage
        .headend
        .metric("palisade_dpd_verdicts_total", "")
        .is_ok_and(|verdicts| verdicts > 0.5)
}

fn with_mode(mode: &str) -> Tunnel {
    Tunnel::of_pair()
        .mirrored()
        .connection("dpd", &format!("{{ mode = \"{mode}\", {FAST} }}"))
}

#[test]
fn periodic_finds_an_idle_dead_peer_in_time() -> Result<()> {
    let pair = Pair::new()?;
    let mut stage = Stage::new(&pair, &Tunnel::of_pair(), &with_mode("periodic"))?;
    stage.up()?;
    // Alive and idle: probed and answered, never declared dead.
    std::thread::sleep(INTERVAL * 2 + TRIES);
    assert!(!dead(&stage));
    assert!(stage.headend.metric("palisade_dpd_answers_total", "")? > 0.5);

    stage.swan.kill()?;
    let killed = Instant::now();
    wait::until("the verdict", INTERVAL + TRIES + PATIENCE, || dead(&stage))?;
    let elapsed = killed.elapsed();
    assert!(
        elapsed <= INTERVAL + TRIES + SLACK,
        "found only after {elapsed:?}"
    );
    assert!(elapsed >= TRIES, "after {elapsed:?} it could not be known");
    stage.await_no_peers()?;
    let evidence = stage.headend.query(&["why-dead", "left.test"])?;
    let tries = evidence
        .pointer("/0/tries")
        .and_then(|tries| tries.as_array());
    assert_eq!(tries.map(Vec::len), Some(3), "{evidence}");
    let why = stage.headend.control(&["why-dead", "left.test"])?;
    assert!(why.contains("left.test"), "{why}");
    Ok(())
}

#[test]
fn on_demand_asks_only_once_there_is_traffic() -> Result<()> {
    let pair = Pair::new()?;
    let mut stage = Stage::new(&pair, &Tunnel::of_pair(), &with_mode("on-demand"))?;
    stage.up()?;
    stage.swan.kill()?;
    let before = stage.headend.metric("palisade_dpd_probes_total", "")?;
    std::thread::sleep(INTERVAL * 2 + TRIES);
    let idle = stage.headend.metric("palisade_dpd_probes_total", "")?;
    assert!((idle - before).abs() < 0.5, "an idle tunnel is left alone");
    assert!(!dead(&stage));

    let asked = Instant::now();
    assert_eq!(ping(&pair.right, RIGHT, LEFT, 1)?, 0);
    wait::until("the verdict", TRIES + PATIENCE, || dead(&stage))?;
    let elapsed = asked.elapsed();
    assert!(elapsed <= TRIES + SLACK, "found only after {elapsed:?}");
    stage.await_no_peers()
}

#[test]
fn a_dead_peer_may_come_back() -> Result<()> {
    let pair = Pair::new()?;
    let mut stage = Stage::new(&pair, &Tunnel::of_pair(), &with_mode("periodic"))?;
    stage.up()?;
    stage.swan.kill()?;
    wait::until("the verdict", PATIENCE, || dead(&stage))?;
    let swan = interop::strongswan::StrongSwan::start(
        &pair.left,
        interop::strongswan::Settings::default(),
        &[Tunnel::of_pair()],
        "",
    )?;
    stage.swan = swan;
    stage.up()
}

/// With `action = "restart"` Palisade sets the tunnel up again as soon as the peer is back.
#[test]
fn restart_brings_the_tunnel_back() -> Result<()> {
    let pair = Pair::new()?;
    let right = Tunnel::of_pair().mirrored().connection(
        "dpd",
        &format!("{{ mode = \"periodic\", action = \"restart\", {FAST} }}"),
    );
    let mut stage = Stage::new(&pair, &Tunnel::of_pair(), &right)?;
    stage.up()?;
    stage.swan.kill()?;
    wait::until("the verdict", PATIENCE, || dead(&stage))?;
    stage.swan = interop::strongswan::StrongSwan::start(
        &pair.left,
        interop::strongswan::Settings::default(),
        &[Tunnel::of_pair()],
        "",
    )?;
    wait::until("the tunnel to be back", Duration::from_secs(40), || {
        stage
            .swan
            .installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    stage.passes()
}

#[test]
fn palisade_answers_strongswans_probes() -> Result<()> {
    let pair = Pair::new()?;
    let left = Tunnel::of_pair().connection("dpd_delay", "1s");
    let right = Tunnel::of_pair()
        .mirrored()
        .connection("dpd", "{ mode = \"respond-only\" }");
    let stage = Stage::new(&pair, &left, &right)?;
    stage.up()?;
    wait::until("three answered probes", PATIENCE, || {
        stage
            .headend
            .metric("palisade_dpd_peer_probes_answered_total", "")
            .is_ok_and(|answered| answered > 2.5)
    })?;
    assert!(
        !stage.swan.log().contains("retransmit"),
        "each was answered at once"
    );
    stage.passes()
}

/// The other way round: Palisade is killed, and strongSwan notices.
#[test]
fn strongswan_finds_palisade_dead() -> Result<()> {
    let pair = Pair::new()?;
    let left = Tunnel::of_pair().connection("dpd_delay", "1s");
    let right = Tunnel::of_pair().mirrored();
    let headend = interop::palisade::Palisade::start(&pair.right, &[right], "")?;
    let settings = interop::strongswan::Settings {
        retransmit_tries: Some(0),
        ..interop::strongswan::Settings::default()
    };
    let swan = interop::strongswan::StrongSwan::start(&pair.left, settings, &[left], "")?;
    let mut stage = Stage {
        pair: &pair,
        swan,
        headend,
    };
    stage.up()?;
    stage.headend.kill()?;
    wait::until("strongSwan's verdict", PATIENCE * 2, || {
        stage
            .swan
            .sas()
            .is_ok_and(|sas| !sas.contains("ESTABLISHED"))
    })?;
    Ok(())
}
