//! Fields of packets at their places.

pub(super) fn is_ipv6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|octet| octet >> 4 == 6)
}

pub(super) fn octet(packet: &[u8], at: usize) -> Option<u8> {
    packet.get(at).copied()
}

pub(super) fn word(packet: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

pub(super) fn long(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?))
}

/// Overwrites `octets.len()` octets; `None` if they are not there.
pub(super) fn put(packet: &mut [u8], at: usize, octets: &[u8]) -> Option<()> {
    let place = packet.get_mut(at..at.checked_add(octets.len())?)?;
    place.copy_from_slice(octets);
    Some(())
}
