use core::mem::{align_of, size_of};

use ipsec::{
    EspSpi, EspSpiLayout, InboundSa, NotReserved, OutboundHandle, OutboundSa, Sad, TrafficSelector,
};

use crate::support::{Counting, inbound, outbound};

const LAYOUT: EspSpiLayout = EspSpiLayout::for_shards(4);

fn any_outbound() -> OutboundSa {
    outbound(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4])
}

#[test]
fn an_spi_is_reserved_then_used_then_dead() {
    let mut sad = Sad::new(3, LAYOUT, 100);
    let spi = sad.reserve_inbound(&mut Counting(0)).unwrap();
    assert_eq!(LAYOUT.shard(spi), 3);
    assert!(sad.inbound(spi).is_none());
    assert_eq!(
        sad.install_inbound(inbound(EspSpi(spi.0 ^ 1))),
        Err(NotReserved)
    );
    assert_eq!(sad.install_inbound(inbound(spi)), Ok(()));
    assert_eq!(sad.install_inbound(inbound(spi)), Err(NotReserved));
    assert_eq!(sad.inbound(spi).unwrap().spi, spi);
    assert!(sad.inbound_mut(EspSpi(spi.0 ^ 1)).is_none());
    assert!(!sad.remove_inbound(EspSpi(spi.0 ^ 1)));
    assert!(sad.remove_inbound(spi));
    assert!(!sad.remove_inbound(spi));
    assert!(sad.inbound(spi).is_none());
    assert_eq!(sad.inbound_len(), 0);
}

#[test]
fn another_shards_spi_finds_nothing() {
    let mut sad = Sad::new(0, LAYOUT, 100);
    let spi = sad.reserve_inbound(&mut Counting(0)).unwrap();
    sad.install_inbound(inbound(spi)).unwrap();
    assert!(sad.inbound(EspSpi(spi.0 | 1 << 31)).is_none());
    assert!((0..256).all(|reserved| sad.inbound(EspSpi(reserved)).is_none()));
}

#[test]
fn a_slot_comes_back_under_another_spi() {
    let mut sad = Sad::new(0, LAYOUT, 1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..LAYOUT.generations() {
        let spi = sad.reserve_inbound(&mut Counting(9)).unwrap();
        assert!(sad.reserve_inbound(&mut Counting(9)).is_none());
        assert!(seen.insert(spi), "{spi} came twice");
        sad.install_inbound(inbound(spi)).unwrap();
        assert!(sad.remove_inbound(spi));
        assert!(seen.iter().all(|old| sad.inbound(*old).is_none()));
    }
}

#[test]
fn a_handle_outlives_its_sa_harmlessly() {
    let mut sad = Sad::new(0, LAYOUT, 1);
    let first = sad.insert_outbound(any_outbound()).unwrap();
    assert!(sad.insert_outbound(any_outbound()).is_none());
    assert_eq!(sad.outbound_len(), 1);
    assert!(sad.remove_outbound(first).is_some());
    let second = sad.insert_outbound(any_outbound()).unwrap();
    assert!(sad.outbound(first).is_none() && sad.outbound_mut(first).is_none());
    assert!(sad.remove_outbound(first).is_none());
    assert!(sad.outbound(second).is_some());
}

#[test]
fn half_a_million_fit_a_shard() {
    for shards in [1, 64, 128, 256] {
        assert!(EspSpiLayout::for_shards(shards).slots() >= 500_000);
    }
}

/// Eight cache lines of key, and what decides about a packet before them.
#[test]
fn an_sa_stays_within_its_lines() {
    const LINE: usize = 64;
    assert!(align_of::<InboundSa>() == LINE && align_of::<OutboundSa>() == LINE);
    assert_eq!(size_of::<InboundSa>() / LINE, 12);
    assert_eq!(size_of::<OutboundSa>() / LINE, 13);
    assert_eq!(size_of::<OutboundHandle>(), 8);
}

/// What a Child SA may take in the database, key schedules and allocator included: 512 octets are
/// the two halves, about 1,220 are AWS-LC's two contexts, the rest is selectors. Measured where the
/// cipher library's own allocations are seen too: at the process.
#[cfg(target_os = "linux")]
#[test]
fn a_child_sa_stays_within_its_budget() {
    const CHILDREN: u64 = 30_000;
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let mut sad = Sad::new(0, LAYOUT, 100_000);
    let before = resident();
    for _ in 0..CHILDREN {
        let spi = sad.reserve_inbound(&mut Counting(0)).unwrap();
        let (mut inbound, outbound) = (inbound(spi), any_outbound());
        inbound.selectors = outbound.selectors.clone();
        sad.install_inbound(inbound).unwrap();
        sad.insert_outbound(outbound).unwrap();
    }
    let each = (resident() - before) / CHILDREN;
    assert!(each <= 1920, "{each} octets");
    assert!(each >= 512, "{each} octets: not measured");
}

#[test]
fn no_spi_is_given_when_the_other_half_has_no_room() {
    let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 1);
    let any = [TrafficSelector::ANY_V4];
    let handle = sad.insert_outbound(outbound(&any, &any)).unwrap();
    assert_eq!(sad.insert_outbound(outbound(&any, &any)), None);
    assert_eq!(sad.reserve_inbound(&mut Counting(0)), None);
    assert!(sad.remove_outbound(handle).is_some());
    assert!(sad.reserve_inbound(&mut Counting(0)).is_some());
}
