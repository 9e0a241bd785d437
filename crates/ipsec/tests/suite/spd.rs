use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipsec::{EspSpiLayout, Flow, OutboundHandle, Sad, Selectors, Spd, TrafficSelector};
use proptest::prelude::*;

use crate::support::{outbound, ts};

struct World {
    sad: Sad,
    spd: Spd,
    /// In the order in which they were added.
    added: Vec<(OutboundHandle, Selectors)>,
}

impl World {
    fn new() -> Self {
        Self {
            sad: Sad::new(0, EspSpiLayout::for_shards(1), 1000),
            spd: Spd::new(0x5eed),
            added: Vec::new(),
        }
    }

    fn add(&mut self, local: &[TrafficSelector], remote: &[TrafficSelector]) -> OutboundHandle {
        let handle = self.sad.insert_outbound(outbound(local, remote)).unwrap();
        let selectors = Selectors::new(local, remote);
        self.spd.insert(handle, &selectors);
        self.added.push((handle, selectors));
        handle
    }

    fn remove(&mut self, place: usize) {
        let (handle, selectors) = self.added.remove(place);
        self.spd.remove(handle, &selectors);
        assert!(self.sad.remove_outbound(handle).is_some());
    }

    fn lookup(&self, flow: &Flow) -> Option<OutboundHandle> {
        self.spd.lookup(&self.sad, flow)
    }

    /// By going through all: the longest prefix around the destination wins, then the youngest.
    fn scan(&self, flow: &Flow) -> Option<OutboundHandle> {
        let mut best = None;
        for (handle, selectors) in &self.added {
            let closest = selectors
                .remote()
                .iter()
                .filter(|ts| ts.contains_address(flow.destination))
                .filter_map(|ts| ts.prefix())
                .map(|(_, length)| length)
                .max();
            if let Some(length) = closest
                && selectors.allow_outbound(flow)
                && best.is_none_or(|(top, _)| length >= top)
            {
                best = Some((length, *handle));
            }
        }
        best.map(|(_, handle)| handle)
    }
}

fn to(destination: &str) -> Flow {
    Flow {
        source: if destination.contains(':') {
            "fd00::1"
        } else {
            "10.0.0.1"
        }
        .parse()
        .unwrap(),
        destination: destination.parse().unwrap(),
        protocol: 6,
        source_port: Some(1000),
        destination_port: Some(80),
    }
}

#[test]
fn the_closest_prefix_wins() {
    let any = [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
    let mut world = World::new();
    let all = world.add(&any, &any);
    let site = world.add(&any, &[ts("10.1.0.0/16"), ts("fd01::/32")]);
    let host = world.add(&any, &[ts("10.1.2.3"), ts("fd01::3")]);
    for (destination, expected) in [
        ("10.1.2.3", host),
        ("10.1.2.4", site),
        ("10.2.0.1", all),
        ("fd01::3", host),
        ("fd01::4", site),
        ("fd02::4", all),
    ] {
        assert_eq!(
            world.lookup(&to(destination)),
            Some(expected),
            "{destination}"
        );
    }
    world.remove(2);
    assert_eq!(world.lookup(&to("10.1.2.3")), Some(site));
    world.remove(0);
    assert_eq!(world.lookup(&to("10.2.0.1")), None);
    world.remove(0);
    assert!(world.spd.is_empty());
}

#[test]
fn ports_and_protocols_decide_among_equals() {
    let any = [TrafficSelector::ANY_V4];
    let mut world = World::new();
    let plain = world.add(&any, &[ts("10.1.2.3")]);
    let web = world.add(&any, &[ts("10.1.2.3[tcp/80]"), ts("10.1.2.3[tcp/443]")]);
    let flow = to("10.1.2.3");
    assert_eq!(world.lookup(&flow), Some(web));
    assert_eq!(
        world.lookup(&Flow {
            destination_port: Some(22),
            ..flow
        }),
        Some(plain)
    );
    assert_eq!(
        world.lookup(&Flow {
            destination_port: None,
            ..flow
        }),
        Some(plain)
    );
    assert_eq!(
        world.lookup(&Flow {
            protocol: 17,
            ..flow
        }),
        Some(plain)
    );
    world.remove(1);
    assert_eq!(world.lookup(&flow), Some(plain));
}

#[test]
fn a_successor_takes_over_and_the_predecessor_stays_until_removed() {
    let any = [TrafficSelector::ANY_V4];
    let mut world = World::new();
    let old = world.add(&any, &[ts("10.1.2.0/24")]);
    let new = world.add(&any, &[ts("10.1.2.0/24")]);
    assert_eq!(world.lookup(&to("10.1.2.3")), Some(new));
    world.remove(1);
    assert_eq!(world.lookup(&to("10.1.2.3")), Some(old));
    // An SA that is gone from the SAD alone is passed over.
    assert!(world.sad.remove_outbound(old).is_some());
    assert_eq!(world.lookup(&to("10.1.2.3")), None);
}

#[test]
fn a_range_that_is_no_prefix_is_covered_exactly() {
    let mut world = World::new();
    let sa = world.add(&[TrafficSelector::ANY_V4], &[ts("10.0.0.3-10.0.0.9")]);
    for last in 0..=16 {
        let found = world.lookup(&to(&format!("10.0.0.{last}")));
        assert_eq!(found.is_some(), (3..=9).contains(&last), "{last}");
        assert!(found.is_none_or(|found| found == sa));
    }
}

fn prefix() -> impl Strategy<Value = TrafficSelector> {
    // Few bits, so that prefixes meet each other.
    let v4 = (
        0_u8..4,
        0_u8..8,
        prop_oneof![Just(32_u8), Just(31), Just(24), Just(14), Just(0)],
    )
        .prop_map(|(b, d, length)| (IpAddr::V4(Ipv4Addr::new(10, b, 0, d)), length));
    let v6 = (
        0_u16..4,
        0_u16..8,
        prop_oneof![Just(128_u8), Just(127), Just(64), Just(30)],
    )
        .prop_map(|(b, h, length)| {
            (
                IpAddr::V6(Ipv6Addr::new(0xfd00, b, 0, 0, 0, 0, 0, h)),
                length,
            )
        });
    (
        prop_oneof![v4, v6],
        prop_oneof![Just(0_u8), Just(6), Just(17)],
        0_u16..3,
    )
        .prop_map(|((network, length), protocol, port)| {
            let ts = TrafficSelector::from_prefix(network, length)
                .unwrap()
                .with_protocol(protocol);
            if port == 0 {
                ts
            } else {
                ts.with_ports(port, port)
            }
        })
}

proptest! {
    #[test]
    fn look_ups_agree_with_a_linear_scan(
        adds in proptest::collection::vec(proptest::collection::vec(prefix(), 1..3), 1..30),
        removals in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        flows in proptest::collection::vec((prefix(), 0_u16..3, any::<bool>()), 1..60),
    ) {
        let any = [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
        let mut world = World::new();
        for remote in &adds {
            world.add(&any, remote);
        }
        for removal in removals {
            if !world.added.is_empty() {
                world.remove(removal.index(world.added.len()));
            }
        }
        for (target, port, udp) in flows {
            let flow = Flow {
                source: if target.start.is_ipv4() { any[0].start } else { any[1].start },
                destination: target.start,
                protocol: if udp { 17 } else { 6 },
                source_port: Some(9),
                destination_port: Some(port),
            };
            prop_assert_eq!(world.lookup(&flow), world.scan(&flow));
        }
        while !world.added.is_empty() {
            world.remove(0);
        }
        prop_assert!(world.spd.is_empty());
    }
}
