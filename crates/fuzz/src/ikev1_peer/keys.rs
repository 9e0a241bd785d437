use crypto::{EncryptionAlgorithm, PrfAlgorithm, Secret, cbc_decrypt, cbc_encrypt, digest, prf};

const HASH: PrfAlgorithm = PrfAlgorithm::HmacSha1;
const CIPHER: EncryptionAlgorithm = EncryptionAlgorithm::Aes128Cbc;
pub(super) const BLOCK_LEN: usize = 16;
pub(super) const HASH_LEN: usize = 20;

/// An initialisation vector.
pub(super) type Iv = [u8; BLOCK_LEN];

/// The hash of `parts`, cut to a block (RFC 2409 appendix B).
pub(super) fn iv_of(parts: &[&[u8]]) -> Iv {
    let hash = digest(HASH, parts);
    *hash
        .first_chunk()
        .expect("a hash is longer than a block of AES")
}

/// The hash of `parts`, as NAT-D has it.
pub(super) fn hash_of(parts: &[&[u8]]) -> Vec<u8> {
    digest(HASH, parts)
}

/// The keys of phase 1, written down from RFC 2409 §5 and not taken from the state machines.
pub(super) struct Keys {
    skeyid: Secret,
    authentication: Secret,
    encryption: Secret,
}

impl Keys {
    pub(super) fn derive(
        secret: &[u8],
        nonces: [&[u8]; 2],
        shared: &Secret,
        cookies: [u64; 2],
    ) -> Self {
        let skeyid = prf(HASH, secret, &nonces);
        let [initiator, responder] = cookies.map(u64::to_be_bytes);
        let next = |before: &[u8], number: u8| {
            let parts = [before, shared.expose(), &initiator, &responder, &[number]];
            prf(HASH, skeyid.expose(), &parts)
        };
        let derivation = next(&[], 0);
        let authentication = next(derivation.expose(), 1);
        let encryption = next(authentication.expose(), 2);
        Self {
            skeyid,
            authentication,
            encryption,
        }
    }

    /// HASH_I: prf(SKEYID, …).
    pub(super) fn proof(&self, parts: &[&[u8]]) -> Vec<u8> {
        prf(HASH, self.skeyid.expose(), parts).expose().to_vec()
    }

    /// HASH of a later exchange: prf(SKEYID_a, …).
    pub(super) fn hash(&self, parts: &[&[u8]]) -> Vec<u8> {
        prf(HASH, self.authentication.expose(), parts)
            .expose()
            .to_vec()
    }

    fn cipher_key(&self) -> &[u8] {
        self.encryption
            .expose()
            .get(..CIPHER.key_len())
            .unwrap_or_default()
    }

    /// Encrypts whole blocks and moves the IV on.
    pub(super) fn encrypt(&self, iv: &mut Iv, text: &mut [u8]) {
        cbc_encrypt(CIPHER, self.cipher_key(), iv, text);
        if let Some(last) = text.last_chunk() {
            *iv = *last;
        }
    }

    /// Decrypts and moves the IV on; `None` for what is not in whole blocks.
    pub(super) fn decrypt(&self, iv: &mut Iv, octets: &[u8]) -> Option<Vec<u8>> {
        let last = *octets.last_chunk()?;
        if !octets.len().is_multiple_of(BLOCK_LEN) {
            return None;
        }
        let mut text = octets.to_vec();
        cbc_decrypt(CIPHER, self.cipher_key(), iv, &mut text);
        *iv = last;
        Some(text)
    }
}
