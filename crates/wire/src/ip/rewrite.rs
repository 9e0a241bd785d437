//! Fields that tunnelling changes, in place, with the IPv4 checksum kept right incrementally.
//! Every function leaves a packet alone that is too short or of another version, and says so.

use super::update_checksum;

/// Offset of the IPv4 header checksum.
const V4_CHECKSUM: usize = 10;

/// The DSCP: six bits (RFC 2474), of a TOS or Traffic Class octet.
#[must_use]
pub const fn dscp(traffic_class: u8) -> u8 {
    traffic_class >> 2
}

/// The ECN field: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE (RFC 3168 §5).
#[must_use]
pub const fn ecn(traffic_class: u8) -> u8 {
    traffic_class & 0x03
}

/// Sets the TOS or Traffic Class octet. `false` if the packet has no such field.
pub fn set_traffic_class(packet: &mut [u8], traffic_class: u8) -> bool {
    change_traffic_class(packet, |_| traffic_class)
}

/// Sets the ECN field (the low two bits of `ecn`) and keeps the DSCP.
pub fn set_ecn(packet: &mut [u8], ecn: u8) -> bool {
    change_traffic_class(packet, |old| (old & 0xfc) | (ecn & 0x03))
}

/// Sets the DSCP (the low six bits of `dscp`) and keeps the ECN field.
pub fn set_dscp(packet: &mut [u8], dscp: u8) -> bool {
    change_traffic_class(packet, |old| (dscp << 2) | (old & 0x03))
}

fn change_traffic_class(packet: &mut [u8], change: impl FnOnce(u8) -> u8) -> bool {
    match version(packet) {
        Some(4) => change_v4_word(packet, 0, |[version, class]| [version, change(class)]),
        Some(6) => change_v6_class(packet, change),
        _ => false,
    }
}

fn change_v6_class(packet: &mut [u8], change: impl FnOnce(u8) -> u8) -> bool {
    let Some([first, second, ..]) = packet.get_mut(..40) else {
        return false;
    };
    let class = change((*first << 4) | (*second >> 4));
    *first = (*first & 0xf0) | (class >> 4);
    *second = (class << 4) | (*second & 0x0f);
    true
}

/// Sets or clears Don't Fragment of an IPv4 packet. `false` for IPv6, which has no such bit.
pub fn set_dont_fragment(packet: &mut [u8], dont_fragment: bool) -> bool {
    version(packet) == Some(4)
        && change_v4_word(packet, 6, |[flags, offset]| {
            let cleared = flags & !0x40;
            [
                if dont_fragment {
                    cleared | 0x40
                } else {
                    cleared
                },
                offset,
            ]
        })
}

/// Takes one from the TTL or hop limit. `false`, with nothing changed, if it may not be forwarded
/// because the limit would reach 0 (RFC 791 §3.2, RFC 8200 §3).
pub fn decrement_hop_limit(packet: &mut [u8]) -> bool {
    match version(packet) {
        Some(4) => {
            packet.get(8).is_some_and(|ttl| *ttl > 1)
                && change_v4_word(packet, 8, |[ttl, protocol]| {
                    [ttl.saturating_sub(1), protocol]
                })
        }
        Some(6) if packet.len() >= 40 => match packet.get_mut(7) {
            Some(limit) if *limit > 1 => {
                *limit -= 1;
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn version(packet: &[u8]) -> Option<u8> {
    packet.first().map(|octet| octet >> 4)
}

/// Changes the 16-bit word at an even offset of an IPv4 header, and the checksum with it.
fn change_v4_word(packet: &mut [u8], at: usize, change: impl FnOnce([u8; 2]) -> [u8; 2]) -> bool {
    let Some(header) = packet.first_chunk_mut::<20>() else {
        return false;
    };
    let Some(word) = header.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) else {
        return false;
    };
    let old = *word;
    let new = change(old);
    *word = new;
    let Some(field) = header
        .get_mut(V4_CHECKSUM..)
        .and_then(<[u8]>::first_chunk_mut::<2>)
    else {
        return false;
    };
    *field = update_checksum(
        u16::from_be_bytes(*field),
        u16::from_be_bytes(old),
        u16::from_be_bytes(new),
    )
    .to_be_bytes();
    true
}
