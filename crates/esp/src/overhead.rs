use ipsec::OutboundSa;

use crate::trailer::alignment;

pub(crate) const TRAILER_LEN: usize = 2;

/// Octets that an SA adds before and after the padded payload: outer IP header, UDP header if there
/// is one, ESP header, IV, ICV.
#[must_use]
pub fn overhead(sa: &OutboundSa) -> usize {
    usize::from(sa.path().headers_len()) + within_esp(sa)
}

/// The biggest inner packet, in octets, that becomes an outer packet within the path's MTU.
#[must_use]
pub fn inner_mtu(sa: &OutboundSa) -> u16 {
    let unit = alignment(&sa.suite);
    let room = usize::from(sa.room()).saturating_sub(within_esp(sa));
    let padded = room & !(unit - 1);
    u16::try_from(padded.saturating_sub(TRAILER_LEN)).unwrap_or(u16::MAX)
}

const fn within_esp(sa: &OutboundSa) -> usize {
    wire::esp::HEADER_LEN + sa.suite.iv_len() + sa.suite.icv_len()
}
