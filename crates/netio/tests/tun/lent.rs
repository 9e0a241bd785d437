//! Packets leave from the buffers in which they came.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use netio::{Batch, Engine, OuterSend, OuterSocket, SocketId, Tun, TunId, UdpSettings};

use crate::packets::udp;
use crate::{KINDS, PATIENCE, Way, address, engine, in_namespace, tun_settings};

const INSIDE: &str = "10.9.0.1:7777";
const OUTSIDE: &str = "192.0.2.5:9";
const COUNT: usize = 60;

struct Gateway {
    engine: Engine,
    tun: TunId,
    socket: SocketId,
    local: SocketAddr,
}

impl Gateway {
    fn new(kind: Way, queue: netio::TunQueue) -> Self {
        let mut engine = engine(kind);
        let tun = engine.attach_tun(queue).unwrap();
        let socket = OuterSocket::udp(&UdpSettings::new("127.0.0.1:0".parse().unwrap())).unwrap();
        let local = socket.local();
        let socket = engine.attach_socket(socket).unwrap();
        Self {
            engine,
            tun,
            socket,
            local,
        }
    }

    /// Works on batches until so many packets have come.
    fn serve(&mut self, mut work: impl FnMut(&mut Self, &mut Batch) -> usize) {
        let mut batch = Batch::with_capacity(64);
        let (start, mut seen) = (Instant::now(), 0);
        while seen < COUNT && start.elapsed() < PATIENCE {
            self.engine.wait(Some(Duration::from_millis(20))).unwrap();
            while self.engine.receive(&mut batch) > 0 {
                self.engine.lend(&batch);
                seen += work(self, &mut batch);
                self.engine.recycle(&mut batch);
            }
            self.engine.flush();
        }
        assert_eq!(seen, COUNT);
        self.engine.wait(Some(Duration::ZERO)).unwrap();
    }

    /// Writes what is in datagrams to the device.
    fn open(&mut self, batch: &mut Batch) -> usize {
        let mut count = 0;
        for run in &mut batch.outer {
            for datagram in run.datagrams_mut() {
                let free = self.engine.buffers_available();
                self.engine.write_tun_bytes(self.tun, &datagram[4..]);
                assert_eq!(self.engine.buffers_available(), free, "it was not copied");
                count += 1;
            }
        }
        count
    }

    /// Sends what comes from the device in datagrams, with one of its own before every tenth.
    fn seal(&mut self, batch: &mut Batch, remote: SocketAddr) -> usize {
        let send = OuterSend {
            socket: self.socket,
            local: None,
            remote,
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        };
        let mut count = 0;
        for packet in &mut batch.inner {
            let range = packet.buffer.range();
            let storage = packet.buffer.storage_mut();
            if storage[range.start] >> 4 != 4 || storage[range.start + 9] != 17 {
                continue;
            }
            let number = storage[range.start + 28];
            if number.is_multiple_of(10) {
                self.engine.send_bytes(send, &[number; 4]);
            }
            let frame = range.start - 4..range.end + 2;
            storage[frame.start..range.start].copy_from_slice(b"head");
            storage[range.end..frame.end].copy_from_slice(b"!?");
            let free = self.engine.buffers_available();
            self.engine.send_bytes(send, &storage[frame]);
            assert_eq!(self.engine.buffers_available(), free, "it was not copied");
            count += 1;
        }
        count
    }
}

fn payload(number: usize) -> Vec<u8> {
    vec![number as u8; if number < 40 { 900 } else { 10 + number }]
}

#[test]
fn a_packet_crosses_without_a_copy_both_ways() {
    for kind in KINDS {
        in_namespace(move || {
            let (tun, queues) = Tun::open(&tun_settings(1, kind)).unwrap();
            let mut gateway = Gateway::new(kind, queues.into_iter().next().unwrap());
            let _route = tun.route(address("192.0.2.0"), 24).unwrap();
            let inside = UdpSocket::bind(INSIDE).unwrap();
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            for socket in [&inside, &peer] {
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
            }
            let mut octets = [0; 2048];
            let (own, other) = (INSIDE.parse().unwrap(), OUTSIDE.parse().unwrap());
            for number in 0..COUNT {
                let packet = udp(other, own, number as u16, &payload(number));
                let datagram = [&b"head"[..], &packet].concat();
                peer.send_to(&datagram, gateway.local).unwrap();
            }
            gateway.serve(Gateway::open);
            for number in 0..COUNT {
                let (len, from) = inside.recv_from(&mut octets).unwrap();
                assert_eq!(from, other);
                assert_eq!(octets[..len], payload(number), "{kind:?} {number}");
            }

            for number in 0..COUNT {
                inside.send_to(&payload(number), OUTSIDE).unwrap();
            }
            let remote = peer.local_addr().unwrap();
            gateway.serve(|gateway, batch| gateway.seal(batch, remote));
            for number in 0..COUNT {
                let mut len = peer.recv(&mut octets).unwrap();
                if number.is_multiple_of(10) {
                    assert_eq!(octets[..len], [number as u8; 4], "{kind:?}");
                    len = peer.recv(&mut octets).unwrap();
                }
                assert!(octets.starts_with(b"head"));
                assert_eq!(octets[32..len - 2], payload(number), "{kind:?} {number}");
                assert!(octets[..len].ends_with(b"!?"));
            }
        });
    }
}
