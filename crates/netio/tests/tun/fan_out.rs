//! Raw datagrams shared by the sockets of a fan-out group.

use std::os::fd::AsRawFd;

use netio::SocketId;
use socket2::{Domain, Protocol, Socket, Type};

use super::*;

/// A datagram that a socket received: which one, from where, to where, its octets.
type Seen = (SocketId, IpAddr, IpAddr, Vec<u8>);

fn settings(bind: &str) -> RawSettings {
    RawSettings::new(address(bind), 50)
}

/// The first octet without its lowest bit names the socket.
fn program() -> Program {
    Program::select_behind_header(&[Rule {
        conditions: vec![Condition::LengthAtLeast(8)],
        offset: 0,
        shift_right: 1,
    }])
}

fn group(engine: &mut Engine, bind: &str) -> Vec<SocketId> {
    let sockets = OuterSocket::fan_out(&settings(bind), &program(), 3).unwrap();
    let ids = sockets.into_iter().map(|s| engine.attach_socket(s));
    ids.collect::<Result<_, _>>().unwrap()
}

fn to(socket: SocketId, local: Option<&str>, remote: &str) -> OuterSend {
    OuterSend {
        socket,
        local: local.map(address),
        remote: (address(remote), 0).into(),
        tos: 0x48,
        dont_fragment: false,
        segment: 0,
        tag: 0,
    }
}

/// Receives until `count` datagrams have come, and a little longer.
fn collect(engine: &mut Engine, count: usize) -> Vec<Seen> {
    let mut batch = Batch::with_capacity(64);
    let mut seen = Vec::new();
    let start = Instant::now();
    let mut late = 0;
    while late < 2 && start.elapsed() < PATIENCE {
        late += usize::from(seen.len() >= count);
        engine.wait(Some(Duration::from_millis(20))).unwrap();
        while engine.receive(&mut batch) > 0 {
            for packet in &batch.outer {
                assert_eq!(packet.tos, 0x48);
                let octets = packet.buffer.bytes().to_vec();
                seen.push((packet.socket, packet.remote.ip(), packet.local.ip(), octets));
            }
            engine.recycle(&mut batch);
        }
    }
    seen
}

/// Messages of this host that nobody serves a protocol or port.
fn unreachables() -> u64 {
    let snmp = std::fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut icmp = snmp.lines().filter(|line| line.starts_with("Icmp: "));
    let names = icmp.next().unwrap().split(' ');
    let place = names.clone().position(|name| name == "OutDestUnreachs");
    let value = icmp.next().unwrap().split(' ').nth(place.unwrap());
    value.unwrap().parse().unwrap()
}

#[test]
fn each_socket_gets_what_the_program_says_and_nobody_else_does() {
    for kind in KINDS {
        in_namespace(move || {
            let mut engine = engine(kind);
            let ids = group(&mut engine, "0.0.0.0");
            let mut expected = Vec::new();
            for number in 0..60_u8 {
                // As short as can be: the link may pad it, and the padding must go.
                let octets = vec![(number % 3) << 1 | number & 1, number, 3, 4, 5, 6, 7, 8];
                let send = to(ids[0], Some("127.0.0.9"), "127.0.0.1");
                engine.send_bytes(send, &octets);
                let (from, to) = (address("127.0.0.9"), address("127.0.0.1"));
                expected.push((ids[usize::from(number % 3)], from, to, octets));
            }
            engine.flush();
            let mut seen = collect(&mut engine, 60);
            seen.sort_by_key(|(_, _, _, octets)| octets[1]);
            assert_eq!(seen, expected, "{kind:?}");
            assert_eq!(unreachables(), 0, "{kind:?}");
            assert_eq!(engine.counters().rx_malformed, 0, "{kind:?}");
        });
    }
}

fn count_until_quiet(engine: &mut Engine) -> usize {
    let (mut count, mut before) = (0, usize::MAX);
    let mut batch = Batch::with_capacity(64);
    while count != before {
        before = count;
        engine.wait(Some(Duration::from_millis(50))).unwrap();
        while engine.receive(&mut batch) > 0 {
            count += batch.outer.len();
            engine.recycle(&mut batch);
        }
    }
    count
}

/// Packet sockets and raw ones, of both families, count what found no room.
#[test]
fn drops_of_the_kernel_are_counted() {
    for kind in [EngineKind::Epoll, EngineKind::IoUring].map(|kind| (kind, Offloads::ALL)) {
        in_namespace(move || {
            for (bind, shared) in [("127.0.0.1", true), ("127.0.0.1", false), ("::1", false)] {
                let mut engine = engine(kind);
                let small = RawSettings {
                    rx_buffer_bytes: 16 << 10,
                    ..settings(bind)
                };
                let sockets = if shared {
                    OuterSocket::fan_out(&small, &program(), 2).unwrap()
                } else {
                    vec![OuterSocket::raw(&small).unwrap()]
                };
                let ids = sockets
                    .into_iter()
                    .map(|s| engine.attach_socket(s).unwrap());
                let ids: Vec<_> = ids.collect();
                for _ in 0..40 {
                    for _ in 0..10 {
                        engine.send_bytes(to(ids[0], None, bind), &[0; 1000]);
                    }
                    engine.flush();
                }
                let received = count_until_quiet(&mut engine);
                engine.count_drops();
                let counters = engine.counters();
                assert_eq!(counters.tx_packets, 400, "{kind:?} {bind}");
                assert!(counters.rx_kernel_drops > 0, "{kind:?} {bind}");
                let seen = received as u64 + counters.rx_kernel_drops;
                assert_eq!(seen, 400, "{kind:?} {bind} {shared}");
            }
        });
    }
}

/// A raw socket whose packets have a header of 24 octets: twice "no operation" and the end of the list.
fn raw_with_options() -> Socket {
    let protocol = Some(Protocol::from(50));
    let socket = Socket::new(Domain::IPV4, Type::RAW, protocol).unwrap();
    socket.set_tos_v4(0x48).unwrap();
    let options = [1_u8, 1, 0, 0];
    // SAFETY: the pointer is valid for reads of the length that is passed, and the kernel copies.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_OPTIONS,
            options.as_ptr().cast(),
            options.len() as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
    socket
}

#[test]
fn fragments_and_options_are_no_obstacle() {
    for kind in KINDS {
        in_namespace(move || {
            ip("link set lo mtu 1500");
            let mut engine = engine(kind);
            let ids = group(&mut engine, "127.0.0.1");
            let with_options = raw_with_options();
            let target = SocketAddr::from(([127, 0, 0, 1], 0)).into();
            for len in [100, 1_700, 2_000] {
                let octets = vec![2 << 1; len];
                engine.send_bytes(to(ids[0], None, "127.0.0.1"), &octets);
                with_options.send_to(&octets, &target).unwrap();
            }
            engine.flush();
            let mut seen: Vec<_> = collect(&mut engine, 6)
                .into_iter()
                .map(|(socket, _, _, octets)| (socket, octets.len()))
                .collect();
            seen.sort_by_key(|(_, len)| *len);
            let expected = [100, 100, 1_700, 1_700, 2_000, 2_000].map(|len| (ids[2], len));
            assert_eq!(seen, expected, "{kind:?}");
        });
    }
}

#[test]
fn another_address_and_another_protocol_are_not_ours() {
    in_namespace(|| {
        let mut engine = engine((EngineKind::Epoll, Offloads::ALL));
        let ids = group(&mut engine, "127.0.0.1");
        let other = OuterSocket::raw(&RawSettings::new(address("0.0.0.0"), 51)).unwrap();
        let other = engine.attach_socket(other).unwrap();
        for (socket, remote) in [
            (ids[0], "127.0.0.2"),
            (other, "127.0.0.1"),
            (ids[0], "127.0.0.1"),
        ] {
            engine.send_bytes(to(socket, None, remote), &[0; 8]);
        }
        engine.flush();
        let seen = collect(&mut engine, 2);
        let received: Vec<_> = seen.iter().map(|(socket, ..)| *socket).collect();
        assert!(received.contains(&other) && received.contains(&ids[0]));
        assert_eq!(received.len(), 2);
    });
}

#[test]
fn two_groups_are_two_and_ipv6_and_devices_have_none() {
    in_namespace(|| {
        let mut engine = engine((EngineKind::Epoll, Offloads::ALL));
        let ids = [
            group(&mut engine, "127.0.0.1"),
            group(&mut engine, "127.0.0.2"),
        ];
        for remote in ["127.0.0.1", "127.0.0.2"] {
            engine.send_bytes(to(ids[0][0], None, remote), &[1 << 1; 8]);
        }
        engine.flush();
        let seen = collect(&mut engine, 2);
        let received: Vec<_> = seen.iter().map(|(socket, ..)| *socket).collect();
        assert_eq!(received, [ids[0][1], ids[1][1]]);
        let refused = |settings| OuterSocket::fan_out(&settings, &program(), 2).is_err();
        assert!(refused(settings("::1")));
        assert!(refused(RawSettings {
            device: Some("lo".to_owned()),
            ..settings("127.0.0.1")
        }));
    });
}
