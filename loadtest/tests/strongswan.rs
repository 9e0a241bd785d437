//! The generator against strongSwan: another hand's responder, ESP and dead peer detection. It needs
//! root and namespaces, so it stands behind the feature `namespaces`, which `cargo xtask test` turns
//! on where it can.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use interop::network::Pair;
use interop::scratch::Scratch;
use interop::strongswan::{Settings, StrongSwan};
use interop::tunnel::{End, SECRET, Tunnel};
use palisade_load::report::Report;

const POOL: &str = "pools {\n  virtual {\n    addrs = 10.3.0.0/16\n  }\n}\n";

/// Sends every datagram back to where it came from, for as long as it lives.
struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    fn start(network: &Pair, address: &'static str) -> Self {
        let socket = network.right.enter(|| UdpSocket::bind(address));
        let socket = socket.expect("entered").expect("bound");
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).expect("a sound timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut datagram = [0; 2_048];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((len, from)) = socket.recv_from(&mut datagram) {
                    // A peer may be gone by now.
                    let _ = socket.send_to(&datagram[..len], from);
                }
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn responder(network: &Pair) -> StrongSwan {
    let tunnel = Tunnel::new(
        "load",
        End::new("192.0.2.2", "gateway.example", &["10.2.0.0/24"]),
        End::new("%any", "%any", &[]),
    )
    .with_proposals(
        "aes128gcm16-prfsha256-x25519,chacha20poly1305-prfsha384-ecp384",
        "aes128gcm16,aes256-sha256",
    )
    .connection("pools", "virtual")
    .connection("unique", "never")
    .connection("dpd_delay", "2s");
    let settings = Settings {
        retransmit_tries: Some(1),
        ..Settings::default()
    };
    StrongSwan::start(&network.right, settings, &[tunnel], POOL).expect("strongSwan starts")
}

fn run(network: &Pair, scratch: &Scratch, scenario: &str) -> Report {
    let key = scratch.write("psk", SECRET).expect("written");
    let scenario = scratch.write("scenario.toml", scenario).expect("written");
    let output = network
        .left
        .command(env!("CARGO_BIN_EXE_palisade-load"))
        .args(["--target", "192.0.2.2:4500", "--source", "192.0.2.1"])
        .args(["--destination", "10.2.0.1:7", "--progress", "none"])
        .args(["--report", "json", "--psk-file"])
        .arg(key)
        .arg("--scenario")
        .arg(scenario)
        .output()
        .expect("the generator starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{errors}"))
}

#[test]
fn peers_rekey_under_traffic_and_lose_nothing() {
    let network = Pair::new().expect("a network");
    let scratch = Scratch::new("load").expect("a directory");
    let _echo = Echo::start(&network, "10.2.0.1:7");
    let swan = responder(&network);
    let report = run(
        &network,
        &scratch,
        "duration_s = 9.0\n\
         threads = 2\n\
         leave = \"silent\"\n\
         [target]\nidentity = \"gateway.example\"\n\
         [peers]\ncount = 20\nports = 2\n\
         [arrival]\nrate_per_second = 20.0\n\
         [traffic]\npackets_per_second = 20.0\n\
         [rekey]\nchild_s = 2.0\nike_s = 3.0\n",
    );
    let text = palisade_load::render_text(&report);
    assert!(report.is_success(), "{text}\n{}", swan.log());
    assert!(report.ike.child_rekeys >= 40, "{text}");
    assert!(report.ike.ike_rekeys >= 20, "{text}");
    let missing = report.traffic.sent - report.traffic.verified;
    // What was under way when the run ended.
    assert!(report.traffic.sent > 2_000 && missing <= 20, "{text}");
    assert_eq!(swan.installed_children().expect("listed"), 20);
}

#[test]
fn strongswan_finds_the_dead_and_keeps_the_living() {
    let network = Pair::new().expect("a network");
    let scratch = Scratch::new("load").expect("a directory");
    let _echo = Echo::start(&network, "10.2.0.1:7");
    let swan = responder(&network);
    // From the IKE port, so that the peers float to the other one.
    let report = run(
        &network,
        &scratch,
        "duration_s = 20.0\n\
         leave = \"silent\"\n\
         [target]\nike_port = 500\n\
         [peers]\ncount = 12\n\
         [arrival]\nrate_per_second = 20.0\n\
         [tunnel]\nike = \"chacha20poly1305-prfsha384-ecp384\"\nesp = \"aes256-sha256\"\n\
         [traffic]\npackets_per_second = 0.2\n\
         [deaths]\ncount = 5\ndelay_s = 1.0\n",
    );
    let text = palisade_load::render_text(&report);
    assert!(report.is_success(), "{text}\n{}", swan.log());
    assert_eq!(report.deaths.len(), 5, "{text}");
    assert!(report.ike.probes_answered >= 7, "{text}");
    // Probed after 2 s, repeated after 4 s, given up 7.2 s later.
    assert_eq!(
        swan.log().matches("giving up after 1 retransmits").count(),
        5
    );
    assert_eq!(swan.installed_children().expect("listed"), 7);
}
