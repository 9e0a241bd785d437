//! What an IKE SA does because time passes.

use timer::Instant;

use super::exchange::{Exchange, GivenUp};
use super::{IkeSa, liveness, rekey};
use crate::{Action, CloseReason, Context, Probe};

impl IkeSa {
    /// Time passed: retransmits, gives up, rekeys, expires whatever is due at `ctx.now`.
    pub fn on_timer(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        self.phase_one_due(ctx, actions);
        self.fragments_due(ctx.now);
        self.exchanges_due(ctx, actions);
        if self.standing().is_some() {
            rekey::due(self, ctx, actions);
        }
    }

    /// When [`on_timer`](Self::on_timer) has something to do; [`Instant::MAX`] for never. It may
    /// change with every call of another method.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let exchanges = self.exchanges.iter().map(Exchange::deadline).min();
        exchanges
            .unwrap_or(Instant::MAX)
            .min(self.phase_one_deadline())
            .min(self.fragments_deadline())
            .min(rekey::next(self))
    }

    fn exchanges_due(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let path = self.path;
        let mut given_up = Vec::new();
        for exchange in &mut self.exchanges {
            if exchange.deadline() > ctx.now {
                continue;
            }
            if let Some(why) = exchange.overdue(ctx.now) {
                given_up.push((exchange.message_id, why));
                continue;
            }
            let Some(sent) = exchange.sent_mut() else {
                continue;
            };
            if sent.due() > ctx.now {
                continue;
            }
            if !sent.retransmit(path, ctx.now, ctx.settings, actions) {
                given_up.push((exchange.message_id, GivenUp::Unanswered));
            }
        }
        for (message_id, why) in given_up {
            self.give_up_exchange(message_id, why, ctx, actions);
        }
    }

    /// Asks whether the peer lives, with this sequence number (RFC 3706 §5.3): a message of its own,
    /// whose repetition is a new try of the owner's.
    pub fn probe(
        &mut self,
        sequence: u32,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Probe {
        if !self.is_established() {
            return Probe::NotEstablished;
        }
        liveness::probe(self, sequence, ctx, actions)
    }

    /// The longest run of retransmissions among the messages that wait for an answer.
    #[must_use]
    pub fn retransmissions(&self) -> u8 {
        let exchanges = self
            .exchanges
            .iter()
            .filter(|exchange| exchange.awaits_answer())
            .filter_map(Exchange::sent)
            .map(super::transmission::Transmission::retransmits)
            .max();
        exchanges.unwrap_or(0).max(self.phase_one.retransmissions())
    }

    /// Sends again what waits for an answer. `false` when nothing does.
    pub fn retransmit_outstanding(&mut self, actions: &mut Vec<Action>) -> bool {
        let path = self.path;
        let mut any = self.phase_one.resend(path, actions);
        for exchange in &self.exchanges {
            if let Some(sent) = exchange.sent().filter(|_| exchange.awaits_answer()) {
                sent.resend(path, actions);
                any = true;
            }
        }
        any
    }

    /// The hard end of its lifetime.
    pub(super) fn expire(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let replaced = self.standing().and_then(|standing| standing.replaced);
        match replaced {
            // The peer should have deleted it; whatever it held is elsewhere.
            Some(reason) => self.terminate(reason, ctx, actions),
            None => self.close(CloseReason::HardLifetime, false, ctx, actions),
        }
    }
}
