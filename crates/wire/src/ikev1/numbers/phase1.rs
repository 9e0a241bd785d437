//! Phase 1: the one transform of ISAKMP and its attributes (RFC 2409 appendix A and the IANA registry).

/// Transform ID KEY_IKE (RFC 2407 §4.4.2.1).
pub const KEY_IKE: u8 = 1;

/// Attribute types.
pub mod attribute {
    /// Encryption algorithm; basic.
    pub const ENCRYPTION: u16 = 1;
    /// Hash algorithm; basic.
    pub const HASH: u16 = 2;
    /// Authentication method; basic.
    pub const AUTHENTICATION: u16 = 3;
    /// Group; basic.
    pub const GROUP: u16 = 4;
    /// Type of a group that is described here; basic.
    pub const GROUP_TYPE: u16 = 5;
    /// Unit of the life duration that follows; basic.
    pub const LIFE_TYPE: u16 = 11;
    /// Life duration in the unit before it; variable.
    pub const LIFE_DURATION: u16 = 12;
    /// Pseudorandom function; none is assigned.
    pub const PRF: u16 = 13;
    /// Key length in bits, for ciphers that have several; basic.
    pub const KEY_LENGTH: u16 = 14;
}

/// Encryption algorithms, all in CBC mode.
pub mod encryption {
    /// DES.
    pub const DES: u16 = 1;
    /// Triple DES with three keys.
    pub const TRIPLE_DES: u16 = 5;
    /// AES, with a key length.
    pub const AES: u16 = 7;
}

/// Hash algorithms.
pub mod hash {
    /// MD5.
    pub const MD5: u16 = 1;
    /// SHA-1.
    pub const SHA1: u16 = 2;
    /// SHA2-256.
    pub const SHA2_256: u16 = 4;
    /// SHA2-384.
    pub const SHA2_384: u16 = 5;
    /// SHA2-512.
    pub const SHA2_512: u16 = 6;
}

/// Authentication methods.
pub mod authentication {
    /// Pre-shared key.
    pub const PRE_SHARED_KEY: u16 = 1;
    /// RSA signatures.
    pub const RSA_SIGNATURE: u16 = 3;
    /// Pre-shared key, then extended authentication of the initiator (draft-beaulieu-ike-xauth §7.2).
    pub const XAUTH_INIT_PRE_SHARED: u16 = 65001;
    /// Pre-shared key, then extended authentication of the responder.
    pub const XAUTH_RESP_PRE_SHARED: u16 = 65002;
}

/// Groups. Their numbers are those of IKEv2.
pub mod group {
    /// 768-bit MODP.
    pub const MODP_768: u16 = 1;
    /// 1024-bit MODP.
    pub const MODP_1024: u16 = 2;
    /// 1536-bit MODP.
    pub const MODP_1536: u16 = 5;
    /// 2048-bit MODP.
    pub const MODP_2048: u16 = 14;
    /// 3072-bit MODP.
    pub const MODP_3072: u16 = 15;
    /// 4096-bit MODP.
    pub const MODP_4096: u16 = 16;
    /// NIST P-256.
    pub const ECP_256: u16 = 19;
    /// NIST P-384.
    pub const ECP_384: u16 = 20;
}

/// Units of life durations, the same in both phases.
pub mod life_type {
    /// Seconds.
    pub const SECONDS: u16 = 1;
    /// Kilobytes.
    pub const KILOBYTES: u16 = 2;
}
