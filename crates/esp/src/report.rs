use ipsec::{EspSpi, IkeSlot, LifeStage};

use crate::{InboundDrop, OutboundDrop};

/// An SA that carried at least one packet of the batch. It is listed once, however many they were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Touched {
    /// Its SPI.
    pub spi: EspSpi,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
}

/// An SA that reached a stage of its life. Each stage is listed once in the life of an SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aged {
    /// Its SPI: ours in a report on inbound SAs, the peer's in one on outbound SAs.
    pub spi: EspSpi,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
    /// `Soft` asks for a rekey, `Hard` says that it no longer carries anything.
    pub stage: LifeStage,
}

/// What a batch of received packets means beyond the packets. Keep one and hand it to each batch:
/// its lists are cleared then and keep their room; the counters grow on.
#[derive(Clone, Default)]
pub struct InboundReport {
    /// SAs on which an authentic, fresh packet came, dummies included: the proof of life.
    pub heard: Vec<Touched>,
    /// SAs that came to age.
    pub aged: Vec<Aged>,
    /// Packets that were authentic and new, whatever was in them: each proves that its peer lives.
    pub authentic: u64,
    /// Packets that passed every check, dummies included.
    pub packets: u64,
    /// Octets of inner packets that passed.
    pub bytes: u64,
    /// Dummy packets among them (RFC 4303 §2.6).
    pub dummies: u64,
    /// Packets dropped, by [`InboundDrop::index`].
    pub drops: [u64; InboundDrop::ALL.len()],
    pub(crate) batch: u32,
}

/// What a batch of packets to send means beyond the packets. Keep one and hand it to each batch:
/// its lists are cleared then and keep their room; the counters grow on.
#[derive(Clone, Default)]
pub struct OutboundReport {
    /// SAs that sent something: the question that on-demand liveness asks.
    pub used: Vec<Touched>,
    /// SAs that came to age.
    pub aged: Vec<Aged>,
    /// Packets sealed.
    pub packets: u64,
    /// Octets of inner packets sealed.
    pub bytes: u64,
    /// Packets dropped, by [`OutboundDrop::index`].
    pub drops: [u64; OutboundDrop::ALL.len()],
    pub(crate) batch: u32,
}

impl InboundReport {
    pub(crate) fn begin(&mut self) {
        self.heard.clear();
        self.aged.clear();
        self.batch = next_batch(self.batch);
    }

    pub(crate) fn count(&mut self, reason: InboundDrop) {
        if let Some(count) = self.drops.get_mut(reason.index()) {
            *count += 1;
        }
    }
}

impl OutboundReport {
    pub(crate) fn begin(&mut self) {
        self.used.clear();
        self.aged.clear();
        self.batch = next_batch(self.batch);
    }

    pub(crate) fn count(&mut self, reason: OutboundDrop) {
        if let Some(count) = self.drops.get_mut(reason.index()) {
            *count += 1;
        }
    }
}

/// 0 stands in SAs that no batch has touched yet.
fn next_batch(batch: u32) -> u32 {
    batch.wrapping_add(1).max(1)
}
