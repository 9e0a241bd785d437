//! To which queue of a device packets come.

use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

use netio::{Batch, Engine, EngineKind, Lane, Offloads, Tun, TunSteering};

use crate::{PATIENCE, address, engine, in_namespace, tun_settings};

/// Sends datagrams of so many flows, and counts which queue they come to, by destination.
fn lanes(engines: &mut [Engine], destination: &str, flows: u16) -> Vec<usize> {
    let to: IpAddr = address(destination);
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    for _ in 0..flows {
        let socket = UdpSocket::bind(any).unwrap();
        for _ in 0..2 {
            socket.send_to(&[7; 100], (to, 4000)).unwrap();
        }
    }
    let octets: Vec<u8> = match to {
        IpAddr::V4(to) => to.octets().to_vec(),
        IpAddr::V6(to) => to.octets().to_vec(),
    };
    let at = if to.is_ipv4() { 16 } else { 24 };
    let wanted = |packet: &[u8]| packet.get(at..at + octets.len()) == Some(&octets[..]);
    let mut seen = vec![0; engines.len()];
    let start = Instant::now();
    while seen.iter().sum::<usize>() < usize::from(flows) * 2 {
        assert!(start.elapsed() < PATIENCE, "{destination}: {seen:?}");
        for (engine, seen) in engines.iter_mut().zip(&mut seen) {
            let mut batch = Batch::with_capacity(64);
            engine.wait(Some(Duration::from_millis(1))).unwrap();
            while engine.receive(&mut batch) > 0 {
                let found = batch.inner.iter().filter(|p| wanted(p.buffer.bytes()));
                *seen += found.count();
                engine.recycle(&mut batch);
            }
        }
    }
    seen
}

#[test]
fn packets_come_to_the_queue_of_their_destination_or_of_their_flow() {
    in_namespace(|| {
        let kind = (EngineKind::Epoll, Offloads::NONE);
        let (_tun, queues) = Tun::open(&tun_settings(4, kind)).unwrap();
        let steering = TunSteering::attach(&queues[0], 1000).unwrap();
        let mut engines: Vec<_> = (queues.into_iter())
            .map(|queue| {
                let mut engine = engine(kind);
                engine.attach_tun(queue).unwrap();
                engine
            })
            .collect();
        for (queue, last) in [(0, 10), (1, 11), (2, 12), (3, 13)] {
            for host in [format!("10.9.0.{last}"), format!("fd09::{last}")] {
                let len = if host.contains('.') { 32 } else { 128 };
                let lane = Lane::Queue(queue);
                steering.lead(address(&host), len, lane).unwrap();
                let mut wanted = vec![0; 4];
                wanted[usize::from(queue)] = 16;
                assert_eq!(lanes(&mut engines, &host, 8), wanted, "{host}");
            }
        }
        // A longer prefix goes before, and gives way when it is forgotten.
        steering
            .lead(address("10.9.0.64"), 26, Lane::Queue(3))
            .unwrap();
        steering
            .lead(address("10.9.0.65"), 32, Lane::Queue(1))
            .unwrap();
        assert_eq!(lanes(&mut engines, "10.9.0.65", 4), [0, 8, 0, 0]);
        steering.forget(address("10.9.0.65"), 32).unwrap();
        assert_eq!(lanes(&mut engines, "10.9.0.65", 4), [0, 0, 0, 8]);
        assert!(steering.forget(address("10.9.0.65"), 32).is_err());
        // Flows are spread, each whole: every flow sends two.
        steering
            .lead(address("10.9.0.10"), 32, Lane::ByFlow)
            .unwrap();
        steering
            .lead(address("fd09::10"), 128, Lane::ByFlow)
            .unwrap();
        for host in ["10.9.0.10", "fd09::10", "10.9.0.200"] {
            let seen = lanes(&mut engines, host, 64);
            assert!(
                seen.iter().all(|&n| n >= 8 && n % 2 == 0),
                "{host} {seen:?}"
            );
        }
    });
}
