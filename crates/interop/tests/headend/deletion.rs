//! Deleting from either side: both forget, and nothing passes any more.

use anyhow::Result;
use interop::network::Pair;
use interop::traffic::ping;
use interop::tunnel::Tunnel;
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT, Stage};

fn goes_down(take_down: impl FnOnce(&mut Stage<'_>) -> Result<()>) -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let mut stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    take_down(&mut stage)?;
    stage.await_nothing()?;
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    // And it can come up again.
    stage.up()
}

#[test]
fn strongswan_deletes_the_ike_sa() -> Result<()> {
    goes_down(|stage| {
        stage
            .swan
            .control(&["--terminate", "--ike", "net", "--timeout", "10"])
            .map(drop)
    })
}

#[test]
fn palisade_deletes_the_ike_sa() -> Result<()> {
    goes_down(|stage| stage.headend.control(&["terminate", "left.test"]).map(drop))
}

/// Only the child goes; the IKE SA stays and carries another one.
fn child_goes_down(take_down: impl FnOnce(&Stage<'_>) -> Result<()>) -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    take_down(&stage)?;
    wait::until("strongSwan without a child", PATIENCE, || {
        stage
            .swan
            .installed_children()
            .is_ok_and(|installed| installed == 0)
    })?;
    stage.await_no_peers()?;
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    assert!(stage.swan.sas()?.contains("ESTABLISHED"));
    stage.up()?;
    assert_eq!(stage.swan.sas()?.matches("ESTABLISHED").count(), 1);
    Ok(())
}

#[test]
fn strongswan_deletes_the_child() -> Result<()> {
    child_goes_down(|stage| {
        stage
            .swan
            .control(&["--terminate", "--child", "net", "--timeout", "10"])
            .map(drop)
    })
}

#[test]
fn palisade_deletes_the_child() -> Result<()> {
    child_goes_down(|stage| {
        stage
            .headend
            .control(&["terminate", "left.test", "--child", "net"])
            .map(drop)
    })
}

/// SIGTERM: peers are told, routes are taken back, and it takes no longer than it may.
#[test]
fn a_headend_that_ends_says_goodbye() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let mut stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    stage.up()?;
    let routed = pair.right.ip("route show table all")?;
    assert!(routed.contains("10.1.0.0/24"), "{routed}");
    let status = stage.headend.terminate()?;
    assert!(status.success(), "{status}");
    wait::until("strongSwan without SAs", PATIENCE, || {
        stage
            .swan
            .sas()
            .is_ok_and(|sas| !sas.contains("ESTABLISHED"))
    })?;
    let routed = pair.right.ip("route show table all")?;
    assert!(!routed.contains("10.1.0.0/24"), "{routed}");
    Ok(())
}
