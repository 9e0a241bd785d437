//! Phase 2: transforms of the IPsec DOI and their attributes (RFC 2407 §4.4-4.5 and the IANA registry).

pub use super::phase1::life_type;

/// Attribute types (RFC 2407 §4.5).
pub mod attribute {
    /// Unit of the life duration that follows; basic.
    pub const LIFE_TYPE: u16 = 1;
    /// Life duration in the unit before it; variable.
    pub const LIFE_DURATION: u16 = 2;
    /// Group of the key exchange that gives perfect forward secrecy; basic.
    pub const GROUP: u16 = 3;
    /// Encapsulation mode; basic.
    pub const ENCAPSULATION: u16 = 4;
    /// Authentication algorithm; basic. Not sent if there is none, nor beside AEAD ciphers.
    pub const AUTHENTICATION: u16 = 5;
    /// Key length in bits, for ciphers that have several; basic.
    pub const KEY_LENGTH: u16 = 6;
    /// Key rounds; basic.
    pub const KEY_ROUNDS: u16 = 7;
    /// Extended sequence numbers (RFC 4304); basic.
    pub const EXTENDED_SEQUENCE_NUMBER: u16 = 11;
}

/// Encapsulation modes (RFC 2407 §4.5, RFC 3947 §5.1).
pub mod encapsulation {
    /// Tunnel.
    pub const TUNNEL: u16 = 1;
    /// Transport.
    pub const TRANSPORT: u16 = 2;
    /// Tunnel in UDP.
    pub const UDP_TUNNEL: u16 = 3;
    /// Transport in UDP.
    pub const UDP_TRANSPORT: u16 = 4;
    /// Tunnel in UDP (draft-ietf-ipsec-nat-t-ike-02 and -03).
    pub const UDP_TUNNEL_DRAFTS: u16 = 61443;
    /// Transport in UDP (draft-ietf-ipsec-nat-t-ike-02 and -03).
    pub const UDP_TRANSPORT_DRAFTS: u16 = 61444;
}

/// Authentication algorithms (RFC 2407 §4.5, RFC 4868).
pub mod authentication {
    /// HMAC-MD5-96.
    pub const HMAC_MD5: u16 = 1;
    /// HMAC-SHA1-96.
    pub const HMAC_SHA1: u16 = 2;
    /// HMAC-SHA2-256-128.
    pub const HMAC_SHA2_256: u16 = 5;
    /// HMAC-SHA2-384-192.
    pub const HMAC_SHA2_384: u16 = 6;
    /// HMAC-SHA2-512-256.
    pub const HMAC_SHA2_512: u16 = 7;
}

/// ESP transform identifiers (RFC 2407 §4.4.4, RFC 3602 §5, RFC 4106 §8.2).
pub mod esp {
    /// DES.
    pub const DES: u8 = 2;
    /// Triple DES with three keys.
    pub const TRIPLE_DES: u8 = 3;
    /// No encryption.
    pub const NULL: u8 = 11;
    /// AES-CBC, with a key length.
    pub const AES_CBC: u8 = 12;
    /// AES-GCM with an ICV of 8 octets, with a key length.
    pub const AES_GCM_8: u8 = 18;
    /// AES-GCM with an ICV of 12 octets, with a key length.
    pub const AES_GCM_12: u8 = 19;
    /// AES-GCM with an ICV of 16 octets, with a key length.
    pub const AES_GCM_16: u8 = 20;
}
