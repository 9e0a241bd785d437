//! IKEv1 renews an IKE SA by a new phase 1 (RFC 2409 knows no other way), to which the Child SAs move.

use core::time::Duration;

use ike::{CloseReason, IkeSa, Initiation};
use ipsec::IkeVersion;
use timer::Instant;

use super::peer::Which;
use super::{Token, Worker};

/// How long an IKE SA outlives the one that took over from it: what is in the air still finds it.
const RETIRE_AFTER: Duration = Duration::from_secs(2);

impl Worker {
    /// The peer begins a new phase 1, from where and to where the old one speaks now.
    pub(super) fn renew(&mut self, slot: u32, now: Instant) {
        let n = self.peer_number(slot);
        let plan = &self.shared.plan;
        let peer = self.peers.get(slot as usize);
        let (Some(peer), Ok(connection), Ok(identity)) =
            (peer, plan.connection(n), plan.identity(n))
        else {
            return;
        };
        let Some(path) = peer.ike.as_ref().map(IkeSa::path) else {
            return;
        };
        let wish = peer
            .inner
            .filter(|_| plan.scenario.inner_address(n).is_none());
        let initiation = Initiation {
            connection,
            path,
            child: None,
            local_id: Some(identity),
            initial_contact: false,
        };
        self.rekey_begins(slot, now);
        let mut actions = Vec::new();
        let sa = self.with_context(slot, true, now, |ctx| {
            IkeSa::initiate(IkeVersion::V1, initiation, ctx, &mut actions)
        });
        if let Some(mut sa) = sa {
            sa.ask_for(wish.as_slice());
            self.settle_actions(slot, Which::Other, sa, actions, now);
        }
    }

    /// The new IKE SA stands, and takes over.
    pub(super) fn succeed(&mut self, slot: u32, mut heir: IkeSa, now: Instant) {
        let former = self.peers.get_mut(slot as usize);
        let former = former.and_then(|peer| peer.ike.take());
        let former = former.map(|mut former| {
            let mut actions = Vec::new();
            // It asks for nothing but to be traced, which nobody does here.
            self.with_context(slot, false, now, |ctx| {
                former.hand_over(&mut heir, ctx, &mut actions);
            });
            former
        });
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.others.extend(former);
            peer.ike = Some(heir);
        }
        self.stats.counts.ike_rekeys += 1;
        self.rekey_ends(slot, now);
        self.wheel.arm(now + RETIRE_AFTER, Token::Retire(slot));
    }

    /// Deletes the IKE SAs that another has taken over from.
    pub(super) fn retire(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get(slot as usize) else {
            return;
        };
        let spent = peer
            .others
            .iter()
            .filter(|sa| sa.version() == IkeVersion::V1 && sa.is_established());
        let spent: Vec<_> = spent.map(IkeSa::local_spi).collect();
        for spi in spent {
            self.drive(slot, spi, now, |sa, ctx, actions| {
                sa.delete_ike(CloseReason::Reauthenticated, ctx, actions);
            });
        }
    }
}
