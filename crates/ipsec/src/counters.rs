use timer::Instant;

/// What an inbound SA has seen. Drops are counted here per SA and by reason in the batch report.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct InboundCounters {
    /// Packets that passed every check, dummies included.
    pub packets: u64,
    /// Octets of inner packets that passed.
    pub bytes: u64,
    /// Sequence numbers that left the replay window without having been received.
    pub lost: u64,
    /// Packets whose number had been received before, or was too old to tell.
    pub replay: u64,
    /// Packets whose ICV did not verify.
    pub integrity: u32,
    /// Authentic packets whose padding or inner header makes no sense, and packets too short.
    pub malformed: u32,
    /// Authentic packets whose inner header lies outside the traffic selectors.
    pub selector: u32,
    /// Packets refused for another reason: the SA had lived its hard life, or congestion marks on
    /// a packet that cannot carry them.
    pub refused: u32,
    /// When the last authentic packet came; zero before the first.
    pub last: Instant,
}

impl InboundCounters {
    /// Adds what another shard has seen of the same SA.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.replay += other.replay;
        self.integrity = self.integrity.saturating_add(other.integrity);
        self.malformed = self.malformed.saturating_add(other.malformed);
        self.selector = self.selector.saturating_add(other.selector);
        self.refused = self.refused.saturating_add(other.refused);
        self.last = self.last.max(other.last);
    }
}

/// What an outbound SA has seen.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(C)]
pub struct OutboundCounters {
    /// Packets sealed.
    pub packets: u64,
    /// Octets of inner packets sealed.
    pub bytes: u64,
    /// When the last packet was sealed; zero before the first.
    pub last: Instant,
    /// Packets too big for the path.
    pub too_big: u32,
    /// Packets that found no sequence number left.
    pub sequence_exhausted: u32,
    /// Packets refused for another reason.
    pub refused: u32,
}

impl OutboundCounters {
    /// Octets that change with each packet; they stand in front.
    pub(crate) const HOT_LEN: usize = core::mem::offset_of!(Self, too_big);
}
