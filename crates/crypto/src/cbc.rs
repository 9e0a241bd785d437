//! CBC without integrity, for IKEv1 (RFC 2409 appendix B), whose HASH payloads are its integrity.

use aes::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, InnerIvInit, KeyInit,
};
use aes::{Aes128Dec, Aes128Enc, Aes256Dec, Aes256Enc};

use crate::EncryptionAlgorithm;

const WHOLE_BLOCKS: &str = "the text is made of whole blocks";
const FIT: &str = "key and IV have the cipher's lengths";

/// Encrypts `text` in place.
///
/// # Panics
/// When `text` is not a multiple of the block, `key` or `iv` do not have the cipher's lengths, or the
/// algorithm is an AEAD: all of them are the caller's choice, never the peer's.
pub fn cbc_encrypt(algorithm: EncryptionAlgorithm, key: &[u8], iv: &[u8], text: &mut [u8]) {
    match algorithm {
        EncryptionAlgorithm::Aes128Cbc => encrypt::<Aes128Enc>(key, iv, text),
        EncryptionAlgorithm::Aes256Cbc => encrypt::<Aes256Enc>(key, iv, text),
        _ => unreachable!("an AEAD has no CBC mode"),
    }
}

/// Decrypts `text` in place. Whether the outcome means anything is not known afterwards.
///
/// # Panics
/// As [`cbc_encrypt`].
pub fn cbc_decrypt(algorithm: EncryptionAlgorithm, key: &[u8], iv: &[u8], text: &mut [u8]) {
    match algorithm {
        EncryptionAlgorithm::Aes128Cbc => decrypt::<Aes128Dec>(key, iv, text),
        EncryptionAlgorithm::Aes256Cbc => decrypt::<Aes256Dec>(key, iv, text),
        _ => unreachable!("an AEAD has no CBC mode"),
    }
}

fn encrypt<C: BlockCipherEncrypt + KeyInit>(key: &[u8], iv: &[u8], text: &mut [u8]) {
    let cipher = C::new_from_slice(key).expect(FIT);
    let iv = Array::try_from(iv).expect(FIT);
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "{WHOLE_BLOCKS}");
    cbc::Encryptor::<C>::inner_iv_init(cipher, &iv).encrypt_blocks(blocks);
}

fn decrypt<C: BlockCipherDecrypt + KeyInit + BlockSizeUser>(
    key: &[u8],
    iv: &[u8],
    text: &mut [u8],
) {
    let cipher = C::new_from_slice(key).expect(FIT);
    let iv = Array::try_from(iv).expect(FIT);
    let (blocks, rest) = Array::<u8, C::BlockSize>::slice_as_chunks_mut(text);
    assert!(rest.is_empty(), "{WHOLE_BLOCKS}");
    cbc::Decryptor::<C>::inner_iv_init(cipher, &iv).decrypt_blocks(blocks);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3602 §4, case 1.
    #[test]
    fn the_published_block_comes_out_both_ways() {
        let octets = |text: &str| hex::decode(text).unwrap();
        let key = octets("06a9214036b8a15b512e03d534120006");
        let iv = octets("3dafba429d9eb430b422da802c9fac41");
        let mut text = *b"Single block msg";
        cbc_encrypt(EncryptionAlgorithm::Aes128Cbc, &key, &iv, &mut text);
        assert_eq!(text.as_slice(), octets("e353779c1079aeb82708942dbe77181a"));
        cbc_decrypt(EncryptionAlgorithm::Aes128Cbc, &key, &iv, &mut text);
        assert_eq!(&text, b"Single block msg");
    }

    #[test]
    #[should_panic(expected = "whole blocks")]
    fn half_a_block_is_a_mistake() {
        cbc_encrypt(
            EncryptionAlgorithm::Aes128Cbc,
            &[0; 16],
            &[0; 16],
            &mut [0; 24],
        );
    }
}
