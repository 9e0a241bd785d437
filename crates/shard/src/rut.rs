//! Dead peer detection of IKEv1 (RFC 3706): what its messages are worth, and the older keepalives.

use dpd::{NotProof, Proof};
use ike::LivenessCheck;
use ipsec::{IkeSpi, IkeVersion};
use timer::Instant;

use crate::peers::V1;
use crate::{Output, Shard};

impl Shard {
    /// What a fresh message of a peer proves; `v2` is what it would in IKEv2, where requests and
    /// responses can be told apart.
    pub(crate) fn proof_by(&self, spi: IkeSpi, v2: Proof) -> Proof {
        let version = self.peers.get(spi).map(|peer| peer.sa.version());
        match version {
            Some(IkeVersion::V1) => Proof::IkeMessage,
            _ => v2,
        }
    }

    /// The peer sent an R-U-THERE, authentic and not seen before.
    pub(crate) fn asked(
        &mut self,
        spi: IkeSpi,
        sequence: u32,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(v1) = self.v1_of(spi) else {
            return;
        };
        let verdict = v1.theirs.heard(sequence, now);
        match verdict.proof {
            Ok(()) => self.heard(spi, Proof::Hello, now),
            Err(reason) => self.watch.counters.not_proof(reason, 1),
        }
        if verdict.answer {
            self.with_sa(spi, now, out, |sa, ctx, actions| {
                sa.acknowledge(sequence, ctx, actions);
            });
        }
    }

    /// The peer acknowledged an R-U-THERE; whether one of ours is to be seen.
    pub(crate) fn acknowledged(&mut self, spi: IkeSpi, sequence: u32, now: Instant) {
        let Some(v1) = self.v1_of(spi) else {
            return;
        };
        match v1.ours.acknowledged(sequence) {
            Ok(number) => self.answered(spi, u8::try_from(number).ok(), now),
            Err(reason) => self.watch.counters.not_proof(reason, 1),
        }
    }

    /// The peer answered a keepalive, which has no number: it is an answer if we asked.
    pub(crate) fn keepalive_answered(&mut self, spi: IkeSpi, now: Instant) {
        let peer = self.peers.get(spi);
        let liveness = peer.and_then(|peer| peer.liveness.as_ref());
        if liveness.is_some_and(|liveness| liveness.tries() > 0) {
            self.answered(spi, None, now);
        } else {
            let unasked = NotProof::UnknownAcknowledgement;
            self.watch.counters.not_proof(unasked, 1);
        }
    }

    /// The number of our next R-U-THERE; 0 where there is none.
    pub(crate) fn next_sequence(&mut self, spi: IkeSpi, first: bool) -> u32 {
        let asks = |peer: &crate::peers::Peer| peer.sa.liveness_check() == LivenessCheck::RUThere;
        if !self.peers.get(spi).is_some_and(asks) {
            return 0;
        }
        self.v1_of(spi).map_or(0, |v1| v1.ours.next_try(first))
    }

    /// What is kept for an IKE SA of IKEv1, from its first such message on.
    fn v1_of(&mut self, spi: IkeSpi) -> Option<&mut V1> {
        let random = self.world.spi_entropy.next_u32();
        let peer = self.peers.get_mut(spi)?;
        Some(peer.v1(random))
    }
}
