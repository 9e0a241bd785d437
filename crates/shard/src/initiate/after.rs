//! What follows when an IKE SA is gone.

use dpd::Action;
use ike::CloseReason;
use timer::Instant;

use super::traps::ChildNumber;
use crate::peers::{Initiated, Peer};
use crate::{Output, Shard};

impl Shard {
    /// An IKE SA is gone: what follows for its connection.
    pub(crate) fn after_close(
        &mut self,
        peer: &Peer,
        reason: CloseReason,
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.shutting_down {
            return;
        }
        let Some(initiated) = self.initiated_by(peer) else {
            return;
        };
        if peer.sa.peer().is_none() {
            self.after_failure(peer, initiated, reason, now);
            return;
        }
        match reason {
            CloseReason::Unresponsive => {
                self.after_death(initiated, self.action_after_death(peer), now, out);
            }
            CloseReason::Deleted | CloseReason::Dropped => self.after_goodbye(initiated, out),
            // The connection lives on in another IKE SA, or its traffic brings it back.
            _ => {}
        }
    }

    /// A set-up came to nothing.
    fn after_failure(
        &mut self,
        peer: &Peer,
        initiated: Initiated,
        reason: CloseReason,
        now: Instant,
    ) {
        self.disarm_attempt(initiated.connection);
        if reason == CloseReason::Deleted {
            // The operator does not want it.
            self.abandon_held(initiated.connection);
            return;
        }
        // What was to be authenticated anew stands still, and will be tried again.
        let standing = peer.replaces.filter(|old| self.peers.get(*old).is_some());
        self.initiations.attempt(initiated.connection).current = standing;
        match standing {
            None => self.not_reached(initiated, now),
            Some(_) => self.try_later(initiated.connection, now),
        }
    }

    fn after_death(
        &mut self,
        initiated: Initiated,
        action: Action,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Initiated {
            connection,
            child,
            remote,
        } = initiated;
        if action == Action::Clear {
            return;
        }
        self.lay_trap(ChildNumber { connection, child }, out);
        let again = match action {
            Action::Restart => true,
            Action::NextPeer => false,
            Action::Clear | Action::Hold => return,
        };
        let Some(ring) = self.ring_of(connection) else {
            return;
        };
        if self.current_of(connection).is_some() {
            return;
        }
        let attempt = self.initiations.attempt(connection);
        attempt.remote = ring.after_death(remote, again);
        attempt.child = child;
        let due = self.watch.budgets.reinitiations.book(now).max(now);
        self.arm_attempt(connection, due);
    }

    /// It was ended on purpose: traffic is not to bring it back, unless the configuration says so.
    fn after_goodbye(&mut self, initiated: Initiated, out: &mut impl Output) {
        let connection = initiated.connection;
        let children = self
            .connection(connection)
            .map_or(0, |policy| policy.children.len());
        for child in 0..u16::try_from(children).unwrap_or(u16::MAX) {
            self.take_up_trap(ChildNumber { connection, child }, out);
        }
    }
}
