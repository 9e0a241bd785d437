use core::fmt;

/// An ESP security parameter index (RFC 4303 §2.1). 0 never appears on the wire, 1-255 are reserved.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EspSpi(pub u32);

/// An IKE SA's security parameter index (RFC 7296 §3.1). 0 stands for "not known yet".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct IkeSpi(pub u64);

impl IkeSpi {
    /// The responder's SPI in the first message of an IKE SA.
    pub const ZERO: Self = Self(0);

    /// Composes one of ours: `shard` 8 bits, `slot` 24 bits (higher bits are cut off), 32 bits that
    /// an outsider cannot guess and that tell the users of one slot apart.
    ///
    /// The slots are counted from 1 on the wire, so that no slot below [`SLOTS`](Self::SLOTS) gives an
    /// SPI that begins with four zero octets: behind the non-ESP marker (RFC 3948 §2.2) those look like
    /// a second marker, and libreswan drops such messages.
    #[must_use]
    pub const fn compose(shard: u8, slot: u32, nonce: u32) -> Self {
        let place = slot.wrapping_add(1) & Self::SLOTS;
        Self(((shard as u64) << 56) | ((place as u64) << 32) | nonce as u64)
    }

    /// How many slots a shard can have.
    pub const SLOTS: u32 = 0x00ff_ffff;

    /// The shard that owns the IKE SA, if the SPI is one of ours.
    #[must_use]
    pub const fn shard(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The slot of the IKE SA in its shard, if the SPI is one of ours; one that cannot be yields a slot
    /// beyond [`SLOTS`](Self::SLOTS). The holder of the slot compares the whole SPI before it believes
    /// it.
    #[must_use]
    pub const fn slot(self) -> u32 {
        let [_, high, middle, low, ..] = self.0.to_be_bytes();
        u32::from_be_bytes([0, high, middle, low]).wrapping_sub(1)
    }
}

/// Where the parts of the ESP SPIs that we choose are: from the top, the shard (6 to 8 bits), the
/// slot (20 bits) and the generation of the slot (the rest, 4 to 6 bits).
///
/// The shard stands in front so that a program in the kernel can steer by a shift and a mask. The
/// generation of a slot starts at random and grows by one with each use, so that an SPI of a
/// deleted SA does not reach its successor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspSpiLayout {
    shard_bits: u8,
}

impl EspSpiLayout {
    const SLOT_BITS: u8 = 20;
    /// SPIs from 0 to 255 are reserved (RFC 4303 §2.1).
    const RESERVED: u32 = 256;

    /// The layout for a number of shards from 1 to 256.
    #[must_use]
    pub const fn for_shards(shards: u16) -> Self {
        let shard_bits = match shards {
            0..=64 => 6,
            65..=128 => 7,
            _ => 8,
        };
        Self { shard_bits }
    }

    /// Bits of shard at the top of an SPI.
    #[must_use]
    pub const fn shard_bits(self) -> u8 {
        self.shard_bits
    }

    const fn generation_bits(self) -> u8 {
        32 - Self::SLOT_BITS - self.shard_bits
    }

    /// The slots that would fall among the reserved SPIs are left out in every shard.
    const fn slots_left_out(self) -> u32 {
        Self::RESERVED >> self.generation_bits()
    }

    /// How many slots a shard has: over a million.
    #[must_use]
    pub const fn slots(self) -> u32 {
        (1 << Self::SLOT_BITS) - self.slots_left_out()
    }

    /// How many generations a slot passes through before an SPI returns.
    #[must_use]
    pub const fn generations(self) -> u8 {
        1 << self.generation_bits()
    }

    /// Composes an SPI; a part that is too big for its field loses its upper bits. Never yields
    /// 0..=255 for a slot below [`slots`](Self::slots).
    #[must_use]
    pub const fn compose(self, shard: u8, slot: u32, generation: u8) -> EspSpi {
        let place = slot.wrapping_add(self.slots_left_out()) & ((1 << Self::SLOT_BITS) - 1);
        let shard = (shard as u32) << (32 - self.shard_bits);
        let generation_mask = self.generations() - 1;
        EspSpi(shard | (place << self.generation_bits()) | (generation & generation_mask) as u32)
    }

    /// The shard to which an SPI of ours belongs.
    #[must_use]
    pub const fn shard(self, spi: EspSpi) -> u8 {
        // At most eight bits remain.
        #[allow(clippy::cast_possible_truncation)]
        let shard = (spi.0 >> (32 - self.shard_bits)) as u8;
        shard
    }

    /// The slot of an SPI of ours; a reserved SPI yields a slot beyond [`slots`](Self::slots).
    #[must_use]
    pub const fn slot(self, spi: EspSpi) -> u32 {
        let place = (spi.0 >> self.generation_bits()) & ((1 << Self::SLOT_BITS) - 1);
        place.wrapping_sub(self.slots_left_out())
    }
}

impl fmt::Debug for EspSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for EspSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_esp_spi_come_back() {
        for (shards, bits, generations) in [(1, 6, 64), (64, 6, 64), (65, 7, 32), (256, 8, 16)] {
            let layout = EspSpiLayout::for_shards(shards);
            assert_eq!(layout.shard_bits(), bits);
            assert_eq!(layout.generations(), generations);
            assert!(layout.slots() >= 1_000_000);
            let top_shard = u8::try_from(shards - 1).unwrap();
            for shard in [0, top_shard / 2, top_shard] {
                for slot in [0, 1, 15, 500_000, layout.slots() - 1] {
                    for generation in [0, generations - 1] {
                        let spi = layout.compose(shard, slot, generation);
                        assert!(spi.0 > 255, "{spi}");
                        assert_eq!(layout.shard(spi), shard);
                        assert_eq!(layout.slot(spi), slot);
                    }
                }
            }
        }
    }

    #[test]
    fn reserved_spis_reach_no_slot() {
        for shards in [1, 100, 256] {
            let layout = EspSpiLayout::for_shards(shards);
            assert!((0..256).all(|spi| layout.slot(EspSpi(spi)) >= layout.slots()));
            assert_eq!(layout.slot(EspSpi(256)), 0);
        }
    }

    #[test]
    fn the_parts_of_an_ike_spi_come_back() {
        let last = IkeSpi::SLOTS - 1;
        let spi = IkeSpi::compose(0xab, last, 0x0102_0304);
        assert_eq!(spi.to_string(), "abffffff01020304");
        assert_eq!((spi.shard(), spi.slot()), (0xab, last));
        assert_eq!(IkeSpi::compose(0, 7, 1).slot(), 7);
        assert!(IkeSpi(1).slot() > last);
    }

    #[test]
    fn no_ike_spi_begins_like_a_non_esp_marker() {
        for (shard, slot) in [(0, 0), (0, IkeSpi::SLOTS - 1), (7, 0)] {
            let spi = IkeSpi::compose(shard, slot, 0x0102_0304);
            assert_ne!(spi.0 >> 32, 0, "{spi}");
        }
    }
}
