use super::{Fragment, InnerPacket, protocol, update_checksum};

/// TCP's SYN flag.
const SYN: u8 = 0x02;
/// Fixed part of a TCP header.
const TCP_HEADER_LEN: usize = 20;
/// Offset of the TCP checksum.
const TCP_CHECKSUM: usize = 16;

mod option {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MAXIMUM_SEGMENT_SIZE: u8 = 2;
}

/// Lowers the maximum segment size that a TCP SYN announces to `mss` octets, in place, and corrects
/// the TCP checksum. Returns whether the packet was changed: not if it is no whole TCP SYN, has no
/// such option or announces no more than `mss`.
pub fn clamp_mss(packet: &mut [u8], mss: u16) -> bool {
    let Ok(inner) = InnerPacket::parse(packet) else {
        return false;
    };
    if inner.protocol != protocol::TCP || inner.fragment == Fragment::Later {
        return false;
    }
    let segment = packet
        .get_mut(..inner.total_len)
        .and_then(|packet| packet.get_mut(inner.header_len..));
    segment.is_some_and(|segment| clamp_segment(segment, mss))
}

fn clamp_segment(segment: &mut [u8], mss: u16) -> bool {
    let (Some(data_offset), Some(flags)) = (segment.get(12), segment.get(13)) else {
        return false;
    };
    if flags & SYN == 0 {
        return false;
    }
    let header_len = usize::from(data_offset >> 4) * 4;
    let Some(value_at) = segment.get(..header_len).and_then(find_mss) else {
        return false;
    };
    let Some(value) = segment
        .get_mut(value_at..)
        .and_then(<[u8]>::first_chunk_mut::<2>)
    else {
        return false;
    };
    let old = u16::from_be_bytes(*value);
    if old <= mss {
        return false;
    }
    *value = mss.to_be_bytes();
    correct_checksum(segment, value_at, old, mss)
}

/// Where the value of the option stands in the TCP header.
fn find_mss(header: &[u8]) -> Option<usize> {
    let mut at = TCP_HEADER_LEN;
    loop {
        match *header.get(at)? {
            option::END => return None,
            option::NOP => at += 1,
            kind => {
                let length = usize::from(*header.get(at + 1)?);
                if kind == option::MAXIMUM_SEGMENT_SIZE {
                    return (length == 4 && at + 4 <= header.len()).then_some(at + 2);
                }
                if length < 2 {
                    return None;
                }
                at += length;
            }
        }
    }
}

fn correct_checksum(segment: &mut [u8], value_at: usize, old: u16, new: u16) -> bool {
    let Some(field) = segment
        .get_mut(TCP_CHECKSUM..)
        .and_then(<[u8]>::first_chunk_mut::<2>)
    else {
        return false;
    };
    // A value at an odd offset straddles two words of the sum: there its octets count swapped.
    let place = |value: u16| {
        if value_at.is_multiple_of(2) {
            value
        } else {
            value.swap_bytes()
        }
    };
    *field = update_checksum(u16::from_be_bytes(*field), place(old), place(new)).to_be_bytes();
    true
}
