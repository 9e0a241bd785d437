//! A router on the way takes smaller packets than the headend believes.

use anyhow::{Context, Result, ensure};
use interop::iperf3;
use interop::network::Routed;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

/// What the router's far link takes.
const NARROW: u16 = 1_300;
/// An unoptimised build on a busy machine is still far above.
const BITS_PER_SECOND_MIN: f64 = 2e6;

struct Stage<'a, R = Palisade<'a>> {
    routed: &'a Routed,
    left: Palisade<'a>,
    _right: R,
}

impl<'a> Stage<'a> {
    /// Palisade at both ends.
    fn new(routed: &'a Routed, ipv6: bool, child: &[(&str, &str)], sections: &str) -> Result<Self> {
        Self::with_responder(routed, ipv6, child, sections, |tunnel| {
            Palisade::start(&routed.right, &[tunnel], sections)
        })
    }
}

impl<'a, R> Stage<'a, R> {
    /// Palisade on the left and another program on the right, with a tunnel through the router. The inner
    /// device believes in 1,400 octets.
    fn with_responder(
        routed: &'a Routed,
        ipv6: bool,
        child: &[(&str, &str)],
        sections: &str,
        respond: impl FnOnce(Tunnel) -> Result<R>,
    ) -> Result<Self> {
        let (left, right) = if ipv6 {
            ("2001:db8:1::1", "2001:db8:2::2")
        } else {
            ("192.0.2.1", "198.51.100.2")
        };
        let tunnel = Tunnel::new(
            "net",
            End::new(left, "left.test", &["10.1.0.0/24"]),
            End::new(right, "right.test", &["10.2.0.0/24"]),
        );
        let responder = respond(tunnel.mirrored())?;
        let starting = tunnel.child("start_action", "\"start\"");
        let starting = child
            .iter()
            .fold(starting, |tunnel, (key, value)| tunnel.child(key, value));
        let initiator = Palisade::start(&routed.left, &[starting], sections)?;
        wait::until("a Child SA", PATIENCE, || {
            initiator
                .metric("palisade_child_sas", "")
                .is_ok_and(|children| children > 0.5)
        })?;
        ping_all(&routed.left, LEFT, RIGHT, 3)?;
        Ok(Self {
            routed,
            left: initiator,
            _right: responder,
        })
    }

    /// TCP from the left to the right for two seconds: a connection that stalls brings next to nothing.
    fn transfer(&self) -> Result<()> {
        let server = iperf3::Server::start(&self.routed.right, RIGHT)?;
        let report = server.load(&self.routed.left, LEFT, 2, &[])?;
        let received = iperf3::tcp_received(&report).with_context(|| report.to_string())?;
        ensure!(received > BITS_PER_SECOND_MIN, "{received} bit/s");
        Ok(())
    }
}

fn learns(ipv6: bool, sections: &str) -> Result<()> {
    let routed = Routed::new(NARROW)?;
    learns_on(&Stage::new(&routed, ipv6, &[], sections)?)
}

fn learns_on<R>(stage: &Stage<'_, R>) -> Result<()> {
    let routed = stage.routed;
    stage.transfer()?;
    let rows = stage.left.query(&["sas"])?;
    ensure!(
        rows.to_string().contains(&format!("\"path_mtu\":{NARROW}")),
        "{rows}"
    );
    for metric in [
        "palisade_narrow_paths",
        "palisade_net_fragmented_total",
        "palisade_icmp_too_big_total",
    ] {
        ensure!(stage.left.metric(metric, "")? > 0.5, "{metric} is 0");
    }
    // The sender was told: its kernel knows what fits, and no more goes in fragments.
    let route = routed.left.ip(&format!("route get {RIGHT} from {LEFT}"))?;
    ensure!(route.contains("mtu 12"), "{route}");
    let before = stage.left.metric("palisade_net_fragmented_total", "")?;
    stage.transfer()?;
    let after = stage.left.metric("palisade_net_fragmented_total", "")?;
    ensure!(after - before < 0.5, "{before} {after}");
    Ok(())
}

#[test]
fn a_narrow_path_is_learnt_and_inner_senders_are_told() -> Result<()> {
    learns(false, "")
}

#[test]
fn also_over_ipv6() -> Result<()> {
    learns(true, "")
}

#[test]
fn also_without_offloads() -> Result<()> {
    learns(false, "[headend]\noffload = false\n")
}

#[test]
fn also_on_io_uring() -> Result<()> {
    learns(false, "[headend]\nengine = \"io_uring\"\n")
}

#[test]
fn also_for_protocol_50() -> Result<()> {
    learns(false, "[headend]\nraw_esp = true\n")
}

/// strongSwan says in its own ways what it takes and answers; what we learn does not depend on them.
#[test]
fn also_towards_strongswan() -> Result<()> {
    let routed = Routed::new(NARROW)?;
    let stage = Stage::with_responder(&routed, false, &[], "", |tunnel| {
        StrongSwan::start(&routed.right, Settings::default(), &[tunnel], "")
    })?;
    learns_on(&stage)
}

/// Whether a packet of 1,328 octets that must not be fragmented passes.
fn large_passes(stage: &Stage<'_>) -> Result<bool> {
    let ping = ["-n", "-q", "-c", "2", "-W", "1", "-M", "do", "-s", "1300"];
    let ping = [&ping[..], &["-I", LEFT, RIGHT]].concat();
    Ok(stage.routed.left.run("ping", &ping).is_ok())
}

/// Nobody says why large packets vanish: what the operator can do about it.
#[test]
fn where_icmp_is_filtered_the_operator_has_the_word() -> Result<()> {
    let routed = Routed::new(NARROW)?;
    routed.silence_router()?;
    let stage = Stage::new(&routed, false, &[("mss_clamp", "1160")], "")?;
    ensure!(!large_passes(&stage)?, "the router is no black hole");
    ensure!(stage.left.metric("palisade_narrow_paths", "")? < 0.5);
    // TCP keeps within what it was allowed.
    stage.transfer()?;
    // With a word to the kernel the path is learnt as if ICMP had come.
    routed
        .left
        .ip("route replace 198.51.100.0/24 via 192.0.2.254 mtu 1300")?;
    large_passes(&stage)?;
    let received = ping(&routed.left, LEFT, RIGHT, 2)?;
    ensure!(received == 2);
    ensure!(stage.left.metric("palisade_narrow_paths", "")? > 0.5);
    ensure!(stage.left.metric("palisade_net_fragmented_total", "")? > 0.5);
    Ok(())
}
