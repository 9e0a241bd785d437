use ipsec::{Encapsulation, OutboundSa};

use crate::trailer::alignment;

const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
pub(crate) const TRAILER_LEN: usize = 2;

/// Octets that an SA adds before and after the padded payload: outer IP header, UDP header if there
/// is one, ESP header, IV, ICV.
#[must_use]
pub fn overhead(sa: &OutboundSa) -> usize {
    let ip = if sa.path.remote.is_ipv4() {
        IPV4_LEN
    } else {
        IPV6_LEN
    };
    let udp = match sa.path.encapsulation {
        Encapsulation::Udp => UDP_LEN,
        Encapsulation::Raw => 0,
    };
    ip + udp + wire::esp::HEADER_LEN + sa.suite.iv_len() + sa.suite.icv_len()
}

/// The biggest inner packet, in octets, that becomes an outer packet within the path's MTU.
#[must_use]
pub fn inner_mtu(sa: &OutboundSa) -> u16 {
    let unit = alignment(&sa.suite);
    let room = usize::from(sa.path.mtu).saturating_sub(overhead(sa));
    let padded = room & !(unit - 1);
    u16::try_from(padded.saturating_sub(TRAILER_LEN)).unwrap_or(u16::MAX)
}
