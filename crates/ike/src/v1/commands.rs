//! What the owner may ask of an IKE SA.

use ipsec::EspSpi;

use super::quick_mode::{self, Aim};
use super::{IkeSa, deletes, liveness};
use crate::{Action, ChildFailure, ChildState, CloseReason, Context, RemovalReason};

impl IkeSa {
    /// Sets up another Child SA of the connection with a quick mode.
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
        if !standing.is_open() || usize::from(policy) >= standing.connection.children.len() {
            return Err(ChildFailure::UnknownChild);
        }
        if standing.children.len() >= ctx.settings.children_max {
            return Err(ChildFailure::Limit);
        }
        let aims = quick_mode::aims_of_child(self, policy);
        if aims.is_empty() {
            return Err(ChildFailure::TsUnacceptable);
        }
        quick_mode::enqueue(self, aims, ctx, actions)
    }

    /// Replaces a Child SA by a new one, then deletes it. Nothing happens when its rekey or deletion
    /// is under way.
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
            ChildState::Installed => {
                quick_mode::enqueue(self, [Aim::RekeyChild { old: child }], ctx, actions)
            }
            _ => Ok(()),
        }
    }

    /// Deletes a Child SA and tells the peer so. Nobody answers a delete (RFC 2408 §3.15), so it is
    /// removed at once.
    ///
    /// # Errors
    ///
    /// When there is no such Child SA.
    pub fn delete_child(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<(), ChildFailure> {
        deletes::delete_child(self, child, reason, ctx, actions)
    }

    /// Deletes the IKE SA and tells the peer so; `Closed` follows at once.
    pub fn delete_ike(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        self.close(reason, false, ctx, actions);
    }

    /// Closes at once. Unless `silently`, the peer is told so, once.
    pub fn close(
        &mut self,
        reason: CloseReason,
        silently: bool,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if silently || self.standing().is_none() {
            self.terminate(reason, ctx, actions);
            return;
        }
        self.trace_deleting(Some(reason), ctx, actions);
        // The Child SAs go first, as on other routers: what follows is best effort.
        let children = self.remove_children(reason, actions);
        deletes::delete_all(self, &children, ctx, actions);
        self.end(reason, ctx, actions);
    }

    /// Asks the owner to replace the IKE SA by a new one ([`Action::ReauthenticationDue`]): IKEv1 has
    /// no other rekey of phase 1.
    pub fn rekey_ike(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        super::rekey::start(self, ctx, actions);
    }

    /// Answers an R-U-THERE with its sequence number (RFC 3706 §5.4).
    pub fn acknowledge(&mut self, sequence: u32, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        liveness::acknowledge(self, sequence, ctx, actions);
    }
}
