//! TUN devices and raw sockets, each test in a network namespace of its own. They need root, so
//! they stand behind the feature `namespaces`, which `cargo xtask test` turns on where it can.

mod coalescing;
mod fan_out;
mod lent;
mod packets;
mod steering;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netio::{
    Batch, Condition, Engine, EngineKind, EngineSettings, Offloads, OuterSend, OuterSocket,
    Program, RawSettings, Rule, Tun, TunSettings, UdpSettings,
};

/// An engine, and the offloads that it shall use.
type Way = (EngineKind, Offloads);

/// With all of them, with none, and without each.
const WANTED: [Offloads; 7] = [
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
    Offloads {
        tun_tcp: false,
        ..Offloads::ALL
    },
    Offloads {
        tun_udp: false,
        ..Offloads::ALL
    },
    Offloads {
        tun_coalescing: false,
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

/// Runs `story` on a thread that has left the host's network behind.
fn in_namespace(story: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        // SAFETY: unshare takes no pointers; it concerns this thread alone.
        let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        ip("link set lo up");
        story();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(output.status.success(), "ip {arguments}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn tun_settings(queues: usize, (_, offload): Way) -> TunSettings {
    TunSettings {
        name: "ptest%d".to_owned(),
        queues,
        mtu: 1400,
        addresses: vec![(address("10.9.0.1"), 24), (address("fd09::1"), 64)],
        namespace: None,
        table: None,
        offload,
    }
}

fn engine((kind, offload): Way) -> Engine {
    Engine::new(&EngineSettings {
        kind,
        batch: 16,
        buffers: 256,
        payload_max: 2048,
        offload,
    })
    .unwrap()
}

/// The first IP packet read that satisfies `wanted`.
fn read_until(engine: &mut Engine, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    read_several(engine, 1, wanted).remove(0)
}

/// The first so many IP packets read that satisfy `wanted`.
fn read_several(engine: &mut Engine, count: usize, wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut batch = Batch::with_capacity(64);
    let mut seen = Vec::new();
    let start = Instant::now();
    while seen.len() < count {
        assert!(start.elapsed() < PATIENCE, "only {} were read", seen.len());
        engine.wait(Some(Duration::from_millis(50))).unwrap();
        while engine.receive(&mut batch) > 0 {
            let read = batch.inner.iter().map(|p| p.buffer.bytes());
            seen.extend(read.filter(|p| wanted(p)).map(<[u8]>::to_vec));
            engine.recycle(&mut batch);
        }
    }
    seen
}

fn is_udp_v4(packet: &[u8]) -> bool {
    packet[0] >> 4 == 4 && packet[9] == 17
}

/// Turns a UDP packet round: the checksums stay right, since only places are exchanged.
fn swap_v4(packet: &mut [u8]) {
    for i in 0..4 {
        packet.swap(12 + i, 16 + i);
    }
    packet.swap(20, 22);
    packet.swap(21, 23);
}

/// The MTU of each path that was found to be narrow.
fn narrow(engine: &mut Engine) -> Vec<u32> {
    let mut paths = Vec::new();
    engine.take_narrow(&mut paths);
    paths.into_iter().map(|path| path.mtu).collect()
}

#[test]
fn packets_pass_through_the_device_both_ways() {
    for kind in KINDS {
        in_namespace(move || {
            let (tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut engine = engine(kind);
            let id = engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let _route = tun.route(address("192.0.2.0"), 24).unwrap();
            let socket = UdpSocket::bind("10.9.0.1:7777").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            for round in 0..100_u8 {
                let payload = vec![round; 1 + usize::from(round) * 13];
                socket.send_to(&payload, "192.0.2.5:9").unwrap();
                let mut packet = read_until(&mut engine, is_udp_v4);
                assert_eq!(packet.len(), 28 + payload.len());
                assert_eq!(packet[28..], payload);
                swap_v4(&mut packet);
                engine.write_tun_bytes(id, &packet);
                engine.flush();
                let mut answer = [0; 2048];
                let (len, from) = socket.recv_from(&mut answer).unwrap();
                assert_eq!(answer[..len], payload);
                assert_eq!(from, "192.0.2.5:9".parse().unwrap());
            }
            engine.write_tun_bytes(id, &[0xff; 40]);
            engine.flush();
            engine.wait(Some(Duration::from_millis(10))).unwrap();
            assert_eq!(engine.counters().tun_tx_packets, 100, "{kind:?}");
            assert_eq!(engine.counters().tun_tx_errors, 1, "{kind:?}");
        });
    }
}

/// Sends every TCP packet back with its addresses exchanged, until it is done: to the host, connections to one of its ports then come from the address that they went to.
fn mirror(engine: &mut Engine, tun: netio::TunId, done: &AtomicBool) {
    let mut batch = Batch::with_capacity(64);
    while !done.load(Ordering::Acquire) {
        engine.wait(Some(Duration::from_millis(5))).unwrap();
        while engine.receive(&mut batch) > 0 {
            for packet in &mut batch.inner {
                let octets = packet.buffer.bytes_mut();
                let (from, len) = if octets[0] >> 4 == 4 {
                    (12, 4)
                } else {
                    (8, 16)
                };
                let protocol = octets[if len == 4 { 9 } else { 6 }];
                if protocol == 6 {
                    for i in from..from + len {
                        octets.swap(i, i + len);
                    }
                    engine.write_tun_bytes(tun, packet.buffer.bytes());
                }
            }
            engine.recycle(&mut batch);
        }
        engine.flush();
    }
}

/// All that the first connection brings, without waiting for one for ever.
fn read_stream(listener: &TcpListener) -> std::io::Result<Vec<u8>> {
    listener.set_nonblocking(true)?;
    let start = Instant::now();
    let mut stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if start.elapsed() > PATIENCE => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen)?;
    Ok(seen)
}

#[test]
fn a_tcp_stream_crosses_the_device_unharmed() {
    for kind in KINDS {
        for (own, other) in [("10.9.0.1", "192.0.2.5"), ("fd09::1", "2001:db8::5")] {
            in_namespace(move || {
                let (tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
                let prefix_len = if own.contains(':') { 128 } else { 32 };
                let _route = tun.route(address(other), prefix_len).unwrap();
                let listener = TcpListener::bind((address(own), 7777)).unwrap();
                let mut engine = engine(kind);
                let id = engine
                    .attach_tun(queues.into_iter().next().unwrap())
                    .unwrap();
                assert_eq!(engine.offloads().tun_tcp, kind.1.tun_tcp, "{kind:?}");
                let sent: Vec<u8> = (0_u32..2_000_000).map(|i| (i * 7 / 8) as u8).collect();
                let done = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    let (sent, done) = (&sent, &done);
                    scope.spawn(move || {
                        let mut stream = TcpStream::connect((address(other), 7777))?;
                        stream.write_all(sent)
                    });
                    let reader = scope.spawn(move || {
                        let seen = read_stream(&listener);
                        done.store(true, Ordering::Release);
                        seen
                    });
                    mirror(&mut engine, id, done);
                    assert!(reader.join().unwrap().unwrap() == *sent, "{kind:?}");
                });
                let counters = engine.counters();
                assert_eq!(counters.tun_rx_runs > 10, kind.1.tun_tcp, "{counters:?}");
                assert_eq!(
                    counters.tun_tx_runs > 10,
                    kind.1.tun_coalescing,
                    "{counters:?}"
                );
                assert_eq!(counters.tun_tx_errors, 0, "{counters:?}");
                assert_eq!(counters.tun_rx_malformed, 0, "{counters:?}");
                assert!(counters.tun_tx_packets > 1400);
            });
        }
    }
}

#[test]
fn a_run_of_datagrams_comes_apart_at_the_device() {
    for kind in KINDS {
        in_namespace(move || {
            let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut engine = engine(kind);
            engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let mut send = OuterSend {
                socket: netio::SocketId(0),
                local: None,
                remote: "10.9.0.2:9".parse().unwrap(),
                tos: 0,
                dont_fragment: true,
                segment: 0,
                tag: 0,
            };
            for (bind, remote) in [("10.9.0.1:0", "10.9.0.2:9"), ("[fd09::1]:0", "[fd09::2]:9")] {
                let socket = OuterSocket::udp(&UdpSettings::new(bind.parse().unwrap())).unwrap();
                send.socket = engine.attach_socket(socket).unwrap();
                send.remote = remote.parse().unwrap();
                for number in 0..20_u8 {
                    let len = if number == 19 { 500 } else { 1000 };
                    engine.send_bytes(send, &vec![number; len]);
                }
            }
            engine.flush();
            let mut seen = Vec::new();
            let mut batch = Batch::with_capacity(64);
            let start = Instant::now();
            while seen.len() < 40 && start.elapsed() < PATIENCE {
                engine.wait(Some(Duration::from_millis(50))).unwrap();
                engine.receive(&mut batch);
                for packet in &batch.inner {
                    let octets = packet.buffer.bytes();
                    let v4 = octets[0] >> 4 == 4;
                    if octets[if v4 { 9 } else { 6 }] == 17 {
                        let payload = &octets[if v4 { 28 } else { 48 }..];
                        assert!(payload.iter().all(|octet| *octet == payload[0]));
                        seen.push((v4, payload[0], payload.len()));
                    }
                }
                engine.recycle(&mut batch);
            }
            let wanted = |v4| (0..19).map(move |n| (v4, n, 1000)).chain([(v4, 19, 500)]);
            assert!(
                seen.iter().copied().eq(wanted(true).chain(wanted(false))),
                "{seen:?}"
            );
            let runs = engine.offloads().udp_send && engine.offloads().tun_udp;
            assert_eq!(engine.counters().tun_rx_runs > 0, runs, "{kind:?}");
        });
    }
}

#[test]
fn what_is_sent_has_the_header_that_was_asked_for() {
    for kind in KINDS {
        in_namespace(move || {
            let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            ip("addr add 10.9.0.77/32 dev ptest0");
            let mut engine = engine(kind);
            engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let v4 = engine
                .attach_socket(
                    OuterSocket::udp(&UdpSettings::new("0.0.0.0:500".parse().unwrap())).unwrap(),
                )
                .unwrap();
            let raw = engine
                .attach_socket(OuterSocket::raw(&RawSettings::new(address("0.0.0.0"), 50)).unwrap())
                .unwrap();
            for socket in [v4, raw] {
                for (tos, dont_fragment) in [(0, true), (0x28, false), (0xb9, true), (3, false)] {
                    let send = OuterSend {
                        socket,
                        local: Some(address("10.9.0.77")),
                        remote: "10.9.0.200:501".parse().unwrap(),
                        tos,
                        dont_fragment,
                        segment: 0,
                        tag: 0,
                    };
                    engine.send_bytes(send, b"four score");
                    engine.flush();
                    let protocol = if socket == raw { 50 } else { 17 };
                    let packet = read_until(&mut engine, |p| p[0] >> 4 == 4 && p[9] == protocol);
                    assert_eq!(packet[1], tos, "{kind:?}");
                    assert_eq!(packet[6] & 0x40 != 0, dont_fragment, "{kind:?}");
                    assert_eq!(packet[12..16], [10, 9, 0, 77]);
                    assert_eq!(packet[16..20], [10, 9, 0, 200]);
                    assert!(packet.ends_with(b"four score"));
                }
            }
        });
    }
}

#[test]
fn ipv6_headers_and_fragmentation_obey_too() {
    for kind in KINDS {
        in_namespace(move || {
            let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut engine = engine(kind);
            engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let socket = OuterSocket::udp(&UdpSettings::new("[::]:500".parse().unwrap())).unwrap();
            let socket = engine.attach_socket(socket).unwrap();
            let mut send = OuterSend {
                socket,
                local: Some(address("fd09::1")),
                remote: "[fd09::2]:501".parse().unwrap(),
                tos: 0xb8,
                dont_fragment: true,
                segment: 0,
                tag: 0,
            };
            engine.send_bytes(send, &[1; 100]);
            engine.flush();
            let packet = read_until(&mut engine, |p| p[0] >> 4 == 6 && p[6] == 17);
            assert_eq!((packet[0] & 15) << 4 | packet[1] >> 4, 0xb8, "{kind:?}");
            assert_eq!(
                packet[8..24],
                "fd09::1".parse::<std::net::Ipv6Addr>().unwrap().octets()
            );
            // What the device does not take leaves in fragments (next header 44), and we are told.
            for (dont_fragment, told) in [(true, vec![1400]), (false, vec![])] {
                send.dont_fragment = dont_fragment;
                engine.send_bytes(send, &[3; 1500]);
                engine.flush();
                read_until(&mut engine, |p| p[0] >> 4 == 6 && p[6] == 44);
                assert_eq!(narrow(&mut engine), told, "{kind:?}");
            }
        });
    }
}

/// Before Linux 6.11 a run needs a device that computes checksums: without one it is refused once, and no
/// more are tried. Later kernels compute them.
#[test]
fn runs_through_a_device_that_computes_no_checksums_arrive() {
    for kind in [EngineKind::Epoll, EngineKind::IoUring] {
        in_namespace(move || {
            let plain = (kind, Offloads::NONE);
            let (_tun, queues) = Tun::open(&tun_settings(1, plain)).unwrap();
            let mut engine = engine((kind, Offloads::ALL));
            let queue = queues.into_iter().next().unwrap();
            engine.attach_tun(queue).unwrap();
            let socket = OuterSocket::udp(&UdpSettings::new("10.9.0.1:500".parse().unwrap()));
            let socket = engine.attach_socket(socket.unwrap()).unwrap();
            assert!(engine.offloads().udp_send);
            let send = OuterSend {
                socket,
                local: None,
                remote: "10.9.0.2:9".parse().unwrap(),
                tos: 0,
                dont_fragment: true,
                segment: 0,
                tag: 0,
            };
            for round in 0..2 {
                for number in 0..8 {
                    engine.send_bytes(send, &[round * 8 + number; 500]);
                }
                engine.flush();
                let seen = read_several(&mut engine, 8, is_to_port_9);
                let seen: Vec<_> = seen.iter().map(|packet| packet[28]).collect();
                let sent: Vec<_> = (round * 8..round * 8 + 8).collect();
                assert_eq!(seen, sent, "{kind:?}");
            }
            let counters = engine.counters();
            assert_eq!(counters.tx_packets, 16, "{kind:?}");
            let outcome = (counters.tx_runs, counters.tx_runs_refused);
            assert!(
                outcome == (0, 1) || outcome == (2, 0),
                "{kind:?} {outcome:?}"
            );
        });
    }
}

#[test]
fn what_the_kernel_refuses_as_a_run_goes_singly() {
    for kind in KINDS {
        in_namespace(move || {
            let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut engine = engine(kind);
            engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let socket = OuterSocket::udp(&UdpSettings::new("10.9.0.1:500".parse().unwrap()));
            let socket = engine.attach_socket(socket.unwrap()).unwrap();
            let send = OuterSend {
                socket,
                local: None,
                remote: "10.9.0.2:9".parse().unwrap(),
                tos: 0,
                dont_fragment: false,
                segment: 0,
                tag: 0,
            };
            // Larger than the device's packets: only fragments can carry them.
            for number in 0..3 {
                engine.send_bytes(send, &[number; 1500]);
            }
            engine.flush();
            let mut heads = Vec::new();
            let mut batch = Batch::with_capacity(64);
            let start = Instant::now();
            while heads.len() < 3 && start.elapsed() < PATIENCE {
                engine.wait(Some(Duration::from_millis(50))).unwrap();
                engine.receive(&mut batch);
                let packets = batch.inner.iter().map(|p| p.buffer.bytes());
                // The first fragment of each, which says that more follow.
                let first = packets.filter(|p| is_udp_v4(p) && p[6] & 0x20 != 0);
                heads.extend(first.map(|p| p[28]));
                engine.recycle(&mut batch);
            }
            assert_eq!(heads, [0, 1, 2], "{kind:?}");
            let counters = engine.counters();
            assert_eq!(counters.tx_packets, 3, "{kind:?}");
            assert_eq!(counters.tx_narrow, 0, "{kind:?}");
            assert_eq!(counters.tx_runs, 0, "{kind:?}");
            assert_eq!(counters.tx_runs_refused > 0, kind.1.udp_send);
        });
    }
}

/// A route of 1,000 octets through a device of 1,400: what must not be fragmented and does not fit
/// leaves in fragments, in its turn, and the path is told.
#[test]
fn what_is_too_large_for_its_path_leaves_in_fragments() {
    for kind in KINDS {
        for (own, other, prefix, mtu) in [
            ("10.9.0.1", "10.8.0.1", "10.8.0.0/24", 1000),
            ("fd09::1", "fd08::1", "fd08::/64", 1290),
        ] {
            in_namespace(move || {
                let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
                ip(&format!("route add {prefix} dev ptest0 mtu {mtu}"));
                let mut engine = engine(kind);
                let queue = queues.into_iter().next().unwrap();
                engine.attach_tun(queue).unwrap();
                let socket =
                    OuterSocket::udp(&UdpSettings::new(SocketAddr::new(address(own), 500)));
                let socket = engine.attach_socket(socket.unwrap()).unwrap();
                let send = OuterSend {
                    socket,
                    local: None,
                    remote: SocketAddr::new(address(other), 9),
                    tos: 0,
                    dont_fragment: true,
                    segment: 0,
                    tag: 0,
                };
                // A run that does not fit, one that does, and one that does not.
                let sent = [
                    (1310, 1),
                    (1310, 2),
                    (1310, 3),
                    (300, 4),
                    (300, 5),
                    (1310, 6),
                ];
                for (len, number) in sent {
                    engine.send_bytes(send, &vec![number; len]);
                }
                engine.flush();
                let seen = read_several(&mut engine, sent.len(), is_to_port_9);
                let mut seen: Vec<_> = seen
                    .iter()
                    .map(|packet| (is_fragment(packet), packet[packet.len() - 1]))
                    .collect();
                if kind.0 == EngineKind::IoUring {
                    seen.sort_by_key(|(_, number)| *number);
                }
                let expected = sent.map(|(len, number)| (len > 300, number));
                assert_eq!(seen, expected, "{kind:?}");
                assert_eq!(engine.counters().tx_packets, 6, "{kind:?}");
                // The shorter one at the end of the run shares its fate.
                let too_large = if kind.1.udp_send { 5 } else { 4 };
                assert_eq!(engine.counters().tx_narrow, too_large, "{kind:?}");
                assert_eq!(narrow(&mut engine), [mtu], "{kind:?}");
                assert_eq!(narrow(&mut engine), [], "{kind:?}");
            });
        }
    }
}

/// Whether it is a datagram to port 9, or the first fragment of one.
fn is_to_port_9(packet: &[u8]) -> bool {
    let udp = match (packet[0] >> 4, packet[6]) {
        (4, _) if packet[9] == 17 => 20,
        (6, 17) => 40,
        (6, 44) if packet[40] == 17 && packet[42..44] == [0, 1] => 48,
        _ => return false,
    };
    (udp != 20 || packet[6] & 0x1f == 0 && packet[7] == 0) && packet[udp + 2..udp + 4] == [0, 9]
}

fn is_fragment(packet: &[u8]) -> bool {
    packet[6] == if packet[0] >> 4 == 4 { 0x20 } else { 44 }
}

#[test]
fn routes_and_addresses_come_and_go() {
    for kind in KINDS {
        in_namespace(move || routes_and_addresses(kind));
    }
}

fn routes_and_addresses(kind: Way) {
    let (tun, queues) = Tun::open(&tun_settings(4, kind)).unwrap();
    assert_eq!(queues.len(), 4);
    assert_eq!(tun.name(), "ptest0");
    let link = ip("addr show dev ptest0");
    assert!(link.contains("mtu 1400"), "{link}");
    assert!(link.contains("inet 10.9.0.1/24"), "{link}");
    // The kernel's own link-local address may still be tentative; ours must not be.
    let ours = link.lines().find(|line| line.contains("inet6 fd09::1/64"));
    assert!(
        ours.is_some_and(|line| !line.contains("tentative")),
        "{link}"
    );
    let guard = tun.route(address("198.51.100.0"), 24).unwrap();
    let guard6 = tun.route(address("2001:db8::"), 32).unwrap();
    assert!(ip("route").contains("198.51.100.0/24 dev ptest0"));
    assert!(ip("-6 route").contains("2001:db8::/32 dev ptest0"));
    let again = tun.route(address("198.51.100.0"), 24).unwrap_err();
    assert_eq!(again.raw_os_error(), Some(libc::EEXIST));
    let leased = tun.address(address("198.51.100.9"), 32).unwrap();
    assert!(ip("addr show dev ptest0").contains("198.51.100.9/32"));
    drop(leased);
    assert!(!ip("addr show dev ptest0").contains("198.51.100.9/32"));
    drop(guard);
    drop(guard6);
    assert!(!ip("route").contains("198.51.100.0"));
    assert!(!ip("-6 route").contains("2001:db8::/32"));
    drop(queues);
    // Another test's child process may have the queues until it has become its own program.
    let start = Instant::now();
    while ip("link").contains("ptest0") {
        assert!(start.elapsed() < PATIENCE, "the device outlives its queues");
    }
}

#[test]
fn raw_datagrams_arrive_without_their_header_and_only_where_wanted() {
    for kind in KINDS {
        for (host, any) in [("127.0.0.1", "0.0.0.0"), ("::1", "::")] {
            in_namespace(move || {
                let mut engine = engine(kind);
                let ipv6 = host.contains(':');
                let rules = [Rule {
                    conditions: vec![Condition::LengthAtLeast(8)],
                    offset: 0,
                    shift_right: 1,
                }];
                let mut ids = Vec::new();
                for index in 0..3 {
                    let socket = OuterSocket::raw(&RawSettings::new(address(any), 50)).unwrap();
                    socket
                        .filter(&Program::accept(&rules, index, !ipv6))
                        .unwrap();
                    ids.push(engine.attach_socket(socket).unwrap());
                }
                for octet in [0_u8, 1, 2] {
                    let send = OuterSend {
                        socket: ids[0],
                        local: None,
                        remote: (address(host), 0).into(),
                        tos: 0x48,
                        dont_fragment: false,
                        segment: 0,
                        tag: 0,
                    };
                    engine.send_bytes(send, &[octet << 1 | 1, 1, 2, 3, 4, 5, 6, 7, 8]);
                    // Too short for the rule: goes to the first.
                    engine.send_bytes(send, &[octet, 1]);
                }
                engine.flush();
                let mut batch = Batch::with_capacity(64);
                let start = Instant::now();
                while batch.outer.len() < 6 && start.elapsed() < PATIENCE {
                    engine.wait(Some(Duration::from_millis(50))).unwrap();
                    engine.receive(&mut batch);
                }
                engine.wait(Some(Duration::from_millis(50))).unwrap();
                engine.receive(&mut batch);
                assert_eq!(batch.outer.len(), 6, "{kind:?} {host}");
                for packet in &batch.outer {
                    let octets = packet.buffer.bytes();
                    let owner = if octets.len() < 8 { 0 } else { octets[0] >> 1 };
                    assert!(octets.len() == 9 || octets.len() == 2);
                    assert_eq!(packet.socket, ids[usize::from(owner)]);
                    assert_eq!(packet.local.ip(), address(host));
                    assert_eq!(packet.remote, (address(host), 0).into());
                    assert_eq!(packet.tos, 0x48);
                }
                engine.recycle(&mut batch);
            });
        }
    }
}

#[test]
fn a_deleted_device_does_not_keep_the_thread_busy() {
    for kind in KINDS {
        in_namespace(move || {
            let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut engine = engine(kind);
            engine
                .attach_tun(queues.into_iter().next().unwrap())
                .unwrap();
            let mut batch = Batch::with_capacity(64);
            engine.wait(Some(Duration::ZERO)).unwrap();
            ip("link del ptest0");
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(300) {
                engine.wait(Some(Duration::from_millis(20))).unwrap();
                while engine.receive(&mut batch) > 0 {
                    engine.recycle(&mut batch);
                }
            }
            assert!(engine.counters().wakeups < 100, "{kind:?}");
            assert!(engine.counters().tun_rx_errors > 0, "{kind:?}");
        });
    }
}

/// The namespace in which a thread lives, as a path.
const HERE: &str = "/proc/thread-self/ns/net";

#[test]
fn devices_and_sockets_of_another_namespace_belong_there() {
    in_namespace(|| {
        let other = std::fs::File::open(HERE).unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&other));
        // Away from it: what is opened now by that path still comes to be in it.
        in_namespace(move || {
            let settings = TunSettings {
                namespace: Some(path.clone()),
                table: Some(300),
                ..tun_settings(1, KINDS[0])
            };
            let (tun, queues) = Tun::open(&settings).unwrap();
            assert!(!ip("link").contains("ptest0"), "it is not here");
            let guard = tun.route(address("198.51.100.0"), 24).unwrap();
            let within = |arguments: &'static str| {
                netio::in_namespace(Some(&path), || Ok(ip(arguments))).unwrap()
            };
            assert!(within("addr show dev ptest0").contains("inet 10.9.0.1/24"));
            assert!(within("route show table 300").contains("198.51.100.0/24 dev ptest0"));
            assert!(!within("route show").contains("198.51.100.0"));
            drop(guard);
            assert!(!within("route show table 300").contains("198.51.100.0"));

            // The address is one of the device's, and so none of ours.
            let there = UdpSettings {
                namespace: Some(path.clone()),
                ..UdpSettings::new("10.9.0.1:4500".parse().unwrap())
            };
            assert!(OuterSocket::udp(&there).is_ok());
            let here = UdpSettings {
                namespace: None,
                ..there
            };
            assert!(OuterSocket::udp(&here).is_err());
            drop(queues);
        });
    });
}
