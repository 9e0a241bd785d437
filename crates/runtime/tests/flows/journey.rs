//! Two gateways, each in front of a network of its own, and loopback between them.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use netio::{
    Batch, Condition, Counters, Engine, EngineKind, EngineSettings, Offloads, OuterSend,
    OuterSocket, Program, RawSettings, RouteGuard, Rule, SocketId, Tun, TunId, TunSettings,
    UdpSettings, in_namespace,
};

use crate::ends::{Ends, Frame};
use crate::forwarded::is_of_story;

const PATIENCE: Duration = Duration::from_secs(10);
const ESP: u8 = 50;

pub(crate) struct Journey {
    pub(crate) ends: Ends,
    /// Writes what is to be sent.
    source: Device,
    /// Reads, seals and sends.
    left: Gateway,
    /// Receives, opens and writes.
    right: Gateway,
    /// Reads what has come.
    sink: Device,
    _networks: [Network; 2],
}

struct Device {
    engine: Engine,
    tun: TunId,
    _device: Tun,
    /// The routes that lead to it.
    _routes: Vec<RouteGuard>,
}

/// A device and the sockets to each peer, by its number: UDP over both families, and raw ESP.
struct Gateway {
    device: Device,
    sockets: Vec<(SocketId, SocketAddr)>,
}

impl Journey {
    /// The gateways use the engine and the offloads; what is beside them does not change.
    pub(crate) fn new(kind: EngineKind, offload: Offloads) -> Self {
        // A thread that moves could overtake what it sent on another processor.
        let cpus = netio::available_cpus().unwrap();
        netio::pin_current_thread(cpus[0]).unwrap();
        let networks = [Network::new(), Network::new()];
        let [near, far] = &networks;
        let source = Device::new(near, "source", EngineKind::Epoll, Offloads::ALL, false);
        let left = Device::new(near, "gate", kind, offload, true);
        let right = Device::new(far, "gate", kind, offload, false);
        let sink = Device::new(far, "sink", EngineKind::Epoll, Offloads::NONE, true);
        Self {
            ends: Ends::new(),
            source,
            left: Gateway::new(left, far, [1, 2], offload),
            right: Gateway::new(right, far, [3, 4], offload),
            sink,
            _networks: networks,
        }
    }

    pub(crate) fn counters(&self) -> (Counters, Counters) {
        let (left, right) = (&self.left.device.engine, &self.right.device.engine);
        (*left.counters(), *right.counters())
    }

    /// Packets as the left gateway reads them.
    pub(crate) fn read(&mut self, sent: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let Device { engine, tun, .. } = &mut self.source;
        for packet in sent {
            engine.write_tun_bytes(*tun, packet);
        }
        engine.flush();
        let mut read = Vec::new();
        let start = Instant::now();
        while read.len() < sent.len() && start.elapsed() < PATIENCE {
            self.left.device.read(Duration::from_millis(5), &mut read);
        }
        read
    }

    /// Sends frames to the right gateway and gathers what comes out behind it: so many packets, and
    /// whatever else comes with them.
    pub(crate) fn cross(&mut self, frames: &[Frame], due: usize) -> Vec<Vec<u8>> {
        for frame in frames {
            let send = self.send(frame.peer);
            self.left.device.engine.send_bytes(send, &frame.octets);
        }
        let engine = &mut self.left.device.engine;
        engine.wait(Some(Duration::ZERO)).unwrap();
        let before = engine.counters().tx_errors + engine.counters().tx_would_block;
        assert_eq!(before, 0, "{:?}", engine.counters());
        let mut come = Vec::new();
        let (start, mut after) = (Instant::now(), 0);
        while after < 2 && start.elapsed() < PATIENCE {
            after += u32::from(come.len() >= due);
            self.open(Duration::from_millis(1));
            self.sink.read(Duration::ZERO, &mut come);
        }
        come
    }

    fn send(&self, peer: u8) -> OuterSend {
        let (socket, _) = self.left.sockets[usize::from(peer)];
        let (_, remote) = self.right.sockets[usize::from(peer)];
        OuterSend {
            socket,
            local: None,
            remote,
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        }
    }

    /// What the right gateway does in a round.
    fn open(&mut self, patience: Duration) {
        let Device { engine, tun, .. } = &mut self.right.device;
        let mut batch = Batch::with_capacity(64);
        engine.wait(Some(patience)).unwrap();
        while engine.receive(&mut batch) > 0 {
            engine.lend(&batch);
            for run in &mut batch.outer {
                (self.ends).open(run, |inner| engine.write_tun_bytes(*tun, inner));
            }
            engine.recycle(&mut batch);
        }
        engine.wait(Some(Duration::ZERO)).unwrap();
    }
}

impl Device {
    /// With `leads`, what is sent to the peers of the story comes to it.
    fn new(
        network: &Network,
        name: &str,
        kind: EngineKind,
        offload: Offloads,
        leads: bool,
    ) -> Self {
        let mut engine = Engine::new(&EngineSettings {
            kind,
            batch: 64,
            buffers: 1024,
            payload_max: 2048,
            offload,
        })
        .unwrap();
        let (device, queues) = Tun::open(&TunSettings {
            name: name.to_owned(),
            queues: 1,
            mtu: 1500,
            addresses: Vec::new(),
            namespace: Some(network.name.clone()),
            table: None,
            offload,
        })
        .unwrap();
        // Routes by the packets' source, too, for networks that check it.
        let (v4, v6) = if leads {
            ("10.0.1.0", "fd01::")
        } else {
            ("10.0.0.0", "fd00::")
        };
        let routes = vec![
            device.route(v4.parse().unwrap(), 24).unwrap(),
            device.route(v6.parse().unwrap(), 64).unwrap(),
        ];
        let queue = queues.into_iter().next().unwrap();
        let tun = engine.attach_tun(queue).unwrap();
        Self {
            engine,
            tun,
            _device: device,
            _routes: routes,
        }
    }

    /// Reads packets of the story; the kernel has some of its own to tell.
    fn read(&mut self, patience: Duration, read: &mut Vec<Vec<u8>>) {
        let mut batch = Batch::with_capacity(64);
        self.engine.wait(Some(patience)).unwrap();
        while self.engine.receive(&mut batch) > 0 {
            let packets = batch.inner.iter().map(|packet| packet.buffer.bytes());
            read.extend(packets.filter(|p| is_of_story(p)).map(<[u8]>::to_vec));
            self.engine.recycle(&mut batch);
        }
    }
}

impl Gateway {
    /// Its sockets are in one network with those of the other; `hosts` are its addresses there.
    fn new(mut device: Device, outside: &Network, hosts: [u8; 2], offload: Offloads) -> Self {
        let namespace = Some(outside.name.clone());
        let udp = |bind: SocketAddr| {
            OuterSocket::udp(&UdpSettings {
                namespace: namespace.clone(),
                ..UdpSettings::new(bind)
            })
            .unwrap()
        };
        let raw = RawSettings {
            namespace: namespace.clone(),
            ..RawSettings::new([127, 0, 0, hosts[1]].into(), ESP)
        };
        let raw = if offload.raw_fan_out {
            let everything = Program::select_behind_header(&[Rule {
                conditions: vec![Condition::LengthAtLeast(8)],
                offset: 0,
                shift_right: 24,
            }]);
            let group = OuterSocket::fan_out(&raw, &everything, 1).unwrap();
            group.into_iter().next().unwrap()
        } else {
            OuterSocket::raw(&raw).unwrap()
        };
        let sockets = [
            udp(([127, 0, 0, hosts[0]], 0).into()),
            udp("[::1]:0".parse().unwrap()),
            raw,
        ];
        let attach = |socket: OuterSocket| {
            let local = socket.local();
            (device.engine.attach_socket(socket).unwrap(), local)
        };
        Self {
            sockets: sockets.map(attach).into(),
            device,
        }
    }
}

/// A network namespace that forwards.
struct Network {
    name: String,
}

impl Network {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("palisade-{}-{number}", std::process::id());
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        in_namespace(Some(&name), forward).unwrap();
        Self { name }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.name]);
    }
}

fn forward() -> io::Result<()> {
    fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
}

fn ip(arguments: &[&str]) {
    let status = Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}
