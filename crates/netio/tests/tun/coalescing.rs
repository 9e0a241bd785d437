//! What is put together for the device, the kernel takes apart again.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netio::{Engine, Tun, TunId};

use crate::packets::udp;
use crate::{KINDS, PATIENCE, engine, in_namespace, tun_settings};

/// Lengths of datagrams: equal ones, a shorter one, an empty one, longer ones, many small ones.
fn lengths() -> Vec<usize> {
    let mut lengths = vec![1000; 20];
    lengths.extend([300, 0, 1200, 1200, 1200, 1]);
    lengths.extend([64; 100]);
    lengths
}

/// The kernel takes a moment until it receives for the address of a new device.
fn wait_until_reached(engine: &mut Engine, tun: TunId, socket: &UdpSocket, packet: &[u8]) {
    let start = Instant::now();
    socket.set_nonblocking(true).unwrap();
    while socket.recv(&mut [0; 16]).is_err() {
        assert!(start.elapsed() < PATIENCE, "nothing reaches the address");
        engine.write_tun_bytes(tun, packet);
        engine.flush();
        std::thread::sleep(Duration::from_millis(1));
    }
    while socket.recv(&mut [0; 16]).is_ok() {}
    socket.set_nonblocking(false).unwrap();
}

#[test]
fn datagrams_reach_their_socket_one_by_one() {
    for kind in KINDS {
        for (own, other) in [
            ("10.9.0.1:7777", "192.0.2.5:9"),
            ("[fd09::1]:7777", "[2001:db8::5]:9"),
        ] {
            in_namespace(move || {
                let (_tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
                let mut engine = engine(kind);
                let id = engine
                    .attach_tun(queues.into_iter().next().unwrap())
                    .unwrap();
                let own: SocketAddr = own.parse().unwrap();
                let other: SocketAddr = other.parse().unwrap();
                let socket = UdpSocket::bind(own).unwrap();
                wait_until_reached(&mut engine, id, &socket, &udp(other, own, 0, b"there?"));
                let before = *engine.counters();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                let lengths = lengths();
                for (number, len) in lengths.iter().enumerate() {
                    let mut packet = udp(other, own, number as u16, &vec![number as u8; *len]);
                    if number == 10 && own.is_ipv4() {
                        // RFC 768: without a checksum.
                        packet[26..28].fill(0);
                    }
                    engine.write_tun_bytes(id, &packet);
                }
                engine.flush();
                let mut payload = [0; 2048];
                for (number, wanted) in lengths.iter().enumerate() {
                    let (len, from) = socket.recv_from(&mut payload).unwrap();
                    assert_eq!((len, from), (*wanted, other), "{kind:?} {number}");
                    assert!(payload[..len].iter().all(|octet| *octet == number as u8));
                }
                let counters = *engine.counters();
                let offloads = engine.offloads();
                assert_eq!(offloads.tun_udp, kind.1.tun_udp, "as this kernel can");
                assert_eq!(offloads.tun_coalescing, kind.1.tun_coalescing);
                let runs = offloads.tun_udp && offloads.tun_coalescing;
                assert_eq!(counters.tun_tx_runs > 3, runs, "{counters:?}");
                assert_eq!(counters.tun_tx_errors, 0, "{counters:?}");
                let packets = counters.tun_tx_packets - before.tun_tx_packets;
                assert_eq!(packets, lengths.len() as u64);
                let headers = if own.is_ipv4() { 28 } else { 48 };
                let octets: usize = lengths.iter().map(|len| len + headers).sum();
                let written = counters.tun_tx_bytes - before.tun_tx_bytes;
                assert_eq!(written, octets as u64, "{kind:?}");
            });
        }
    }
}
