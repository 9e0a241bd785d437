//! UDP packets made by hand.

use std::net::{IpAddr, SocketAddr};

/// A UDP packet with right checksums.
pub(crate) fn udp(from: SocketAddr, to: SocketAddr, id: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    let mut transport = Vec::new();
    for field in [from.port(), to.port(), len, 0] {
        transport.extend_from_slice(&field.to_be_bytes());
    }
    transport.extend_from_slice(payload);
    let (mut packet, addresses) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let [length, id] = [20 + len, id].map(u16::to_be_bytes);
            let mut header = vec![
                0x45, 0, length[0], length[1], id[0], id[1], 0, 0, 64, 17, 0, 0,
            ];
            header.extend_from_slice(&addresses);
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum);
            (header, addresses)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let [high, low] = len.to_be_bytes();
            let header = [&[0x60, 0, 0, 0, high, low, 17, 64], &addresses[..]].concat();
            (header, addresses)
        }
        _ => panic!("of one family"),
    };
    let [high, low] = len.to_be_bytes();
    let sum = checksum(&[&addresses, &[0, 17, high, low], &transport]);
    transport[6..8].copy_from_slice(&if sum == [0, 0] { [0xff, 0xff] } else { sum });
    packet.extend_from_slice(&transport);
    packet
}

/// RFC 1071; all parts but the last are of even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let pairs = parts.iter().flat_map(|part| part.chunks(2));
    let words = pairs.map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
