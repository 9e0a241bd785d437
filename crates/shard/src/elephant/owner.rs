//! The shard as the owner of elephants.

use std::sync::Arc;

use ipsec::{EspSpi, IkeSlot, InnerVrf, LifeStage, OutboundHandle, Sad};
use timer::Instant;

use super::inbound::Inbound;
use super::together::Carried;
use super::{LOOK, Loan, Together};
use crate::shard::Token;
use crate::{EventKind, Mail, Output, Shard, ShardId};
use esp::Aged;

/// Elephants of a shard at most, those apart that a rekey adds for a while.
const ELEPHANTS_MAX: usize = 4;
/// After so many quiet looks in a row an elephant is one no longer: five seconds.
const QUIET_LOOKS: u32 = 250;

/// The elephants that a shard owns.
#[derive(Default)]
pub(crate) struct Elephants {
    list: Vec<Elephant>,
    /// Whether the timer for the next look is armed.
    timed: bool,
    pub(crate) inbound: Inbound,
}

struct Elephant {
    /// Our SPI of the Child SA.
    inbound: EspSpi,
    outbound: OutboundHandle,
    ivrf: InnerVrf,
    together: Arc<Together>,
    /// How much of what guests have carried stands in the counters of the SA.
    folded: Carried,
    /// Packets of both directions when it was looked at last.
    seen: u64,
    looked: Instant,
    quiet: u32,
}

impl Elephants {
    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    fn of_outbound(&mut self, handle: OutboundHandle) -> Option<&mut Elephant> {
        self.list.iter_mut().find(|one| one.outbound == handle)
    }

    /// Whether anything comes in for one.
    pub(crate) const fn relays(&self) -> bool {
        self.inbound.relay.is_some()
    }

    /// Whether one of them belongs to an IKE SA.
    pub(crate) fn are_of(&self, owner: IkeSlot, sad: &Sad) -> bool {
        let of = |one: &Elephant| sad.inbound(one.inbound).is_some_and(|sa| sa.owner == owner);
        self.list.iter().any(of)
    }

    /// The turn after all that have been given.
    fn next_turn(&self) -> u64 {
        let relay = self.inbound.relay.as_ref();
        relay.map_or(0, |relay| relay.given())
    }

    /// Whether a Child SA, by our SPI, is lent to the other shards.
    pub(crate) fn has(&self, inbound: EspSpi) -> bool {
        let lent = |one: &Elephant| one.inbound == inbound && !one.together.is_recalled();
        self.list.iter().any(lent)
    }
}

impl Shard {
    /// A batch went into an SA of ours: is it an elephant's?
    pub(crate) fn scout_outbound(
        &mut self,
        sa: OutboundHandle,
        packets: u64,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(policy) = self.world.settings.elephants.filter(|_| self.shards > 1) else {
            return;
        };
        if !self.scout_out.vote(sa, packets, now) {
            return;
        }
        let sad = &self.world.sad;
        let carried = |sa| sad.outbound(sa).map(|sa| sa.counters.packets);
        let shard = self.outbound_report.packets;
        if let Some(found) = self.scout_out.judge(policy, now, shard, carried) {
            self.outbound_elephant(found, now, out);
        }
    }

    /// The same for a batch that was opened.
    pub(crate) fn scout_inbound(
        &mut self,
        spi: EspSpi,
        packets: u64,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(policy) = self.world.settings.elephants.filter(|_| self.shards > 1) else {
            return;
        };
        if !self.scout_in.vote(spi, packets, now) {
            return;
        }
        let sad = &self.world.sad;
        let carried = |spi| sad.inbound(spi).map(|sa| sa.counters.packets);
        let shard = self.inbound_report.packets;
        if let Some(found) = self.scout_in.judge(policy, now, shard, carried) {
            self.inbound_elephant(found, now, out);
        }
    }

    fn outbound_elephant(&mut self, sa: OutboundHandle, now: Instant, out: &mut impl Output) {
        let Some(owner) = self.world.sad.outbound(sa).map(|sa| sa.owner) else {
            return;
        };
        let Some(peer) = self.peers.owner_mut(owner) else {
            return;
        };
        let mut active = peer.children.iter().filter(|child| child.active);
        // One that others may not seal for gains nothing.
        if let Some(child) = active.find(|child| child.outbound == sa && child.wide) {
            let inbound = child.inbound;
            self.begin_elephant(inbound, now, out);
        }
    }

    /// An inbound SA from which the peer has moved on is not worth it any more.
    fn inbound_elephant(&mut self, spi: EspSpi, now: Instant, out: &mut impl Output) {
        let Some(owner) = self.world.sad.inbound(spi).map(|sa| sa.owner) else {
            return;
        };
        let Some(peer) = self.peers.owner_mut(owner) else {
            return;
        };
        let mut active = peer.children.iter().filter(|child| child.active);
        if active.any(|child| child.inbound == spi) {
            self.begin_elephant(spi, now, out);
        }
    }

    fn begin_elephant(&mut self, inbound: EspSpi, now: Instant, out: &mut impl Output) {
        let lent = self.elephants.list.iter();
        let lent = lent.filter(|one| !one.together.is_recalled()).count();
        if lent >= ELEPHANTS_MAX || self.elephants.has(inbound) || !out.shares_inside() {
            return;
        }
        if self.lend(inbound, now, out) {
            self.counters.elephants_found += 1;
            self.tell_of_elephant(inbound, true, now, out);
        }
    }

    fn tell_of_elephant(&self, inbound: EspSpi, begins: bool, now: Instant, out: &mut impl Output) {
        if let Some(spi) = self.owner_of_child(inbound) {
            self.emit(spi, EventKind::Elephant { inbound, begins }, now, out);
        }
    }

    /// Gives every other shard a copy of a Child SA.
    pub(crate) fn lend(&mut self, inbound: EspSpi, now: Instant, out: &mut impl Output) -> bool {
        let Some(owner) = self.world.sad.inbound(inbound).map(|sa| sa.owner) else {
            return false;
        };
        let Some(peer) = self.peers.owner_mut(owner) else {
            return false;
        };
        let Some(child) = (peer.children.iter()).find(|child| child.inbound == inbound) else {
            return false;
        };
        let (outbound, ivrf, wide) = (child.outbound, child.ivrf, child.wide);
        let Some((opening, sa)) = self.world.sad.pair_mut(inbound, outbound) else {
            return false;
        };
        let together = Arc::new(Together::new(*sa.path()));
        together.tell(Carried {
            packets: sa.counters.packets,
            bytes: sa.counters.bytes,
        });
        let relay = self.elephants.inbound.relay.get_or_insert_default();
        for shard in other_shards(self.id, self.shards) {
            let loan = Box::new(Loan {
                owner: self.id,
                inbound,
                ivrf,
                limits: sa.limits,
                sealing: wide.then(|| sa.copy_for_another_shard()),
                opening: opening.copy_for_another_shard(),
                relay: Arc::clone(relay),
                together: Arc::clone(&together),
            });
            out.mail(shard, Mail::Lend(loan));
        }
        for ts in sa.selectors.remote().iter().filter(|_| wide) {
            self.world.directory.spread(ivrf, ts, self.id, true);
        }
        let seen = sa.counters.packets + opening.counters.packets;
        self.elephants.list.push(Elephant {
            inbound,
            outbound,
            ivrf,
            together,
            folded: Carried::default(),
            seen,
            looked: now,
            quiet: 0,
        });
        self.arm_look(now);
        true
    }

    fn arm_look(&mut self, now: Instant) {
        if !self.elephants.timed && !self.elephants.is_empty() {
            self.elephants.timed = true;
            self.wheel.arm(now + LOOK, Token::Elephants);
        }
    }

    /// The timer of the next look.
    pub(crate) fn look_timer_fired(&mut self, now: Instant, out: &mut impl Output) {
        self.elephants.timed = false;
        self.look(now, out);
        for inbound in self.quiet_elephants(now) {
            self.tell_of_elephant(inbound, false, now, out);
            self.recall(inbound, out);
            self.gather(inbound);
        }
        self.take_back_returned();
        self.arm_look(now);
    }

    /// Takes over what guests have carried, and draws the consequences.
    pub(crate) fn look(&mut self, now: Instant, out: &mut impl Output) {
        for at in 0..self.elephants.list.len() {
            self.look_at(at, now, out);
        }
    }

    fn look_at(&mut self, at: usize, now: Instant, out: &mut impl Output) {
        let Some(one) = self.elephants.list.get_mut(at) else {
            return;
        };
        let by_guests = one.together.look();
        let more = by_guests.since(one.folded);
        one.folded = by_guests;
        let Some(sa) = self.world.sad.outbound_mut(one.outbound) else {
            return;
        };
        let counters = &mut sa.counters;
        counters.packets += more.packets;
        counters.bytes += more.bytes;
        let all = Carried {
            packets: counters.packets,
            bytes: counters.bytes,
        };
        one.together.tell(all.since(by_guests));
        let mut stage = sa.limits.stage(all.bytes, all.packets);
        if sa.sequence.near_exhaustion() {
            stage = stage.max(LifeStage::Soft);
        }
        let owner = sa.owner;
        let aged = (stage > sa.stage).then_some(Aged {
            spi: sa.spi,
            owner,
            stage,
        });
        sa.stage = sa.stage.max(stage);
        if more.packets > 0 {
            sa.counters.last = now;
            self.sent_esp(owner, now, out);
        }
        if let Some(aged) = aged {
            self.outbound_aged(aged, now, out);
        }
    }

    /// Those that have carried little for long.
    fn quiet_elephants(&mut self, now: Instant) -> Vec<EspSpi> {
        let rate =
            (self.world.settings.elephants).map_or(u32::MAX, |policy| policy.packets_per_second);
        let sad = &self.world.sad;
        let mut quiet = Vec::new();
        for one in &mut self.elephants.list {
            let inbound = sad.inbound(one.inbound).map_or(0, |sa| sa.counters.packets);
            let outbound = sad
                .outbound(one.outbound)
                .map_or(0, |sa| sa.counters.packets);
            let all = inbound + outbound;
            let elapsed = now - core::mem::replace(&mut one.looked, now);
            let packets = all.saturating_sub(core::mem::replace(&mut one.seen, all));
            let little = u128::from(packets) * 2_000_000 < u128::from(rate) * elapsed.as_micros();
            one.quiet = if little { one.quiet + 1 } else { 0 };
            if one.quiet >= QUIET_LOOKS && !one.together.is_recalled() {
                quiet.push(one.inbound);
            }
        }
        quiet
    }

    /// Asks the other shards to carry no more for a Child SA.
    pub(crate) fn recall(&mut self, inbound: EspSpi, out: &mut impl Output) {
        let lent = |one: &&Elephant| one.inbound == inbound && !one.together.is_recalled();
        if let Some(one) = self.elephants.list.iter().find(lent) {
            one.together.recall(self.elephants.next_turn());
            self.nudge_guests(out);
        }
    }

    /// The packets of an elephant that is one no longer come to this shard again.
    fn gather(&self, inbound: EspSpi) {
        let Some(one) = (self.elephants.list.iter()).find(|one| one.inbound == inbound) else {
            return;
        };
        if let Some(sa) = self.world.sad.outbound(one.outbound) {
            for ts in sa.selectors.remote() {
                self.world.directory.spread(one.ivrf, ts, self.id, false);
            }
        }
    }

    fn nudge_guests(&self, out: &mut impl Output) {
        for shard in other_shards(self.id, self.shards) {
            out.mail(shard, Mail::Look);
        }
    }

    /// Makes SAs of which nobody else has a copy any more this shard's alone.
    fn take_back_returned(&mut self) {
        let sad = &mut self.world.sad;
        self.elephants.list.retain(|one| {
            let returned = one.together.is_recalled() && Arc::strong_count(&one.together) == 1;
            if returned {
                if let Some(sa) = sad.outbound_mut(one.outbound) {
                    sa.sequence.take_back();
                }
                if let Some(sa) = sad.inbound_mut(one.inbound) {
                    sa.window.take_back();
                }
            }
            !returned
        });
        if self.elephants.is_empty() {
            self.elephants.inbound.end();
        }
    }

    /// Removes an outbound SA. From the moment when this returns no shard begins a batch with its key.
    pub(crate) fn remove_outbound(&mut self, handle: OutboundHandle, out: &mut impl Output) {
        if let Some(mut sa) = self.world.sad.remove_outbound(handle) {
            sa.sequence.take_back();
        }
        let before = self.elephants.list.len();
        let turn = self.elephants.next_turn();
        self.elephants.list.retain(|one| {
            if one.outbound == handle {
                one.together.recall(turn);
            }
            one.outbound != handle
        });
        if self.elephants.list.len() < before {
            self.nudge_guests(out);
        }
    }

    /// The packets of an SA go elsewhere from now on.
    pub(crate) fn moved(&mut self, handle: OutboundHandle, out: &mut impl Output) {
        let Some(path) = self.world.sad.outbound(handle).map(|sa| *sa.path()) else {
            return;
        };
        if let Some(one) = self.elephants.of_outbound(handle) {
            one.together.set_path(path);
            self.nudge_guests(out);
        }
    }
}

/// Every shard but this one.
fn other_shards(own: ShardId, shards: u16) -> impl Iterator<Item = ShardId> {
    (0..=u8::MAX)
        .map(ShardId)
        .take(usize::from(shards))
        .filter(move |shard| *shard != own)
}
