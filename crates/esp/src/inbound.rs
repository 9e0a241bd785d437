use core::ops::Range;

use ipsec::{EspSpi, FrontVrf, InboundSa, InnerVrf, Instant, LifeStage, Refused, Sad};
use wire::esp::{EspHeader, HEADER_LEN};
use wire::ip::{InnerPacket, clamp_mss, protocol, set_ecn};

use crate::ecn::{self, Unmarked};
use crate::report::{Aged, InboundReport, Touched};
use crate::{InboundDrop, flow, trailer};

/// A received ESP packet.
pub struct InboundPacket<'a> {
    /// From the SPI to the end of the ICV. Opened in place.
    pub octets: &'a mut [u8],
    /// TOS or Traffic Class of the outer header; 0 if it is not known.
    pub outer_traffic_class: u8,
    /// What became of it.
    pub outcome: Opened,
    /// Its SPI, 0 before it is read.
    spi: EspSpi,
    /// Its sequence number: what was sent of it at first, then the whole.
    sequence: u64,
    /// Where it arrived.
    fvrf: FrontVrf,
    /// Where its inner packet goes.
    ivrf: InnerVrf,
}

/// What became of a received packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opened {
    /// Nothing yet.
    Pending,
    /// The inner packet is in this range of the octets.
    Inner {
        /// Where.
        range: Range<usize>,
        /// Whether the packet is the newest of its SA so far. Only such a packet may move the
        /// peer's address (RFC 7296 §2.23): an old one may have been held back by anybody.
        newest: bool,
    },
    /// It was a dummy packet (RFC 4303 §2.6): proof of life and nothing more.
    Dummy {
        /// As in [`Opened::Inner`].
        newest: bool,
    },
    /// It was dropped.
    Dropped(InboundDrop),
}

impl<'a> InboundPacket<'a> {
    /// A packet as it came, from its SPI on.
    #[must_use]
    pub const fn new(octets: &'a mut [u8], outer_traffic_class: u8) -> Self {
        Self {
            octets,
            outer_traffic_class,
            outcome: Opened::Pending,
            spi: EspSpi(0),
            sequence: 0,
            fvrf: FrontVrf::GLOBAL,
            ivrf: InnerVrf::GLOBAL,
        }
    }

    /// The packet as it arrived in a front-door VRF.
    #[must_use]
    pub const fn at(mut self, fvrf: FrontVrf) -> Self {
        self.fvrf = fvrf;
        self
    }

    /// The VRF into which its inner packet goes.
    #[must_use]
    pub const fn ivrf(&self) -> InnerVrf {
        self.ivrf
    }

    /// Its SPI; 0 if the packet is too short to have one, or before it went through a batch.
    #[must_use]
    pub const fn spi(&self) -> EspSpi {
        self.spi
    }

    /// The inner packet, if there is one.
    #[must_use]
    pub fn inner(&self) -> Option<&[u8]> {
        match &self.outcome {
            Opened::Inner { range, .. } => self.octets.get(range.clone()),
            _ => None,
        }
    }
}

/// Where the inbound SAs of packets are found.
pub trait InboundSas {
    /// The SA of an SPI.
    fn inbound(&self, spi: EspSpi) -> Option<&InboundSa>;

    /// The SA of an SPI.
    fn inbound_mut(&mut self, spi: EspSpi) -> Option<&mut InboundSa>;

    /// Asks for the memory in which the SA of an SPI begins.
    fn fetch_inbound(&self, spi: EspSpi);
}

impl InboundSas for Sad {
    #[inline]
    fn inbound(&self, spi: EspSpi) -> Option<&InboundSa> {
        Self::inbound(self, spi)
    }

    #[inline]
    fn inbound_mut(&mut self, spi: EspSpi) -> Option<&mut InboundSa> {
        Self::inbound_mut(self, spi)
    }

    #[inline]
    fn fetch_inbound(&self, spi: EspSpi) {
        Self::fetch_inbound(self, spi);
    }
}

/// For so many packets ahead the key is asked for: long enough for memory to answer, short enough for
/// the cache to keep it.
const AHEAD: usize = 6;

/// Opens a batch of packets in place. `now` is stored in the counters of the SAs.
///
/// The memory of the SAs is asked for first. Then all packets are checked against their windows, so
/// that what is certainly old costs no decryption; then each is opened, checked again and recorded.
pub fn open_batch(
    sad: &mut impl InboundSas,
    packets: &mut [InboundPacket<'_>],
    now: Instant,
    report: &mut InboundReport,
) {
    report.begin();
    let mut last = EspSpi(0);
    for packet in &mut *packets {
        let Ok(header) = EspHeader::parse(packet.octets) else {
            continue;
        };
        packet.spi = EspSpi(header.spi);
        packet.sequence = u64::from(header.sequence);
        if packet.spi != last {
            last = packet.spi;
            sad.fetch_inbound(last);
        }
    }
    for packet in &mut *packets {
        if let Err(reason) = admit(sad, packet) {
            drop_packet(sad, packet, reason, report);
        }
    }
    for at in 0..AHEAD {
        fetch(sad, packets, at);
    }
    for at in 0..packets.len() {
        fetch(sad, packets, at + AHEAD);
        let Some(packet) = packets.get_mut(at) else {
            return;
        };
        if packet.outcome != Opened::Pending {
            continue;
        }
        match open(sad, packet, now, report) {
            Ok(outcome) => packet.outcome = outcome,
            Err(reason) => drop_packet(sad, packet, reason, report),
        }
    }
}

/// Asks for the memory that a packet will need, if the one before it has not done so.
fn fetch(sad: &impl InboundSas, packets: &[InboundPacket<'_>], at: usize) {
    let Some(packet) = packets.get(at) else {
        return;
    };
    let before = at.checked_sub(1).and_then(|before| packets.get(before));
    if before.is_some_and(|before| before.spi == packet.spi) {
        return;
    }
    if let Some(sa) = sad.inbound(packet.spi) {
        sa.fetch_head();
        sa.fetch_key();
    }
}

/// RFC 4303 §3.4.2: finds the SA, and whether the packet may be new.
fn admit(sad: &impl InboundSas, packet: &mut InboundPacket<'_>) -> Result<(), InboundDrop> {
    // An SPI of 0 never appears on the wire: there was no header.
    if packet.spi == EspSpi(0) {
        return Err(InboundDrop::TooShort);
    }
    let sa = sad.inbound(packet.spi).ok_or(InboundDrop::UnknownSpi)?;
    if sa.fvrf != packet.fvrf {
        return Err(InboundDrop::ForeignVrf);
    }
    packet.ivrf = sa.ivrf;
    packet.sequence = admit_to(sa, low_half(packet.sequence))?;
    Ok(())
}

/// The first half of RFC 4303 §3.4.3: the whole sequence number, if it may be new. Changes nothing,
/// for the packet may come from anybody.
pub(crate) fn admit_to(sa: &InboundSa, sequence: u32) -> Result<u64, InboundDrop> {
    if sa.stage == LifeStage::Hard {
        return Err(InboundDrop::LifetimeExpired);
    }
    let sequence = sa.window.complete(sequence).map_err(refused)?;
    sa.window.check(sequence).map_err(refused)?;
    Ok(sequence)
}

/// Decrypts a packet and decides about what was in it.
fn open(
    sad: &mut impl InboundSas,
    packet: &mut InboundPacket<'_>,
    now: Instant,
    report: &mut InboundReport,
) -> Result<Opened, InboundDrop> {
    let sa = sad.inbound_mut(packet.spi).ok_or(InboundDrop::UnknownSpi)?;
    let text = decrypt(sa, packet.octets, packet.sequence)?;
    let newest = packet.sequence > sa.window.top();
    // A packet of the same number may have come earlier in this batch.
    sa.counters.lost += sa.window.advance(packet.sequence).map_err(refused)?;
    hear(sa, now, report);
    let inner = accept(sa, packet.octets, text, packet.outer_traffic_class)?;
    let bytes = inner.len() as u64;
    sa.counters.packets += 1;
    sa.counters.bytes += bytes;
    report.packets += 1;
    report.bytes += bytes;
    age(sa, report);
    if inner.is_empty() {
        report.dummies += 1;
        return Ok(Opened::Dummy { newest });
    }
    Ok(Opened::Inner {
        range: inner,
        newest,
    })
}

/// RFC 4303 §3.4.4: verifies the ICV, then decrypts. Returns where the text lies.
pub(crate) fn decrypt(
    sa: &InboundSa,
    octets: &mut [u8],
    sequence: u64,
) -> Result<Range<usize>, InboundDrop> {
    let esn_high = sa.esn.then(|| high_half(sequence));
    sa.key
        .open(octets, HEADER_LEN, esn_high)
        .map_err(|_| InboundDrop::Integrity)
}

/// From the decrypted text to the inner packet; an empty range for a dummy.
pub(crate) fn accept(
    sa: &InboundSa,
    octets: &mut [u8],
    text: Range<usize>,
    outer_traffic_class: u8,
) -> Result<Range<usize>, InboundDrop> {
    let start = text.start;
    let text = octets.get_mut(text).ok_or(InboundDrop::TooShort)?;
    let (payload_len, next_header) = trailer::read(text).ok_or(InboundDrop::BadPadding)?;
    let is_v6 = match next_header {
        protocol::IPV4 => false,
        protocol::IPV6 => true,
        protocol::NONE => return Ok(start..start),
        _ => return Err(InboundDrop::UnknownNextHeader),
    };
    let payload = text.get_mut(..payload_len).ok_or(InboundDrop::BadPadding)?;
    // What follows the packet within the payload is padding for traffic flow confidentiality
    // (RFC 4303 §2.7).
    let inner = InnerPacket::parse(payload).map_err(|_| InboundDrop::MalformedInner)?;
    if inner.is_ipv6() != is_v6 {
        return Err(InboundDrop::MalformedInner);
    }
    if !sa.selectors.allow_inbound(&flow(&inner)) {
        return Err(InboundDrop::SelectorMismatch);
    }
    match ecn::decapsulate(inner.traffic_class, outer_traffic_class) {
        Unmarked::Keep => {}
        Unmarked::Set(ecn) => {
            set_ecn(payload, ecn);
        }
        Unmarked::Drop => return Err(InboundDrop::CongestionUnmarkable),
    }
    if let Some(mss) = sa.mss_clamp {
        clamp_mss(payload, mss);
    }
    Ok(start..start + inner.total_len)
}

/// The packet is authentic and fresh: its peer lives, whatever it may carry.
fn hear(sa: &mut InboundSa, now: Instant, report: &mut InboundReport) {
    sa.counters.last = now;
    report.authentic += 1;
    if sa.heard_in_batch != report.batch {
        sa.heard_in_batch = report.batch;
        report.heard.push(Touched {
            spi: sa.spi,
            owner: sa.owner,
        });
    }
}

fn age(sa: &mut InboundSa, report: &mut InboundReport) {
    let stage = sa.limits.stage(sa.counters.bytes, sa.counters.packets);
    if stage > sa.stage {
        sa.stage = stage;
        report.aged.push(Aged {
            spi: sa.spi,
            owner: sa.owner,
            stage,
        });
    }
}

fn drop_packet(
    sad: &mut impl InboundSas,
    packet: &mut InboundPacket<'_>,
    reason: InboundDrop,
    report: &mut InboundReport,
) {
    packet.outcome = Opened::Dropped(reason);
    report.count(reason);
    let Some(sa) = sad.inbound_mut(packet.spi) else {
        return;
    };
    let counters = &mut sa.counters;
    match reason {
        InboundDrop::SequenceTooOld | InboundDrop::SequenceDuplicate => counters.replay += 1,
        InboundDrop::Integrity => counters.integrity = counters.integrity.saturating_add(1),
        InboundDrop::SelectorMismatch => counters.selector = counters.selector.saturating_add(1),
        InboundDrop::LifetimeExpired
        | InboundDrop::CongestionUnmarkable
        | InboundDrop::ForeignVrf
        | InboundDrop::UnknownSpi => counters.refused = counters.refused.saturating_add(1),
        InboundDrop::TooShort
        | InboundDrop::BadPadding
        | InboundDrop::UnknownNextHeader
        | InboundDrop::MalformedInner => counters.malformed = counters.malformed.saturating_add(1),
    }
}

const fn refused(refused: Refused) -> InboundDrop {
    match refused {
        Refused::Duplicate => InboundDrop::SequenceDuplicate,
        Refused::TooOld => InboundDrop::SequenceTooOld,
    }
}

// The half is meant.
#[allow(clippy::cast_possible_truncation)]
const fn high_half(sequence: u64) -> u32 {
    (sequence >> 32) as u32
}

#[allow(clippy::cast_possible_truncation)]
const fn low_half(sequence: u64) -> u32 {
    sequence as u32
}
