//! What it costs to receive outer packets, by the way in which they come: processor time a packet of the
//! sending thread, in which the kernel also delivers (veth), and of the receiving one.
//!
//! `cargo bench -p palisade-netio --features namespaces --bench outer`, as root. All in one run, on
//! one thread and one pair of namespaces; medians (10th to 90th percentile) of the rounds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use netio::{
    Batch, Condition, Engine, EngineKind, EngineSettings, Offloads, OuterSend, OuterSocket,
    Program, RawSettings, Rule, SocketId, UdpSettings, thread_cpu_time,
};

const ROUNDS: usize = 400;
/// Packets of one round: few enough for any receive buffer.
const PACKETS: usize = 512;
const PORT: u16 = 4500;
const ESP: u8 = 50;
const UDP: u8 = 17;
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
const SENDER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x200, 0, 0, 0, 0, 0, 1);
const RECEIVER_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x200, 0, 0, 0, 0, 0, 2);

/// Two namespaces and the link between them, until dropped.
struct Link {
    names: [String; 2],
}

impl Link {
    fn new() -> Self {
        let names = ["a", "b"].map(|end| format!("palisade-{}-{end}", std::process::id()));
        for name in &names {
            ip(&format!("netns add {name}"));
        }
        let [a, b] = &names;
        ip(&format!(
            "-n {a} link add outer type veth peer name outer netns {b}"
        ));
        let addresses = [(SENDER, SENDER_V6), (RECEIVER, RECEIVER_V6)];
        for (name, (v4, v6)) in names.iter().zip(addresses) {
            ip(&format!("-n {name} addr add {v4}/24 dev outer"));
            ip(&format!("-n {name} addr add {v6}/64 dev outer nodad"));
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set outer up"));
        }
        Self { names }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns del {name}"));
        }
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "ip {arguments}"
    );
}

/// How packets are sent.
#[derive(Clone, Copy)]
enum Sender {
    /// Runs (UDP GSO).
    Runs,
    /// One by one, with a checksum.
    Single,
    /// One by one, with a checksum of zero, as RFC 3948 §2.1 has it.
    WithoutChecksum,
    /// As IP protocol 50.
    Esp,
    /// The same over IPv6.
    EspV6,
}

/// How packets are received.
#[derive(Clone, Copy)]
enum Receiver {
    /// A UDP socket, with or without GRO.
    Udp { gro: bool },
    /// So many raw sockets, each with its filter.
    Filtered(u8),
    /// The same over IPv6.
    FilteredV6(u8),
    /// So many sockets that share the packets.
    FanOut(u8),
}

fn engine(runs: bool) -> Engine {
    Engine::new(&EngineSettings {
        kind: EngineKind::Epoll,
        offload: if runs { Offloads::ALL } else { Offloads::NONE },
        ..EngineSettings::default()
    })
    .expect("an engine")
}

fn raw(address: impl Into<IpAddr>, protocol: u8, namespace: &str) -> RawSettings {
    RawSettings {
        namespace: Some(namespace.to_owned()),
        ..RawSettings::new(address.into(), protocol)
    }
}

fn filtered(settings: &RawSettings, count: u8) -> Vec<OuterSocket> {
    let open = |index| {
        let socket = OuterSocket::raw(settings).expect("a raw socket");
        if count > 1 {
            let program = Program::accept(&rules(), index, settings.bind.is_ipv4());
            socket.filter(&program).expect("a filter");
        }
        socket
    };
    (0..count).map(open).collect()
}

fn rules() -> Vec<Rule> {
    vec![Rule {
        conditions: vec![Condition::LengthAtLeast(8)],
        offset: 0,
        shift_right: 0,
    }]
}

impl Sender {
    fn socket(self, link: &Link) -> OuterSocket {
        let namespace = &link.names[0];
        match self {
            Self::Runs | Self::Single => OuterSocket::udp(&UdpSettings {
                namespace: Some(namespace.clone()),
                ..UdpSettings::new(SocketAddr::from((SENDER, PORT)))
            }),
            Self::WithoutChecksum => OuterSocket::raw(&raw(SENDER, UDP, namespace)),
            Self::Esp => OuterSocket::raw(&raw(SENDER, ESP, namespace)),
            Self::EspV6 => OuterSocket::raw(&raw(SENDER_V6, ESP, namespace)),
        }
        .expect("a sending socket")
    }

    fn payload(self, len: usize, number: usize, sockets: u8) -> Vec<u8> {
        let mut octets = vec![0x5a; len];
        match self {
            Self::WithoutChecksum => {
                octets[..2].copy_from_slice(&PORT.to_be_bytes());
                octets[2..4].copy_from_slice(&PORT.to_be_bytes());
                octets[4..6].copy_from_slice(&(len as u16).to_be_bytes());
                octets[6..8].fill(0);
            }
            Self::Esp | Self::EspV6 => octets[0] = (number % usize::from(sockets)) as u8,
            Self::Runs | Self::Single => {}
        }
        octets
    }
}

impl Receiver {
    fn sockets(self, link: &Link) -> Vec<OuterSocket> {
        let namespace = &link.names[1];
        let esp = raw(RECEIVER, ESP, namespace);
        match self {
            Self::Udp { .. } => vec![
                OuterSocket::udp(&UdpSettings {
                    namespace: Some(namespace.clone()),
                    ..UdpSettings::new(SocketAddr::from((RECEIVER, PORT)))
                })
                .expect("a UDP socket"),
            ],
            Self::Filtered(count) => filtered(&esp, count),
            Self::FilteredV6(count) => filtered(&raw(RECEIVER_V6, ESP, namespace), count),
            Self::FanOut(count) => {
                let program = Program::select_behind_header(&rules());
                OuterSocket::fan_out(&esp, &program, usize::from(count)).expect("a fan-out")
            }
        }
    }

    const fn count(self) -> u8 {
        match self {
            Self::Udp { .. } => 1,
            Self::Filtered(count) | Self::FilteredV6(count) | Self::FanOut(count) => count,
        }
    }
}

struct Scene {
    sender: Engine,
    from: SocketId,
    addresses: [IpAddr; 2],
    receiver: Engine,
    batch: Batch,
    payloads: Vec<Vec<u8>>,
    figures: [Vec<f64>; 2],
}

impl Scene {
    fn new(link: &Link, sender: Sender, receiver: Receiver, len: usize) -> Self {
        let mut sending = engine(matches!(sender, Sender::Runs));
        let from = sending
            .attach_socket(sender.socket(link))
            .expect("attached");
        let mut receiving = engine(matches!(receiver, Receiver::Udp { gro: true }));
        for socket in receiver.sockets(link) {
            receiving.attach_socket(socket).expect("attached");
        }
        let payload = |number| sender.payload(len, number, receiver.count());
        Self {
            sender: sending,
            from,
            addresses: match sender {
                Sender::EspV6 => [SENDER_V6.into(), RECEIVER_V6.into()],
                _ => [SENDER.into(), RECEIVER.into()],
            },
            receiver: receiving,
            batch: Batch::with_capacity(256),
            payloads: (0..PACKETS).map(payload).collect(),
            figures: [Vec::new(), Vec::new()],
        }
    }

    fn round(&mut self) {
        let send = OuterSend {
            socket: self.from,
            local: Some(self.addresses[0]),
            remote: SocketAddr::from((self.addresses[1], PORT)),
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        };
        let start = thread_cpu_time();
        for payload in &self.payloads {
            self.sender.send_bytes(send, payload);
        }
        self.sender.flush();
        let sent = thread_cpu_time();
        let mut seen = 0;
        while seen < PACKETS {
            let wait = self.receiver.wait(Some(Duration::from_secs(2)));
            wait.expect("it waits");
            let before = seen;
            while self.receiver.receive(&mut self.batch) > 0 {
                let runs = self.batch.outer.iter_mut();
                seen += runs.map(|run| run.datagrams_mut().count()).sum::<usize>();
                self.receiver.recycle(&mut self.batch);
            }
            assert!(seen > before, "{seen} of {PACKETS} arrived");
        }
        let received = thread_cpu_time();
        for (list, time) in self.figures.iter_mut().zip([sent - start, received - sent]) {
            list.push(time.as_nanos() as f64 / PACKETS as f64);
        }
    }
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}

fn main() {
    let link = Link::new();
    let udp = |gro| Receiver::Udp { gro };
    let mut cases = vec![
        ("UDP in runs, GRO", Sender::Runs, udp(true)),
        ("UDP in runs, no GRO", Sender::Runs, udp(false)),
        ("UDP one by one, GRO", Sender::Single, udp(true)),
        (
            "UDP without checksums, GRO",
            Sender::WithoutChecksum,
            udp(true),
        ),
        (
            "UDP without checksums, no GRO",
            Sender::WithoutChecksum,
            udp(false),
        ),
        ("ESP, 1 raw socket", Sender::Esp, Receiver::Filtered(1)),
        (
            "ESP, 2 filtered raw sockets",
            Sender::Esp,
            Receiver::Filtered(2),
        ),
        (
            "ESP, 4 filtered raw sockets",
            Sender::Esp,
            Receiver::Filtered(4),
        ),
        (
            "ESP, 8 filtered raw sockets",
            Sender::Esp,
            Receiver::Filtered(8),
        ),
        ("ESP, fan-out to 1", Sender::Esp, Receiver::FanOut(1)),
        ("ESP, fan-out to 2", Sender::Esp, Receiver::FanOut(2)),
        ("ESP, fan-out to 4", Sender::Esp, Receiver::FanOut(4)),
        ("ESP, fan-out to 8", Sender::Esp, Receiver::FanOut(8)),
    ];
    for (name, count) in [
        ("ESP over IPv6, 1 raw socket", 1),
        ("ESP over IPv6, 2 filtered raw sockets", 2),
        ("ESP over IPv6, 4 filtered raw sockets", 4),
        ("ESP over IPv6, 8 filtered raw sockets", 8),
    ] {
        cases.push((name, Sender::EspV6, Receiver::FilteredV6(count)));
    }
    println!("| ns a packet | octets | sending and delivering | receiving |");
    println!("|---|---|---|---|");
    for (name, sender, receiver) in cases.drain(..) {
        for len in [100, 1_450] {
            let mut scene = Scene::new(&link, sender, receiver, len);
            for _ in 0..ROUNDS {
                scene.round();
            }
            let told = scene.figures.map(|mut list| {
                list.sort_by(f64::total_cmp);
                let [low, middle, high] = [0.1, 0.5, 0.9].map(|part| percentile(&list, part));
                format!("{middle:.0} ({low:.0} – {high:.0})")
            });
            println!("| {name} | {len} | {} | {} |", told[0], told[1]);
        }
    }
}
