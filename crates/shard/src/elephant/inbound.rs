//! What comes in for an elephant: received by its owner, opened by whoever has time.

use std::collections::VecDeque;
use std::sync::Arc;

use esp::{Aged, InboundPacket, InboundReport, InboundSas, Touched};
use ipsec::{EspSpi, InboundSa, LifeStage};
use smallvec::SmallVec;
use timer::Instant;

use super::Relay;
use super::batch::Batch;
use super::relay::Parcel;
use crate::counters::ShardDrop;
use crate::esp_side::{Opening, Origin, Origins};
use crate::{Output, Shard};

/// Fewer packets are opened sooner than handed over.
const PARCEL_MIN: usize = 16;

/// Batches that are kept to be used again.
const SPARE_MAX: usize = 64;

/// The owner's end of the relay.
#[derive(Default)]
pub(crate) struct Inbound {
    /// There since the first elephant.
    pub(crate) relay: Option<Arc<Relay>>,
    #[expect(clippy::vec_box, reason = "they travel between shards as boxes")]
    spare: Vec<Box<Batch>>,
    /// Made, and to be sent on their way by [`Shard::relay`].
    parcels: VecDeque<Parcel>,
}

/// SAs on loan, few.
#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "a list that grows must not leave keys where it was"
)]
pub(crate) struct LentSas(pub(crate) Vec<Box<InboundSa>>);

impl InboundSas for LentSas {
    fn inbound(&self, spi: EspSpi) -> Option<&InboundSa> {
        self.0.iter().map(|sa| &**sa).find(|sa| sa.spi == spi)
    }

    fn inbound_mut(&mut self, spi: EspSpi) -> Option<&mut InboundSa> {
        self.0
            .iter_mut()
            .map(|sa| &mut **sa)
            .find(|sa| sa.spi == spi)
    }

    fn fetch_inbound(&self, _: EspSpi) {}
}

impl Inbound {
    fn batch(&mut self) -> Box<Batch> {
        self.spare.pop().unwrap_or_else(|| Box::new(Batch::new()))
    }

    /// Ends the relay when nothing is under way.
    pub(crate) fn end(&mut self) {
        if self.relay.as_ref().is_some_and(|relay| relay.is_idle()) && self.parcels.is_empty() {
            *self = Self::default();
        }
    }

    fn keep(&mut self, batch: Box<Batch>) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(batch);
        }
    }
}

fn spi_of(packet: &InboundPacket<'_>) -> Option<EspSpi> {
    let spi = packet.octets.first_chunk()?;
    Some(EspSpi(u32::from_be_bytes(*spi)))
}

impl Shard {
    /// Takes the packets of elephants out of a batch, for others to open or to be delivered after what
    /// others open. What stays may be opened and delivered at once.
    pub(crate) fn relay_batch(
        &mut self,
        opening: &mut Opening<'_>,
        origins: &mut Origins,
        out: &mut impl Output,
    ) {
        let Some(relay) = self.elephants.inbound.relay.clone() else {
            return;
        };
        let mut spis: SmallVec<[EspSpi; 4]> = SmallVec::new();
        for spi in opening.iter().filter_map(spi_of) {
            if spis.last() != Some(&spi) && !spis.contains(&spi) {
                spis.push(spi);
            }
        }
        for spi in spis {
            if let Some(parcel) = self.parcel_of(spi, &relay, opening, origins, out) {
                self.elephants.inbound.parcels.push_back(parcel);
            }
        }
    }

    /// Sends parcels on their way, and learns from those that were delivered. To be called after
    /// [`outer`](Self::outer), when [`Output::flush_inner`] can have what that delivered leave.
    pub fn relay(&mut self, now: Instant, out: &mut impl Output) {
        if !self.elephants.relays() {
            return;
        }
        while let Some(parcel) = self.elephants.inbound.parcels.pop_front() {
            self.send_parcel(parcel, now, out);
        }
        self.collect(now, out);
    }

    /// The packets of one SA as a parcel, if they have to become one.
    fn parcel_of(
        &mut self,
        spi: EspSpi,
        relay: &Arc<Relay>,
        opening: &mut Opening<'_>,
        origins: &mut Origins,
        out: &mut impl Output,
    ) -> Option<Parcel> {
        let idle = relay.is_idle();
        let sa = self.world.sad.inbound(spi)?;
        // Past its limit nothing is delivered, so nothing can be too early.
        let owner = (sa.stage < LifeStage::Hard).then_some(sa.owner)?;
        let lent = self.elephants.has(spi);
        // A flow may have moved from the elephant to another SA of the peer, its heir as a rule.
        if !lent && (idle || !self.elephants.are_of(owner, &self.world.sad)) {
            return None;
        }
        let own = |packet: &InboundPacket<'_>| spi_of(packet) == Some(spi);
        let count = opening.iter().filter(|packet| own(packet)).count();
        if idle && (count < PARCEL_MIN || out.spare_shard().is_none()) {
            return None;
        }
        let taken = relay.turn().map(|turn| {
            let mut batch = self.elephants.inbound.batch();
            batch.begin(spi, turn);
            batch
        });
        if taken.is_none() {
            self.counters
                .dropped_several(ShardDrop::RelayFull, count as u64);
        }
        let mut taken = taken;
        let mut at = 0;
        opening.retain(|packet| {
            let own = own(packet);
            if own {
                if let (Some(batch), Some(origin)) = (&mut taken, origins.get(at)) {
                    batch.push(packet.octets, packet.outer_traffic_class, *origin);
                }
                if at < origins.len() {
                    origins.remove(at);
                }
            } else {
                at += 1;
            }
            !own
        });
        Some(Parcel::new(relay, taken?))
    }

    /// Has a parcel opened: elsewhere if somebody has time and it is worth the way, else here.
    fn send_parcel(&mut self, mut parcel: Parcel, now: Instant, out: &mut impl Output) {
        let worth = (parcel.batch_mut())
            .is_some_and(|batch| batch.len() >= PARCEL_MIN && self.elephants.has(batch.spi));
        if worth && let Some(to) = out.spare_shard() {
            // What was delivered here directly is not overtaken.
            out.flush_inner();
            match out.hand_over_parcel(to, parcel) {
                Ok(()) => return,
                Err(back) => parcel = back,
            }
        }
        let mut report = core::mem::take(&mut self.inbound_report);
        if let Some(batch) = parcel.batch_mut() {
            batch.open(&mut self.world.sad, now, &mut report);
            self.watch.counters.proof(dpd::Proof::Esp, batch.authentic);
        }
        self.draw_consequences(&report, now, out);
        self.inbound_report = report;
        parcel.finish(out);
    }

    /// Opens a parcel of another shard.
    pub fn parcel(&mut self, mut parcel: Parcel, now: Instant, out: &mut impl Output) {
        let report = &mut self.inbound_report;
        let before = report.packets;
        if let Some(batch) = parcel.batch_mut() {
            let sas = &mut self.guests.inbound;
            batch.open(sas, now, report);
            if let Some(sa) = sas.inbound_mut(batch.spi) {
                batch.counters = core::mem::take(&mut sa.counters);
            }
        }
        self.counters.esp_in_lent += self.inbound_report.packets - before;
        parcel.finish(out);
    }

    /// Learns from what was opened, by others as well, and is delivered.
    fn collect(&mut self, now: Instant, out: &mut impl Output) {
        let Some(relay) = self.elephants.inbound.relay.clone() else {
            return;
        };
        relay.deliver(out);
        while let Some(batch) = relay.returned() {
            self.learn(&batch, now, out);
            self.elephants.inbound.keep(batch);
        }
    }

    fn learn(&mut self, batch: &Batch, now: Instant, out: &mut impl Output) {
        let Some(sa) = self.world.sad.inbound_mut(batch.spi) else {
            return;
        };
        sa.counters.add(&batch.counters);
        let touched = Touched {
            spi: batch.spi,
            owner: sa.owner,
        };
        let stage = sa.limits.stage(sa.counters.bytes, sa.counters.packets);
        let aged = (stage > sa.stage).then_some(Aged {
            spi: batch.spi,
            owner: sa.owner,
            stage,
        });
        sa.stage = sa.stage.max(stage);
        if batch.counters.last != Instant::ZERO {
            self.watch.counters.proof(dpd::Proof::Esp, batch.authentic);
            self.esp_heard(touched, batch.at, out);
        }
        let newest: SmallVec<[Origin; 2]> = batch.newest_from().collect();
        for origin in newest {
            self.follow(batch.spi, origin, now, out);
        }
        if let Some(aged) = aged {
            self.inbound_aged(aged, now, out);
        }
    }
}

/// What a batch that was opened here means.
impl Shard {
    pub(crate) fn draw_consequences(
        &mut self,
        report: &InboundReport,
        now: Instant,
        out: &mut impl Output,
    ) {
        for touched in &report.heard {
            self.esp_heard(*touched, now, out);
        }
        for aged in &report.aged {
            self.inbound_aged(*aged, now, out);
        }
    }
}
