//! Assigned numbers (RFC 7296 §3 and the IANA IKEv2 registry), by the table they stand in.

use super::{NotifyType, PayloadType, TransformType};

impl PayloadType {
    /// No further payload.
    pub const NONE: Self = Self(0);
    /// Security Association.
    pub const SA: Self = Self(33);
    /// Key Exchange.
    pub const KE: Self = Self(34);
    /// Identification of the initiator.
    pub const IDI: Self = Self(35);
    /// Identification of the responder.
    pub const IDR: Self = Self(36);
    /// Certificate.
    pub const CERT: Self = Self(37);
    /// Certificate Request.
    pub const CERTREQ: Self = Self(38);
    /// Authentication.
    pub const AUTH: Self = Self(39);
    /// Nonce.
    pub const NONCE: Self = Self(40);
    /// Notify.
    pub const NOTIFY: Self = Self(41);
    /// Delete.
    pub const DELETE: Self = Self(42);
    /// Vendor ID.
    pub const VENDOR_ID: Self = Self(43);
    /// Traffic selectors of the initiator.
    pub const TSI: Self = Self(44);
    /// Traffic selectors of the responder.
    pub const TSR: Self = Self(45);
    /// Encrypted and Authenticated.
    pub const SK: Self = Self(46);
    /// Configuration.
    pub const CP: Self = Self(47);
    /// Extensible Authentication.
    pub const EAP: Self = Self(48);
    /// Encrypted and Authenticated Fragment (RFC 7383).
    pub const SKF: Self = Self(53);
    /// Puzzle Solution (RFC 8019).
    pub const PS: Self = Self(54);

    /// Whether RFC 7296 itself defines the type: its critical bit is then ignored (§2.5).
    #[must_use]
    pub const fn is_basic(self) -> bool {
        self.0 >= Self::SA.0 && self.0 <= Self::EAP.0
    }
}

impl NotifyType {
    /// A critical payload of unknown type; data is that type.
    pub const UNSUPPORTED_CRITICAL_PAYLOAD: Self = Self(1);
    /// Unknown IKE SPI.
    pub const INVALID_IKE_SPI: Self = Self(4);
    /// Major version not supported.
    pub const INVALID_MAJOR_VERSION: Self = Self(5);
    /// Malformed message.
    pub const INVALID_SYNTAX: Self = Self(7);
    /// Message ID outside the window.
    pub const INVALID_MESSAGE_ID: Self = Self(9);
    /// Unknown ESP or AH SPI.
    pub const INVALID_SPI: Self = Self(11);
    /// None of the proposals is acceptable.
    pub const NO_PROPOSAL_CHOSEN: Self = Self(14);
    /// Wrong group; data is the wanted one.
    pub const INVALID_KE_PAYLOAD: Self = Self(17);
    /// Authentication failed.
    pub const AUTHENTICATION_FAILED: Self = Self(24);
    /// Only one pair of addresses is acceptable.
    pub const SINGLE_PAIR_REQUIRED: Self = Self(34);
    /// No more Child SAs on this IKE SA.
    pub const NO_ADDITIONAL_SAS: Self = Self(35);
    /// No inner address could be assigned.
    pub const INTERNAL_ADDRESS_FAILURE: Self = Self(36);
    /// A configuration payload was required.
    pub const FAILED_CP_REQUIRED: Self = Self(37);
    /// None of the traffic selectors is acceptable.
    pub const TS_UNACCEPTABLE: Self = Self(38);
    /// A packet did not match its SA's selectors.
    pub const INVALID_SELECTORS: Self = Self(39);
    /// Try again later (§2.25).
    pub const TEMPORARY_FAILURE: Self = Self(43);
    /// The Child SA to rekey does not exist (§2.25).
    pub const CHILD_SA_NOT_FOUND: Self = Self(44);
    /// The first error that is not an error: status types start here.
    pub const FIRST_STATUS: Self = Self(16384);
    /// This is the only IKE SA between the two identities.
    pub const INITIAL_CONTACT: Self = Self(16384);
    /// How many requests the sender can handle at once.
    pub const SET_WINDOW_SIZE: Self = Self(16385);
    /// Further selectors could have been accepted.
    pub const ADDITIONAL_TS_POSSIBLE: Self = Self(16386);
    /// IP compression offered.
    pub const IPCOMP_SUPPORTED: Self = Self(16387);
    /// Hash of the sender's address and port.
    pub const NAT_DETECTION_SOURCE_IP: Self = Self(16388);
    /// Hash of the receiver's address and port.
    pub const NAT_DETECTION_DESTINATION_IP: Self = Self(16389);
    /// Proof of address (§2.6).
    pub const COOKIE: Self = Self(16390);
    /// Transport mode wanted.
    pub const USE_TRANSPORT_MODE: Self = Self(16391);
    /// Which SA this exchange replaces.
    pub const REKEY_SA: Self = Self(16393);
    /// The sender does not take padding for traffic flow confidentiality.
    pub const ESP_TFC_PADDING_NOT_SUPPORTED: Self = Self(16394);
    /// Non-first fragments travel in this SA too.
    pub const NON_FIRST_FRAGMENTS_ALSO: Self = Self(16395);
    /// MOBIKE (RFC 4555).
    pub const MOBIKE_SUPPORTED: Self = Self(16396);
    /// Seconds until the sender wants a new authentication (RFC 4478).
    pub const AUTH_LIFETIME: Self = Self(16403);
    /// Only EAP is used to authenticate the responder (RFC 5998).
    pub const EAP_ONLY_AUTHENTICATION: Self = Self(16417);
    /// An IKE SA without a first Child SA is possible (RFC 6023).
    pub const CHILDLESS_IKEV2_SUPPORTED: Self = Self(16418);
    /// IKE fragmentation (RFC 7383).
    pub const IKEV2_FRAGMENTATION_SUPPORTED: Self = Self(16430);
    /// Hash algorithms for digital signatures (RFC 7427).
    pub const SIGNATURE_HASH_ALGORITHMS: Self = Self(16431);

    /// Work to be done first (RFC 8019).
    pub const PUZZLE: Self = Self(16434);

    /// Whether the type tells of an error (RFC 7296 §3.10.1: types below 16384).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < Self::FIRST_STATUS.0
    }
}

impl TransformType {
    /// Encryption.
    pub const ENCRYPTION: Self = Self(1);
    /// Pseudorandom function.
    pub const PRF: Self = Self(2);
    /// Integrity.
    pub const INTEGRITY: Self = Self(3);
    /// Key exchange method.
    pub const KEY_EXCHANGE: Self = Self(4);
    /// Extended sequence numbers.
    pub const ESN: Self = Self(5);
}

/// Security protocol identifiers (RFC 7296 §3.3.1).
pub mod protocol {
    /// IKE.
    pub const IKE: u8 = 1;
    /// AH.
    pub const AH: u8 = 2;
    /// ESP.
    pub const ESP: u8 = 3;
}

/// Encryption transforms (type 1).
pub mod encryption {
    /// Triple DES in CBC mode, never with a Key Length attribute.
    pub const TRIPLE_DES: u16 = 3;
    /// AES-CBC, with a Key Length attribute.
    pub const AES_CBC: u16 = 12;
    /// AES-GCM with a 16-octet ICV, with a Key Length attribute.
    pub const AES_GCM_16: u16 = 20;
    /// ChaCha20-Poly1305, never with a Key Length attribute.
    pub const CHACHA20_POLY1305: u16 = 28;
}

/// Pseudorandom function transforms (type 2).
pub mod prf {
    /// HMAC-SHA1.
    pub const HMAC_SHA1: u16 = 2;
    /// HMAC-SHA2-256.
    pub const HMAC_SHA2_256: u16 = 5;
    /// HMAC-SHA2-384.
    pub const HMAC_SHA2_384: u16 = 6;
    /// HMAC-SHA2-512.
    pub const HMAC_SHA2_512: u16 = 7;
}

/// Integrity transforms (type 3).
pub mod integrity {
    /// None; means the same as no transform of this type beside an AEAD cipher.
    pub const NONE: u16 = 0;
    /// HMAC-SHA1-96.
    pub const HMAC_SHA1_96: u16 = 2;
    /// HMAC-SHA2-256-128.
    pub const HMAC_SHA2_256_128: u16 = 12;
    /// HMAC-SHA2-384-192.
    pub const HMAC_SHA2_384_192: u16 = 13;
    /// HMAC-SHA2-512-256.
    pub const HMAC_SHA2_512_256: u16 = 14;
}

/// Key exchange methods (type 4), also the group number of a KE payload.
pub mod key_exchange {
    /// None: no new key exchange.
    pub const NONE: u16 = 0;
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
    /// Curve25519.
    pub const CURVE25519: u16 = 31;
}

/// Extended sequence number transforms (type 5).
pub mod esn {
    /// 32-bit numbers.
    pub const NO: u16 = 0;
    /// 64-bit numbers.
    pub const YES: u16 = 1;
}

/// Transform attributes (RFC 7296 §3.3.5).
pub mod transform_attribute {
    /// Key length in bits.
    pub const KEY_LENGTH: u16 = 14;
}

/// Identification types (RFC 7296 §3.5).
pub mod identification {
    /// Four octets of IPv4 address.
    pub const IPV4_ADDR: u8 = 1;
    /// Domain name.
    pub const FQDN: u8 = 2;
    /// E-mail address.
    pub const RFC822_ADDR: u8 = 3;
    /// Sixteen octets of IPv6 address.
    pub const IPV6_ADDR: u8 = 5;
    /// Distinguished name in DER.
    pub const DER_ASN1_DN: u8 = 9;
    /// General name in DER.
    pub const DER_ASN1_GN: u8 = 10;
    /// Opaque octets.
    pub const KEY_ID: u8 = 11;
    /// No identity (RFC 7619).
    pub const NULL: u8 = 13;
}

/// Authentication methods (RFC 7296 §3.8).
pub mod authentication {
    /// RSA with PKCS #1 v1.5.
    pub const RSA_SIGNATURE: u8 = 1;
    /// Shared key message integrity code.
    pub const SHARED_KEY: u8 = 2;
    /// ECDSA with SHA-256 on P-256 (RFC 4754).
    pub const ECDSA_SHA256_P256: u8 = 9;
    /// ECDSA with SHA-384 on P-384 (RFC 4754).
    pub const ECDSA_SHA384_P384: u8 = 10;
    /// NULL (RFC 7619).
    pub const NULL: u8 = 13;
    /// Digital signature (RFC 7427).
    pub const DIGITAL_SIGNATURE: u8 = 14;
}

/// Certificate encodings (RFC 7296 §3.6).
pub mod certificate {
    /// An X.509 certificate for signatures, in DER.
    pub const X509_SIGNATURE: u8 = 4;
}

/// Traffic selector types (RFC 7296 §3.13.1).
pub mod selector {
    /// Range of IPv4 addresses.
    pub const IPV4_ADDR_RANGE: u8 = 7;
    /// Range of IPv6 addresses.
    pub const IPV6_ADDR_RANGE: u8 = 8;
}

/// Configuration attributes (RFC 7296 §3.15.1).
pub mod attribute {
    /// IPv4 address: 0 or 4 octets.
    pub const INTERNAL_IP4_ADDRESS: u16 = 1;
    /// IPv4 netmask: 0 or 4 octets.
    pub const INTERNAL_IP4_NETMASK: u16 = 2;
    /// IPv4 name server: 0 or 4 octets.
    pub const INTERNAL_IP4_DNS: u16 = 3;
    /// IPv4 NetBIOS name server: 0 or 4 octets.
    pub const INTERNAL_IP4_NBNS: u16 = 4;
    /// IPv4 DHCP server: 0 or 4 octets.
    pub const INTERNAL_IP4_DHCP: u16 = 6;
    /// Version of the software: text.
    pub const APPLICATION_VERSION: u16 = 7;
    /// IPv6 address and prefix length: 0 or 17 octets.
    pub const INTERNAL_IP6_ADDRESS: u16 = 8;
    /// IPv6 name server: 0 or 16 octets.
    pub const INTERNAL_IP6_DNS: u16 = 10;
    /// IPv6 DHCP server: 0 or 16 octets.
    pub const INTERNAL_IP6_DHCP: u16 = 12;
    /// Protected IPv4 subnet: 0 or 8 octets.
    pub const INTERNAL_IP4_SUBNET: u16 = 13;
    /// Supported attributes: a list of 16-bit types.
    pub const SUPPORTED_ATTRIBUTES: u16 = 14;
    /// Protected IPv6 subnet: 17 octets.
    pub const INTERNAL_IP6_SUBNET: u16 = 15;
}
