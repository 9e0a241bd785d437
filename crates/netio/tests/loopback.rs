//! Both engines over loopback sockets: the same stories for each.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netio::{
    Batch, Condition, Engine, EngineKind, EngineSettings, HEADROOM, Offloads, OuterSend,
    OuterSocket, Program, Rule, SendError, SocketId, TAILROOM, UdpSettings,
};

/// An engine, and the offloads that it shall use.
type Way = (EngineKind, Offloads);

/// With all of them, with none, and without each.
const WANTED: [Offloads; 4] = [
    Offloads::ALL,
    Offloads::NONE,
    Offloads {
        udp_send: false,
        ..Offloads::ALL
    },
    Offloads {
        udp_receive: false,
        ..Offloads::ALL
    },
];

const KINDS: [Way; 2 * WANTED.len()] = {
    let mut ways = [(EngineKind::Epoll, Offloads::NONE); 2 * WANTED.len()];
    let mut number = 0;
    while number < WANTED.len() {
        // The end of a ring may end a later wait of its thread: it comes last.
        ways[number] = (EngineKind::Epoll, WANTED[number]);
        ways[WANTED.len() + number] = (EngineKind::IoUring, WANTED[number]);
        number += 1;
    }
    ways
};
const PATIENCE: Duration = Duration::from_secs(5);

fn settings((kind, offload): Way) -> EngineSettings {
    EngineSettings {
        kind,
        batch: 16,
        buffers: 256,
        payload_max: 2048,
        offload,
    }
}

fn engine(kind: Way) -> Engine {
    let engine = Engine::new(&settings(kind)).expect("this kernel has what the engine needs");
    assert_eq!(engine.kind(), kind.0);
    engine
}

fn attach(engine: &mut Engine, bind: &str) -> (SocketId, SocketAddr) {
    let socket = OuterSocket::udp(&UdpSettings {
        // Another test that runs meanwhile must not be given the same free port.
        reuse_port: false,
        ..UdpSettings::new(bind.parse().unwrap())
    })
    .unwrap();
    let local = socket.local();
    (engine.attach_socket(socket).unwrap(), local)
}

fn to(socket: SocketId, remote: SocketAddr) -> OuterSend {
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

/// Sends a datagram and waits until it is known what became of it: why it did not leave, if so.
fn refusal(engine: &mut Engine, send: OuterSend, payload: &[u8]) -> Option<SendError> {
    let before = engine.counters().tx_packets;
    engine.send_bytes(OuterSend { tag: 7, ..send }, payload);
    let mut refused = Vec::new();
    for _ in 0..500 {
        engine.flush();
        engine.take_refused(&mut refused);
        if let Some(refused) = refused.pop() {
            assert_eq!(refused.tag, 7);
            return Some(refused.error);
        }
        if engine.counters().tx_packets > before {
            return None;
        }
        engine.wait(Some(Duration::from_millis(10))).unwrap();
    }
    panic!("the datagram neither left nor was it refused");
}

/// Receives until `count` datagrams are there or patience ends.
fn collect(engine: &mut Engine, count: usize) -> Vec<(SocketId, SocketAddr, Vec<u8>)> {
    let mut batch = Batch::with_capacity(64);
    let mut seen = Vec::new();
    let start = Instant::now();
    while seen.len() < count && start.elapsed() < PATIENCE {
        engine.wait(Some(Duration::from_millis(100))).unwrap();
        while engine.receive(&mut batch) > 0 {
            for packet in &mut batch.outer {
                let (socket, remote) = (packet.socket, packet.remote);
                let datagrams = packet.datagrams_mut();
                seen.extend(datagrams.map(|octets| (socket, remote, octets.to_vec())));
            }
            engine.recycle(&mut batch);
        }
    }
    seen
}

#[test]
fn a_datagram_tells_where_it_came_from_and_went_to() {
    for kind in KINDS {
        for (any, host) in [("0.0.0.0:0", "127.0.0.1"), ("[::]:0", "::1")] {
            let mut engine = engine(kind);
            let (_, listening) = attach(&mut engine, any);
            let (from, sender) = attach(
                &mut engine,
                &SocketAddr::new(host.parse().unwrap(), 0).to_string(),
            );
            let target = SocketAddr::new(host.parse().unwrap(), listening.port());
            let send = OuterSend {
                tos: 0xb8,
                dont_fragment: true,
                ..to(from, target)
            };
            engine.send_bytes(send, b"ping");
            engine.flush();
            let mut batch = Batch::with_capacity(8);
            while engine.receive(&mut batch) == 0 {
                engine.wait(Some(PATIENCE)).unwrap();
            }
            let packet = &mut batch.outer[0];
            assert_eq!(packet.local, target, "{kind:?}");
            assert_eq!(packet.remote, sender, "{kind:?}");
            assert_eq!(packet.tos, 0xb8, "{kind:?}");
            assert_eq!(packet.buffer.bytes(), b"ping");
            assert_eq!(packet.buffer.headroom(), HEADROOM);
            assert!(packet.buffer.tailroom() >= TAILROOM);
            engine.recycle(&mut batch);
        }
    }
}

#[test]
fn the_source_address_is_ours_to_choose() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (any, local) = attach(&mut engine, "0.0.0.0:0");
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        for source in ["127.0.0.7", "127.4.5.6"] {
            let send = OuterSend {
                local: Some(source.parse().unwrap()),
                ..to(any, peer.local_addr().unwrap())
            };
            engine.send_bytes(send, source.as_bytes());
            engine.flush();
            let mut octets = [0; 64];
            let (len, from) = peer.recv_from(&mut octets).unwrap();
            assert_eq!(&octets[..len], source.as_bytes());
            assert_eq!(from, SocketAddr::new(source.parse().unwrap(), local.port()));
        }
    }
}

#[test]
fn a_long_run_arrives_whole_and_in_order() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (from, _) = attach(&mut engine, "127.0.0.1:0");
        let (_, target) = attach(&mut engine, "127.0.0.1:0");
        let mut seen = Vec::new();
        for round in 0_u32..20 {
            for i in 0..50 {
                let number = round * 50 + i;
                let mut payload = vec![number as u8; 4 + (number as usize * 7) % 1400];
                payload[..4].copy_from_slice(&number.to_be_bytes());
                // Changing DF between packets must neither lose nor reorder any.
                let send = OuterSend {
                    dont_fragment: number % 3 == 0,
                    ..to(from, target)
                };
                engine.send_bytes(send, &payload);
            }
            engine.flush();
            seen.extend(collect(&mut engine, 50));
        }
        assert_eq!(seen.len(), 1000, "{kind:?}");
        for (number, (_, _, payload)) in seen.iter().enumerate() {
            assert_eq!(payload[..4], (number as u32).to_be_bytes(), "{kind:?}");
            assert!(payload[4..].iter().all(|&octet| octet == number as u8));
            assert_eq!(payload.len(), 4 + (number * 7) % 1400);
        }
        assert_eq!(engine.counters().tx_packets, 1000);
        assert_eq!(engine.counters().rx_packets, 1000);
    }
}

#[test]
fn runs_of_equal_length_pass_the_kernel_as_one_and_come_apart_again() {
    for kind in KINDS {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let mut engine = engine(kind);
            let wanted = kind.1;
            let (from, _) = attach(&mut engine, host);
            let (_, first) = attach(&mut engine, host);
            let (_, second) = attach(&mut engine, host);
            assert_eq!(engine.offloads().udp_send, wanted.udp_send);
            assert_eq!(engine.offloads().udp_receive, wanted.udp_receive);
            // Runs that end by a shorter datagram, by a longer one, by another peer, by another
            // TOS; the last is longer than the kernel takes at once.
            let story = [
                (first, 1000, 0, 10),
                (first, 400, 0, 1),
                (first, 1400, 0, 12),
                (second, 1400, 0, 5),
                (second, 1400, 0xb8, 5),
                (first, 40, 0, 150),
            ];
            let (mut sent, mut seen) = (Vec::new(), Vec::new());
            for (remote, len, tos, count) in story {
                for _ in 0..count {
                    let number = sent.len() as u32;
                    let mut payload = vec![number as u8; len];
                    payload[..4].copy_from_slice(&number.to_be_bytes());
                    let send = OuterSend {
                        tos,
                        ..to(from, remote)
                    };
                    engine.send_bytes(send, &payload);
                    sent.push((remote, payload));
                }
            }
            engine.flush();
            seen.extend(collect(&mut engine, sent.len()));
            assert_eq!(seen.len(), sent.len(), "{kind:?}");
            for remote in [first, second] {
                let sent = sent.iter().filter(|(to, _)| *to == remote);
                let port = if remote == first { 1 } else { 2 };
                let seen = seen.iter().filter(|(socket, _, _)| socket.0 == port);
                assert!(
                    sent.map(|(_, octets)| octets)
                        .eq(seen.map(|(_, _, octets)| octets))
                );
            }
            let counters = engine.counters();
            assert_eq!(counters.tx_packets, sent.len() as u64);
            assert_eq!(counters.rx_packets, sent.len() as u64);
            assert_eq!(counters.tx_runs > 0, wanted.udp_send, "{counters:?}");
            // Loopback brings nothing together that was sent apart.
            let received = if wanted.udp_receive {
                counters.tx_runs
            } else {
                0
            };
            assert_eq!(counters.rx_runs, received, "{counters:?}");
            assert_eq!(counters.tx_runs_refused, 0);
        }
    }
}

#[test]
fn an_oversized_datagram_is_counted_and_the_next_one_arrives() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (_, target) = attach(&mut engine, "127.0.0.1:0");
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(&[1; 2049], target).unwrap();
        peer.send_to(&[2; 60_000], target).unwrap();
        peer.send_to(&[3; 2048], target).unwrap();
        peer.send_to(&[], target).unwrap();
        let seen = collect(&mut engine, 2);
        assert_eq!(seen.len(), 2, "{kind:?}");
        assert_eq!(seen[0].2, [3; 2048]);
        assert!(seen[1].2.is_empty());
        assert_eq!(engine.counters().rx_truncated, 2);
    }
}

#[test]
fn what_does_not_leave_is_told_or_counted() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (from, target) = attach(&mut engine, "127.0.0.1:0");
        let broadcast = to(from, "127.255.255.255:9".parse().unwrap());
        let family = to(from, "[::1]:9".parse().unwrap());
        let unknown = to(SocketId(77), target);
        for (send, error) in [
            (broadcast, SendError::Denied),
            (family, SendError::Unreachable),
            (unknown, SendError::Unreachable),
        ] {
            assert_eq!(refusal(&mut engine, send, b"x"), Some(error), "{kind:?}");
            engine.send_bytes(send, b"x");
        }
        engine.send_bytes(to(from, target), b"first");
        engine.send_bytes(to(from, target), b"second");
        engine.flush();
        let seen = collect(&mut engine, 2);
        assert_eq!(seen[0].2, b"first", "{kind:?}");
        assert_eq!(seen[1].2, b"second", "{kind:?}");
        assert_eq!(engine.counters().tx_denied, 2, "{kind:?}");
        assert_eq!(engine.counters().tx_unreachable, 4);
        assert_eq!(engine.counters().tx_packets, 2);
    }
}

#[test]
fn a_waker_ends_the_wait_from_another_thread() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let waker = engine.waker();
        let other = std::thread::spawn(move || {
            for _ in 0..3 {
                waker.wake();
            }
        });
        let start = Instant::now();
        assert!(engine.wait(None).unwrap().woken, "{kind:?}");
        other.join().unwrap();
        // Calls that came after the first wake-up may cause a second one, never a third.
        let second = engine.wait(Some(Duration::from_millis(20))).unwrap().woken;
        let third = engine.wait(Some(Duration::from_millis(20))).unwrap().woken;
        assert!(!(second && third), "{kind:?}");
        engine.waker().wake();
        assert!(engine.wait(None).unwrap().woken, "{kind:?}");
        assert!(start.elapsed() < PATIENCE);
    }
}

#[test]
fn an_idle_wait_lasts_as_long_as_asked() {
    for kind in KINDS {
        let mut engine = engine(kind);
        attach(&mut engine, "127.0.0.1:0");
        let start = Instant::now();
        let wakeup = engine.wait(Some(Duration::from_millis(30))).unwrap();
        assert!(!wakeup.woken);
        assert!(start.elapsed() >= Duration::from_millis(30), "{kind:?}");
        assert!(start.elapsed() < Duration::from_secs(2), "{kind:?}");
    }
}

#[test]
fn drops_of_the_kernel_are_counted() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let socket = OuterSocket::udp(&UdpSettings {
            rx_buffer_bytes: 16 << 10,
            ..UdpSettings::new("127.0.0.1:0".parse().unwrap())
        })
        .unwrap();
        let target = socket.local();
        assert!(socket.buffer_bytes().unwrap().0 < 64 << 10);
        let lossless = UdpSettings::new("127.0.0.1:0".parse().unwrap());
        let other = (engine.attach_socket(OuterSocket::udp(&lossless).unwrap())).unwrap();
        let id = engine.attach_socket(socket).unwrap();
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..400 {
            peer.send_to(&[0; 1000], target).unwrap();
        }
        let received = collect_until_quiet(&mut engine);
        engine.count_drops();
        let drops = engine.counters().rx_kernel_drops;
        assert!(drops > 0, "{kind:?}");
        assert_eq!(received as u64 + drops, 400, "{kind:?}");
        assert_eq!(engine.socket_drops(id), drops, "{kind:?}");
        assert_eq!(engine.socket_drops(other), 0, "{kind:?}");
        // A later datagram tells the same number.
        peer.send_to(&[9; 10], target).unwrap();
        assert_eq!(collect(&mut engine, 1).len(), 1);
        assert_eq!(engine.counters().rx_kernel_drops, drops, "{kind:?}");
        // If drops come again it tells them.
        for _ in 0..400 {
            peer.send_to(&[0; 1000], target).unwrap();
        }
        let received = collect_until_quiet(&mut engine);
        peer.send_to(&[9; 10], target).unwrap();
        assert_eq!(collect(&mut engine, 1).len(), 1);
        let more = engine.counters().rx_kernel_drops - drops;
        assert_eq!(received as u64 + more, 400, "{kind:?}");
    }
}

fn collect_until_quiet(engine: &mut Engine) -> usize {
    let mut total = 0;
    loop {
        let mut batch = Batch::with_capacity(64);
        engine.wait(Some(Duration::from_millis(50))).unwrap();
        let mut any = false;
        while engine.receive(&mut batch) > 0 {
            any = true;
            let each = batch.outer.iter_mut();
            total += each.map(|p| p.datagrams_mut().count()).sum::<usize>();
            engine.recycle(&mut batch);
        }
        if !any {
            return total;
        }
    }
}

#[test]
fn hoarded_buffers_stop_reception_only_until_they_are_back() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (_, target) = attach(&mut engine, "127.0.0.1:0");
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0_u32..400 {
            peer.send_to(&number.to_be_bytes(), target).unwrap();
        }
        let mut hoard = Batch::with_capacity(512);
        for _ in 0..60 {
            engine.wait(Some(Duration::from_millis(2))).unwrap();
            engine.receive(&mut hoard);
        }
        assert!(hoard.outer.len() < 400, "{kind:?}");
        assert!(engine.counters().rx_no_buffer > 0, "{kind:?}");
        let first = hoard.outer.len();
        engine.recycle(&mut hoard);
        let rest = collect(&mut engine, 400 - first);
        assert_eq!(first + rest.len(), 400, "{kind:?}");
        assert_eq!(rest.last().unwrap().2, 399_u32.to_be_bytes());
    }
}

#[test]
fn a_program_chooses_the_socket_by_octets() {
    // Upper six bits of octet 0 unless the first word is zero; then octet 7 if the low bit of
    // octet 6 is set, else octet 5.
    let zero = Condition::WordEquals {
        offset: 0,
        value: 0,
    };
    let not_zero = Condition::WordDiffers {
        offset: 0,
        value: 0,
    };
    let flag = Condition::AnyBitSet { offset: 6, mask: 1 };
    let no_flag = Condition::NoBitSet { offset: 6, mask: 1 };
    let rules = [
        (not_zero, None, 0, 2),
        (zero, Some(flag), 7, 0),
        (zero, Some(no_flag), 5, 0),
    ]
    .map(|(word, flag, offset, shift_right)| Rule {
        conditions: [Some(Condition::LengthAtLeast(8)), Some(word), flag]
            .into_iter()
            .flatten()
            .collect(),
        offset,
        shift_right,
    });
    for kind in KINDS {
        let mut engine = engine(kind);
        let first = OuterSocket::udp(&UdpSettings::new("127.0.0.7:0".parse().unwrap())).unwrap();
        let address = first.local();
        let mut ids = vec![engine.attach_socket(first).unwrap()];
        for _ in 0..2 {
            let socket = OuterSocket::udp(&UdpSettings::new(address)).unwrap();
            ids.push(engine.attach_socket(socket).unwrap());
        }
        let steering = OuterSocket::udp(&UdpSettings::new(address)).unwrap();
        steering.steer(&Program::select(&rules)).unwrap();
        drop(steering);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for index in [0_u8, 1, 2] {
            for _ in 0..20 {
                for payload in [
                    [index << 2 | 3, 1, 1, 9, 9, 9, 9, 9, index],
                    [0, 0, 0, 0, 9, 9, 0xf9, index, index],
                    [0, 0, 0, 0, 9, index, 0xf8, 9, index],
                ] {
                    peer.send_to(&payload, address).unwrap();
                }
            }
        }
        let seen = collect(&mut engine, 180);
        assert_eq!(seen.len(), 180, "{kind:?}");
        for (socket, _, payload) in &seen {
            assert_eq!(
                *socket,
                ids[usize::from(payload[8])],
                "{kind:?} {payload:?}"
            );
        }
        // Nothing matches: the kernel places it, and it is not lost.
        peer.send_to(&[1, 2, 3], address).unwrap();
        assert_eq!(collect(&mut engine, 1).len(), 1);
    }
}

#[test]
fn an_engine_can_go_while_its_receives_are_armed() {
    for kind in KINDS {
        for _ in 0..20 {
            let mut engine = engine(kind);
            let (from, target) = attach(&mut engine, "127.0.0.1:0");
            engine.wait(Some(Duration::ZERO)).unwrap();
            for _ in 0..10 {
                engine.send_bytes(to(from, target), &[5; 500]);
            }
            engine.flush();
        }
    }
}

#[test]
fn buffers_are_neither_lost_nor_made() {
    for kind in KINDS {
        let mut engine = engine(kind);
        let (from, target) = attach(&mut engine, "127.0.0.1:0");
        engine.wait(Some(Duration::ZERO)).unwrap();
        let available = engine.buffers_available();
        for _ in 0..100 {
            for _ in 0..40 {
                engine.send_bytes(to(from, target), &[5; 100]);
            }
            assert_eq!(collect(&mut engine, 40).len(), 40, "{kind:?}");
        }
        engine.wait(Some(Duration::ZERO)).unwrap();
        let prefetched = settings(kind).batch;
        assert!(
            engine.buffers_available() + prefetched >= available,
            "{kind:?}"
        );
        assert!(engine.buffers_available() <= available, "{kind:?}");
    }
}
