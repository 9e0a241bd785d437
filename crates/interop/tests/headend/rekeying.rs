//! Rekeying of Child and IKE SAs from either side, with streams running: not one datagram is lost.

use std::time::Duration;

use anyhow::{Result, ensure};
use interop::network::Pair;
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{PATIENCE, Stage};

/// Time for the streams before and after each rekey.
const CALM: Duration = Duration::from_millis(400);
/// What the streams must have sent by then, to mean anything.
const SENT_MIN: u64 = 300;

/// Brings the tunnel up, starts the streams, calls `rekey` three times, waits each time until
/// Palisade has counted one more of `counted`, and checks the streams.
fn loses_nothing(counted: &str, rekey: impl Fn(&Stage<'_>) -> Result<()>) -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair().with_proposals(
        "aes256gcm16-prfsha256-x25519",
        "aes256gcm16-x25519,aes256gcm16",
    );
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    let flows = stage.flows()?;
    for round in 1..=3 {
        std::thread::sleep(CALM);
        rekey(&stage)?;
        wait::until("the rekey to be counted", PATIENCE, || {
            stage
                .headend
                .metric("palisade_ike_rekeys_total", counted)
                .is_ok_and(|rekeys| rekeys > f64::from(round) - 0.5)
        })?;
    }
    std::thread::sleep(CALM);
    flows.all_arrived(SENT_MIN)?;
    stage.passes()
}

#[test]
fn strongswan_rekeys_the_child() -> Result<()> {
    loses_nothing("sa=\"child\"", |stage| {
        stage.swan.control(&["--rekey", "--child", "net"]).map(drop)
    })
}

#[test]
fn strongswan_rekeys_the_ike_sa() -> Result<()> {
    loses_nothing("sa=\"ike\"", |stage| {
        stage.swan.control(&["--rekey", "--ike", "net"]).map(drop)
    })
}

#[test]
fn palisade_rekeys_the_child() -> Result<()> {
    loses_nothing("sa=\"child\"", |stage| {
        stage
            .headend
            .control(&["rekey", "left.test", "--child", "net"])
            .map(drop)
    })
}

#[test]
fn palisade_rekeys_the_ike_sa() -> Result<()> {
    loses_nothing("sa=\"ike\"", |stage| {
        stage.headend.control(&["rekey", "left.test"]).map(drop)
    })
}

/// By the clock, both sides at nearly the same moments: collisions are likely and must not matter.
#[test]
fn both_rekey_by_time() -> Result<()> {
    let pair = Pair::new()?;
    let left = Tunnel::of_pair()
        .connection("rekey_time", "5s")
        .connection("rand_time", "0s")
        .connection("over_time", "60s")
        .child("rekey_time", "2s")
        .child("rand_time", "0s")
        .child("life_time", "60s");
    let right = Tunnel::of_pair()
        .mirrored()
        .connection("rekey_time", "\"5s\"")
        .connection("rand_time", "\"0s\"")
        .connection("over_time", "\"60s\"")
        .child("rekey_time", "\"2s\"")
        .child("rand_time", "\"0s\"")
        .child("life_time", "\"60s\"");
    let stage = Stage::new(&pair, &left, &right)?;
    stage.up()?;
    let flows = stage.flows()?;
    std::thread::sleep(Duration::from_secs(11));
    flows.all_arrived(SENT_MIN)?;
    assert!(
        stage
            .headend
            .metric("palisade_ike_rekeys_total", "sa=\"child\"")?
            > 2.5
    );
    assert!(
        stage
            .headend
            .metric("palisade_ike_rekeys_total", "sa=\"ike\"")?
            > 0.5
    );
    stage.passes()
}

#[test]
fn palisade_rekeys_by_packets() -> Result<()> {
    let pair = Pair::new()?;
    let right = Tunnel::of_pair().mirrored().child("rekey_packets", "300");
    let stage = Stage::new(&pair, &Tunnel::of_pair(), &right)?;
    stage.up()?;
    let flows = stage.flows()?;
    wait::until("two rekeys", PATIENCE, || {
        stage
            .headend
            .metric("palisade_ike_rekeys_total", "sa=\"child\"")
            .is_ok_and(|rekeys| rekeys > 1.5)
    })?;
    std::thread::sleep(CALM);
    flows.all_arrived(SENT_MIN)
}

/// A new IKE SA with its children before the old one goes: nothing is lost either.
#[test]
fn palisade_authenticates_anew() -> Result<()> {
    let pair = Pair::new()?;
    let right = Tunnel::of_pair()
        .mirrored()
        .connection("reauth_time", "\"3s\"")
        .child("start_action", "\"start\"");
    let stage = Stage::new(&pair, &Tunnel::of_pair(), &right)?;
    wait::until("a Child SA", PATIENCE, || {
        stage
            .swan
            .installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    stage.passes()?;
    let flows = stage.flows()?;
    wait::until("two more IKE SAs", PATIENCE, || {
        stage
            .headend
            .metric("palisade_ike_setups_total", "initiator")
            .is_ok_and(|setups| setups > 2.5)
    })?;
    std::thread::sleep(CALM);
    // A new IKE SA replaces the old one with its Child SAs; what was in the air on the old one when it
    // closed is gone. That is one datagram each time at most, unlike a rekey, which loses none.
    for report in flows.finish()? {
        ensure!(
            report.sent >= SENT_MIN && report.missing.len() <= 4 && report.duplicates == 0,
            "{report:?}"
        );
    }
    stage.passes()
}
