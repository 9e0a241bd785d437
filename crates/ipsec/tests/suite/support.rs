use crypto::{EncryptionAlgorithm, Entropy, OpeningKey, ProtectionSuite, SealingKey};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, IkeSlot, InboundParameters, InboundSa,
    OutboundParameters, OutboundSa, OuterHeaderPolicy, Selectors, TrafficSelector, VolumeLimits,
};

pub(crate) const SUITE: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::Aes128Gcm16,
    integrity: None,
};
const KEY_MATERIAL: [u8; 20] = [7; 20];

/// Counts up: enough for what only has to differ.
pub(crate) struct Counting(pub(crate) u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self.0.wrapping_add(1);
            *octet = self.0;
        }
    }
}

pub(crate) fn ts(text: &str) -> TrafficSelector {
    text.parse().unwrap()
}

pub(crate) fn inbound(spi: EspSpi) -> InboundSa {
    InboundSa::new(
        spi,
        InboundParameters {
            key: OpeningKey::new(SUITE, &KEY_MATERIAL),
            suite: SUITE,
            esn: false,
            replay_window: 64,
            selectors: Selectors::new(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4]),
            limits: VolumeLimits::NONE,
            owner: IkeSlot::default(),
        },
    )
}

pub(crate) fn outbound(local: &[TrafficSelector], remote: &[TrafficSelector]) -> OutboundSa {
    OutboundSa::new(OutboundParameters {
        spi: EspSpi(0x1000),
        key: SealingKey::new(SUITE, &KEY_MATERIAL),
        suite: SUITE,
        esn: false,
        outer: OuterHeaderPolicy {
            df: DfPolicy::Copy,
            copy_dscp: true,
            mss_clamp: None,
        },
        selectors: Selectors::new(local, remote),
        limits: VolumeLimits::NONE,
        owner: IkeSlot::default(),
        path: EspPath {
            local: "192.0.2.1:4500".parse().unwrap(),
            remote: "198.51.100.1:4500".parse().unwrap(),
            encapsulation: Encapsulation::Udp,
            mtu: 1500,
            fvrf: ipsec::FrontVrf::GLOBAL,
        },
    })
}
