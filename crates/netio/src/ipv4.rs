//! The header of a received IPv4 packet, as far as a host judges and uses it.

use core::net::Ipv4Addr;
use core::ops::Range;

use crate::segmentation::Sum;

/// Octets of a header without options.
const LEN_MIN: usize = 20;
const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

/// What the header says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ipv4Header {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) tos: u8,
    /// Where the payload lies in the packet; what follows is padding of the link.
    pub(crate) payload: Range<usize>,
}

impl Ipv4Header {
    /// Reads and checks the header (RFC 1122 §3.2.1.1 to .3): version, lengths, checksum. A fragment is
    /// no datagram.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; LEN_MIN] = packet.first_chunk()?;
        let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let address =
            |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        let len = header_len(packet)?;
        let total = usize::from(word(2));
        let header = packet.get(..len)?;
        let whole = word(6) & MORE_FRAGMENTS_AND_OFFSET == 0;
        let right = fixed[0] >> 4 == 4 && total >= len && total <= packet.len();
        if !(whole && right && Sum::default().add(header).fold() == [0xff; 2]) {
            return None;
        }
        Some(Self {
            source: address(12),
            destination: address(16),
            tos: fixed[1],
            payload: len..total,
        })
    }
}

/// Octets of the header, options included.
pub(crate) fn header_len(packet: &[u8]) -> Option<usize> {
    let len = usize::from(packet.first()? & 0x0f) * 4;
    (len >= LEN_MIN && len <= packet.len()).then_some(len)
}
