//! The shard as a guest: it opens and seals with SAs that others own.

use std::sync::Arc;

use ipsec::{EspSpi, IkeSlot, InnerVrf, LifeStage, OutboundHandle, VolumeLimits};

use super::inbound::LentSas;
use super::together::Carried;
use super::{Loan, Relay, Together};
use crate::{Mail, Output, Shard, ShardId};

/// Stands where the slot of an IKE SA stands in SAs of our own: no IKE SA has it.
const GUEST: u32 = u32::MAX;

/// What the shard has on loan.
#[derive(Default)]
pub(crate) struct Guests {
    list: Vec<Guest>,
    /// The receiving halves.
    pub(crate) inbound: LentSas,
    /// Tells those apart that had one place after the other.
    last: u32,
}

struct Guest {
    number: u32,
    owner: ShardId,
    /// The sending half, if it has one.
    handle: Option<OutboundHandle>,
    ivrf: InnerVrf,
    limits: VolumeLimits,
    /// The highest stage that the owner was told of.
    stage: LifeStage,
    together: Arc<Together>,
    changes: u32,
    /// Our owner's SPI, under which the receiving half is found.
    inbound: EspSpi,
    relay: Arc<Relay>,
    /// It was asked back, and batches that were handed over before are still to be opened.
    leaving: bool,
    /// How much of what its SA has counted is added up.
    told: Carried,
}

impl Guest {
    /// Gives the receiving half back, if no batch can come for it any more. Returns whether it did.
    fn leave(&self, sas: &mut LentSas) -> bool {
        let done = self.relay.done() >= self.together.recalled_at();
        if done {
            sas.0.retain(|sa| sa.spi != self.inbound);
        }
        done
    }
}

impl Guests {
    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    /// How many of them are in the database of outbound SAs.
    pub(crate) fn sealing(&self) -> usize {
        let sealing = |guest: &&Guest| !guest.leaving && guest.handle.is_some();
        self.list.iter().filter(sealing).count()
    }
}

/// Whether a report is about an SA on loan.
pub(crate) const fn is_guest(owner: IkeSlot) -> bool {
    owner.index == GUEST
}

impl Shard {
    /// Takes an SA on loan: opens with it what its owner hands over, and seals what comes to this shard.
    pub(crate) fn lent(&mut self, mut loan: Box<Loan>) {
        if loan.together.is_recalled() {
            return;
        }
        self.guests.last = self.guests.last.wrapping_add(1);
        let number = self.guests.last;
        let changes = loan.together.changes();
        let handle = self.seal_for_owner(&mut loan, number);
        let opening = loan.opening.copy_for_another_shard();
        self.guests.inbound.0.push(Box::new(opening));
        self.guests.list.push(Guest {
            number,
            owner: loan.owner,
            handle,
            ivrf: loan.ivrf,
            limits: loan.limits,
            stage: LifeStage::Fresh,
            together: Arc::clone(&loan.together),
            changes,
            inbound: loan.inbound,
            relay: Arc::clone(&loan.relay),
            leaving: false,
            told: Carried::default(),
        });
    }

    fn seal_for_owner(&mut self, loan: &mut Loan, number: u32) -> Option<OutboundHandle> {
        // Another copy, so that the loan's own memory is wiped when it goes.
        let mut sa = loan.sealing.as_mut()?.copy_for_another_shard();
        sa.owner = IkeSlot {
            index: GUEST,
            generation: number,
        };
        sa.set_path(loan.together.path());
        let selectors = sa.selectors.clone();
        let handle = self.world.sad.insert_outbound(sa)?;
        self.spds.insert(loan.ivrf, handle, &selectors);
        Some(handle)
    }

    /// Follows what the owners have changed: before each batch, and when mail says so.
    pub(crate) fn heed_owners(&mut self) {
        let Self {
            guests,
            world,
            spds,
            ..
        } = self;
        let Guests { list, inbound, .. } = guests;
        list.retain_mut(|guest| {
            if guest.leaving {
                return !guest.leave(inbound);
            }
            let changes = guest.together.changes();
            if changes == guest.changes {
                return true;
            }
            guest.changes = changes;
            if guest.together.is_recalled() {
                if let Some(handle) = guest.handle
                    && let Some(sa) = world.sad.remove_outbound(handle)
                {
                    spds.remove(guest.ivrf, handle, &sa.selectors);
                }
                guest.leaving = true;
                return !guest.leave(inbound);
            }
            if let Some(sa) = (guest.handle).and_then(|handle| world.sad.outbound_mut(handle)) {
                sa.set_path(guest.together.path());
            }
            true
        });
    }

    /// A batch went into an SA on loan.
    pub(crate) fn guest_sealed(&mut self, owner: IkeSlot, out: &mut impl Output) {
        let numbered = |guest: &&mut Guest| guest.number == owner.generation;
        let Some(guest) = self.guests.list.iter_mut().find(numbered) else {
            return;
        };
        let sad = &mut self.world.sad;
        let Some(sa) = (guest.handle).and_then(|handle| sad.outbound_mut(handle)) else {
            return;
        };
        let so_far = Carried {
            packets: sa.counters.packets,
            bytes: sa.counters.bytes,
        };
        let more = so_far.since(guest.told);
        guest.told = so_far;
        self.counters.esp_out_lent += more.packets;
        let (all, first) = guest.together.carry(more);
        let stage = guest.limits.stage(all.bytes, all.packets);
        // Nothing more passes; the owner will say what follows.
        sa.stage = sa.stage.max(stage);
        let aged = stage > guest.stage;
        guest.stage = guest.stage.max(stage);
        if first || aged {
            out.mail(guest.owner, Mail::Look);
        }
    }

    /// The numbers of an SA on loan run out.
    pub(crate) fn guest_aged(&self, owner: IkeSlot, out: &mut impl Output) {
        let numbered = |guest: &&Guest| guest.number == owner.generation;
        if let Some(guest) = self.guests.list.iter().find(numbered) {
            out.mail(guest.owner, Mail::Look);
        }
    }
}
