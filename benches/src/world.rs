use core::net::Ipv4Addr;
use std::sync::Arc;

use crypto::{
    EncryptionAlgorithm, Entropy, IntegrityAlgorithm, OpeningKey, ProtectionSuite, SealingKey,
};
use esp::{InboundReport, OutboundReport};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, EspSpiLayout, IkeSlot, InboundParameters, InboundSa,
    OutboundHandle, OutboundParameters, OutboundSa, OuterHeaderPolicy, ReplayWindow, Sad,
    Selectors, SequenceNumbers, SequencePool, SharedWindow, Spd, TrafficSelector, VolumeLimits,
};

/// Wide enough for a batch that another thread delays.
const REPLAY_WINDOW: u32 = 128;
/// The first address of the peers: one a peer from here on.
const FIRST_PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

/// A suite of one AEAD.
#[must_use]
pub const fn aead(encryption: EncryptionAlgorithm) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: None,
    }
}

/// A suite of a cipher in CBC mode and an HMAC.
#[must_use]
pub const fn cbc(
    encryption: EncryptionAlgorithm,
    integrity: IntegrityAlgorithm,
) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: Some(integrity),
    }
}

/// A headend's databases with Child SAs to so many peers, each of which has one address. Each SA
/// leads back here, so that what was sealed can be opened.
pub struct World {
    /// SAs by SPI and by handle.
    pub sad: Sad,
    /// SAs by destination.
    pub spd: Spd,
    /// The report of the last sealed batch.
    pub outbound: OutboundReport,
    /// The report of the last opened batch.
    pub inbound: InboundReport,
    count: u32,
    spis: Vec<EspSpi>,
    first: Option<(EspSpi, OutboundHandle)>,
}

struct Counting(u32);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_mul(0x9e37_79b1).wrapping_add(1);
        for (octet, random) in out.iter_mut().zip(self.0.to_be_bytes().into_iter().cycle()) {
            *octet = random;
        }
    }
}

impl World {
    /// A world of `count` peers whose SAs use `suite`.
    ///
    /// # Panics
    /// When there are more peers than a shard has SPIs.
    #[must_use]
    pub fn new(suite: ProtectionSuite, count: u32) -> Self {
        let mut world = Self {
            sad: Sad::new(0, EspSpiLayout::for_shards(1), count),
            spd: Spd::new(0x5eed),
            outbound: OutboundReport::default(),
            inbound: InboundReport::default(),
            count,
            spis: Vec::new(),
            first: None,
        };
        let mut entropy = Counting(7);
        for peer in 0..count {
            let mut keys = vec![0; suite.key_material_len()];
            entropy.fill(&mut keys);
            let spi = world.sad.reserve_inbound(&mut entropy).expect("room");
            world.add(suite, spi, peer, &keys);
            world.spis.push(spi);
        }
        world
    }

    fn add(&mut self, suite: ProtectionSuite, spi: EspSpi, peer: u32, keys: &[u8]) {
        let remote = [TrafficSelector::host(Self::address(peer).into())];
        let local = [TrafficSelector::ANY_V4];
        let owner = IkeSlot {
            index: peer,
            generation: 1,
        };
        let inbound = InboundParameters {
            key: OpeningKey::new(suite, keys),
            suite,
            esn: true,
            replay_window: REPLAY_WINDOW,
            // Seen from the other end, for the packet comes back.
            selectors: Selectors::new(&remote, &local),
            limits: VolumeLimits::NONE,
            owner,
        };
        self.sad
            .install_inbound(InboundSa::new(spi, inbound))
            .expect("reserved");
        let selectors = Selectors::new(&local, &remote);
        let outbound = OutboundParameters {
            spi,
            key: SealingKey::new(suite, keys),
            suite,
            esn: true,
            outer: OuterHeaderPolicy {
                df: DfPolicy::Copy,
                copy_dscp: true,
                mss_clamp: None,
            },
            selectors: selectors.clone(),
            limits: VolumeLimits::NONE,
            owner,
            path: EspPath {
                local: ([192, 0, 2, 1], 4500).into(),
                remote: ([192, 0, 2, 2], 4500).into(),
                encapsulation: Encapsulation::Udp,
                mtu: 1500,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
        };
        let handle = self
            .sad
            .insert_outbound(OutboundSa::new(outbound))
            .expect("room");
        self.spd.insert(handle, &selectors);
        self.first.get_or_insert((spi, handle));
    }

    /// Makes the first SA one that several worlds carry together: numbers come from the pool, and the
    /// window knows what the others have opened.
    pub fn share(&mut self, pool: &Arc<SequencePool>, window: &Arc<SharedWindow>) {
        let Some((spi, handle)) = self.first else {
            return;
        };
        if let Some(sa) = self.sad.outbound_mut(handle) {
            sa.sequence = SequenceNumbers::pooled(pool.clone());
        }
        if let Some(sa) = self.sad.inbound_mut(spi) {
            sa.window = ReplayWindow::shared(window.clone(), true);
        }
    }

    /// How many peers there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The SPIs of the inbound SAs, in the order of the peers.
    pub fn spis(&self) -> impl Iterator<Item = EspSpi> {
        self.spis.iter().copied()
    }

    /// The inner address of a peer.
    #[must_use]
    pub const fn address(peer: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(FIRST_PEER.to_bits() + peer)
    }

    /// Packets that were dropped so far, for whatever reason.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.outbound.drops.iter().sum::<u64>() + self.inbound.drops.iter().sum::<u64>()
    }
}
