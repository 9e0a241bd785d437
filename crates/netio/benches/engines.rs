//! Both engines as the two ends of a tunnel without a cipher: TUN to UDP in one network namespace, UDP
//! to TUN in another, a veth pair between, and a stream or a flood of datagrams through all of it. For
//! each, what passed and the processor time that a packet cost either end. Needs root.
//!
//! `cargo bench -p palisade-netio --features namespaces --bench engines [-- ROUNDS [SECONDS]]`

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use netio::{
    Batch, Engine, EngineKind, EngineSettings, Offloads, OuterSend, OuterSocket, Tun, TunQueue,
    TunSettings, UdpSettings, in_namespace, thread_cpu_time,
};

const PORT: u16 = 4500;
const TARGET: u16 = 7777;
/// Leaves room for UDP and IP headers on the way between.
const MTU: u32 = 1400;
const TURN: Duration = Duration::from_millis(10);

/// One end, by its number: 1 or 2.
#[derive(Clone)]
struct End {
    number: u8,
    /// A path to its network namespace.
    namespace: String,
}

impl End {
    fn inner(&self) -> IpAddr {
        IpAddr::from([10, 9, self.number, 1])
    }

    fn outer(&self) -> IpAddr {
        IpAddr::from([192, 0, 2, self.number])
    }

    fn ip(&self, arguments: &str) -> io::Result<()> {
        in_namespace(Some(&self.namespace), || {
            let output = Command::new("ip")
                .args(arguments.split_whitespace())
                .output()?;
            if output.status.success() {
                return Ok(());
            }
            let told = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!("ip {arguments}: {told}")))
        })
    }
}

/// What is sent through the tunnel.
#[derive(Clone, Copy)]
enum Load {
    Stream,
    /// Datagrams with so many octets of payload.
    Datagrams(usize),
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    load: Load,
    offload: Offloads,
}

const CASES: [Case; 6] = [
    Case {
        name: "TCP",
        load: Load::Stream,
        offload: Offloads::ALL,
    },
    Case {
        name: "UDP 1,300",
        load: Load::Datagrams(1300),
        offload: Offloads::ALL,
    },
    Case {
        name: "UDP 64",
        load: Load::Datagrams(64),
        offload: Offloads::ALL,
    },
    Case {
        name: "TCP, no offloads",
        load: Load::Stream,
        offload: Offloads::NONE,
    },
    Case {
        name: "UDP 1,300, no offloads",
        load: Load::Datagrams(1300),
        offload: Offloads::NONE,
    },
    Case {
        name: "UDP 64, no offloads",
        load: Load::Datagrams(64),
        offload: Offloads::NONE,
    },
];

/// Of one run.
#[derive(Clone, Copy, Default)]
struct Figures {
    gbps: f64,
    kpps: f64,
    sending_ns: f64,
    receiving_ns: f64,
}

fn main() -> io::Result<()> {
    let numbers: Vec<u64> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let rounds = numbers.first().copied().unwrap_or(5);
    let length = Duration::from_secs(numbers.get(1).copied().unwrap_or(2));
    let (ends, _keep) = namespaces()?;
    println!("| load | engine | Gbit/s | 1,000 packets/s | ns a packet, sending | receiving |");
    println!("|---|---|---|---|---|---|");
    for case in CASES {
        let mut of_kind = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (kind, runs) in [EngineKind::Epoll, EngineKind::IoUring]
                .into_iter()
                .zip(&mut of_kind)
            {
                runs.push(run(&ends, kind, case, length)?);
            }
        }
        for (name, runs) in ["epoll", "io_uring"].into_iter().zip(&of_kind) {
            report(case.name, name, runs);
        }
    }
    Ok(())
}

fn report(load: &str, engine: &str, runs: &[Figures]) {
    let told = |of: fn(&Figures) -> f64, digits: usize| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let last = values.len().saturating_sub(1);
        let (least, median, most) = (at(0), at(last / 2), at(last));
        format!("{median:.digits$} ({least:.digits$} – {most:.digits$})")
    };
    println!(
        "| {load} | {engine} | {} | {} | {} | {} |",
        told(|run| run.gbps, 2),
        told(|run| run.kpps, 0),
        told(|run| run.sending_ns, 0),
        told(|run| run.receiving_ns, 0),
    );
}

/// Two namespaces with a veth pair between them. They live as long as the files that are returned.
fn namespaces() -> io::Result<([End; 2], Vec<std::fs::File>)> {
    let mut files = Vec::new();
    let mut end = |number| {
        let fresh = thread::spawn(|| {
            // SAFETY: unshare takes no pointers; it concerns this thread alone, which ends.
            match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
                0 => std::fs::File::open("/proc/thread-self/ns/net"),
                _ => Err(io::Error::last_os_error()),
            }
        });
        let file = fresh.join().map_err(|_| io::Error::other("no thread"))??;
        let namespace = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        files.push(file);
        io::Result::Ok(End { number, namespace })
    };
    let ends = [end(1)?, end(2)?];
    let [first, second] = &ends;
    first.ip("link add engines1 type veth peer name engines2")?;
    first.ip(&format!("link set engines2 netns {}", second.namespace))?;
    for end in &ends {
        let number = end.number;
        end.ip("link set lo up")?;
        end.ip(&format!("addr add {}/24 dev engines{number}", end.outer()))?;
        end.ip(&format!("link set engines{number} up"))?;
    }
    Ok((ends, files))
}

/// One end's forwarder: the processor time and the inner packets of its run.
struct Forwarded {
    cpu: Duration,
    packets: u64,
}

fn run(ends: &[End; 2], kind: EngineKind, case: Case, length: Duration) -> io::Result<Figures> {
    let stop = AtomicBool::new(false);
    let [first, second] = ends;
    thread::scope(|scope| {
        let stop = &stop;
        let (ready, wait) = mpsc::channel();
        let forward = |from: End, to: End| {
            let ready = ready.clone();
            scope.spawn(move || forward(&from, &to, kind, case.offload, stop, &ready))
        };
        let sending = forward(first.clone(), second.clone());
        let receiving = forward(second.clone(), first.clone());
        drop(ready);
        let up = wait.recv().is_ok() && wait.recv().is_ok();
        let octets = match (up, case.load) {
            (false, _) => Ok(0),
            (true, Load::Stream) => stream(first, second, length),
            (true, Load::Datagrams(payload)) => flood(first, second, payload, length),
        };
        stop.store(true, Ordering::Release);
        let ended = |_| io::Error::other("a forwarder ended early");
        let sending = sending.join().map_err(ended)??;
        let receiving = receiving.join().map_err(ended)??;
        let each = |end: &Forwarded| end.cpu.as_nanos() as f64 / end.packets.max(1) as f64;
        Ok(Figures {
            gbps: octets? as f64 * 8.0 / length.as_secs_f64() / 1e9,
            kpps: receiving.packets as f64 / length.as_secs_f64() / 1e3,
            sending_ns: each(&sending),
            receiving_ns: each(&receiving),
        })
    })
}

fn forward(
    own: &End,
    other: &End,
    kind: EngineKind,
    offload: Offloads,
    stop: &AtomicBool,
    ready: &mpsc::Sender<()>,
) -> io::Result<Forwarded> {
    let (tun, queues) = open_tun(&TunSettings {
        name: "engines".to_owned(),
        queues: 1,
        mtu: MTU,
        addresses: vec![(own.inner(), 24)],
        namespace: Some(own.namespace.clone()),
        table: None,
        offload,
    })?;
    let _route = tun.route(other.inner(), 32)?;
    let mut engine = Engine::new(&EngineSettings {
        kind,
        offload,
        ..EngineSettings::default()
    })?;
    let socket = engine.attach_socket(OuterSocket::udp(&UdpSettings {
        namespace: Some(own.namespace.clone()),
        ..UdpSettings::new(SocketAddr::new(own.outer(), PORT))
    })?)?;
    let mut id = None;
    for queue in queues {
        id = Some(engine.attach_tun(queue)?);
    }
    let id = id.ok_or(io::ErrorKind::NotFound)?;
    let send = OuterSend {
        socket,
        local: None,
        remote: SocketAddr::new(other.outer(), PORT),
        tos: 0,
        dont_fragment: false,
        segment: 0,
        tag: 0,
    };
    let _ = ready.send(());
    let begin = thread_cpu_time();
    let mut batch = Batch::with_capacity(128);
    while !stop.load(Ordering::Acquire) {
        engine.wait(Some(TURN))?;
        while engine.receive(&mut batch) > 0 {
            engine.lend(&batch);
            for run in &mut batch.outer {
                for datagram in run.datagrams_mut() {
                    engine.write_tun_bytes(id, datagram);
                }
            }
            for packet in &batch.inner {
                engine.send_bytes(send, packet.buffer.bytes());
            }
            engine.recycle(&mut batch);
        }
        engine.flush();
    }
    let counters = engine.counters();
    Ok(Forwarded {
        cpu: thread_cpu_time() - begin,
        packets: counters.tun_rx_packets + counters.tun_tx_packets,
    })
}

/// The device of the run before takes a moment to go: a completion ring is taken down behind our back.
fn open_tun(settings: &TunSettings) -> io::Result<(Tun, Vec<TunQueue>)> {
    let begin = Instant::now();
    loop {
        match Tun::open(settings) {
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy
                    && begin.elapsed() < Duration::from_secs(5) =>
            {
                thread::sleep(TURN);
            }
            opened => return opened,
        }
    }
}

/// One TCP stream; the octets that arrived in time.
fn stream(from: &End, to: &End, length: Duration) -> io::Result<u64> {
    let target = SocketAddr::new(to.inner(), TARGET);
    let listener = in_namespace(Some(&to.namespace), || TcpListener::bind(target))?;
    thread::scope(|scope| {
        let sender = scope.spawn(move || -> io::Result<()> {
            let mut stream = in_namespace(Some(&from.namespace), || {
                TcpStream::connect_timeout(&target, Duration::from_secs(5))
            })?;
            stream.set_write_timeout(Some(Duration::from_secs(1)))?;
            let (octets, begin) = (vec![7; 128 << 10], Instant::now());
            while begin.elapsed() < length {
                stream.write_all(&octets)?;
            }
            Ok(())
        });
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let (mut octets, mut total, begin) = (vec![0; 256 << 10], 0, Instant::now());
        while begin.elapsed() < length {
            match stream.read(&mut octets)? {
                0 => break,
                len => total += len as u64,
            }
        }
        drop(stream);
        // It may have found the stream closed.
        let _ = sender.join();
        Ok(total)
    })
}

/// As many datagrams as one thread sends; the octets of payload that arrived.
fn flood(from: &End, to: &End, payload: usize, length: Duration) -> io::Result<u64> {
    let target = SocketAddr::new(to.inner(), TARGET);
    let sink = in_namespace(Some(&to.namespace), || UdpSocket::bind(target))?;
    sink.set_read_timeout(Some(TURN))?;
    let source = in_namespace(Some(&from.namespace), || UdpSocket::bind((from.inner(), 0)))?;
    source.connect(target)?;
    thread::scope(|scope| {
        scope.spawn(move || {
            let (octets, begin) = (vec![7; payload], Instant::now());
            while begin.elapsed() < length {
                // The device's queue may be full: the next one may find room.
                let _ = source.send(&octets);
            }
        });
        let (mut octets, mut total, begin) = (vec![0; 2048], 0, Instant::now());
        while begin.elapsed() < length {
            total += sink.recv(&mut octets).unwrap_or(0) as u64;
        }
        Ok(total)
    })
}
