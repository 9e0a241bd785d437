/// Encryption algorithms for ESP and for the Encrypted payload of IKE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum EncryptionAlgorithm {
    /// AES-GCM with a 16-octet ICV and a 128-bit key (RFC 4106, RFC 5282).
    Aes128Gcm16,
    /// AES-GCM with a 16-octet ICV and a 192-bit key (RFC 4106, RFC 5282).
    Aes192Gcm16,
    /// AES-GCM with a 16-octet ICV and a 256-bit key (RFC 4106, RFC 5282).
    Aes256Gcm16,
    /// ChaCha20-Poly1305 (RFC 7634).
    ChaCha20Poly1305,
    /// AES-CBC with a 128-bit key (RFC 3602).
    Aes128Cbc,
    /// AES-CBC with a 192-bit key (RFC 3602).
    Aes192Cbc,
    /// AES-CBC with a 256-bit key (RFC 3602).
    Aes256Cbc,
    /// Triple DES in CBC mode with three keys (RFC 2451). Its blocks of 64 bits begin to collide after some
    /// 32 GiB under one key.
    TripleDesCbc,
}

impl EncryptionAlgorithm {
    /// Whether the algorithm brings its own integrity protection (no separate INTEG transform).
    #[must_use]
    pub const fn is_aead(self) -> bool {
        matches!(
            self,
            Self::Aes128Gcm16 | Self::Aes192Gcm16 | Self::Aes256Gcm16 | Self::ChaCha20Poly1305
        )
    }

    /// Octets of key proper, without the salt.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm16 | Self::Aes128Cbc => 16,
            Self::Aes192Gcm16 | Self::Aes192Cbc | Self::TripleDesCbc => 24,
            Self::Aes256Gcm16 | Self::ChaCha20Poly1305 | Self::Aes256Cbc => 32,
        }
    }

    /// Octets of salt that follow the key in keying material (RFC 4106 §8.1, RFC 7634 §2).
    #[must_use]
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 4 } else { 0 }
    }

    /// Octets of explicit IV in each packet.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => 16,
            Self::TripleDesCbc
            | Self::Aes128Gcm16
            | Self::Aes192Gcm16
            | Self::Aes256Gcm16
            | Self::ChaCha20Poly1305 => 8,
        }
    }

    /// The multiple to which the plaintext must be padded.
    #[must_use]
    pub const fn block_len(self) -> usize {
        if self.is_aead() { 1 } else { self.iv_len() }
    }
}

/// Integrity algorithms that accompany a cipher which is not an AEAD.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum IntegrityAlgorithm {
    /// HMAC-SHA1-96 (RFC 2404).
    HmacSha1_96,
    /// HMAC-SHA-256-128 (RFC 4868).
    HmacSha256_128,
    /// HMAC-SHA-384-192 (RFC 4868).
    HmacSha384_192,
    /// HMAC-SHA-512-256 (RFC 4868).
    HmacSha512_256,
}

impl IntegrityAlgorithm {
    /// Octets of key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 20,
            Self::HmacSha256_128 => 32,
            Self::HmacSha384_192 => 48,
            Self::HmacSha512_256 => 64,
        }
    }

    /// Octets of ICV on the wire.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self {
            Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
        }
    }
}

/// Pseudorandom functions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum PrfAlgorithm {
    /// PRF_HMAC_SHA1.
    HmacSha1,
    /// PRF_HMAC_SHA2_256.
    HmacSha256,
    /// PRF_HMAC_SHA2_384.
    HmacSha384,
    /// PRF_HMAC_SHA2_512.
    HmacSha512,
}

impl PrfAlgorithm {
    /// Octets of output, which is also the preferred key size (RFC 7296 §2.13).
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
            Self::HmacSha384 => 48,
            Self::HmacSha512 => 64,
        }
    }
}

/// Key exchange methods (Diffie-Hellman groups).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum KeyExchangeMethod {
    /// Curve25519 (RFC 8031), group 31.
    X25519,
    /// 256-bit random ECP group (RFC 5903), group 19.
    EcpP256,
    /// 384-bit random ECP group (RFC 5903), group 20.
    EcpP384,
    /// 1024-bit MODP group (RFC 2409 §6.2), group 2. Within reach of those who can spend much.
    Modp1024,
    /// 1536-bit MODP group (RFC 3526), group 5.
    Modp1536,
    /// 2048-bit MODP group (RFC 3526), group 14.
    Modp2048,
    /// 3072-bit MODP group (RFC 3526), group 15.
    Modp3072,
    /// 4096-bit MODP group (RFC 3526), group 16.
    Modp4096,
}

impl KeyExchangeMethod {
    /// Octets of public value in a Key Exchange payload.
    #[must_use]
    pub const fn public_len(self) -> usize {
        match self {
            Self::X25519 => 32,
            Self::EcpP256 => 64,
            Self::EcpP384 => 96,
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
        }
    }
}
