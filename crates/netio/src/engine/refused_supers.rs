//! A device that takes packets and no super-packets, whatever it said before. The kernel's own is not to be
//! had for that; what stands for it is a socket whose send buffer is too small for them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::{Engine, EngineKind, EngineSettings};
use crate::segmentation::{HEADER_LEN, Header, Sum};
use crate::{Batch, OuterPacket, SocketId, TunId, TunQueue};

const PAYLOAD: usize = 900;
const COUNT: usize = 30;

/// A UDP packet of the one flow; its payload is its number.
fn packet(number: usize) -> Vec<u8> {
    let [high, low] = (28 + PAYLOAD as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, number as u8, 0, 0, 63, 17, 0, 0];
    packet.extend_from_slice(&[10, 0, 0, 1, 10, 0, 1, 1]);
    let sum = Sum::default().add(&packet).fold();
    packet[10..12].copy_from_slice(&sum.map(|octet| !octet));
    let [high, low] = (8 + PAYLOAD as u16).to_be_bytes();
    packet.extend_from_slice(&[0x10, 1, 0, 9, high, low, 0, 0]);
    packet.extend_from_slice(&[number as u8; PAYLOAD]);
    let pseudo = [0, 17, high, low];
    let sum = Sum::default().add(&packet[12..]).add(&pseudo).fold();
    packet[26..28].copy_from_slice(&sum.map(|octet| !octet));
    packet
}

/// A queue that refuses writes of more than some eight thousand octets, and what it took.
fn queue() -> (TunQueue, UnixDatagram) {
    let (device, host) = UnixDatagram::pair().unwrap();
    let device = socket2::Socket::from(device);
    device.set_send_buffer_size(4096).unwrap();
    host.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    (TunQueue::double(File::from(OwnedFd::from(device))), host)
}

fn engine(kind: EngineKind) -> Engine {
    Engine::new(&EngineSettings {
        kind,
        batch: 16,
        buffers: 256,
        payload_max: 2048,
        ..EngineSettings::default()
    })
    .unwrap()
}

/// Copies of packets, and then packets that leave from the buffers in which they came.
fn write(engine: &mut Engine, tun: TunId) {
    for number in 0..COUNT / 2 {
        engine.write_tun_bytes(tun, &packet(number));
    }
    engine.flush();
    let mut batch = Batch::with_capacity(COUNT);
    for number in COUNT / 2..COUNT {
        let mut buffer = engine.buffer().unwrap();
        assert!(buffer.fill(&packet(number)));
        batch.outer.push(OuterPacket {
            socket: SocketId(0),
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([192, 0, 2, 2], 4500).into(),
            tos: 0,
            segment: 0,
            buffer,
        });
    }
    engine.lend(&batch);
    for arrived in &batch.outer {
        engine.write_tun_bytes(tun, arrived.buffer.bytes());
    }
    engine.recycle(&mut batch);
    engine.flush();
    engine.wait(Some(Duration::from_millis(20))).unwrap();
}

#[test]
fn packets_of_a_refused_super_packet_are_written_singly() {
    for kind in [EngineKind::Epoll, EngineKind::IoUring] {
        let mut engine = engine(kind);
        let (queue, host) = queue();
        let tun = engine.attach_tun(queue).unwrap();
        let reader = std::thread::spawn(move || {
            (0..COUNT)
                .map(|_| {
                    let mut octets = vec![0; 65_600];
                    let len = host.recv(&mut octets).unwrap();
                    octets.truncate(len);
                    octets
                })
                .collect::<Vec<_>>()
        });
        let free = engine.buffers_available();
        write(&mut engine, tun);
        let counters = *engine.counters();
        for (number, octets) in reader.join().unwrap().iter().enumerate() {
            assert_eq!(octets[..HEADER_LEN], Header::PLAIN, "{kind:?} {number}");
            assert_eq!(octets[HEADER_LEN..], packet(number), "{kind:?} {number}");
        }
        assert_eq!(counters.tun_tx_runs_refused, 2, "{kind:?} {counters:?}");
        assert_eq!(counters.tun_tx_packets, COUNT as u64, "{kind:?}");
        let octets = COUNT * (28 + PAYLOAD);
        assert_eq!(counters.tun_tx_bytes, octets as u64, "{kind:?}");
        assert_eq!(counters.tun_tx_runs, 0, "{kind:?}");
        assert_eq!(counters.tun_tx_errors, 0, "{kind:?}");
        assert_eq!(engine.buffers_available(), free, "{kind:?}");
    }
}
