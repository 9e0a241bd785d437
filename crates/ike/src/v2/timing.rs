//! What an IKE SA does because time passes.

use timer::Instant;
use wire::ikev2::ExchangeType;

use super::phase::Phase;
use super::task::{Answering, Asked, Command, Exchange, Step, Task};
use super::{ChildState, IkeSa, create_child};
use crate::{Action, CloseReason, Context, RemovalReason};

impl IkeSa {
    /// Time passed: retransmits, gives up, rekeys, expires whatever is due at `ctx.now`.
    pub fn on_timer(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if let Some(deadline) = self.half_open_deadline()
            && deadline <= ctx.now
        {
            self.terminate(CloseReason::HalfOpenTimeout, ctx, actions);
            return;
        }
        self.retransmit_due(ctx, actions);
        self.give_up_computations(ctx, actions);
        self.expire(ctx, actions);
        self.rekey_due(ctx, actions);
        self.next_command(ctx, actions);
    }

    /// When [`on_timer`](Self::on_timer) has something to do; [`Instant::MAX`] for never. It may
    /// change with every call of another method.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        let mut earliest = self.half_open_deadline().unwrap_or(Instant::MAX);
        earliest = earliest.min(match self.task.as_deref() {
            Some(Task::Awaiting { request, .. }) => request.due,
            Some(Task::Computing { deadline, .. }) => *deadline,
            None => Instant::MAX,
        });
        if let Some(answering) = &self.answering {
            earliest = earliest.min(answering.deadline);
        }
        if let Some(standing) = self.standing() {
            if self.may_start_next() {
                // What a successor inherited waits to be started.
                return Instant::ZERO;
            }
            earliest = earliest
                .min(standing.expires_at)
                .min(standing.authenticated_until);
            if standing.is_open() {
                earliest = earliest.min(standing.rekey_at).min(standing.reauth_at);
            }
            for child in &standing.children {
                earliest = earliest.min(child.expires_at);
                if child.state == ChildState::Installed && standing.is_open() {
                    earliest = earliest.min(child.rekey_at);
                }
            }
        }
        earliest
    }

    fn half_open_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Responding(responding) => Some(responding.deadline),
            Phase::AuthResponder(auth) => Some(auth.deadline),
            _ => None,
        }
    }

    fn retransmit_due(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let path = self.path;
        let Some(Task::Awaiting { request, exchange }) = self.task.as_deref_mut() else {
            return;
        };
        if request.due > ctx.now {
            return;
        }
        if request.retransmits < ctx.settings.retransmits_max {
            request.retransmit(path, ctx.now, ctx.settings, actions);
            return;
        }
        let deletes = matches!(exchange, Exchange::DeleteIke { .. });
        if !deletes && self.is_standing() {
            return self.go_on_asking(ctx, actions);
        }
        let Some(Task::Awaiting { exchange, .. }) = self.task.as_deref() else {
            return;
        };
        let reason = match exchange {
            Exchange::DeleteIke { reason } => *reason,
            _ => self
                .standing()
                .and_then(|standing| standing.replaced)
                .unwrap_or(CloseReason::Unresponsive),
        };
        self.terminate(reason, ctx, actions);
    }

    /// Whether it is established and no other IKE SA has taken its place.
    fn is_standing(&self) -> bool {
        self.standing()
            .is_some_and(|standing| standing.replaced.is_none())
    }

    /// Repeats the outstanding request though its retransmissions are over: whether the peer is gone is not decided here.
    fn go_on_asking(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let path = self.path;
        if let Some(Task::Awaiting { request, .. }) = self.task.as_deref_mut() {
            super::window::send_all(path, &request.datagrams, actions);
            request.due = ctx.now + ctx.settings.retransmit_gap_max;
            actions.push(Action::Unanswered);
        }
    }

    /// A pool that is full drops jobs: nobody must wait for their results for ever.
    fn give_up_computations(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let now = ctx.now;
        let late = |task: &mut Box<Task>| matches!(**task, Task::Computing { deadline, .. } if deadline <= now);
        if let Some(Task::Computing { step, .. }) = self.task.take_if(late).map(|task| *task) {
            match step {
                Step::Handshake | Step::Sign => {
                    self.terminate(CloseReason::Exhausted, ctx, actions);
                }
                Step::Judge(_) => self.reject_responder(CloseReason::Exhausted, ctx, actions),
                Step::Child(step) => create_child::on_lost(self, step, ctx, actions),
            }
        }
        let late = |answering: &mut Box<Answering>| answering.deadline <= now;
        if let Some(answering) = self.answering.take_if(late) {
            let Answering {
                message_id, state, ..
            } = *answering;
            match state {
                Asked::Auth(_) => self.terminate(CloseReason::Exhausted, ctx, actions),
                Asked::CreateChild(state) => {
                    create_child::on_answer_lost(self, message_id, state, ctx, actions);
                }
            }
        }
    }

    fn expire(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let Some(standing) = self.standing() else {
            return;
        };
        if standing.authenticated_until <= ctx.now {
            self.close(CloseReason::AuthenticationExpired, false, ctx, actions);
            return;
        }
        if standing.expires_at <= ctx.now {
            match standing.replaced {
                // The peer should have deleted it; whatever it held is elsewhere.
                Some(reason) => self.terminate(reason, ctx, actions),
                None => self.close(CloseReason::HardLifetime, false, ctx, actions),
            }
            return;
        }
        let expired: Vec<_> = standing
            .children
            .iter()
            .filter(|child| child.expires_at <= ctx.now)
            .map(|child| child.inbound)
            .collect();
        for child in expired {
            if let Some(child) = self.child_mut(child) {
                child.expires_at = Instant::MAX;
            }
            let deleted = self.delete_child(child, RemovalReason::HardLifetime, ctx, actions);
            if deleted.is_err() {
                // The queue is full: an SA past its hard end must not carry traffic even so.
                self.remove_child(child, RemovalReason::HardLifetime, actions);
            }
        }
    }

    fn rekey_due(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let again = ctx.now + ctx.settings.retry_after_refusal;
        let Some(standing) = self.standing_mut().filter(|standing| standing.is_open()) else {
            return;
        };
        if standing.reauth_at <= ctx.now {
            standing.reauth_at = Instant::MAX;
            actions.push(Action::ReauthenticationDue);
        }
        let ike = standing.rekey_at <= ctx.now;
        if ike {
            standing.rekey_at = again;
        }
        let mut due = Vec::new();
        for child in &mut standing.children {
            if child.rekey_at <= ctx.now && child.state == ChildState::Installed {
                // Tried again if the exchange fails; a success replaces the Child SA.
                child.rekey_at = again;
                due.push(child.inbound);
            }
        }
        for child in due {
            // A full queue leaves it for the next try.
            let _ = self.enqueue(Command::RekeyChild { child }, ctx, actions);
        }
        if ike {
            let _ = self.enqueue(Command::RekeyIke, ctx, actions);
        }
    }

    /// Sends a liveness check (RFC 7296 §1.4, §2.4) unless a request is outstanding.
    pub fn probe(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) -> super::Probe {
        if self.standing().is_none() {
            return super::Probe::NotEstablished;
        }
        match self.task.as_deref() {
            Some(Task::Awaiting { .. }) => super::Probe::RequestOutstanding,
            Some(Task::Computing { .. }) => {
                if !self.queue.contains(&Command::Liveness) {
                    self.queue.insert(0, Command::Liveness);
                }
                super::Probe::Deferred
            }
            None => {
                self.send_request(
                    ExchangeType::INFORMATIONAL,
                    &[],
                    Exchange::Liveness,
                    ctx,
                    actions,
                );
                super::Probe::Sent
            }
        }
    }

    /// How often the outstanding request was sent again because its time was over; 0 when there is
    /// none.
    #[must_use]
    pub fn retransmissions(&self) -> u8 {
        match self.task.as_deref() {
            Some(Task::Awaiting { request, .. }) => request.retransmits,
            _ => 0,
        }
    }

    /// Sends the outstanding request again, bit-identically. `false` when there is none.
    pub fn retransmit_outstanding(&mut self, actions: &mut Vec<Action>) -> bool {
        let path = self.path;
        let Some(Task::Awaiting { request, .. }) = self.task.as_deref() else {
            return false;
        };
        super::window::send_all(path, &request.datagrams, actions);
        true
    }
}
