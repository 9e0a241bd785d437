//! What it takes to find an SA, however many there are: `cargo bench -p palisade-benches --bench lookup`.
#![allow(missing_docs)]

use core::net::{IpAddr, Ipv4Addr};
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ipsec::{EspSpi, Flow, FlowTable, TrafficSelector};
use palisade_benches::{World, aead};

const COUNTS: [u32; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
/// Look-ups in one measurement, one after the other in random order.
const LOOKUPS: u32 = 1_024;

fn scattered(number: u32, among: u32) -> u32 {
    number.wrapping_mul(0x9e37_79b1).rotate_left(13) % among
}

/// Selectors of `count` peers: a host each, or a network of sixteen addresses each, under one that
/// takes everything.
fn table(count: u32, length: u8) -> FlowTable<u32> {
    let mut table = FlowTable::new(0x5eed);
    table.insert(u32::MAX, &[TrafficSelector::ANY_V4]);
    for peer in 0..count {
        let network = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + (peer << (32 - length))));
        let selector = TrafficSelector::from_prefix(network, length).expect("a length of IPv4");
        table.insert(peer, &[selector]);
    }
    table
}

fn selectors(criterion: &mut Criterion) {
    for (name, length) in [("hosts", 32), ("networks", 28)] {
        let mut group = criterion.benchmark_group(format!("lookup/{name}"));
        group.throughput(Throughput::Elements(u64::from(LOOKUPS)));
        for count in COUNTS {
            let table = table(count, length);
            let mut next = 0_u32;
            group.bench_function(count.to_string(), |bencher| {
                bencher.iter(|| {
                    for _ in 0..LOOKUPS {
                        next = next.wrapping_add(1);
                        let peer = scattered(next, count);
                        let address = 0x0a00_0000 + (peer << (32 - length));
                        let address = IpAddr::V4(Ipv4Addr::from_bits(address));
                        let found = table.find(black_box(address), |_| true);
                        assert_eq!(found, Some(peer));
                    }
                });
            });
        }
        group.finish();
    }
}

/// The SPI of an inbound packet is an index. A million SAs with their keys take some three gigabytes.
fn spis(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lookup/spi");
    group.throughput(Throughput::Elements(u64::from(LOOKUPS)));
    for count in [1, 1_000, 10_000, 100_000, 1_000_000] {
        let suite = aead(ipsec::EncryptionAlgorithm::Aes128Gcm16);
        let world = World::new(suite, count);
        let spis: Vec<EspSpi> = world.spis().collect();
        let mut next = 0_u32;
        group.bench_function(count.to_string(), |bencher| {
            bencher.iter(|| {
                for _ in 0..LOOKUPS {
                    next = next.wrapping_add(1);
                    let spi = spis[scattered(next, count) as usize];
                    assert!(world.sad.inbound(black_box(spi)).is_some());
                }
            });
        });
    }
    group.finish();
}

/// With its ports, as a packet has it.
fn whole(criterion: &mut Criterion) {
    let world = World::new(aead(ipsec::EncryptionAlgorithm::Aes128Gcm16), 1_000);
    let mut next = 0_u32;
    criterion.bench_function("lookup/flow among 1000 SAs", |bencher| {
        bencher.iter(|| {
            next = next.wrapping_add(1);
            let flow = Flow {
                source: Ipv4Addr::new(192, 168, 0, 1).into(),
                destination: World::address(scattered(next, world.count())).into(),
                protocol: 17,
                source_port: Some(1),
                destination_port: Some(2),
            };
            assert!(world.spd.lookup(&world.sad, black_box(&flow)).is_some());
        });
    });
}

criterion_group!(benches, selectors, spis, whole);
criterion_main!(benches);
