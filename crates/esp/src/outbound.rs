use core::net::IpAddr;
use core::ops::Range;

use crypto::{Waiting, seal_together};
use ipsec::{DfPolicy, Flow, Instant, LifeStage, OutboundHandle, OutboundSa, Sad, Spd};
use wire::esp::{EspHeader, HEADER_LEN};
use wire::ip::{InnerPacket, clamp_mss, decrement_hop_limit, protocol};

use crate::overhead::{TRAILER_LEN, inner_mtu};
use crate::report::{Aged, OutboundReport, Touched};
use crate::trailer::{self, alignment, pad_len};
use crate::{OutboundDrop, ecn, flow};

/// Octets that any SA may need before an inner packet: ESP header and the longest IV.
pub const HEADROOM: usize = HEADER_LEN + 16;
/// Octets that any SA may need after an inner packet: padding, its two octets, the longest ICV.
pub const TAILROOM: usize = 15 + TRAILER_LEN + 32;

/// An IPv6 packet of this size always passes, in fragments of the outer packet if need be: no link
/// may offer less (RFC 8200 §5).
const IPV6_MTU_MIN: usize = 1280;

/// An inner packet to send.
pub struct OutboundPacket<'a> {
    /// The inner packet with room around it: [`HEADROOM`] before, [`TAILROOM`] after.
    pub buffer: &'a mut [u8],
    /// Where in the buffer the inner packet is.
    pub inner: Range<usize>,
    /// The SA into which it goes, if one is known.
    pub sa: Option<OutboundHandle>,
    /// Whether this program forwards the packet itself, from one tunnel into another. What comes
    /// from the TUN device has been forwarded by the kernel, which has taken its share of the TTL,
    /// or is the host's own and owes none (RFC 4301 §5.1.2.1, note 2).
    pub forwarded_here: bool,
    /// What became of it.
    pub outcome: Sealed,
    /// What its headers say; `None` if they make no sense.
    headers: Option<InnerPacket>,
    /// How far the memory of its SA has been asked for.
    likely: Likely,
    /// The sequence number of a packet that is complete but for what its key does to it.
    waiting: Option<u64>,
}

/// A look-up on its way.
#[derive(Clone, Copy)]
enum Likely {
    /// Not begun, or begun by another packet to the same destination.
    Unknown,
    /// It begins in this place.
    At(IpAddr, usize),
    /// It will most likely find this SA.
    Sa(OutboundHandle),
}

/// What became of an inner packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sealed {
    /// Nothing yet.
    Pending,
    /// The ESP packet is in this range of the buffer.
    Packet {
        /// Where.
        range: Range<usize>,
        /// What the outer header shall say.
        outer: OuterFields,
    },
    /// It does not pass: tell its sender that only `mtu` octets do. The inner packet is unchanged.
    TooBig {
        /// The biggest inner packet that passes.
        mtu: u16,
    },
    /// It was dropped.
    Dropped(OutboundDrop),
}

/// Wishes for the outer header, which the kernel writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterFields {
    /// TOS or Traffic Class.
    pub traffic_class: u8,
    /// Don't Fragment (IPv4), or do not fragment at the source (IPv6).
    pub dont_fragment: bool,
}

impl<'a> OutboundPacket<'a> {
    /// An inner packet that came from the TUN device, for an SA that is known. Its headers are read.
    #[must_use]
    pub fn new(buffer: &'a mut [u8], inner: Range<usize>, sa: OutboundHandle) -> Self {
        Self {
            sa: Some(sa),
            ..Self::read(buffer, inner)
        }
    }

    /// An inner packet that came from the TUN device, for which [`find_sas`] finds the SA. Its headers
    /// are read.
    #[must_use]
    pub fn read(buffer: &'a mut [u8], inner: Range<usize>) -> Self {
        let octets = buffer.get(inner.clone());
        Self {
            headers: octets.and_then(|octets| InnerPacket::parse(octets).ok()),
            buffer,
            inner,
            sa: None,
            likely: Likely::Unknown,
            waiting: None,
            forwarded_here: false,
            outcome: Sealed::Pending,
        }
    }

    /// What the selectors see of it; `None` if its headers make no sense.
    #[must_use]
    pub fn flow(&self) -> Option<Flow> {
        self.headers.as_ref().map(flow)
    }

    /// The inner packet, as long as it has not been sealed.
    #[must_use]
    pub fn inner_octets(&self) -> &[u8] {
        self.buffer.get(self.inner.clone()).unwrap_or(&[])
    }

    /// The ESP packet, if there is one.
    #[must_use]
    pub fn packet(&self) -> Option<&[u8]> {
        match &self.outcome {
            Sealed::Packet { range, .. } => self.buffer.get(range.clone()),
            _ => None,
        }
    }
}

/// For so many packets ahead the SA is asked for: long enough for memory to answer, short enough for
/// the cache to keep it.
const AHEAD: usize = 6;

/// Finds the SA of each packet that has none yet. The memory that the look-ups need is asked for
/// before, for all packets at once.
pub fn find_sas(spd: &Spd, sad: &Sad, packets: &mut [OutboundPacket<'_>]) {
    for group in packets.chunks_mut(GROUP) {
        find_group(spd, sad, group);
    }
}

/// Packets whose look-ups are on their way at once: as many as the processor's innermost cache and its
/// table of pages hold.
const GROUP: usize = 32;

fn find_group(spd: &Spd, sad: &Sad, packets: &mut [OutboundPacket<'_>]) {
    // Packets to one destination stand together mostly; its memory is asked for once then.
    let mut last = None;
    for packet in &mut *packets {
        let Some(headers) = sought(packet) else {
            continue;
        };
        let destination = headers.destination;
        if last.replace(destination) != Some(destination) {
            packet.likely = Likely::At(destination, spd.fetch(destination));
        }
    }
    for packet in &mut *packets {
        if let Likely::At(destination, place) = packet.likely {
            let handle = spd.guess(destination, place);
            sad.fetch_outbound(handle);
            packet.likely = Likely::Sa(handle);
        }
    }
    for packet in &mut *packets {
        if let Likely::Sa(handle) = packet.likely
            && let Some(sa) = sad.outbound(handle)
        {
            sa.fetch_head();
        }
    }
    for packet in packets {
        if let Some(headers) = sought(packet) {
            packet.sa = spd.lookup(sad, &flow(headers));
        }
    }
}

const fn sought<'p>(packet: &'p OutboundPacket<'_>) -> Option<&'p InnerPacket> {
    match packet.sa {
        Some(_) => None,
        None => packet.headers.as_ref(),
    }
}

/// Seals a batch of packets in place. `now` is stored in the counters of the SAs.
pub fn seal_batch(
    sad: &mut Sad,
    packets: &mut [OutboundPacket<'_>],
    now: Instant,
    report: &mut OutboundReport,
) {
    report.begin();
    let mut any_waits = false;
    for at in 0..AHEAD {
        fetch(sad, packets, at);
    }
    for at in 0..packets.len() {
        fetch(sad, packets, at + AHEAD);
        let Some(packet) = packets.get_mut(at) else {
            break;
        };
        let Some(sa) = packet.sa.and_then(|handle| sad.outbound_mut(handle)) else {
            packet.outcome = Sealed::Dropped(OutboundDrop::UnknownSa);
            report.count(OutboundDrop::UnknownSa);
            continue;
        };
        packet.outcome = match seal(sa, packet, now, report) {
            Ok(outcome) => outcome,
            Err(reason) => {
                drop_packet(sa, reason, report);
                match reason {
                    OutboundDrop::TooBig => Sealed::TooBig { mtu: inner_mtu(sa) },
                    other => Sealed::Dropped(other),
                }
            }
        };
        any_waits |= packet.waiting.is_some();
    }
    if any_waits {
        seal_waiting(sad, packets);
    }
}

/// Seals what was left waiting for company. Nothing can fail any more.
fn seal_waiting(sad: &Sad, packets: &mut [OutboundPacket<'_>]) {
    seal_together(packets.iter_mut().filter_map(|packet| {
        let counter = packet.waiting.take()?;
        let sa = sad.outbound(packet.sa?)?;
        let Sealed::Packet { range, .. } = &packet.outcome else {
            return None;
        };
        Some(Waiting {
            key: &sa.key,
            packet: packet.buffer.get_mut(range.clone())?,
            associated: HEADER_LEN,
            esn_high: sa.esn.then(|| high_half(counter)),
            counter,
        })
    }));
}

/// Asks for the memory that a packet will need, if the one before it has not done so.
fn fetch(sad: &Sad, packets: &[OutboundPacket<'_>], at: usize) {
    let Some(packet) = packets.get(at) else {
        return;
    };
    let before = at.checked_sub(1).and_then(|before| packets.get(before));
    if before.is_some_and(|before| before.sa == packet.sa) {
        return;
    }
    if let Some(sa) = packet.sa.and_then(|handle| sad.outbound(handle)) {
        sa.fetch_head();
        sa.fetch_key();
    }
}

fn seal(
    sa: &mut OutboundSa,
    packet: &mut OutboundPacket<'_>,
    now: Instant,
    report: &mut OutboundReport,
) -> Result<Sealed, OutboundDrop> {
    let octets = packet
        .buffer
        .get_mut(packet.inner.clone())
        .ok_or(OutboundDrop::NoRoom)?;
    let inner = packet.headers.ok_or(OutboundDrop::MalformedInner)?;
    if !sa.selectors.allow_outbound(&flow(&inner)) {
        return Err(OutboundDrop::SelectorMismatch);
    }
    if sa.stage == LifeStage::Hard {
        return Err(OutboundDrop::LifetimeExpired);
    }
    let outer = outer_fields(sa, &inner)?;
    if packet.forwarded_here && !decrement_hop_limit(octets) {
        return Err(OutboundDrop::HopLimitExceeded);
    }
    if let Some(mss) = sa.outer.mss_clamp {
        clamp_mss(octets, mss);
    }
    let inner_range = packet.inner.start..packet.inner.start + inner.total_len;
    let range = frame_range(sa, &inner_range, packet.buffer.len())?;
    let frame = packet
        .buffer
        .get_mut(range.clone())
        .ok_or(OutboundDrop::NoRoom)?;
    if sa.used_in_batch != report.batch {
        sa.sequence.refresh();
    }
    let sequence = sa.sequence.take().ok_or(OutboundDrop::SequenceExhausted)?;
    let next_header = if inner.is_ipv6() {
        protocol::IPV6
    } else {
        protocol::IPV4
    };
    write_frame(sa, frame, inner.total_len, next_header, sequence);
    if sa.key.gains_by_company() {
        packet.waiting = Some(sequence);
    } else {
        let esn_high = sa.esn.then(|| high_half(sequence));
        sa.key.seal(frame, HEADER_LEN, esn_high, sequence);
    }
    account(sa, inner.total_len, now, report);
    Ok(Sealed::Packet { range, outer })
}

/// RFC 4301 §5.1.2 and §8: what the outer header says, or that the packet is too big.
fn outer_fields(sa: &OutboundSa, inner: &InnerPacket) -> Result<OuterFields, OutboundDrop> {
    let fits = inner.total_len <= usize::from(inner_mtu(sa));
    let may_fragment = if inner.is_ipv6() {
        inner.total_len <= IPV6_MTU_MIN
    } else {
        !inner.dont_fragment
    };
    if !fits && !may_fragment {
        return Err(OutboundDrop::TooBig);
    }
    let wish = match sa.outer.df {
        DfPolicy::Copy => inner.dont_fragment,
        DfPolicy::Set => true,
        DfPolicy::Clear => false,
    };
    Ok(OuterFields {
        traffic_class: ecn::encapsulate(inner.traffic_class, &sa.outer),
        // What does not fit and may be fragmented has to be, whatever the policy wishes.
        dont_fragment: wish && fits,
    })
}

/// Where the ESP packet around an inner packet will lie.
fn frame_range(
    sa: &OutboundSa,
    inner: &Range<usize>,
    buffer_len: usize,
) -> Result<Range<usize>, OutboundDrop> {
    let start = inner
        .start
        .checked_sub(HEADER_LEN + sa.suite.iv_len())
        .ok_or(OutboundDrop::NoRoom)?;
    let padding = pad_len(inner.len(), alignment(&sa.suite));
    let end = inner.end + padding + TRAILER_LEN + sa.suite.icv_len();
    if end > buffer_len {
        Err(OutboundDrop::NoRoom)
    } else {
        Ok(start..end)
    }
}

/// Writes header and trailer around the inner packet; IV and ICV are the key's to write.
pub(crate) fn write_frame(
    sa: &OutboundSa,
    frame: &mut [u8],
    inner_len: usize,
    next_header: u8,
    sequence: u64,
) {
    let header = EspHeader {
        spi: sa.spi.0,
        sequence: low_half(sequence),
    };
    if let Some(place) = frame.first_chunk_mut() {
        *place = header.to_octets();
    }
    let trailer = HEADER_LEN + sa.suite.iv_len() + inner_len;
    let end = frame.len().saturating_sub(sa.suite.icv_len());
    if let Some(space) = frame.get_mut(trailer..end) {
        trailer::write(space, next_header);
    }
}

fn account(sa: &mut OutboundSa, bytes: usize, now: Instant, report: &mut OutboundReport) {
    let bytes = bytes as u64;
    sa.counters.packets += 1;
    sa.counters.bytes += bytes;
    sa.counters.last = now;
    report.packets += 1;
    report.bytes += bytes;
    if sa.used_in_batch != report.batch {
        sa.used_in_batch = report.batch;
        report.used.push(Touched {
            spi: sa.spi,
            owner: sa.owner,
        });
    }
    let mut stage = sa.limits.stage(sa.counters.bytes, sa.counters.packets);
    if sa.sequence.near_exhaustion() {
        stage = stage.max(LifeStage::Soft);
    }
    if stage > sa.stage {
        sa.stage = stage;
        report.aged.push(Aged {
            spi: sa.spi,
            owner: sa.owner,
            stage,
        });
    }
}

fn drop_packet(sa: &mut OutboundSa, reason: OutboundDrop, report: &mut OutboundReport) {
    report.count(reason);
    let counter = match reason {
        OutboundDrop::TooBig => &mut sa.counters.too_big,
        OutboundDrop::SequenceExhausted => &mut sa.counters.sequence_exhausted,
        _ => &mut sa.counters.refused,
    };
    *counter = counter.saturating_add(1);
}

// The halves are meant.
#[allow(clippy::cast_possible_truncation)]
const fn high_half(sequence: u64) -> u32 {
    (sequence >> 32) as u32
}

#[allow(clippy::cast_possible_truncation)]
const fn low_half(sequence: u64) -> u32 {
    sequence as u32
}
