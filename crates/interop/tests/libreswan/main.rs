//! IKEv1 with libreswan: both phases, and each end's R-U-THERE answered by the other. No packets: see
//! [`interop::libreswan`].

use std::time::Duration;

use anyhow::Result;
use interop::libreswan::Libreswan;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::tunnel::Tunnel;
use interop::wait;

const PATIENCE: Duration = Duration::from_secs(15);
const ESTABLISHED: &str = "IPsec SA established tunnel mode";
/// Several, not one by luck. All happens within 30 s: then the kernel forgets the SPIs that pluto
/// reserved, and pluto ends its SAs.
const PROBES: f64 = 2.5;

/// The two notations differ in words only.
fn ends() -> (Tunnel, Tunnel) {
    let tunnel = Tunnel::of_pair().over_ikev1();
    let left = tunnel
        .clone()
        .with_proposals("aes256-sha2_256;dh19", "aes256-sha2_256");
    let right = tunnel
        .with_proposals("aes256-sha256-ecp256", "aes256-sha256")
        .mirrored();
    (left, right)
}

fn await_metric(headend: &Palisade<'_>, name: &str, label: &str) -> Result<()> {
    wait::until(name, PATIENCE, || {
        headend
            .metric(name, label)
            .is_ok_and(|value| value > PROBES)
    })?;
    Ok(())
}

#[test]
fn libreswan_initiates_and_answers_probes() -> Result<()> {
    let pair = Pair::new()?;
    let (left, right) = ends();
    let dpd = "{ mode = \"periodic\", interval = \"1s\", retry = \"1s\", retries = 4, jitter = 0, allow_fast = true }";
    let headend = Palisade::start(&pair.right, &[right.connection("dpd", dpd)], "")?;
    let pluto = Libreswan::start(&pair.left, &left)?;
    let told = pluto.control(&["--initiate", "--name", "net"])?;
    assert!(told.contains(ESTABLISHED), "{told}");
    assert!(headend.metric("palisade_child_sas", "")? > 0.5);
    await_metric(&headend, "palisade_dpd_answers_total", "")?;
    assert!(headend.metric("palisade_ike_v1_sas", "")? > 0.5);
    pluto.control(&["--terminate", "--name", "net"])?;
    wait::until("Palisade without peers", PATIENCE, || {
        headend
            .metric("palisade_ike_v1_sas", "")
            .is_ok_and(|sas| sas < 0.5)
    })?;
    Ok(())
}

#[test]
fn libreswan_responds_and_has_its_probes_answered() -> Result<()> {
    let pair = Pair::new()?;
    let (left, right) = ends();
    let left = left
        .connection("dpddelay", "1")
        .connection("dpdtimeout", "10")
        .connection("dpdaction", "clear");
    let pluto = Libreswan::start(&pair.left, &left)?;
    let right = right
        .connection("dpd", "{ mode = \"respond-only\" }")
        .child("start_action", "\"start\"");
    let headend = Palisade::start(&pair.right, &[right], "")?;
    pluto.await_log(ESTABLISHED, PATIENCE)?;
    await_metric(&headend, "palisade_dpd_peer_probes_answered_total", "")?;
    assert!(headend.metric("palisade_child_sas", "")? > 0.5);
    Ok(())
}
