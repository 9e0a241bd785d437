//! Tells those who watch. Nobody does most of the time, and then each of these is one comparison.

use std::sync::Arc;

use ike::trace::{Stage, Summary};
use ike::{Path, Trace};
use ipsec::{IkeSpi, InnerVrf};
use timer::Instant;

use crate::peers::Peer;
use crate::trace::{DpdStep, Topics, TraceFilter, TraceRecord, TraceStep, wanted};
use crate::{Output, PeerRef, Shard};

/// What the state machines of IKE tell, whichever version they speak.
const OF_IKE: Topics = Topics::ISAKMP.and(Topics::IKEV2).and(Topics::DPD);
/// The number of the first IKE SA of the first shard. IOS counts from there, too.
const FIRST_NUMBER: u64 = 1001;

impl Shard {
    /// Watches for others from now on.
    pub(crate) fn set_watchers(&mut self, filters: Arc<[TraceFilter]>) {
        self.watchers = filters;
    }

    /// Whether what IKE does with a peer is to be told.
    #[inline]
    pub(crate) fn traces(&self, spi: IkeSpi) -> bool {
        let wanted = |peer| self.wanted_of(peer).meets(OF_IKE);
        !self.watchers.is_empty() && self.peers.get(spi).is_some_and(wanted)
    }

    /// Whether what becomes of a stranger's message is to be told.
    #[inline]
    pub(crate) fn traces_stranger(&self, path: &Path) -> bool {
        !self.watchers.is_empty() && wanted(&self.watchers, path.remote, None).meets(OF_IKE)
    }

    fn wanted_of(&self, peer: &Peer) -> Topics {
        wanted(&self.watchers, peer.sa.path().remote, peer.sa.peer())
    }

    /// Tells of a step in the life of a peer.
    #[inline]
    pub(crate) fn tell(
        &self,
        spi: IkeSpi,
        now: Instant,
        out: &mut impl Output,
        step: impl FnOnce() -> TraceStep,
    ) {
        if !self.watchers.is_empty() {
            self.tell_watchers(spi, step(), now, out);
        }
    }

    fn tell_watchers(&self, spi: IkeSpi, step: TraceStep, now: Instant, out: &mut impl Output) {
        let (Some(peer), Some(reference)) = (self.peers.get(spi), self.peer_ref(spi)) else {
            return;
        };
        let version = peer.sa.version().major();
        if !self.wanted_of(peer).meets(step.topics(version)) {
            return;
        }
        out.trace(TraceRecord {
            at: now,
            peer: reference,
            number: self.number(spi),
            version,
            role: Some(peer.sa.role()),
            stage: match self.told_stage {
                Some((told, stage)) if told == spi => stage,
                _ => peer.sa.stage(),
            },
            step,
        });
    }

    /// Tells what IKE told.
    pub(crate) fn told(&mut self, spi: IkeSpi, trace: Trace, now: Instant, out: &mut impl Output) {
        let turned = match trace {
            Trace::Turned {
                exchange: None, to, ..
            } => Some(to),
            _ => None,
        };
        self.tell_watchers(spi, TraceStep::Ike(trace), now, out);
        if let (Some(to), Some(told)) = (turned, self.told_stage.as_mut())
            && told.0 == spi
        {
            told.1 = to;
        }
    }

    /// Tells by which policy a peer is watched from now on.
    pub(crate) fn tell_dpd_enabled(&self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        if self.watchers.is_empty() {
            return;
        }
        let policy = self.peers.get(spi).and_then(|peer| self.dpd_policy(peer));
        if let Some(policy) = policy.filter(|policy| policy.mode != dpd::Mode::Off) {
            let enabled = DpdStep::Enabled(Box::new(policy.clone()));
            self.tell_watchers(spi, TraceStep::Dpd(enabled), now, out);
        }
    }

    /// Tells of a message that came for an IKE SA of ours.
    #[inline]
    pub(crate) fn tell_received(
        &self,
        spi: IkeSpi,
        message: &[u8],
        path: Path,
        now: Instant,
        out: &mut impl Output,
    ) {
        if !self.watchers.is_empty()
            && let Some(message) = Summary::read(message)
        {
            let trace = Trace::Received { path, message };
            self.tell_watchers(spi, TraceStep::Ike(trace), now, out);
        }
    }

    /// Tells of a message that was handed to the socket.
    #[inline]
    pub(crate) fn tell_sent(
        &self,
        spi: IkeSpi,
        message: &[u8],
        (path, left): (Path, bool),
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.watchers.is_empty() {
            return;
        }
        let Some(message) = Summary::read(message) else {
            return;
        };
        let version = message.version;
        let sent = Trace::Sent {
            path,
            message,
            left,
        };
        if spi == IkeSpi::ZERO {
            self.tell_of_stranger(path, version, sent, now, out);
        } else {
            self.tell_watchers(spi, TraceStep::Ike(sent), now, out);
        }
    }

    /// Tells of a step before there is an IKE SA.
    pub(crate) fn tell_of_stranger(
        &self,
        path: Path,
        version: u8,
        trace: Trace,
        now: Instant,
        out: &mut impl Output,
    ) {
        let step = TraceStep::Ike(trace);
        let wanted = wanted(&self.watchers, path.remote, None);
        if !wanted.meets(step.topics(version)) {
            return;
        }
        out.trace(TraceRecord {
            at: now,
            peer: PeerRef {
                shard: self.id,
                spi: IkeSpi::ZERO,
                connection: "".into(),
                identity: None,
                local: path.local,
                remote: path.remote,
                fvrf: path.fvrf,
                ivrf: InnerVrf::GLOBAL,
            },
            number: 0,
            version,
            role: None,
            stage: Stage::Idle,
            step,
        });
    }

    /// A short number for an IKE SA, unlike that of any other of this service at the same time.
    pub(crate) fn number(&self, spi: IkeSpi) -> u32 {
        let slots = u64::from(spi.slot()) * u64::from(self.shards.max(1));
        let number = FIRST_NUMBER + slots + u64::from(self.id.0);
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}
