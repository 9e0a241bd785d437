use core::net::SocketAddr;

use crypto::{
    EncryptionAlgorithm, Entropy, IntegrityAlgorithm, OpeningKey, ProtectionSuite, SealingKey,
};
use esp::{
    HEADROOM, InboundDrop, InboundPacket, InboundReport, Opened, OutboundPacket, OutboundReport,
    Sealed, TAILROOM, open_batch, seal_batch,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, EspSpiLayout, FrontVrf, IkeSlot, InboundParameters,
    InboundSa, InnerVrf, Instant, OutboundHandle, OutboundParameters, OutboundSa,
    OuterHeaderPolicy, Sad, Selectors, TrafficSelector, VolumeLimits,
};

pub(crate) const OWNER: IkeSlot = IkeSlot {
    index: 7,
    generation: 3,
};
pub(crate) const NOW: Instant = Instant::from_secs(5);

const fn aead(encryption: EncryptionAlgorithm) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: None,
    }
}

const fn cbc(encryption: EncryptionAlgorithm, integrity: IntegrityAlgorithm) -> ProtectionSuite {
    ProtectionSuite {
        encryption,
        integrity: Some(integrity),
    }
}

pub(crate) const GCM: ProtectionSuite = aead(EncryptionAlgorithm::Aes128Gcm16);
pub(crate) const CBC: ProtectionSuite = cbc(
    EncryptionAlgorithm::Aes128Cbc,
    IntegrityAlgorithm::HmacSha256_128,
);

/// Every way in which an SA can protect its packets.
pub(crate) const SUITES: [ProtectionSuite; 11] = [
    GCM,
    aead(EncryptionAlgorithm::Aes192Gcm16),
    aead(EncryptionAlgorithm::Aes256Gcm16),
    aead(EncryptionAlgorithm::ChaCha20Poly1305),
    CBC,
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::Aes128Cbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha384_192,
    ),
    cbc(
        EncryptionAlgorithm::Aes256Cbc,
        IntegrityAlgorithm::HmacSha512_256,
    ),
    cbc(
        EncryptionAlgorithm::Aes192Cbc,
        IntegrityAlgorithm::HmacSha256_128,
    ),
    cbc(
        EncryptionAlgorithm::TripleDesCbc,
        IntegrityAlgorithm::HmacSha1_96,
    ),
];

/// What a pair of SAs is made of; change what a test is about.
pub(crate) struct Setup {
    pub(crate) suite: ProtectionSuite,
    pub(crate) esn: bool,
    pub(crate) replay_window: u32,
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
    pub(crate) inbound_limits: VolumeLimits,
    pub(crate) outbound_limits: VolumeLimits,
    pub(crate) outer: OuterHeaderPolicy,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) peer: SocketAddr,
    pub(crate) mtu: u16,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            suite: GCM,
            esn: false,
            replay_window: 64,
            local: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
            remote: vec![TrafficSelector::ANY_V4, TrafficSelector::ANY_V6],
            inbound_limits: VolumeLimits::NONE,
            outbound_limits: VolumeLimits::NONE,
            outer: OuterHeaderPolicy {
                df: DfPolicy::Copy,
                copy_dscp: true,
                mss_clamp: None,
            },
            encapsulation: Encapsulation::Udp,
            peer: "198.51.100.1:4500".parse().unwrap(),
            mtu: 1500,
        }
    }
}

/// An outbound SA and the inbound SA at its other end, in one database.
pub(crate) struct Pair {
    pub(crate) sad: Sad,
    pub(crate) spi: EspSpi,
    pub(crate) handle: OutboundHandle,
    pub(crate) suite: ProtectionSuite,
    pub(crate) inbound: InboundReport,
    pub(crate) outbound: OutboundReport,
}

struct Fixed;

impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0x2a);
    }
}

fn key_material(suite: ProtectionSuite) -> Vec<u8> {
    (1..=u8::MAX)
        .cycle()
        .take(suite.key_material_len())
        .collect()
}

impl Setup {
    pub(crate) fn build(self) -> Pair {
        let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 16);
        let suite = self.suite;
        let (spi, handle) = self.build_in(&mut sad);
        Pair {
            sad,
            spi,
            handle,
            suite,
            inbound: InboundReport::default(),
            outbound: OutboundReport::default(),
        }
    }

    /// Adds both SAs to a database that may have others.
    pub(crate) fn build_in(self, sad: &mut Sad) -> (EspSpi, OutboundHandle) {
        let spi = sad.reserve_inbound(&mut Fixed).unwrap();
        let keys = key_material(self.suite);
        let inbound = InboundSa::new(
            spi,
            InboundParameters {
                key: OpeningKey::new(self.suite, &keys),
                suite: self.suite,
                esn: self.esn,
                replay_window: self.replay_window,
                // Seen from the other end.
                selectors: Selectors::new(&self.remote, &self.local),
                limits: self.inbound_limits,
                owner: OWNER,
            },
        );
        sad.install_inbound(inbound).unwrap();
        let outbound = OutboundSa::new(OutboundParameters {
            spi,
            key: SealingKey::new(self.suite, &keys),
            suite: self.suite,
            esn: self.esn,
            outer: self.outer,
            selectors: Selectors::new(&self.local, &self.remote),
            limits: self.outbound_limits,
            owner: OWNER,
            path: EspPath {
                local: "192.0.2.1:4500".parse().unwrap(),
                remote: self.peer,
                encapsulation: self.encapsulation,
                mtu: self.mtu,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
        });
        (spi, sad.insert_outbound(outbound).unwrap())
    }
}

impl Pair {
    pub(crate) fn new() -> Self {
        Setup::default().build()
    }

    /// Seals one packet; the ESP packet if there is one.
    pub(crate) fn seal_outcome(&mut self, inner: &[u8]) -> (Sealed, Option<Vec<u8>>) {
        let mut buffer = vec![0xcc; HEADROOM + inner.len() + TAILROOM];
        let range = HEADROOM..HEADROOM + inner.len();
        buffer[range.clone()].copy_from_slice(inner);
        let mut packets = [OutboundPacket::new(&mut buffer, range, self.handle)];
        seal_batch(&mut self.sad, &mut packets, NOW, &mut self.outbound);
        let [packet] = packets;
        (packet.outcome.clone(), packet.packet().map(<[u8]>::to_vec))
    }

    pub(crate) fn seal(&mut self, inner: &[u8]) -> Vec<u8> {
        let (outcome, packet) = self.seal_outcome(inner);
        packet.unwrap_or_else(|| panic!("{outcome:?}"))
    }

    /// Opens one packet under an outer header; the inner packet or why there is none.
    pub(crate) fn open_under(
        &mut self,
        esp: &[u8],
        outer_class: u8,
    ) -> Result<Vec<u8>, InboundDrop> {
        let mut octets = esp.to_vec();
        let mut packets = [InboundPacket::new(&mut octets, outer_class)];
        open_batch(&mut self.sad, &mut packets, NOW, &mut self.inbound);
        let [packet] = packets;
        match packet.outcome {
            Opened::Dropped(reason) => Err(reason),
            Opened::Dummy { .. } => Ok(Vec::new()),
            _ => Ok(packet.inner().unwrap().to_vec()),
        }
    }

    /// Opens one packet that arrived in a front-door VRF: the inner packet with its VRF.
    pub(crate) fn open_in(
        &mut self,
        fvrf: FrontVrf,
        esp: &[u8],
    ) -> Result<(InnerVrf, Vec<u8>), InboundDrop> {
        let mut octets = esp.to_vec();
        let mut packets = [InboundPacket::new(&mut octets, 0).at(fvrf)];
        open_batch(&mut self.sad, &mut packets, NOW, &mut self.inbound);
        let [packet] = packets;
        match packet.outcome {
            Opened::Dropped(reason) => Err(reason),
            _ => Ok((packet.ivrf(), packet.inner().unwrap_or_default().to_vec())),
        }
    }

    pub(crate) fn open(&mut self, esp: &[u8]) -> Result<Vec<u8>, InboundDrop> {
        self.open_under(esp, 0)
    }

    /// An authentic packet with any text: payload, padding, pad length, next header.
    pub(crate) fn forge(&self, sequence: u32, text: &[u8]) -> Vec<u8> {
        let mut packet = [&self.spi.0.to_be_bytes()[..], &sequence.to_be_bytes()].concat();
        packet.resize(8 + self.suite.iv_len(), 0);
        packet.extend_from_slice(text);
        packet.resize(packet.len() + self.suite.icv_len(), 0);
        let key = SealingKey::new(self.suite, &key_material(self.suite));
        key.seal(&mut packet, 8, None, u64::from(sequence) | 1 << 40);
        packet
    }

    pub(crate) fn inbound_sa(&self) -> &InboundSa {
        self.sad.inbound(self.spi).unwrap()
    }

    pub(crate) fn outbound_sa(&mut self) -> &mut OutboundSa {
        self.sad.outbound_mut(self.handle).unwrap()
    }
}

/// A UDP packet with `payload` octets.
pub(crate) fn udp(source: &str, destination: &str, payload: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(payload).collect();
    let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
    assert!(wire::ip::build_udp(source, destination, &payload, &mut out));
    out
}

pub(crate) fn udp4(payload: usize) -> Vec<u8> {
    udp("10.0.0.1:1000", "10.0.1.1:2000", payload)
}

pub(crate) fn udp6(payload: usize) -> Vec<u8> {
    udp("[fd00::1]:1000", "[fd01::1]:2000", payload)
}
