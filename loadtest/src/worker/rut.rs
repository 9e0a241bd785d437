//! Dead peer detection of IKEv1 (RFC 3706), as the peer's class plays it.

use ipsec::IkeSpi;
use timer::Instant;

use super::Worker;
use super::behaviour::Reply;
use super::network::Held;
use crate::scenario::DpdBehaviour;

/// What a number that was never asked is away from one that was.
const NEVER_ASKED: u32 = 0x4000_0000;
/// How many numbers back an old one is: beyond all tries of one probe, each of which may be answered.
const LONG_AGO: u32 = 16;

impl Worker {
    /// The responder asks whether the peer lives.
    pub(super) fn asked(&mut self, spi: IkeSpi, sequence: u32, now: Instant) {
        match self.reply(spi.slot()) {
            Reply::Now => self.acknowledge(spi, sequence, now),
            Reply::After(delay) => {
                self.hold(Held::Acknowledgement { spi, sequence }, now + delay);
            }
            Reply::Never => {}
        }
    }

    /// The peer acknowledges, or does what its class does instead.
    pub(super) fn acknowledge(&mut self, spi: IkeSpi, sequence: u32, now: Instant) {
        let Some(class) = self.class_of(spi.slot()) else {
            return;
        };
        let (number, twice) = match class.dpd {
            DpdBehaviour::Wrong => (sequence.wrapping_add(NEVER_ASKED), false),
            DpdBehaviour::Old => (sequence.wrapping_sub(LONG_AGO), false),
            DpdBehaviour::Twice => (sequence, true),
            _ => (sequence, false),
        };
        self.drive(spi.slot(), spi, now, |sa, ctx, actions| {
            sa.acknowledge(number, ctx, actions);
            if twice {
                sa.acknowledge(number, ctx, actions);
            }
        });
        self.stats.counts.probes_answered += 1;
    }

    /// The number of the peer's next R-U-THERE. The first is drawn, below the high bit (RFC 3706 §6.2).
    pub(super) fn next_sequence(&mut self, slot: u32) -> u32 {
        let step = self.class_of(slot).map_or(1, |class| class.sequence_step);
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return 0;
        };
        let sequence = peer.sequence;
        peer.sequence = sequence.wrapping_add(step);
        sequence
    }

    /// The responder acknowledged an R-U-THERE of the peer.
    pub(super) fn acknowledged(&mut self, slot: u32, sequence: u32) {
        let step = self.class_of(slot).map_or(1, |class| class.sequence_step);
        let last = self.peers.get(slot as usize).map(|peer| peer.sequence);
        if last == Some(sequence.wrapping_add(step)) {
            self.stats.counts.probes_acknowledged += 1;
        }
    }
}
