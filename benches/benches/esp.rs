//! ESP by cipher, length and size of batch: `cargo bench -p palisade-benches --bench esp`. The figures
//! that are compared with each other come from `cargo xtask bench esp`.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, ProtectionSuite};
use palisade_benches::{BATCH, Bare, Mix, Traffic, World, aead, cbc};

const SUITES: [(&str, ProtectionSuite); 5] = [
    ("aes128gcm16", aead(EncryptionAlgorithm::Aes128Gcm16)),
    ("aes256gcm16", aead(EncryptionAlgorithm::Aes256Gcm16)),
    (
        "chacha20poly1305",
        aead(EncryptionAlgorithm::ChaCha20Poly1305),
    ),
    (
        "aes128-sha1",
        cbc(
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha1_96,
        ),
    ),
    (
        "aes128-sha256",
        cbc(
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
    ),
];
const MIXES: [Mix; 3] = [Mix::Fixed(64), Mix::Imix, Mix::Fixed(1400)];
/// Packets in one call.
const BATCHES: [usize; 4] = [1, 4, 16, BATCH];

fn suites(criterion: &mut Criterion) {
    for (name, suite) in SUITES {
        for mix in MIXES {
            let mut group = criterion.benchmark_group(format!("esp/{name}/{}", mix.name()));
            group.throughput(Throughput::Elements(BATCH as u64));
            let (mut world, mut traffic) = (World::new(suite, 1), Traffic::new(mix));
            traffic.address(&world);
            // What was sealed has to be opened before it can be sealed again.
            group.bench_function("seal", |bencher| {
                bencher.iter_custom(|times| {
                    let each = (0..times).map(|_| {
                        let taken = traffic.seal(&mut world);
                        traffic.open(&mut world);
                        taken
                    });
                    each.sum()
                });
            });
            group.bench_function("open", |bencher| {
                bencher.iter_custom(|times| {
                    let each = (0..times).map(|_| {
                        traffic.seal(&mut world);
                        traffic.open(&mut world)
                    });
                    each.sum()
                });
            });
            let mut bare = Bare::new(suite, mix);
            group.bench_function("bare seal", |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| bare.seal()).sum());
            });
            group.finish();
        }
    }
}

fn batch_sizes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("esp/batch");
    for batch in BATCHES {
        for peers in [1, 200_000] {
            let suite = aead(EncryptionAlgorithm::Aes128Gcm16);
            let mut world = World::new(suite, peers);
            let mut traffic = Traffic::of(Mix::Fixed(64), batch);
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(format!("{batch} packets, {peers} SAs"), |bencher| {
                bencher.iter_custom(|times| {
                    let each = (0..times).map(|_| {
                        traffic.address(&world);
                        traffic.seal(&mut world) + traffic.open(&mut world)
                    });
                    each.sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, suites, batch_sizes);
criterion_main!(benches);
