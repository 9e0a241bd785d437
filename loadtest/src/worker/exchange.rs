//! IKE: messages in and out, timers, and what the state machines ask for.

use ike::{
    Action, ChildFailure, CloseReason, Context, IkeSa, Path, Received, Rejection, Route, route,
};
use ipsec::IkeSpi;
use timer::Instant;

use super::behaviour::is_informational_request;
use super::host::PeerHost;
use super::peer::{State, Which};
use super::send::KEEPALIVE_EVERY;
use super::{Token, Worker};
use crate::clock::wall;

/// What an IKE SA asked for that decides about its place.
#[derive(Default)]
struct Outcome {
    /// It was rekeyed to this one.
    successor: Option<IkeSa>,
    /// It is closed.
    closed: Option<CloseReason>,
    /// A new phase 1 is due (IKEv1).
    renewal_due: bool,
    /// It stands, and takes over from the current one (IKEv1).
    takes_over: bool,
}

/// The SPI of ours that a message names.
pub(super) fn addressed(message: &[u8]) -> Result<IkeSpi, Rejection> {
    match route(message)? {
        Route::Sa(spi) => Ok(spi),
        // Peers only initiate, so the initiator's cookie is theirs (RFC 2408 §3.1).
        Route::SaV1 { initiator, .. } => Ok(initiator),
        Route::FrontDoor | Route::FrontDoorV1 => Err(Rejection::UnexpectedExchange),
    }
}

impl Worker {
    /// A message came in, without its marker.
    pub(super) fn on_ike(&mut self, message: &[u8], path: Path, now: Instant) {
        self.stats.counts.messages_received += 1;
        let slot = match addressed(message) {
            Ok(spi) => spi.slot(),
            Err(reason) => return self.reject(reason),
        };
        if self.peers.get(slot as usize).is_none() {
            return self.reject(Rejection::UnknownSpi);
        }
        if self.takes(slot, message, path, now) {
            self.deliver(message, path, now);
        }
    }

    /// The message reaches the IKE SA of its peer.
    pub(super) fn deliver(&mut self, message: &[u8], path: Path, now: Instant) {
        let Ok(spi) = addressed(message) else {
            return;
        };
        let slot = spi.slot();
        // A peer knows nothing of the port that a NAT has given it.
        let mapped = self
            .peers
            .get(slot as usize)
            .is_some_and(|peer| peer.mapping > 0);
        let mut received = None;
        self.answering_probe = is_informational_request(message);
        self.drive(slot, spi, now, |sa, ctx, actions| {
            let local = if mapped { sa.path().local } else { path.local };
            received = Some(sa.on_message(message, Path { local, ..path }, ctx, actions));
        });
        self.answering_probe = false;
        match received {
            None => self.reject(Rejection::UnknownSpi),
            Some(Received::Rejected(reason)) => self.reject(reason),
            Some(Received::FreshRequest { liveness: true }) => {
                self.stats.counts.probes_answered += 1;
            }
            Some(Received::FreshResponse { liveness: true }) => {
                self.stats.counts.probes_acknowledged += 1;
            }
            Some(Received::RUThere { sequence }) => self.asked(spi, sequence, now),
            Some(Received::RUThereAck { sequence }) => self.acknowledged(slot, sequence),
            _ => {}
        }
    }

    fn reject(&mut self, reason: Rejection) {
        *self.stats.rejected.entry(reason.label()).or_default() += 1;
    }

    pub(super) fn on_exchange_timer(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        peer.timer = None;
        let spis = peer.spis();
        // Before it is up, what timers send are repetitions of its set-up.
        self.by_timer = peer.state == State::Up;
        for spi in spis {
            self.drive(slot, spi, now, |sa, ctx, actions| sa.on_timer(ctx, actions));
        }
        self.by_timer = false;
    }

    /// Hands the IKE SA of a peer that has an SPI to `step`, does what it asks for, and arms the
    /// timer anew. Nothing happens when there is no such IKE SA.
    pub(super) fn drive(
        &mut self,
        slot: u32,
        spi: IkeSpi,
        now: Instant,
        step: impl FnOnce(&mut IkeSa, &mut Context<'_>, &mut Vec<Action>),
    ) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        let Some((which, mut sa)) = peer.take_sa(spi) else {
            return;
        };
        let mut actions = Vec::new();
        self.with_context(slot, !sa.is_established(), now, |ctx| {
            step(&mut sa, ctx, &mut actions);
        });
        self.settle_actions(slot, which, sa, actions, now);
    }

    /// Does everything that an IKE SA asked for, computations and what follows from them included,
    /// and puts it back in its place unless it is closed.
    pub(super) fn settle_actions(
        &mut self,
        slot: u32,
        which: Which,
        mut sa: IkeSa,
        mut actions: Vec<Action>,
        now: Instant,
    ) {
        let mut outcome = Outcome::default();
        while !actions.is_empty() {
            for action in core::mem::take(&mut actions) {
                match action {
                    Action::Compute(job) => {
                        let computed = job.run(wall());
                        self.with_context(slot, !sa.is_established(), now, |ctx| {
                            sa.on_computed(computed, ctx, &mut actions);
                        });
                    }
                    Action::Rekeyed { successor } => outcome.successor = Some(successor.into()),
                    Action::Closed { reason } => outcome.closed = Some(reason),
                    Action::ReauthenticationDue => outcome.renewal_due = true,
                    Action::Established(_) if which == Which::Other => outcome.takes_over = true,
                    // A peer has nobody else to ask whether the responder lives.
                    Action::Unanswered => self.with_context(slot, false, now, |ctx| {
                        sa.close(CloseReason::Unresponsive, false, ctx, &mut actions);
                    }),
                    other => self.carry_out(slot, other, now),
                }
            }
        }
        match self.state(slot) {
            Some(State::Failed) => self.give_up(slot, &mut sa, now),
            Some(State::Stalled) => {}
            _ => self.put_back(slot, which, sa, outcome, now),
        }
    }

    /// Puts an IKE SA back in its place, or what stands there from now on.
    fn put_back(&mut self, slot: u32, which: Which, sa: IkeSa, outcome: Outcome, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        let standing = outcome.closed.is_none().then_some(sa);
        match (which, outcome.successor, standing) {
            (Which::Current, None, standing) => peer.ike = standing,
            (_, Some(successor), standing) => {
                peer.ike = Some(successor);
                peer.others.extend(standing);
                self.stats.counts.ike_rekeys += 1;
                self.rekey_ends(slot, now);
            }
            (Which::Other, None, Some(heir)) if outcome.takes_over => {
                self.succeed(slot, heir, now);
            }
            (Which::Other, None, standing) => peer.others.extend(standing),
        }
        let stands = self
            .peers
            .get(slot as usize)
            .is_some_and(|peer| peer.ike.is_some());
        if let Some(reason) = outcome.closed.filter(|_| !stands) {
            self.on_closed(slot, reason, now);
        }
        self.arm_exchange_timer(slot);
        if outcome.renewal_due {
            self.renew(slot, now);
        }
    }

    /// The peer has no use for an IKE SA without a tunnel.
    fn give_up(&mut self, slot: u32, sa: &mut IkeSa, now: Instant) {
        let mut actions = Vec::new();
        self.with_context(slot, false, now, |ctx| {
            sa.close(CloseReason::Deleted, false, ctx, &mut actions);
        });
        for action in actions {
            self.carry_out(slot, action, now);
        }
    }

    fn state(&self, slot: u32) -> Option<State> {
        self.peers.get(slot as usize).map(|peer| peer.state)
    }

    fn is_connecting(&self, slot: u32) -> bool {
        self.state(slot) == Some(State::Connecting)
    }

    /// `authenticating` says whether the keys of the peers may be needed.
    pub(super) fn with_context<R>(
        &mut self,
        slot: u32,
        authenticating: bool,
        now: Instant,
        call: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let number = self.peer_number(slot);
        let plan = &self.shared.plan;
        let individual = if authenticating {
            plan.individual_policy(number)
        } else {
            None
        };
        let index = plan
            .sources
            .port_index(number / u32::from(self.count), plan.scenario.peers.ports);
        let mut host = PeerHost {
            slot,
            sad: &mut self.sad,
            entropy: &mut self.spi_entropy,
            encapsulated_port: self.sockets.encapsulated_port(index),
        };
        call(&mut Context {
            now,
            entropy: &mut self.entropy,
            policy: individual.as_ref().unwrap_or(&plan.policy),
            settings: &plan.ike,
            host: &mut host,
            tracing: false,
        })
    }

    fn carry_out(&mut self, slot: u32, action: Action, now: Instant) {
        match action {
            Action::Send { path, message } => self.utter(slot, &path, message, now),
            Action::Established(established) => {
                if established.local_behind_nat {
                    self.wheel
                        .arm(now + KEEPALIVE_EVERY, Token::Keepalive(slot));
                }
                if let Some(peer) = self.peers.get_mut(slot as usize)
                    && let Some(address) = established.addresses.first()
                {
                    peer.inner = Some(*address);
                }
            }
            Action::ChildInstalled(child) => self.install_child(slot, *child, now),
            Action::OutboundSwitched { child } => self.switch_outbound(slot, child),
            Action::ChildRemoved { child, .. } => self.remove_child(slot, child),
            Action::ChildFailed {
                reason, replaces, ..
            } => {
                if replaces.is_none() {
                    self.on_child_failed(slot, reason, now);
                } else {
                    self.rekeying.remove(&slot);
                }
            }
            Action::PathChanged { path } => self.move_path(slot, &path),
            Action::Redundant { sa } => {
                if let Some(peer) = self.peers.get_mut(slot as usize) {
                    peer.others.push(sa.into());
                }
            }
            // An initiator has no half-open SAs to count, refuses nothing that would fail a run, and
            // replaces no older SA of its own; an IKE SA whose peer deleted it closes by itself.
            Action::PeerInitialContact { .. }
            | Action::ReauthenticationDue
            | Action::DeletedByPeer
            | Action::AddressProved(_)
            | Action::HalfOpenEnded(_)
            | Action::Refused(_)
            | Action::Unanswered
            | Action::Trace(_)
            | Action::Compute(_)
            | Action::Rekeyed { .. }
            | Action::Closed { .. } => {}
        }
    }

    fn on_child_failed(&mut self, slot: u32, reason: ChildFailure, now: Instant) {
        if self.is_connecting(slot) {
            self.fail(slot, reason.label(), now);
        }
    }

    fn on_closed(&mut self, slot: u32, reason: CloseReason, now: Instant) {
        match self.state(slot) {
            Some(State::Connecting) => self.fail(slot, reason.label(), now),
            Some(State::Up) if self.is_mute(slot) => self.bury(slot),
            Some(State::Up) => self.lose(slot, reason.label(), now),
            _ => {}
        }
    }

    /// Arms the peer's timer for the next thing that its IKE SAs have to do.
    pub(super) fn arm_exchange_timer(&mut self, slot: u32) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        let due = peer.deadline();
        match peer.timer {
            Some((_, armed)) if armed == due => return,
            Some((key, _)) => {
                self.wheel.cancel(key);
            }
            None => {}
        }
        peer.timer =
            (due < Instant::MAX).then(|| (self.wheel.arm(due, Token::Exchange(slot)), due));
    }
}
