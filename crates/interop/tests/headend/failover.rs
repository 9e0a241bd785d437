//! Several peers for one connection: when one dies the next takes over, and traffic waits meanwhile.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::network::{Namespace, link};
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{Flow, ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::{LEFT, PATIENCE, RIGHT};

/// Interval 2 s, tries at +0, +1, +2 s, the verdict at +3 s.
const DPD: &str = "{ mode = \"periodic\", interval = \"2s\", retry = \"1s\", retries = 2, jitter = 0, \
                   allow_fast = true, action = \"next-peer\" }";
const VERDICT: Duration = Duration::from_secs(5);
/// For the question that notices, the set-up, and a loaded machine.
const SLACK: Duration = Duration::from_millis(1_500);
const PEER_TIMEOUT: &str = "[failover]\npeer_timeout = \"2s\"\n";
const ADDRESSES: [&str; 3] = ["198.51.100.2", "198.51.101.2", "198.51.102.2"];

/// A client with a wire to each of three responders, behind all of which lies the same network.
struct Scene {
    client: Namespace,
    responders: [Namespace; 3],
}

impl Scene {
    fn new() -> Result<Self> {
        let client = Namespace::new("client")?;
        client.add_inner(&["10.1.0.1/32"])?;
        let responder = |number: usize| -> Result<Namespace> {
            let responder = Namespace::new("responder")?;
            let device = format!("outer{number}");
            let net = format!("198.51.10{number}");
            link(
                (&client, &device, &[&format!("{net}.1/24")]),
                (&responder, "outer", &[&format!("{net}.2/24")]),
            )?;
            responder.refuse_plain("outer")?;
            responder.add_inner(&["10.2.0.1/32"])?;
            responder.ip(&format!("route add default via {net}.1"))?;
            Ok(responder)
        };
        let responders = [responder(0)?, responder(1)?, responder(2)?];
        client.refuse_plain("outer*")?;
        Ok(Self { client, responders })
    }

    fn client(&self, speak: Speak, extra: &[(&str, &str)]) -> Result<Palisade<'_>> {
        let mut tunnel = speak(tunnel())
            .connection("dpd", DPD)
            .child("start_action", "\"start\"");
        let listed = ADDRESSES.map(|address| format!("\"{address}\"")).join(", ");
        tunnel = tunnel.connection("remote_addrs", &format!("[{listed}]"));
        for (key, value) in extra {
            tunnel.connection.retain(|(known, _)| known != key);
            tunnel = tunnel.connection(key, value);
        }
        Palisade::start(&self.client, &[tunnel], PEER_TIMEOUT)
    }
}

/// Says over which version of IKE a tunnel goes.
type Speak = fn(Tunnel) -> Tunnel;

const IKEV2: Speak = |tunnel| tunnel;

fn tunnel() -> Tunnel {
    Tunnel::new(
        "net",
        End::new("%any", "left.test", &["10.1.0.0/24"]),
        End::new("%any", "right.test", &["10.2.0.0/24"]),
    )
}

/// Which program responds.
#[derive(Clone, Copy)]
enum Program {
    StrongSwan,
    Palisade,
}

enum Responder<'a> {
    StrongSwan(StrongSwan),
    Palisade(Palisade<'a>),
}

impl<'a> Responder<'a> {
    fn start(program: Program, namespace: &'a Namespace, speak: Speak) -> Result<Self> {
        let tunnel = speak(tunnel()).mirrored();
        Ok(match program {
            Program::StrongSwan => Self::StrongSwan(StrongSwan::start(
                namespace,
                Settings::default(),
                &[tunnel],
                "",
            )?),
            Program::Palisade => {
                let tunnel = tunnel.connection("dpd", "{ mode = \"respond-only\" }");
                Self::Palisade(Palisade::start(namespace, &[tunnel], "")?)
            }
        })
    }

    fn kill(&mut self) -> Result<()> {
        match self {
            Self::StrongSwan(swan) => swan.kill(),
            Self::Palisade(headend) => headend.kill(),
        }
    }
}

/// Whom the client's IKE SA leads to, if it stands.
fn reached(client: &Palisade<'_>) -> Option<String> {
    let peers = client.query(&["peers"]).ok()?;
    let row = peers.as_array()?.iter().find(|row| {
        row.pointer("/state").and_then(|state| state.as_str()) == Some("established")
    })?;
    let remote = row.pointer("/remote")?.as_str()?;
    Some(remote.rsplit_once(':')?.0.to_owned())
}

fn await_reached(client: &Palisade<'_>, address: &str, limit: Duration) -> Result<Duration> {
    let begun = Instant::now();
    wait::until(&format!("a tunnel to {address}"), limit, || {
        reached(client).as_deref() == Some(address)
    })
    .with_context(|| format!("it leads to {:?}\n{}", reached(client), client.log()))?;
    Ok(begun.elapsed())
}

/// Three responders are killed in turn; after each, traffic flows through the next, and after the
/// last through the first, which has come back.
fn killed_in_turn(program: Program, speak: Speak) -> Result<()> {
    let scene = Scene::new()?;
    let start = |number: usize| Responder::start(program, &scene.responders[number], speak);
    let mut responders = [start(0)?, start(1)?, start(2)?];
    let client = scene.client(speak, &[])?;
    await_reached(&client, ADDRESSES[0], PATIENCE)?;
    ping_all(&scene.client, LEFT, RIGHT, 5)?;
    for (dead, next) in [(0, 1), (1, 2), (2, 0)] {
        if next == 0 {
            responders[0] = start(0)?;
        }
        responders[dead].kill()?;
        let took = await_reached(&client, ADDRESSES[next], PATIENCE)?;
        ensure!(took <= VERDICT + SLACK, "the next took over after {took:?}");
        ping_all(&scene.client, LEFT, RIGHT, 5)?;
        ping_all(&scene.responders[next], RIGHT, LEFT, 5)?;
    }
    let failovers = client.metric("palisade_failovers_total", "")?;
    ensure!((failovers - 3.0).abs() < 0.5, "{failovers} failovers");
    Ok(())
}

#[test]
fn strongswan_responders_killed_in_turn_are_followed_by_the_next() -> Result<()> {
    killed_in_turn(Program::StrongSwan, IKEV2)
}

#[test]
fn palisade_responders_killed_in_turn_are_followed_by_the_next() -> Result<()> {
    killed_in_turn(Program::Palisade, IKEV2)
}

#[test]
fn responders_over_ikev1_killed_in_turn_are_followed_by_the_next() -> Result<()> {
    killed_in_turn(Program::StrongSwan, Tunnel::over_ikev1)
}

#[test]
fn palisade_responders_over_ikev1_killed_in_turn_are_followed_by_the_next() -> Result<()> {
    killed_in_turn(Program::Palisade, Tunnel::over_ikev1)
}

/// The second is dead as well, so that the search takes seconds; what is sent meanwhile arrives.
#[test]
fn traffic_waits_while_the_next_is_sought() -> Result<()> {
    let scene = Scene::new()?;
    let start =
        |number: usize| Responder::start(Program::StrongSwan, &scene.responders[number], IKEV2);
    let (mut first, _third) = (start(0)?, start(2)?);
    let client = scene.client(IKEV2, &[])?;
    await_reached(&client, ADDRESSES[0], PATIENCE)?;
    ping_all(&scene.client, LEFT, RIGHT, 5)?;
    first.kill()?;
    wait::until("the verdict", VERDICT + PATIENCE, || {
        let verdicts = client.metric("palisade_dpd_verdicts_total", "");
        verdicts.is_ok_and(|verdicts| verdicts > 0.5)
    })?;
    let (from, to) = ((&scene.client, LEFT), (&scene.responders[2], RIGHT));
    let flow = Flow::start(from, to, 7_100, Duration::from_millis(100))?;
    await_reached(&client, ADDRESSES[2], PATIENCE)?;
    std::thread::sleep(Duration::from_millis(500));
    flow.finish()?.complete(10)?;
    let held = client.metric("palisade_hold_packets_total", "result=\"held\"")?;
    let sent = client.metric("palisade_hold_packets_total", "result=\"sent\"")?;
    ensure!(
        held >= 5.0 && (held - sent).abs() < 0.5,
        "{held} held, {sent} sent"
    );
    Ok(())
}

/// The first packet to a peer that nobody has asked for yet is answered, too.
#[test]
fn the_packet_that_asks_for_a_tunnel_is_not_lost() -> Result<()> {
    let scene = Scene::new()?;
    let _first = Responder::start(Program::StrongSwan, &scene.responders[0], IKEV2)?;
    let tunnel = tunnel()
        .connection("remote_addrs", "[\"198.51.100.2\"]")
        .child("start_action", "\"trap\"");
    let client = Palisade::start(&scene.client, &[tunnel], "")?;
    ensure!(reached(&client).is_none());
    let answered = ping(&scene.client, LEFT, RIGHT, 3)?;
    ensure!(answered == 3, "{answered} of 3 were answered");
    Ok(())
}

/// A default peer that has come back is preferred to the next in the list, and names lead to peers.
#[test]
fn the_default_peer_is_preferred_and_names_are_resolved() -> Result<()> {
    let scene = Scene::new()?;
    let start =
        |number: usize| Responder::start(Program::StrongSwan, &scene.responders[number], IKEV2);
    let mut responders = [start(0)?, start(1)?, start(2)?];
    // A name that leads nowhere is passed over.
    let listed = "[{ addr = \"no-such-host.invalid\", dynamic = true }, \
                  { addr = \"198.51.100.2\", default = true }, \"198.51.101.2\", \"198.51.102.2\"]";
    let client = scene.client(IKEV2, &[("remote_addrs", listed)])?;
    await_reached(&client, ADDRESSES[0], PATIENCE)?;
    responders[0].kill()?;
    await_reached(&client, ADDRESSES[1], PATIENCE)?;
    responders[0] = start(0)?;
    responders[1].kill()?;
    await_reached(&client, ADDRESSES[0], PATIENCE)?;
    ping_all(&scene.client, LEFT, RIGHT, 5)
}
