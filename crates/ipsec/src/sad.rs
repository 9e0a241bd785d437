use crypto::Entropy;

use crate::{EspSpi, EspSpiLayout, InboundSa, OutboundSa, Slab};

/// An IKE SA of this shard, as its children name it: slot and generation, given and understood by
/// the shard alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct IkeSlot {
    /// Where the IKE SA is.
    pub index: u32,
    /// Which of the users of that place.
    pub generation: u32,
}

/// An outbound SA of this shard. A handle of a deleted SA finds nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct OutboundHandle {
    index: u32,
    generation: u32,
}

impl Default for OutboundHandle {
    /// Names no SA.
    fn default() -> Self {
        Self {
            index: u32::MAX,
            generation: 0,
        }
    }
}

/// A shard's security association database (RFC 4301 §4.4.2). An inbound SPI is its own index.
pub struct Sad {
    shard: u8,
    layout: EspSpiLayout,
    inbound: Slab<InboundEntry>,
    /// The generation that each inbound slot had last; a slot that was never used has none.
    generations: Vec<u8>,
    outbound: Slab<OutboundSa>,
    outbound_generation: u32,
}

// A box would cost every packet a cache line more; reservations are few and short-lived.
#[allow(clippy::large_enum_variant)]
enum InboundEntry {
    /// The SPI has been told to the peer; the keys are not agreed yet.
    Reserved(EspSpi),
    Live(InboundSa),
}

impl InboundEntry {
    const fn spi(&self) -> EspSpi {
        match self {
            Self::Reserved(spi) => *spi,
            Self::Live(sa) => sa.spi,
        }
    }
}

/// The SPI was never reserved, or given back, or is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotReserved;

impl Sad {
    /// An empty database for `shard` with room for `capacity` SAs per direction (cut to what the
    /// layout can number).
    #[must_use]
    pub fn new(shard: u8, layout: EspSpiLayout, capacity: u32) -> Self {
        let capacity = capacity.min(layout.slots());
        Self {
            shard,
            layout,
            inbound: Slab::new(capacity),
            generations: Vec::new(),
            outbound: Slab::new(capacity),
            outbound_generation: 0,
        }
    }

    /// Where the parts of our SPIs are.
    #[must_use]
    pub const fn layout(&self) -> EspSpiLayout {
        self.layout
    }

    /// Chooses an SPI and keeps its slot. `None` when the database is full, in either direction: who
    /// gets an SPI shall find room for the other half as well.
    pub fn reserve_inbound(&mut self, entropy: &mut dyn Entropy) -> Option<EspSpi> {
        if self.outbound.len() >= self.outbound.capacity() {
            return None;
        }
        let Self {
            shard,
            layout,
            inbound,
            generations,
            ..
        } = self;
        let mut chosen = None;
        inbound.insert_with(|slot| {
            let generation = match generations.get_mut(slot as usize) {
                Some(last) => {
                    *last = last.wrapping_add(1);
                    *last
                }
                None => {
                    let [first, ..] = entropy.next_u32().to_be_bytes();
                    generations.push(first);
                    first
                }
            };
            let spi = layout.compose(*shard, slot, generation);
            chosen = Some(spi);
            InboundEntry::Reserved(spi)
        })?;
        chosen
    }

    /// Puts an SA under the SPI that was reserved for it.
    ///
    /// # Errors
    /// [`NotReserved`], and the SA is gone.
    pub fn install_inbound(&mut self, sa: InboundSa) -> Result<(), NotReserved> {
        match self.inbound.get_mut(self.layout.slot(sa.spi)) {
            Some(entry @ InboundEntry::Reserved(_)) if entry.spi() == sa.spi => {
                *entry = InboundEntry::Live(sa);
                Ok(())
            }
            _ => Err(NotReserved),
        }
    }

    /// Gives an SPI back, with its SA if one was installed. Returns whether there was anything.
    pub fn remove_inbound(&mut self, spi: EspSpi) -> bool {
        let slot = self.layout.slot(spi);
        let known = self
            .inbound
            .get(slot)
            .is_some_and(|entry| entry.spi() == spi);
        known && self.inbound.remove(slot).is_some()
    }

    /// The inbound SA of an SPI.
    #[must_use]
    pub fn inbound(&self, spi: EspSpi) -> Option<&InboundSa> {
        match self.inbound.get(self.layout.slot(spi)) {
            Some(InboundEntry::Live(sa)) if sa.spi == spi => Some(sa),
            _ => None,
        }
    }

    /// The inbound SA of an SPI.
    #[must_use]
    pub fn inbound_mut(&mut self, spi: EspSpi) -> Option<&mut InboundSa> {
        match self.inbound.get_mut(self.layout.slot(spi)) {
            Some(InboundEntry::Live(sa)) if sa.spi == spi => Some(sa),
            _ => None,
        }
    }

    /// Asks for the memory in which the inbound SA of an SPI begins: for packets to come. Whether
    /// there is such an SA is not looked at.
    #[inline]
    pub fn fetch_inbound(&self, spi: EspSpi) {
        self.inbound.fetch(self.layout.slot(spi));
    }

    /// Asks for the memory in which an outbound SA begins: for packets to come.
    #[inline]
    pub fn fetch_outbound(&self, handle: OutboundHandle) {
        self.outbound.fetch(handle.index);
    }

    /// Adds an outbound SA. `None` when the database is full.
    pub fn insert_outbound(&mut self, mut sa: OutboundSa) -> Option<OutboundHandle> {
        self.outbound_generation = self.outbound_generation.wrapping_add(1);
        let generation = self.outbound_generation;
        sa.generation = generation;
        let index = self.outbound.insert_with(|_| sa)?;
        Some(OutboundHandle { index, generation })
    }

    /// Takes an outbound SA out, its counters with it.
    pub fn remove_outbound(&mut self, handle: OutboundHandle) -> Option<OutboundSa> {
        self.outbound(handle)?;
        self.outbound.remove(handle.index)
    }

    /// The outbound SA of a handle.
    #[must_use]
    pub fn outbound(&self, handle: OutboundHandle) -> Option<&OutboundSa> {
        let sa = self.outbound.get(handle.index)?;
        (sa.generation == handle.generation).then_some(sa)
    }

    /// The outbound SA of a handle.
    #[must_use]
    pub fn outbound_mut(&mut self, handle: OutboundHandle) -> Option<&mut OutboundSa> {
        let sa = self.outbound.get_mut(handle.index)?;
        (sa.generation == handle.generation).then_some(sa)
    }

    /// Both halves of a Child SA.
    #[must_use]
    pub fn pair_mut(
        &mut self,
        spi: EspSpi,
        handle: OutboundHandle,
    ) -> Option<(&mut InboundSa, &mut OutboundSa)> {
        let inbound = match self.inbound.get_mut(self.layout.slot(spi)) {
            Some(InboundEntry::Live(sa)) if sa.spi == spi => sa,
            _ => return None,
        };
        let outbound = self.outbound.get_mut(handle.index)?;
        (outbound.generation == handle.generation).then_some((inbound, outbound))
    }

    /// Inbound SAs and reservations.
    #[must_use]
    pub const fn inbound_len(&self) -> u32 {
        self.inbound.len()
    }

    /// Outbound SAs.
    #[must_use]
    pub const fn outbound_len(&self) -> u32 {
        self.outbound.len()
    }
}
