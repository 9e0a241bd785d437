use core::net::SocketAddr;
use core::ops::Range;

use esp::{InboundPacket, InboundReport, InboundSas, Opened, Turn, open_batch};
use ipsec::{EspSpi, InboundCounters, InnerVrf};
use smallvec::SmallVec;
use timer::Instant;

use crate::Output;
use crate::esp_side::{BATCH, Origin};

/// Received packets of one SA, copied out of the buffers in which they came, and what became of them.
pub(crate) struct Batch {
    pub(crate) spi: EspSpi,
    /// Its place in the order of delivery, until it has been delivered.
    pub(crate) turn: Option<Turn>,
    octets: Vec<u8>,
    packets: Vec<Piece>,
    /// What a guest has counted for the owner's SA.
    pub(crate) counters: InboundCounters,
    /// Packets that proved that the peer lives.
    pub(crate) authentic: u64,
    /// When they were opened.
    pub(crate) at: Instant,
}

struct Piece {
    /// Where it lies in the octets; its inner packet's place, once it is opened, counts from there.
    range: Range<usize>,
    inner: Option<Range<usize>>,
    newest: bool,
    ivrf: InnerVrf,
    tos: u8,
    origin: Origin,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            spi: EspSpi(0),
            turn: None,
            octets: Vec::new(),
            packets: Vec::with_capacity(BATCH),
            counters: InboundCounters::default(),
            authentic: 0,
            at: Instant::ZERO,
        }
    }

    /// Empties it for packets of another SA.
    pub(crate) fn begin(&mut self, spi: EspSpi, turn: Turn) {
        self.spi = spi;
        self.turn = Some(turn);
        self.octets.clear();
        self.packets.clear();
        self.counters = InboundCounters::default();
        self.authentic = 0;
    }

    pub(crate) fn push(&mut self, octets: &[u8], tos: u8, origin: Origin) {
        let start = self.octets.len();
        self.octets.extend_from_slice(octets);
        self.packets.push(Piece {
            range: start..self.octets.len(),
            inner: None,
            newest: false,
            ivrf: InnerVrf::GLOBAL,
            tos,
            origin,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(crate) fn turn_number(&self) -> u64 {
        self.turn.as_ref().map_or(0, Turn::number)
    }

    /// Opens all packets.
    pub(crate) fn open(
        &mut self,
        sas: &mut impl InboundSas,
        now: Instant,
        report: &mut InboundReport,
    ) {
        let before = report.authentic;
        self.at = now;
        let mut rest = self.octets.as_mut_slice();
        let mut opening: SmallVec<[InboundPacket<'_>; BATCH]> = SmallVec::new();
        for piece in &self.packets {
            let Some((octets, after)) = rest.split_at_mut_checked(piece.range.len()) else {
                break;
            };
            rest = after;
            opening.push(InboundPacket::new(octets, piece.tos).at(piece.origin.fvrf));
        }
        open_batch(sas, &mut opening, now, report);
        for (piece, packet) in self.packets.iter_mut().zip(&opening) {
            piece.ivrf = packet.ivrf();
            match &packet.outcome {
                Opened::Inner { range, newest } => {
                    let start = piece.range.start;
                    piece.inner = Some(start + range.start..start + range.end);
                    piece.newest = *newest;
                }
                Opened::Dummy { newest } => piece.newest = *newest,
                _ => {}
            }
        }
        self.authentic = report.authentic - before;
    }

    /// Hands its inner packets on.
    pub(crate) fn deliver(&self, out: &mut impl Output) {
        for piece in &self.packets {
            let inner = piece.inner.clone().and_then(|range| self.octets.get(range));
            if let Some(inner) = inner {
                out.deliver_inner(piece.ivrf, inner);
            }
        }
    }

    /// Where those packets came from that were the newest of their SA, each place once in a row.
    pub(crate) fn newest_from(&self) -> impl Iterator<Item = Origin> {
        let mut last: Option<SocketAddr> = None;
        self.packets
            .iter()
            .filter(|piece| piece.newest)
            .map(|piece| piece.origin)
            .filter(move |origin| last.replace(origin.remote) != Some(origin.remote))
    }
}
