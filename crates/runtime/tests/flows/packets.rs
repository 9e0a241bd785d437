//! Inner packets of several flows.

use std::collections::HashMap;

use proptest::prelude::*;

pub(crate) const FLOWS: u8 = 8;
/// Peers, each with an SA; a flow goes to the peer of its number modulo this.
pub(crate) const PEERS: u8 = 3;
const TCP: u8 = 6;
const UDP: u8 = 17;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    flow: u8,
    payload: usize,
    push: bool,
    /// Only UDP can be without a checksum.
    bare: bool,
    /// IPv4's Don't Fragment.
    whole: bool,
    tos: u8,
}

impl Spec {
    /// One of many equal packets.
    pub(crate) const fn bulk(flow: u8) -> Self {
        Self {
            flow,
            payload: 1300,
            push: false,
            bare: false,
            whole: true,
            tos: 0,
        }
    }
}

pub(crate) fn spec() -> impl Strategy<Value = Spec> {
    let payload = prop_oneof![6 => Just(1300_usize), 3 => Just(64_usize), 1 => 0_usize..1350];
    let rarely = || prop::bool::weighted(0.05);
    let flow = prop_oneof![3 => 0..2_u8, 1 => 0..FLOWS];
    let tos = prop_oneof![30 => Just(0_u8), 1 => Just(0xb8_u8)];
    (flow, payload, rarely(), rarely(), any::<bool>(), tos).prop_map(
        |(flow, payload, push, bare, whole, tos)| Spec {
            flow,
            payload,
            push,
            bare,
            whole,
            tos,
        },
    )
}

/// Packets whose sequence numbers and identifications go on as those of real flows do.
pub(crate) fn story(specs: &[Spec]) -> Vec<Vec<u8>> {
    let mut state = [(u32::MAX - 9000, u16::MAX - 7); FLOWS as usize];
    let build = |spec: &Spec| {
        let (sequence, id) = &mut state[usize::from(spec.flow)];
        let packet = packet(spec, *sequence, *id);
        *sequence = sequence.wrapping_add(spec.payload as u32);
        *id = id.wrapping_add(1);
        packet
    };
    specs.iter().map(build).collect()
}

fn is_v6(flow: u8) -> bool {
    flow & 1 == 1
}

fn packet(spec: &Spec, sequence: u32, id: u16) -> Vec<u8> {
    let protocol = if spec.flow & 2 == 0 { TCP } else { UDP };
    let fill = |i: usize| (i as u32).wrapping_add(sequence).wrapping_mul(7) as u8;
    let payload: Vec<u8> = (0..spec.payload).map(fill).collect();
    let mut transport = vec![0x10, spec.flow, 0x01, 0xbb];
    let checksum = if protocol == TCP {
        transport.extend_from_slice(&sequence.to_be_bytes());
        let flags = if spec.push { 0x18 } else { 0x10 };
        transport.extend_from_slice(&[9, 9, 9, 9, 0x80, flags, 1, 0, 0, 0, 0, 0]);
        transport.extend_from_slice(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
        16
    } else {
        transport.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        transport.extend_from_slice(&[0, 0]);
        6
    };
    transport.extend_from_slice(&payload);
    let len = transport.len() as u16;
    let mut header = ip(spec, protocol, len, id);
    let addresses = if is_v6(spec.flow) { 8..40 } else { 12..20 };
    let [high, low] = len.to_be_bytes();
    let pseudo = [&header[addresses], &[0, protocol, high, low]].concat();
    let mut sum = sum(&[&pseudo, &transport]);
    if protocol == UDP {
        sum = match sum {
            _ if spec.bare => [0, 0],
            [0, 0] => [0xff, 0xff],
            sum => sum,
        };
    }
    transport[checksum..checksum + 2].copy_from_slice(&sum);
    header.extend_from_slice(&transport);
    header
}

fn ip(spec: &Spec, protocol: u8, len: u16, id: u16) -> Vec<u8> {
    let peer = spec.flow % PEERS;
    let tos = spec.tos;
    if is_v6(spec.flow) {
        let [high, low] = len.to_be_bytes();
        let mut header = vec![0x60 | tos >> 4, tos << 4, 0, 0, high, low, protocol, 63];
        header.extend_from_slice(&[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, spec.flow]);
        header.extend_from_slice(&[0xfd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, peer]);
        return header;
    }
    let [total, id] = [20 + len, id].map(u16::to_be_bytes);
    let df = if spec.whole { 0x40 } else { 0 };
    let mut header = vec![
        0x45, tos, total[0], total[1], id[0], id[1], df, 0, 63, protocol, 0, 0,
    ];
    header.extend_from_slice(&[10, 0, 0, spec.flow, 10, 0, 1, peer]);
    let checksum = sum(&[&header]);
    header[10..12].copy_from_slice(&checksum);
    header
}

/// RFC 1071; all parts but the last are of even length.
pub(crate) fn sum(parts: &[&[u8]]) -> [u8; 2] {
    let pairs = parts.iter().flat_map(|part| part.chunks(2));
    let words = pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// By addresses and ports, the packets in their order.
pub(crate) fn by_flow(packets: &[Vec<u8>]) -> HashMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut flows: HashMap<_, Vec<_>> = HashMap::new();
    for packet in packets {
        let v6 = packet[0] >> 4 == 6;
        let key = if v6 { 8..44 } else { 12..24 };
        let mut packet = packet.clone();
        if !v6 && packet[6] & 0x40 != 0 {
            // RFC 6864 §4.1: the identification of a packet that is not to be fragmented means
            // nothing, and nothing does the checksum that covers it.
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
        flows.entry(packet[key].to_vec()).or_default().push(packet);
    }
    flows
}
