//! The ciphers of IKEv1's messages against published vectors.

use crate::support::{octets, text};
use crypto::{EncryptionAlgorithm, cbc_decrypt, cbc_encrypt};
use serde_json::Value;

const CIPHERS: [EncryptionAlgorithm; 4] = [
    EncryptionAlgorithm::Aes128Cbc,
    EncryptionAlgorithm::Aes192Cbc,
    EncryptionAlgorithm::Aes256Cbc,
    EncryptionAlgorithm::TripleDesCbc,
];

fn check(algorithm: EncryptionAlgorithm, set: &str, count: usize) {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/messages.json")).unwrap();
    let source = text(&vectors[set], "source");
    let cases = vectors[set]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), count);
    for case in cases {
        let [key, iv] = ["key", "iv"].map(|name| octets(case, name));
        let [plaintext, ciphertext] = ["plaintext", "ciphertext"].map(|name| octets(case, name));
        let mut encrypted = plaintext.clone();
        cbc_encrypt(algorithm, &key, &iv, &mut encrypted);
        assert_eq!(encrypted, ciphertext, "{source}");
        cbc_decrypt(algorithm, &key, &iv, &mut encrypted);
        assert_eq!(encrypted, plaintext, "{source}");
    }
}

#[test]
fn triple_des_of_nist() {
    check(EncryptionAlgorithm::TripleDesCbc, "tdes", 11);
}

#[test]
fn aes_192_of_nist() {
    check(EncryptionAlgorithm::Aes192Cbc, "aes192", 1);
}

#[test]
fn a_published_message_of_ikev1() {
    check(EncryptionAlgorithm::Aes128Cbc, "ikev1", 1);
}

/// RFC 2409 appendix B: the last block of a message is the IV of the next, so two messages are one.
#[test]
fn the_last_block_carries_the_chain_on() {
    for algorithm in CIPHERS {
        let key = vec![5; algorithm.key_len()];
        let block = algorithm.block_len();
        let iv = vec![9; block];
        let mut whole = vec![7; 4 * block];
        cbc_encrypt(algorithm, &key, &iv, &mut whole);
        let mut front = vec![7; 3 * block];
        cbc_encrypt(algorithm, &key, &iv, &mut front);
        let mut back = vec![7; block];
        cbc_encrypt(algorithm, &key, &front[2 * block..], &mut back);
        assert_eq!([front, back].concat(), whole, "{algorithm:?}");
    }
}

#[test]
#[should_panic(expected = "whole blocks")]
fn half_a_block_is_a_mistake() {
    cbc_decrypt(
        EncryptionAlgorithm::TripleDesCbc,
        &[0; 24],
        &[0; 8],
        &mut [0; 12],
    );
}

#[test]
#[should_panic(expected = "not a cipher in CBC mode")]
fn an_aead_protects_no_message_of_ikev1() {
    cbc_encrypt(
        EncryptionAlgorithm::Aes128Gcm16,
        &[0; 16],
        &[0; 16],
        &mut [0; 16],
    );
}
