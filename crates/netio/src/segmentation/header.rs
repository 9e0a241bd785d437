//! What stands before each packet of a TUN queue with offloads: `struct virtio_net_hdr` (virtio 1.2
//! §5.1.6) in the machine's octet order.

/// Octets of the header.
pub const HEADER_LEN: usize = 10;

/// The checksum is not computed yet; its field holds the pseudo header's sum.
pub(super) const NEEDS_CHECKSUM: u8 = 1;
pub(super) const KIND_NONE: u8 = 0;
pub(super) const KIND_TCP4: u8 = 1;
pub(super) const KIND_TCP6: u8 = 4;
pub(super) const KIND_UDP: u8 = 5;
/// A flag beside the kind: the first segment says that congestion was seen.
pub(super) const KIND_ECN: u8 = 0x80;

/// How a packet is to be taken apart and where its checksum belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    pub(super) flags: u8,
    pub(super) kind: u8,
    /// Octets in front of the payload.
    pub(super) headers: u16,
    /// Octets of payload in each packet but the last.
    pub(super) segment: u16,
    pub(super) checksum_start: u16,
    /// The checksum's place, counted from `checksum_start`.
    pub(super) checksum_offset: u16,
}

impl Header {
    /// Of a whole packet that wants nothing done.
    pub const PLAIN: [u8; HEADER_LEN] = [0; HEADER_LEN];

    /// Reads it.
    #[must_use]
    pub fn from_octets(octets: &[u8; HEADER_LEN]) -> Self {
        let [flags, kind, a, b, c, d, e, f, g, h] = *octets;
        Self {
            flags,
            kind,
            headers: u16::from_ne_bytes([a, b]),
            segment: u16::from_ne_bytes([c, d]),
            checksum_start: u16::from_ne_bytes([e, f]),
            checksum_offset: u16::from_ne_bytes([g, h]),
        }
    }

    pub(super) fn to_octets(self) -> [u8; HEADER_LEN] {
        let [a, b] = self.headers.to_ne_bytes();
        let [c, d] = self.segment.to_ne_bytes();
        let [e, f] = self.checksum_start.to_ne_bytes();
        let [g, h] = self.checksum_offset.to_ne_bytes();
        [self.flags, self.kind, a, b, c, d, e, f, g, h]
    }

    pub(super) fn needs_checksum(&self) -> bool {
        self.flags & NEEDS_CHECKSUM != 0
    }
}
