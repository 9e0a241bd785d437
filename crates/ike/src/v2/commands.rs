//! What the owner may ask of an IKE SA. The window is one request wide: what cannot go now waits in
//! a short queue.

use ipsec::EspSpi;
use timer::Instant;
use wire::ikev2::ExchangeType;

use super::create_child::{self, Aim};
use super::task::{Command, Exchange, Task};
use super::{ChildState, IkeSa};
use crate::{Action, ChildFailure, CloseReason, Context, RemovalReason};

impl IkeSa {
    /// Sets up another Child SA of the connection.
    ///
    /// # Errors
    ///
    /// When there is no such policy or a limit is reached. Later failures come as
    /// [`Action::ChildFailed`].
    pub fn create_child(
        &mut self,
        policy: u16,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        let standing = self.standing().ok_or(ChildFailure::UnknownChild)?;
        if usize::from(policy) >= standing.connection.children.len() {
            return Err(ChildFailure::UnknownChild);
        }
        if standing.children.len() >= ctx.settings.children_max {
            return Err(ChildFailure::Limit);
        }
        self.enqueue(Command::CreateChild { policy }, ctx, actions)
    }

    /// Replaces a Child SA by a new one, then deletes it (RFC 7296 §2.8). Nothing happens when its
    /// rekey or deletion is under way.
    ///
    /// # Errors
    ///
    /// When there is no such Child SA or a limit is reached.
    pub fn rekey_child(
        &mut self,
        child: EspSpi,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        let known = self.standing().and_then(|standing| standing.child(child));
        match known.ok_or(ChildFailure::UnknownChild)?.state {
            ChildState::Installed => self.enqueue(Command::RekeyChild { child }, ctx, actions),
            _ => Ok(()),
        }
    }

    /// Deletes a Child SA with an INFORMATIONAL exchange. It is removed at the peer's answer.
    ///
    /// # Errors
    ///
    /// When there is no such Child SA or a limit is reached.
    pub fn delete_child(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        let known = self.standing().and_then(|standing| standing.child(child));
        if known.ok_or(ChildFailure::UnknownChild)?.state == ChildState::Deleting {
            return Ok(());
        }
        self.enqueue(Command::DeleteChild { child, reason }, ctx, actions)
    }

    /// Replaces the IKE SA by a new one that takes over its Child SAs. Nothing happens when that is
    /// under way already or the queue is full.
    pub fn rekey_ike(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if self
            .standing()
            .is_some_and(super::standing::Standing::is_open)
        {
            // The next soft lifetime asks again.
            let _ = self.enqueue(Command::RekeyIke, ctx, actions);
        }
    }

    /// Deletes the IKE SA with an INFORMATIONAL exchange; `Closed` follows at the answer or when
    /// the peer stays silent. A half-open one is closed at once.
    pub fn delete_ike(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Some(standing) = self.standing_mut() else {
            self.terminate(reason, ctx, actions);
            return;
        };
        if standing.closing.is_some() {
            return;
        }
        standing.closing = Some(reason);
        // Nothing else matters any more, and it must not be held up by a full queue.
        self.queue.clear();
        self.queue.push(Command::DeleteIke { reason });
        self.next_command(ctx, actions);
    }

    /// Closes at once. Unless `silently`, one DELETE is sent that is never repeated (dead peer,
    /// shutdown).
    pub fn close(
        &mut self,
        reason: CloseReason,
        silently: bool,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if !silently && self.standing().is_some() {
            // RFC 7296 §2.3: with a request outstanding this one is outside the peer's window
            // unless that request's answer got lost on its way. It costs one datagram to try.
            let delete = [super::informational::delete_ike_payload()];
            let exchange = Exchange::DeleteIke { reason };
            self.abandon_exchanges(ctx);
            self.send_request(ExchangeType::INFORMATIONAL, &delete, exchange, ctx, actions);
        }
        self.terminate(reason, ctx, actions);
    }

    /// Queues a command unless the same one waits already, and starts the next if none is under
    /// way.
    pub(super) fn enqueue(
        &mut self,
        command: Command,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        if !self.queue.contains(&command) {
            if self.queue.len() >= ctx.settings.queue_max {
                return Err(ChildFailure::Limit);
            }
            self.queue.push(command);
        }
        self.next_command(ctx, actions);
        Ok(())
    }

    /// A command waits and nothing holds it up.
    pub(super) fn may_start_next(&self) -> bool {
        self.task.is_none()
            && !self.queue.is_empty()
            && self.standing().is_some()
            && !self.is_being_succeeded()
    }

    /// Starts waiting commands until one is under way. Called whenever an exchange of ours ends.
    pub(super) fn next_command(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        while self.may_start_next() {
            if self.next_request == u32::MAX {
                // RFC 7296 §2.2: message IDs never wrap within an IKE SA.
                self.terminate(CloseReason::MessageIdsExhausted, ctx, actions);
                return;
            }
            let command = self.queue.remove(0);
            if self.queue.is_empty() {
                self.queue = Vec::new();
            }
            self.start(command, ctx, actions);
        }
        self.hurry_liveness(ctx);
    }

    /// While a command waits behind a liveness check, the check is retransmitted like any other
    /// request: its owner stops asking as soon as traffic has proved that the peer lives, and the
    /// window (RFC 7296 §2.3) would stay closed.
    fn hurry_liveness(&mut self, ctx: &Context<'_>) {
        if self.queue.is_empty() {
            return;
        }
        if let Some(Task::Awaiting { request, exchange }) = self.task.as_deref_mut()
            && matches!(exchange, Exchange::Liveness)
            && request.due == Instant::MAX
        {
            request.due = ctx.now + ctx.settings.retransmit_first;
        }
    }

    fn start(&mut self, command: Command, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        match command {
            Command::Liveness => {
                let exchange = Exchange::Liveness;
                self.send_request(ExchangeType::INFORMATIONAL, &[], exchange, ctx, actions);
            }
            Command::CreateChild { policy } => {
                create_child::start(self, Aim::NewChild { policy }, ctx, actions);
            }
            Command::RekeyChild { child } => {
                let standing = self.standing();
                let wanted = standing.and_then(|standing| standing.child(child));
                // It may have been deleted or replaced by the peer since the command was given.
                if wanted.is_some_and(|child| child.state == ChildState::Installed) {
                    create_child::start(self, Aim::RekeyChild { old: child }, ctx, actions);
                }
            }
            Command::RekeyIke => {
                if self
                    .standing()
                    .is_some_and(super::standing::Standing::is_open)
                {
                    create_child::start(self, Aim::RekeyIke, ctx, actions);
                }
            }
            Command::DeleteChild { child, reason } => {
                self.send_child_delete(child, reason, ctx, actions);
            }
            Command::DeleteIke { reason } => self.send_ike_delete(reason, ctx, actions),
        }
    }
}
