use crypto::{EncryptionAlgorithm, Entropy, OpeningKey, ProtectionSuite, SealingKey};
use esp::{
    HEADROOM, InboundPacket, InboundReport, Opened, OutboundPacket, OutboundReport, Sealed,
    TAILROOM, open_batch, seal_batch,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, EspSpiLayout, IkeSlot, InboundParameters, InboundSa,
    Instant, OutboundHandle, OutboundParameters, OutboundSa, OuterHeaderPolicy, ReplayWindow, Sad,
    Selectors, TrafficSelector, VolumeLimits,
};
use wire::ip::InnerPacket;

const SUITE: ProtectionSuite = ProtectionSuite {
    encryption: EncryptionAlgorithm::ChaCha20Poly1305,
    integrity: None,
};
const KEY_MATERIAL: [u8; 36] = [0x5a; 36];
const IV_LEN: usize = 8;
const ICV_LEN: usize = 16;

struct Zero;

impl Entropy for Zero {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
    }
}

/// Both halves of an SA from here to here.
fn database() -> (Sad, EspSpi, OutboundHandle) {
    let any = [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6];
    let selectors = Selectors::new(&any, &any);
    let (limits, owner) = (VolumeLimits::NONE, IkeSlot::default());
    let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 4);
    let spi = sad.reserve_inbound(&mut Zero).expect("room");
    let inbound = InboundParameters {
        key: OpeningKey::new(SUITE, &KEY_MATERIAL),
        suite: SUITE,
        esn: false,
        replay_window: 64,
        selectors: selectors.clone(),
        limits,
        owner,
    };
    let inbound = InboundSa::new(spi, inbound).with_mss_clamp(Some(1000));
    sad.install_inbound(inbound).expect("reserved");
    let outbound = OutboundParameters {
        spi,
        key: SealingKey::new(SUITE, &KEY_MATERIAL),
        suite: SUITE,
        esn: false,
        outer: OuterHeaderPolicy {
            df: DfPolicy::Copy,
            copy_dscp: true,
            mss_clamp: Some(1000),
        },
        selectors,
        limits,
        owner,
        path: EspPath {
            local: ([192, 0, 2, 1], 4500).into(),
            remote: ([192, 0, 2, 2], 4500).into(),
            encapsulation: Encapsulation::Udp,
            mtu: u16::MAX,
            fvrf: ipsec::FrontVrf::GLOBAL,
        },
    };
    let handle = sad
        .insert_outbound(OutboundSa::new(outbound))
        .expect("room");
    (sad, spi, handle)
}

fn open(sad: &mut Sad, octets: &mut [u8], outer_class: u8) -> (Opened, InboundReport) {
    let mut report = InboundReport::default();
    let mut packets = [InboundPacket::new(octets, outer_class)];
    open_batch(sad, &mut packets, Instant::ZERO, &mut report);
    let [packet] = packets;
    (packet.outcome, report)
}

/// What a peer that knows the key may put into an ESP packet. The first octet is the TOS of the outer
/// header. What comes out reads as a packet, and passes through the tunnel again unchanged.
pub fn esp_text(data: &[u8]) {
    let Some((&outer_class, text)) = data.split_first() else {
        return;
    };
    let (mut sad, spi, handle) = database();
    let mut packet = [&spi.0.to_be_bytes()[..], &[0, 0, 0, 1], &[0; IV_LEN], text].concat();
    packet.resize(packet.len() + ICV_LEN, 0);
    SealingKey::new(SUITE, &KEY_MATERIAL).seal(&mut packet, 8, None, 1);
    let (outcome, report) = open(&mut sad, &mut packet, outer_class);
    assert_eq!((report.authentic, report.heard.len()), (1, 1));
    let Opened::Inner { range, .. } = outcome else {
        return;
    };
    let inner = packet.get(range).expect("within the packet").to_vec();
    let parsed = InnerPacket::parse(&inner).expect("what comes out is a packet");
    assert_eq!(parsed.total_len, inner.len());
    sad.inbound_mut(spi).expect("installed").window = ReplayWindow::new(64, false);
    let mut buffer = [&[0; HEADROOM][..], &inner, &[0; TAILROOM]].concat();
    let inner_range = HEADROOM..HEADROOM + inner.len();
    let mut packets = [OutboundPacket::new(&mut buffer, inner_range, handle)];
    seal_batch(
        &mut sad,
        &mut packets,
        Instant::ZERO,
        &mut OutboundReport::default(),
    );
    let [sealed] = packets;
    match sealed.outcome {
        Sealed::Packet { range, outer } => {
            let octets = buffer.get_mut(range).expect("within the buffer");
            let (outcome, _) = open(&mut sad, octets, outer.traffic_class);
            let Opened::Inner { range, .. } = outcome else {
                panic!("our own packet: {outcome:?}");
            };
            assert_eq!(octets.get(range), Some(&inner[..]));
        }
        Sealed::TooBig { mtu } => assert!(inner.len() > usize::from(mtu)),
        other => panic!("{other:?}"),
    }
}
