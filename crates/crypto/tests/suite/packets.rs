//! Sealing and opening against published packets, against each other, and against tampering.

use crate::support::{AEAD_SUITES, aead, all_suites, cbc, layout, octets, text};
use crypto::{
    EncryptionAlgorithm, IcvMismatch, IntegrityAlgorithm, OpeningKey, PrfAlgorithm,
    ProtectionSuite, Provider, SealingKey, Waiting, prf, seal_together,
};
use proptest::prelude::*;
use serde_json::Value;

const PROVIDERS: [Provider; 3] = [Provider::Fastest, Provider::AwsLc, Provider::Portable];

/// The suite of a vector. RFC 3602's packets have no integrity: one is added by the test.
fn suite_named(name: &str) -> ProtectionSuite {
    match name {
        "aes128gcm16" => aead(EncryptionAlgorithm::Aes128Gcm16),
        "3descbc" => cbc(
            EncryptionAlgorithm::TripleDesCbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
        "aes256gcm16" => aead(EncryptionAlgorithm::Aes256Gcm16),
        "chacha20poly1305" => aead(EncryptionAlgorithm::ChaCha20Poly1305),
        "aes128cbc" | "aes128cbc-sha256-128" => cbc(
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
        other => panic!("no such suite: {other}"),
    }
}

#[test]
fn published_packets() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/packets.json")).unwrap();
    let cases = vectors.as_array().unwrap();
    assert_eq!(cases.len(), 15);
    for case in cases {
        let source = text(case, "source");
        let suite = suite_named(text(case, "suite"));
        let associated = octets(case, "associated");
        let esn_high = case["esn_high"]
            .as_u64()
            .map(|high| u32::try_from(high).unwrap());
        let mut key_material = octets(case, "key_material");
        let mut packet = octets(case, "packet");
        if text(case, "suite").ends_with("cbc") {
            let integrity_key = [0x0b; 32];
            key_material.extend_from_slice(&integrity_key);
            let icv = prf(PrfAlgorithm::HmacSha256, &integrity_key, &[&packet]);
            packet.extend_from_slice(&icv.expose()[..16]);
        }
        for provider in PROVIDERS {
            let mut opened = packet.clone();
            let text_at = OpeningKey::with_provider(provider, suite, &key_material)
                .open(&mut opened, associated.len(), esn_high)
                .unwrap_or_else(|error| panic!("{source}: {error}"));
            assert_eq!(
                opened[text_at.clone()],
                octets(case, "plaintext"),
                "{source}"
            );
            // The IV of an AEAD is ours to choose, so sealing must give the very packet.
            if let (true, Ok(iv)) = (suite.encryption.is_aead(), octets(case, "iv").try_into()) {
                let mut sealed = layout(suite, &associated, &opened[text_at]);
                SealingKey::with_provider(provider, suite, &key_material).seal(
                    &mut sealed,
                    associated.len(),
                    esn_high,
                    u64::from_be_bytes(iv),
                );
                assert_eq!(sealed, packet, "{source}");
            }
        }
    }
}

/// RFC 3602 §4 cases 1 to 4: the cipher alone.
#[test]
fn aes_cbc_of_rfc_3602() {
    let ascending = |from: u8, len: u8| (from..from + len).collect::<Vec<u8>>();
    let cases = [
        (
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            b"Single block msg".to_vec(),
            "e353779c1079aeb82708942dbe77181a",
        ),
        (
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            ascending(0, 32),
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ),
        (
            "6c3ea0477630ce21a2ce334aa746c2cd",
            "c782dc4c098c66cbd9cd27d825682c81",
            b"This is a 48-byte message (exactly 3 AES blocks)".to_vec(),
            "d0a02b3836451753d493665d33f0e8862dea54cdb293abc7506939276772f8d5\
             021c19216bad525c8579695d83ba2684",
        ),
        (
            "56e47a38c5598974bc46903dba290349",
            "8ce82eefbea0da3c44699ed7db51b7d9",
            ascending(0xa0, 64),
            "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e\
             35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55",
        ),
    ];
    let suite = suite_named("aes128cbc");
    for (key, iv, plaintext, ciphertext) in cases {
        let mut key_material = hex::decode(key).unwrap();
        key_material.extend_from_slice(&[1; 32]);
        let mut packet = hex::decode([iv, ciphertext].concat()).unwrap();
        let icv = prf(PrfAlgorithm::HmacSha256, &[1; 32], &[&packet]);
        packet.extend_from_slice(&icv.expose()[..16]);
        let at = OpeningKey::new(suite, &key_material)
            .open(&mut packet, 0, None)
            .unwrap();
        assert_eq!(packet[at], plaintext);
    }
}

#[test]
fn cbc_ivs_differ_and_do_not_show_the_counter() {
    let suite = suite_named("aes128cbc");
    let key = SealingKey::new(suite, &[7; 48]);
    let iv = |counter| {
        let mut packet = layout(suite, &[], &[0; 16]);
        key.seal(&mut packet, 0, None, counter);
        packet[..16].to_vec()
    };
    let (first, second) = (iv(1), iv(2));
    assert_ne!(first, second);
    let differing: u32 = first
        .iter()
        .zip(&second)
        .map(|(a, b)| (a ^ b).count_ones())
        .sum();
    assert!(
        (32..=96).contains(&differing),
        "{differing} of 128 bits differ"
    );
    assert_eq!(first, iv(1));
}

/// Keys sit in every SA, expanded: a change of these numbers is a change of memory per peer.
#[test]
fn keys_stay_small() {
    assert!(
        size_of::<SealingKey>() <= 512,
        "{}",
        size_of::<SealingKey>()
    );
    assert!(
        size_of::<OpeningKey>() <= 512,
        "{}",
        size_of::<OpeningKey>()
    );
}

#[test]
#[should_panic(expected = "keying material has the suite's length")]
fn keying_material_of_the_wrong_length_is_our_mistake() {
    let _ = SealingKey::new(suite_named("aes128gcm16"), &[0; 16]);
}

#[test]
#[should_panic(expected = "an AEAD stands alone")]
fn a_cipher_without_integrity_is_our_mistake() {
    let suite = ProtectionSuite {
        integrity: None,
        ..suite_named("aes128cbc")
    };
    let _ = OpeningKey::new(suite, &[0; 16]);
}

#[test]
fn short_packets_are_refused() {
    for suite in all_suites() {
        let key = OpeningKey::new(suite, &vec![3; suite.key_material_len()]);
        let shortest = 8 + suite.iv_len() + suite.icv_len();
        for len in 0..shortest {
            assert_eq!(
                key.open(&mut vec![0; len], 8, None),
                Err(IcvMismatch),
                "{suite:?} {len}"
            );
        }
        assert_eq!(
            key.open(&mut [0; 64], usize::MAX, Some(1)),
            Err(IcvMismatch)
        );
    }
}

/// A right ICV over ciphertext that is not in whole blocks: a peer that holds the key but sends
/// nonsense.
#[test]
fn ciphertext_in_broken_blocks_is_refused() {
    let suite = suite_named("aes128cbc");
    let mut packet = vec![9; 8 + 16 + 17];
    let icv = prf(PrfAlgorithm::HmacSha256, &[5; 32], &[&packet]);
    packet.extend_from_slice(&icv.expose()[..16]);
    let key = OpeningKey::new(suite, &[5; 48]);
    assert_eq!(key.open(&mut packet, 8, None), Err(IcvMismatch));
}

fn any_suite() -> impl Strategy<Value = ProtectionSuite> {
    proptest::sample::select(all_suites().collect::<Vec<_>>())
}

/// Every length that begins or ends a register or a group of registers, and those about it: the code
/// for short packets, whole groups and tails are different places.
#[test]
fn providers_agree_at_every_length() {
    for suite in AEAD_SUITES {
        let key_material: Vec<u8> = (3..).take(suite.key_material_len()).collect();
        for len in 0..1100 {
            let plaintext: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let associated = &plaintext[..len.min(8 + len % 40)];
            let sealed = PROVIDERS.map(|provider| {
                let mut packet = layout(suite, associated, &plaintext);
                let key = SealingKey::with_provider(provider, suite, &key_material);
                key.seal(&mut packet, associated.len(), None, len as u64);
                packet
            });
            assert!(
                sealed.iter().all(|packet| *packet == sealed[2]),
                "{suite:?} {len}"
            );
            let mut opened = sealed[2].clone();
            let key = OpeningKey::new(suite, &key_material);
            let at = key.open(&mut opened, associated.len(), None).unwrap();
            assert_eq!(opened[at], plaintext, "{suite:?} {len}");
            // Nothing around the text was touched.
            assert_eq!(
                opened[..associated.len() + 8],
                sealed[2][..associated.len() + 8]
            );
            assert_eq!(opened[opened.len() - 16..], sealed[2][opened.len() - 16..]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In company a packet becomes what it becomes alone, whatever the keys and lengths of the others.
    #[test]
    fn company_changes_nothing(
        packets in proptest::collection::vec((any_suite(), 0_usize..40, any::<u64>()), 0..40),
        esn_high: Option<u32>,
    ) {
        let keys: Vec<_> = (0_u8..)
            .zip(&packets)
            .map(|(n, (suite, ..))| SealingKey::new(*suite, &vec![n; suite.key_material_len()]))
            .collect();
        let laid_out: Vec<_> = packets
            .iter()
            .map(|(suite, blocks, _)| layout(*suite, &[0xa5; 8], &vec![7; blocks * 16]))
            .collect();
        let mut together = laid_out.clone();
        let waiting = together.iter_mut().zip(&keys).zip(&packets);
        seal_together(waiting.map(|((packet, key), (_, _, counter))| Waiting {
            key,
            packet,
            associated: 8,
            esn_high,
            counter: *counter,
        }));
        let mut alone = laid_out;
        for ((packet, key), (_, _, counter)) in alone.iter_mut().zip(&keys).zip(&packets) {
            key.seal(packet, 8, esn_high, *counter);
        }
        prop_assert_eq!(together, alone);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// All providers seal to the same octets and open what the others sealed.
    #[test]
    fn providers_agree(
        suite in proptest::sample::select(AEAD_SUITES.to_vec()),
        key_material in proptest::collection::vec(any::<u8>(), 36),
        associated in proptest::collection::vec(any::<u8>(), 0..64),
        plaintext in proptest::collection::vec(any::<u8>(), 0..2000),
        esn_high: Option<u32>,
        counter: u64,
    ) {
        let key_material = &key_material[..suite.key_material_len()];
        let [fastest, aws_lc, portable] = PROVIDERS.map(|provider| {
            let mut packet = layout(suite, &associated, &plaintext);
            SealingKey::with_provider(provider, suite, key_material)
                .seal(&mut packet, associated.len(), esn_high, counter);
            packet
        });
        prop_assert_eq!(&fastest, &portable);
        prop_assert_eq!(&aws_lc, &portable);
        for provider in PROVIDERS {
            let mut packet = fastest.clone();
            let at = OpeningKey::with_provider(provider, suite, key_material)
                .open(&mut packet, associated.len(), esn_high);
            prop_assert_eq!(&packet[at.unwrap()], &plaintext[..]);
        }
    }

    /// What is sealed opens, and one flipped bit anywhere (the unsent half of the sequence number
    /// included) keeps it shut.
    #[test]
    fn one_flipped_bit_is_noticed(
        suite in any_suite(),
        key_octet: u8,
        blocks in 0_usize..8,
        high: u32,
        counter: u64,
        flip in any::<proptest::sample::Index>(),
        bit in 0..8,
    ) {
        let key_material = vec![key_octet; suite.key_material_len()];
        let plaintext = vec![0x5a; blocks * 16];
        let mut packet = layout(suite, &[0xa5; 8], &plaintext);
        SealingKey::new(suite, &key_material).seal(&mut packet, 8, Some(high), counter);
        let opening = OpeningKey::new(suite, &key_material);

        let mut intact = packet.clone();
        let at = opening.open(&mut intact, 8, Some(high)).unwrap();
        prop_assert_eq!(&intact[at], &plaintext[..]);

        for other in [Some(high ^ (1_u32 << bit)), None] {
            prop_assert_eq!(opening.open(&mut packet.clone(), 8, other), Err(IcvMismatch));
        }
        let place = flip.index(packet.len());
        packet[place] ^= 1_u8 << bit;
        prop_assert_eq!(opening.open(&mut packet, 8, Some(high)), Err(IcvMismatch));
    }

    /// Any octets at all may arrive.
    #[test]
    fn opening_never_panics(
        suite in any_suite(),
        mut packet in proptest::collection::vec(any::<u8>(), 0..200),
        associated in 0_usize..100,
        esn_high: Option<u32>,
    ) {
        let key = OpeningKey::new(suite, &vec![1; suite.key_material_len()]);
        prop_assert_eq!(key.open(&mut packet, associated, esn_high), Err(IcvMismatch));
    }
}
