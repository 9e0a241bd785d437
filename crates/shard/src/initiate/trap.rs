//! Laying traps and what springs them.

use ipsec::{Flow, IkeSpi, InnerVrf, StartAction};
use timer::Instant;

use super::traps::{ChildNumber, Trap};
use crate::{Output, RouteChange, Shard};

impl Shard {
    /// Lays the traps of the connections that this shard initiates.
    pub(crate) fn set_traps(&mut self, out: &mut impl Output) {
        for (connection, child) in self.own_children(StartAction::Trap) {
            let number = ChildNumber { connection, child };
            self.lay_trap(number, out);
            self.initiations.traps.configured(number);
        }
    }

    /// Traffic for the child's peer is led to us, where it springs the trap. Nothing happens where
    /// one lies.
    pub(super) fn lay_trap(&mut self, number: ChildNumber, out: &mut impl Output) {
        if self.initiations.traps.lies(number) {
            return;
        }
        let Some(policy) = self.connection(number.connection) else {
            return;
        };
        let Some(terms) = policy.children.get(usize::from(number.child)) else {
            return;
        };
        let trap = Trap {
            ivrf: policy.ivrf,
            local: terms.local_ts.clone(),
            remote: terms.remote_ts.clone(),
        };
        for ts in &trap.remote {
            self.world.directory.announce(trap.ivrf, ts, self.id);
            out.route(trap.ivrf, RouteChange::Add(*ts));
        }
        self.initiations.traps.lay(number, trap);
    }

    /// Takes a trap up if nothing needs it any longer.
    pub(super) fn take_up_trap(&mut self, number: ChildNumber, out: &mut impl Output) {
        if let Some(trap) = self.initiations.traps.take_up(number) {
            self.unlead(&trap, out);
        }
    }

    /// Traffic that a trap caught is led to us no longer.
    pub(super) fn unlead(&self, trap: &Trap, out: &mut impl Output) {
        for ts in &trap.remote {
            self.world.directory.withdraw(trap.ivrf, ts, self.id);
            out.route(trap.ivrf, RouteChange::Remove(*ts));
        }
    }

    /// Whether a Child SA of that policy stands under an IKE SA.
    fn stands(&self, spi: IkeSpi, child: u16) -> bool {
        let peer = self.peers.get(spi);
        peer.is_some_and(|peer| {
            let mut children = peer.children.iter();
            children.any(|one| one.policy == child && one.active)
        })
    }

    /// Holds a packet that a trap catches, and sees to it that its tunnel comes. Returns whether one
    /// does.
    pub(crate) fn spring_trap(
        &mut self,
        ivrf: InnerVrf,
        flow: &Flow,
        packet: &[u8],
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(number) = self.initiations.traps.catch(ivrf, flow) else {
            return false;
        };
        let ChildNumber { connection, child } = number;
        let current = self.current_of(connection);
        // The peer took less than the policy offers: another Child SA would take no more.
        if current.is_some_and(|current| self.stands(current, child)) {
            return false;
        }
        self.hold(connection, packet, ivrf, now);
        if let Some(current) = current {
            if self.is_established(current) {
                self.want_child(connection, child, current, now, out);
            }
            return true;
        }
        let attempt = self.initiations.attempt(connection);
        if attempt.timer.is_none() && attempt.question.is_none() {
            self.need(connection, child, now, out);
        }
        true
    }
}
