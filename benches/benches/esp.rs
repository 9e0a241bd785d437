//! ESP in batches of 64 packets beside the bare AEAD of the cipher library in the same run: the
//! difference is what ESP itself costs.
#![allow(missing_docs)]

use std::hint::black_box;

use aws_lc_rs::aead::{
    AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey,
};
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use crypto::{
    EncryptionAlgorithm, Entropy, IntegrityAlgorithm, OpeningKey, ProtectionSuite, SealingKey,
};
use esp::{
    HEADROOM, InboundPacket, InboundReport, OutboundPacket, OutboundReport, TAILROOM, open_batch,
    seal_batch,
};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, EspSpiLayout, IkeSlot, InboundParameters, InboundSa,
    Instant, OutboundHandle, OutboundParameters, OutboundSa, OuterHeaderPolicy, ReplayWindow, Sad,
    Selectors, TrafficSelector, VolumeLimits,
};

const BATCH: usize = 64;
const REPLAY_WINDOW: u32 = 128;
const NONCE_LEN: usize = 12;
/// Inner packets of these lengths, in octets.
const SIZES: [usize; 2] = [64, 1400];

struct Suite {
    name: &'static str,
    suite: ProtectionSuite,
    /// The bare AEAD, for suites that have one.
    raw: Option<&'static Algorithm>,
}

fn suites() -> [Suite; 4] {
    let aead = |name, encryption, raw| Suite {
        name,
        suite: ProtectionSuite {
            encryption,
            integrity: None,
        },
        raw: Some(raw),
    };
    [
        aead(
            "aes128gcm16",
            EncryptionAlgorithm::Aes128Gcm16,
            &AES_128_GCM,
        ),
        aead(
            "aes256gcm16",
            EncryptionAlgorithm::Aes256Gcm16,
            &AES_256_GCM,
        ),
        aead(
            "chacha20poly1305",
            EncryptionAlgorithm::ChaCha20Poly1305,
            &CHACHA20_POLY1305,
        ),
        Suite {
            name: "aes128-sha256",
            suite: ProtectionSuite {
                encryption: EncryptionAlgorithm::Aes128Cbc,
                integrity: Some(IntegrityAlgorithm::HmacSha256_128),
            },
            raw: None,
        },
    ]
}

struct Zero;

impl Entropy for Zero {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill(0);
    }
}

/// An SA from here to here.
struct Loop {
    sad: Sad,
    spi: EspSpi,
    handle: OutboundHandle,
}

impl Loop {
    fn new(suite: ProtectionSuite) -> Self {
        let keys = vec![0x42; suite.key_material_len()];
        let selectors = Selectors::new(&[TrafficSelector::ANY_V4], &[TrafficSelector::ANY_V4]);
        let (esn, limits, owner) = (true, VolumeLimits::NONE, IkeSlot::default());
        let mut sad = Sad::new(0, EspSpiLayout::for_shards(1), 16);
        let spi = sad.reserve_inbound(&mut Zero).expect("room");
        let inbound = InboundParameters {
            key: OpeningKey::new(suite, &keys),
            suite,
            esn,
            replay_window: REPLAY_WINDOW,
            selectors: selectors.clone(),
            limits,
            owner,
        };
        sad.install_inbound(InboundSa::new(spi, inbound))
            .expect("reserved");
        let outbound = OutboundParameters {
            spi,
            key: SealingKey::new(suite, &keys),
            suite,
            esn,
            outer: OuterHeaderPolicy {
                df: DfPolicy::Copy,
                copy_dscp: true,
                mss_clamp: None,
            },
            selectors,
            limits,
            owner,
            path: EspPath {
                local: ([192, 0, 2, 1], 4500).into(),
                remote: ([192, 0, 2, 2], 4500).into(),
                encapsulation: Encapsulation::Udp,
                mtu: 1500,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
        };
        let handle = sad
            .insert_outbound(OutboundSa::new(outbound))
            .expect("room");
        Self { sad, spi, handle }
    }

    fn seal(&mut self, buffers: &mut [Vec<u8>], inner_len: usize, report: &mut OutboundReport) {
        let mut packets: Vec<_> = buffers
            .iter_mut()
            .map(|buffer| OutboundPacket::new(buffer, inner_range(inner_len), self.handle))
            .collect();
        seal_batch(&mut self.sad, &mut packets, Instant::ZERO, report);
        black_box(&packets);
    }

    fn open(&mut self, packets: &mut [Vec<u8>], report: &mut InboundReport) {
        // The same packets come again and again.
        if let Some(sa) = self.sad.inbound_mut(self.spi) {
            sa.window = ReplayWindow::new(REPLAY_WINDOW, true);
        }
        let mut packets: Vec<_> = packets
            .iter_mut()
            .map(|octets| InboundPacket::new(octets, 0))
            .collect();
        open_batch(&mut self.sad, &mut packets, Instant::ZERO, report);
        black_box(&packets);
    }
}

fn inner_range(inner_len: usize) -> core::ops::Range<usize> {
    HEADROOM..HEADROOM + inner_len
}

/// Buffers with room around an inner UDP packet.
fn inner_packets(inner_len: usize) -> Vec<Vec<u8>> {
    let mut inner = Vec::new();
    let (source, destination) = (([10, 0, 0, 1], 1).into(), ([10, 0, 1, 1], 2).into());
    assert!(wire::ip::build_udp(
        source,
        destination,
        &vec![7; inner_len - 28],
        &mut inner
    ));
    let mut buffer = vec![0; HEADROOM + inner_len + TAILROOM];
    buffer[inner_range(inner_len)].copy_from_slice(&inner);
    vec![buffer; BATCH]
}

fn sealed_packets(world: &mut Loop, inner_len: usize) -> Vec<Vec<u8>> {
    let mut buffers = inner_packets(inner_len);
    let mut packets: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| OutboundPacket::new(buffer, inner_range(inner_len), world.handle))
        .collect();
    seal_batch(
        &mut world.sad,
        &mut packets,
        Instant::ZERO,
        &mut OutboundReport::default(),
    );
    packets
        .iter()
        .map(|packet| packet.packet().expect("sealed").to_vec())
        .collect()
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn raw_key(algorithm: &'static Algorithm) -> LessSafeKey {
    let key = vec![0x42; algorithm.key_len()];
    LessSafeKey::new(UnboundKey::new(algorithm, &key).expect("the key has the right length"))
}

fn raw_seal(key: &LessSafeKey, texts: &mut [Vec<u8>], counter: &mut u64) -> u8 {
    let mut all = 0;
    for text in texts {
        *counter += 1;
        let associated = Aad::from(counter.to_be_bytes());
        let icv = key.seal_in_place_separate_tag(nonce(*counter), associated, text);
        all ^= icv.expect("short enough").as_ref()[0];
    }
    all
}

fn raw_open(key: &LessSafeKey, texts: &mut [Vec<u8>]) -> u8 {
    let mut all = 0;
    for (text, counter) in texts.iter_mut().zip(1_u64..) {
        let associated = Aad::from(counter.to_be_bytes());
        all ^= key
            .open_in_place(nonce(counter), associated, text)
            .expect("authentic")[0];
    }
    all
}

fn bench_raw(
    group: &mut BenchmarkGroup<'_, WallTime>,
    key: &LessSafeKey,
    inner_len: usize,
    seal: bool,
) {
    if seal {
        let mut counter = 0;
        group.bench_function("raw", |bencher| {
            bencher.iter_batched_ref(
                || vec![vec![7; inner_len]; BATCH],
                |texts| raw_seal(key, texts, &mut counter),
                BatchSize::SmallInput,
            );
        });
        return;
    }
    let mut sealed = vec![vec![7; inner_len]; BATCH];
    for (text, counter) in sealed.iter_mut().zip(1_u64..) {
        let associated = Aad::from(counter.to_be_bytes());
        key.seal_in_place_append_tag(nonce(counter), associated, text)
            .expect("short enough");
    }
    group.bench_function("raw", |bencher| {
        bencher.iter_batched_ref(
            || sealed.clone(),
            |texts| raw_open(key, texts),
            BatchSize::SmallInput,
        );
    });
}

fn bench_suite(criterion: &mut Criterion, suite: &Suite, inner_len: usize) {
    let mut world = Loop::new(suite.suite);
    for seal in [true, false] {
        let operation = if seal { "seal" } else { "open" };
        let mut group =
            criterion.benchmark_group(format!("esp/{operation}/{}/{inner_len}", suite.name));
        group.throughput(Throughput::Elements(BATCH as u64));
        if seal {
            let (buffers, mut report) = (inner_packets(inner_len), OutboundReport::default());
            group.bench_function("esp", |bencher| {
                bencher.iter_batched_ref(
                    || buffers.clone(),
                    |buffers| world.seal(buffers, inner_len, &mut report),
                    BatchSize::SmallInput,
                );
            });
            assert_eq!(report.drops.iter().sum::<u64>(), 0);
        } else {
            let mut fresh = Loop::new(suite.suite);
            let packets = sealed_packets(&mut fresh, inner_len);
            let mut report = InboundReport::default();
            group.bench_function("esp", |bencher| {
                bencher.iter_batched_ref(
                    || packets.clone(),
                    |packets| fresh.open(packets, &mut report),
                    BatchSize::SmallInput,
                );
            });
            assert_eq!(report.drops.iter().sum::<u64>(), 0);
        }
        if let Some(algorithm) = suite.raw {
            bench_raw(&mut group, &raw_key(algorithm), inner_len, seal);
        }
        group.finish();
    }
}

fn esp(criterion: &mut Criterion) {
    for suite in &suites() {
        for inner_len in SIZES {
            bench_suite(criterion, suite, inner_len);
        }
    }
}

criterion_group!(benches, esp);
criterion_main!(benches);
