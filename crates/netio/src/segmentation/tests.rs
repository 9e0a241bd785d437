//! Taking apart and putting together are each other's reverse.

use std::collections::HashMap;

use proptest::prelude::*;

use super::checksum::{Sum, is_right, pseudo_header};
use super::header::{
    HEADER_LEN, Header, KIND_NONE, KIND_TCP4, KIND_TCP6, KIND_UDP, NEEDS_CHECKSUM,
};
use super::octets::{is_ipv6, put};
use super::sort::{PROTOCOL_TCP, PROTOCOL_UDP};
use super::{Arriving, Coalescer, Leaving, Next, Split};
use crate::{Buffer, TunId};

/// What tells packets of the tests apart.
#[derive(Clone, Copy, Debug)]
struct Spec {
    flow: u8,
    payload: usize,
    flags: u8,
    window: u16,
    options: u8,
    tos: u8,
    fragmentable: bool,
    damaged: bool,
    /// The sequence number does not follow.
    gap: bool,
    fixed_id: bool,
    /// UDP only: without a checksum.
    bare: bool,
}

fn is_v6(flow: u8) -> bool {
    flow & 1 == 1
}

fn is_udp(flow: u8) -> bool {
    matches!(flow, 4 | 5)
}

/// An IP packet of a flow with right checksums.
fn packet(spec: &Spec, sequence: u32, id: u16) -> Vec<u8> {
    let protocol = if is_udp(spec.flow) {
        PROTOCOL_UDP
    } else {
        PROTOCOL_TCP
    };
    let (mut packet, transport) = ip(spec, protocol, id);
    packet.extend_from_slice(&[0x10, spec.flow, 0x01, 0xbb]);
    if protocol == PROTOCOL_UDP {
        packet.extend_from_slice(&(8 + spec.payload as u16).to_be_bytes());
        packet.extend_from_slice(&[0, 0]);
    } else {
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&[9, 9, 9, 9, 0x80, spec.flags]);
        packet.extend_from_slice(&spec.window.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, spec.options, 0, 0, 0, 1]);
    }
    let octet = |i: usize| (i as u32).wrapping_add(sequence).wrapping_mul(7) as u8;
    packet.extend((0..spec.payload).map(octet));
    seal(&mut packet, transport, protocol);
    if spec.bare && protocol == PROTOCOL_UDP {
        put(&mut packet, transport + 6, &[0, 0]).unwrap();
    }
    if spec.damaged
        && let Some(last) = packet.last_mut()
    {
        *last ^= 0x55;
    }
    packet
}

fn ip(spec: &Spec, protocol: u8, id: u16) -> (Vec<u8>, usize) {
    if is_v6(spec.flow) {
        let mut header = vec![
            0x60 | spec.tos >> 4,
            spec.tos << 4,
            0,
            0,
            0,
            0,
            protocol,
            63,
        ];
        header.extend_from_slice(&[0x20; 15]);
        header.push(spec.flow);
        header.extend_from_slice(&[0x30; 16]);
        return (header, 40);
    }
    let df = if spec.fragmentable { 0 } else { 0x40 };
    let [high, low] = id.to_be_bytes();
    let mut header = vec![0x45, spec.tos, 0, 0, high, low, df, 0, 63, protocol, 0, 0];
    header.extend_from_slice(&[10, 0, 0, spec.flow, 10, 0, 1, 1]);
    (header, 20)
}

/// Fills in lengths and checksums.
fn seal(packet: &mut [u8], transport: usize, protocol: u8) {
    let len = packet.len();
    if is_ipv6(packet) {
        put(packet, 4, &(len as u16 - 40).to_be_bytes()).unwrap();
    } else {
        put(packet, 2, &(len as u16).to_be_bytes()).unwrap();
        put(packet, 10, &[0, 0]).unwrap();
        let sum = Sum::default().add(&packet[..transport]).checksum();
        put(packet, 10, &sum).unwrap();
    }
    let place = transport + if protocol == PROTOCOL_UDP { 6 } else { 16 };
    put(packet, place, &[0, 0]).unwrap();
    let body = &packet[transport..];
    let sum = pseudo_header(packet, protocol, body.len())
        .unwrap()
        .add(body);
    let checksum = match sum.checksum() {
        [0, 0] if protocol == PROTOCOL_UDP => [0xff, 0xff],
        checksum => checksum,
    };
    put(packet, place, &checksum).unwrap();
}

type Written = ([u8; HEADER_LEN], Vec<u8>, u64);

fn coalesce<'a>(packets: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<Written> {
    coalesce_for(packets, |_| (TunId(0), true))
        .into_iter()
        .map(|(_, written)| written)
        .collect()
}

/// `queue` says of each packet for which queue it is, and whether that takes UDP packets as one.
fn coalesce_for<'a>(
    packets: impl IntoIterator<Item = &'a Vec<u8>>,
    queue: impl Fn(usize) -> (TunId, bool),
) -> Vec<(TunId, Written)> {
    let packets: Vec<&[u8]> = packets.into_iter().map(Vec::as_slice).collect();
    let mut coalescer = Coalescer::new();
    let mut written = Vec::new();
    let mut write = |leaving: &Leaving<'_>| {
        let (header, headers) = leaving.head.split_first_chunk().expect("it is described");
        let parts: Vec<_> = leaving.parts().collect();
        let octets = [headers, &parts.concat()].concat();
        written.push((leaving.tun, (*header, octets, leaving.count())));
    };
    let source = |number: usize| packets[number];
    for number in 0..packets.len() {
        let (tun, udp) = queue(number);
        coalescer.push(Arriving { number, tun, udp }, &source, &mut write);
    }
    coalescer.flush(&source, &mut write);
    written
}

fn split(header: &[u8; HEADER_LEN], octets: &[u8]) -> Vec<Vec<u8>> {
    let mut octets = octets.to_vec();
    let mut split = Split::new(&Header::from_octets(header), &mut octets).expect("it is as told");
    let mut buffer = Buffer::new(9000);
    let mut packets = Vec::new();
    while !split.is_done() {
        assert_eq!(split.next(&octets, &mut buffer), Next::Packet);
        packets.push(buffer.bytes().to_vec());
    }
    packets
}

/// By flow, what came in the order in which it came.
fn by_flow(packets: &[Vec<u8>]) -> HashMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut flows: HashMap<_, Vec<_>> = HashMap::new();
    for packet in packets {
        let (from, to) = if is_ipv6(packet) { (8, 44) } else { (12, 24) };
        let mut packet = packet.clone();
        if !is_ipv6(&packet) && packet[6] & 0x40 != 0 {
            // RFC 6864: it means nothing there, and the header's checksum with it.
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        flows
            .entry(packet[from..to].to_vec())
            .or_default()
            .push(packet);
    }
    flows
}

fn spec() -> impl Strategy<Value = Spec> {
    let payload = prop_oneof![4 => Just(1000_usize), 2 => Just(500_usize), 1 => 0_usize..1400];
    let flags = prop_oneof![12 => Just(0x10_u8), 3 => Just(0x18_u8), 1 => any::<u8>()];
    let rarely = || prop::bool::weighted(0.05);
    let window = prop_oneof![9 => Just(700_u16), 1 => Just(701_u16)];
    let options = prop_oneof![9 => Just(1_u8), 1 => Just(2_u8)];
    let flow = prop_oneof![3 => 0_u8..6, 1 => 0_u8..30];
    let first = (flow, payload, flags, window, options);
    let second = (
        rarely(),
        any::<bool>(),
        rarely(),
        rarely(),
        rarely(),
        rarely(),
    );
    (first, second).prop_map(
        |(
            (flow, payload, flags, window, options),
            (ecn, fragmentable, damaged, gap, fixed_id, bare),
        )| {
            Spec {
                flow,
                payload,
                flags,
                window,
                options,
                tos: if ecn { 3 } else { 0 },
                fragmentable: fragmentable && flow % 4 == 0,
                damaged,
                gap,
                fixed_id,
                bare,
            }
        },
    )
}

/// Packets whose sequence numbers and identifications go on as those of real flows do.
fn story(specs: &[Spec]) -> Vec<Vec<u8>> {
    let mut state: HashMap<u8, (u32, u16)> = HashMap::new();
    let build = |spec: &Spec| {
        let (next, id) = state
            .entry(spec.flow)
            .or_insert((u32::MAX - 5000, u16::MAX - 3));
        *next = next.wrapping_add(u32::from(spec.gap));
        let packet = packet(spec, *next, *id);
        *next = next.wrapping_add(spec.payload as u32);
        *id = id.wrapping_add(u16::from(!spec.fixed_id));
        packet
    };
    specs.iter().map(build).collect()
}

proptest! {
    #[test]
    fn any_mixture_comes_back_in_the_order_of_its_flows(
        specs in prop::collection::vec(spec(), 1..300),
    ) {
        let sent = story(&specs);
        let written = coalesce(&sent);
        let told: u64 = written.iter().map(|(_, _, packets)| packets).sum();
        prop_assert_eq!(told, sent.len() as u64);
        prop_assert!(written.iter().all(|(_, octets, packets)| octets.len() <= 65_535 && *packets <= 64));
        let back: Vec<_> = written.iter().flat_map(|(header, octets, _)| split(header, octets)).collect();
        prop_assert_eq!(back.len(), sent.len());
        prop_assert_eq!(by_flow(&back), by_flow(&sent));
    }

    #[test]
    fn queues_do_not_mix_and_udp_joins_only_where_it_may(
        specs in prop::collection::vec(spec(), 1..100),
        places in prop::collection::vec(0_u16..3, 100),
    ) {
        let sent = story(&specs);
        let written = coalesce_for(&sent, |number| (TunId(places[number]), places[number] != 0));
        for place in 0..3 {
            let to = |tun: TunId| tun.0 == place;
            let there = written.iter().filter(|(tun, _)| to(*tun));
            let back: Vec<_> = there
                .flat_map(|(_, (header, octets, _))| split(header, octets))
                .collect();
            let sent: Vec<_> = sent
                .iter()
                .zip(&places)
                .filter(|(_, at)| **at == place)
                .map(|(packet, _)| packet.clone())
                .collect();
            prop_assert_eq!(by_flow(&back), by_flow(&sent));
        }
        let udp_in_one = written.iter().any(|(tun, (header, ..))| tun.0 == 0 && header[1] == KIND_UDP);
        prop_assert!(!udp_in_one);
    }

    #[test]
    fn a_super_packet_splits_into_right_packets_and_comes_together_again(
        flow in 0_u8..6,
        segment in 1_usize..1400,
        payload in 1_usize..60_000,
    ) {
        let spec = Spec { flow, payload, ..PLAIN };
        let mut whole = packet(&spec, 77, 5);
        let protocol = if is_udp(flow) { PROTOCOL_UDP } else { PROTOCOL_TCP };
        let header = unfinished(&mut whole, protocol, segment);
        let parts = split(&header, &whole);
        prop_assert_eq!(parts.len(), payload.div_ceil(segment));
        let transport = if is_v6(flow) { 40 } else { 20 };
        let headers = transport + if is_udp(flow) { 8 } else { 32 };
        let mut stream = Vec::new();
        for part in &parts {
            prop_assert!(is_right(part, protocol, transport));
            prop_assert!(is_v6(flow) || Sum::default().add(&part[..20]).checksum() == [0, 0]);
            stream.extend_from_slice(&part[headers..]);
        }
        prop_assert_eq!(&stream[..], &whole[headers..]);
        let back = coalesce(&parts);
        if (2..=64).contains(&parts.len()) {
            prop_assert_eq!(back, vec![(header, whole, parts.len() as u64)]);
        }
    }

    #[test]
    fn no_read_of_the_device_is_believed(
        header: [u8; HEADER_LEN],
        mut octets in prop::collection::vec(any::<u8>(), 0..200),
        version in prop_oneof![Just(0x45_u8), Just(0x60), any::<u8>()],
        kind in prop_oneof![Just(KIND_NONE), Just(KIND_TCP4), Just(KIND_UDP), any::<u8>()],
    ) {
        let mut header = header;
        header[1] = kind;
        if let Some(first) = octets.first_mut() {
            *first = version;
        }
        if let Some(mut split) = Split::new(&Header::from_octets(&header), &mut octets) {
            let mut buffer = Buffer::new(100);
            while !split.is_done() {
                split.next(&octets, &mut buffer);
            }
        }
        coalesce([&octets]);
    }
}

const PLAIN: Spec = Spec {
    flow: 0,
    payload: 0,
    flags: 0x10,
    window: 700,
    options: 1,
    tos: 0,
    fragmentable: true,
    damaged: false,
    gap: false,
    fixed_id: false,
    bare: false,
};

/// Leaves a packet's checksum to its reader, as the kernel does.
fn unfinished(packet: &mut [u8], protocol: u8, segment: usize) -> [u8; HEADER_LEN] {
    let transport = if is_ipv6(packet) { 40 } else { 20 };
    let (kind, offset, len) = match (protocol, is_ipv6(packet)) {
        (PROTOCOL_UDP, _) => (KIND_UDP, 6, 8),
        (_, true) => (KIND_TCP6, 16, 32),
        (_, false) => (KIND_TCP4, 16, 32),
    };
    let sum = pseudo_header(packet, protocol, packet.len() - transport).unwrap();
    put(packet, transport + offset, &sum.fold()).unwrap();
    let header = Header {
        flags: NEEDS_CHECKSUM,
        kind,
        headers: (transport + len) as u16,
        segment: segment as u16,
        checksum_start: transport as u16,
        checksum_offset: offset as u16,
    };
    header.to_octets()
}

#[test]
fn a_stream_becomes_one_and_its_end_is_passed_on() {
    let mut specs = vec![
        Spec {
            payload: 1000,
            ..PLAIN
        };
        5
    ];
    specs[4].payload = 300;
    specs[4].flags = 0x18;
    let sent = story(&specs);
    let written = coalesce(&sent);
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].2, 5);
    assert_eq!(written[0].1.len(), 52 + 4300);
    assert_eq!(written[0].1[33], 0x18);
}

#[test]
fn no_run_is_longer_than_the_kernel_takes() {
    for (payload, longest) in [(1400, 46), (1, 64)] {
        let sent = story(&vec![Spec { payload, ..PLAIN }; 300]);
        let written = coalesce(&sent);
        assert_eq!(written[0].2, longest);
        assert!(written.iter().all(|(_, octets, _)| octets.len() <= 65_535));
        assert_eq!(written.len(), 300_usize.div_ceil(longest as usize));
    }
}

#[test]
fn what_the_super_packet_could_not_repeat_stays_out() {
    let first = Spec {
        payload: 1000,
        ..PLAIN
    };
    let different = [
        Spec {
            flags: 0x11,
            ..first
        },
        Spec {
            flags: 0x50,
            ..first
        },
        Spec { window: 1, ..first },
        Spec {
            options: 2,
            ..first
        },
        Spec { tos: 3, ..first },
        Spec {
            damaged: true,
            ..first
        },
        Spec { gap: true, ..first },
        Spec {
            payload: 1001,
            ..first
        },
        Spec {
            payload: 0,
            ..first
        },
    ];
    for spec in different {
        let written = coalesce(&story(&[first, first, spec]));
        assert_eq!(written.len(), 2, "{spec:?}");
        assert_eq!(written[0].2, 2, "{spec:?}");
        assert_eq!(written[1].0, Header::PLAIN, "{spec:?}");
    }
    let fixed = Spec {
        fixed_id: true,
        ..first
    };
    assert_eq!(coalesce(&story(&[fixed, fixed])).len(), 2);
    let whole = Spec {
        fragmentable: false,
        ..fixed
    };
    assert_eq!(coalesce(&story(&[whole, whole])).len(), 1);
}

#[test]
fn a_whole_packet_gets_its_checksum() {
    for flow in [0, 1, 4] {
        let spec = Spec {
            flow,
            payload: 301,
            ..PLAIN
        };
        let right = packet(&spec, 1, 1);
        let mut octets = right.clone();
        let protocol = if is_udp(flow) {
            PROTOCOL_UDP
        } else {
            PROTOCOL_TCP
        };
        let mut header = unfinished(&mut octets, protocol, 0);
        header[1] = KIND_NONE;
        assert_ne!(octets, right);
        assert_eq!(split(&header, &octets), [right]);
    }
}

#[test]
fn datagrams_of_a_flow_become_one_and_a_shorter_one_is_the_last() {
    for flow in [4, 5] {
        let first = Spec {
            flow,
            payload: 1200,
            ..PLAIN
        };
        let last = Spec {
            payload: 100,
            ..first
        };
        let sent = story(&[first, first, first, last, first, first]);
        let written = coalesce(&sent);
        let counts: Vec<_> = written.iter().map(|(_, _, packets)| *packets).collect();
        assert_eq!(counts, [4, 2], "flow {flow}");
        assert!(written.iter().all(|(header, ..)| header[1] == KIND_UDP));
    }
}

#[test]
fn datagrams_that_could_not_be_given_back_stay_out() {
    let first = Spec {
        flow: 4,
        payload: 1000,
        ..PLAIN
    };
    let different = [
        Spec {
            bare: true,
            ..first
        },
        Spec {
            damaged: true,
            ..first
        },
        Spec {
            payload: 1001,
            ..first
        },
        Spec {
            payload: 0,
            ..first
        },
        Spec { tos: 3, ..first },
    ];
    for spec in different {
        let written = coalesce(&story(&[first, first, spec]));
        assert_eq!(written.len(), 2, "{spec:?}");
        assert_eq!(written[0].2, 2, "{spec:?}");
        assert_eq!(written[1].0, Header::PLAIN, "{spec:?}");
    }
    // A length that is not the packet's own.
    let mut sent = story(&[first, first]);
    sent[1][25] ^= 1;
    assert_eq!(coalesce(&sent).len(), 2);
}

/// A fragment may be of any flow to its address, so that nothing overtakes it.
#[test]
fn a_fragment_lets_everything_before_it_leave_first() {
    let first = Spec {
        flow: 4,
        payload: 1000,
        ..PLAIN
    };
    let mut sent = story(&[first, first, first, first]);
    sent[2][6] = 0x20;
    let written = coalesce(&sent);
    let counts: Vec<_> = written.iter().map(|(_, _, packets)| *packets).collect();
    assert_eq!(counts, [2, 1, 1]);
    assert_eq!(written[1].1, sent[2]);
}

/// Zero has two forms in ones' complement. Both are right; what splits writes one of them.
#[test]
fn a_checksum_of_zero_comes_back_as_it_was_written() {
    let place = 20 + super::sort::TCP_CHECKSUM;
    let spec = Spec {
        payload: 500,
        ..PLAIN
    };
    let zero = (1..=200_000)
        .map(|sequence| packet(&spec, sequence, 5))
        .find(|packet| packet[place..place + 2] == [0, 0])
        .expect("one in 65,536 has it");
    let sequence = u32::from_be_bytes(zero[24..28].try_into().unwrap());
    let next = packet(&spec, sequence.wrapping_add(500), 6);
    let mut other = zero.clone();
    other[place..place + 2].fill(0xff);
    for (first, runs) in [(zero, 1), (other, 2)] {
        let sent = [first, next.clone()];
        let written = coalesce(&sent);
        assert_eq!(written.len(), runs);
        let split = |(header, octets, _): &(_, Vec<u8>, _)| split(header, octets);
        let back: Vec<_> = written.iter().flat_map(split).collect();
        assert_eq!(back, sent);
    }
}

/// RFC 768: a UDP packet without a checksum may add up all the same. Splitting would give it one.
#[test]
fn a_datagram_without_a_checksum_stays_out_even_if_it_adds_up() {
    let spec = Spec {
        flow: 4,
        payload: 500,
        bare: true,
        ..PLAIN
    };
    let bare = |id| {
        let mut bare = packet(&spec, 1, id);
        let last = bare.len() - 2;
        put(&mut bare, last, &[0, 0]).unwrap();
        let sum = pseudo_header(&bare, PROTOCOL_UDP, 508).unwrap();
        let missing = sum.add(&bare[20..]).checksum();
        put(&mut bare, last, &missing).unwrap();
        assert!(is_right(&bare, PROTOCOL_UDP, 20));
        bare
    };
    let sent = [bare(5), bare(6)];
    let written = coalesce(&sent);
    assert_eq!(written.len(), 2);
    assert_eq!(written[0].1, sent[0]);
}
