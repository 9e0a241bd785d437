//! A replaced policy reaches the liveness of standing peers. Half a million of them are not looked at
//! in one go, which would make every probe late: some are in each tick.

use ipsec::IkeSpi;
use timer::{Instant, TICK};

use crate::liveness::nat_of;
use crate::shard::Token;
use crate::{Policy, Shard};

/// Slots of peers that are looked at in a tick: well under a millisecond.
const SLOTS_A_TICK: usize = 1_000;

/// How far the peers have learnt of the policy.
pub(crate) struct Adoption {
    /// What still holds for the liveness of those from [`Self::from`] on.
    former: Policy,
    /// The first slot whose peer has not learnt of it.
    from: usize,
}

impl Adoption {
    /// The policy by which the liveness of a peer goes while this one is under way.
    pub(crate) fn terms<'p>(
        adoption: &'p Option<Self>,
        latest: &'p Policy,
        spi: IkeSpi,
    ) -> &'p Policy {
        let behind = |adoption: &&Self| spi.slot() as usize >= adoption.from;
        let adoption = adoption.as_ref().filter(behind);
        adoption.map_or(latest, |adoption| &adoption.former)
    }
}

impl Shard {
    /// The policy was replaced. If an earlier one still has peers to reach it reaches them at once:
    /// a peer's liveness goes by this policy or the one before.
    pub(crate) fn begin_adoption(&mut self, former: Policy, now: Instant) {
        if let Some(earlier) = self.adoption.take() {
            let latest = core::mem::replace(&mut self.world.policy, former.clone());
            self.adopt_until(&earlier, self.peers.slots(), now);
            self.world.policy = latest;
        }
        let under_way = Adoption { former, from: 0 };
        self.adoption = Some(under_way);
        self.adopt_some(now);
    }

    /// The policy by which the liveness of a peer goes now.
    pub(crate) fn liveness_terms(&self, spi: IkeSpi) -> &Policy {
        Adoption::terms(&self.adoption, &self.world.policy, spi)
    }

    /// Lets the next peers go by the policy, and those after them later.
    pub(crate) fn adopt_some(&mut self, now: Instant) {
        let Some(mut adoption) = self.adoption.take() else {
            return;
        };
        let until = adoption.from.saturating_add(SLOTS_A_TICK);
        self.adopt_until(&adoption, until, now);
        if until < self.peers.slots() {
            adoption.from = until;
            self.adoption = Some(adoption);
            self.wheel.arm(now + TICK, Token::Adopt);
        }
    }

    /// Every peer goes by what its connection, found by name, says now. A peer whose connection is
    /// gone is still watched, by the first policy of the table. Whose terms are the same keeps its
    /// timers.
    fn adopt_until(&mut self, adoption: &Adoption, until: usize, now: Instant) {
        for slot in adoption.from..until.min(self.peers.slots()) {
            let spi = u32::try_from(slot)
                .ok()
                .and_then(|slot| self.peers.spi_at(slot));
            if let Some(spi) = spi {
                self.adopt_one(spi, &adoption.former, now);
            }
        }
    }

    fn adopt_one(&mut self, spi: IkeSpi, former: &Policy, now: Instant) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let name = peer.sa.connection().map(|connection| &*connection.name);
        let policy = &self.world.policy;
        let index = name.map_or(0, |name| policy.dpd_of(name, peer.sa.peer()));
        let nat = nat_of(peer);
        let (Some(liveness), Some(settings)) =
            (&mut peer.liveness, policy.dpd.get(usize::from(index)))
        else {
            return;
        };
        if former.dpd.get(usize::from(liveness.policy())) == Some(settings) {
            liveness.renumber(index);
            return;
        }
        let mut ctx = dpd::Context {
            now,
            policy: settings,
            health: self.health,
            domains: &peer.domains,
            nat,
            watch: &mut self.watch,
        };
        let timer = liveness.adopt(index, &mut ctx);
        self.change_timer(spi, timer);
    }
}
