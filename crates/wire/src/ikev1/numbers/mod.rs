//! Assigned numbers, by the table they stand in.

mod notify;
mod payload_type;
pub mod phase1;
pub mod phase2;
pub mod transaction;

/// Domains of interpretation (RFC 2408 §3.4, RFC 2407 §4.2).
pub mod doi {
    /// Generic ISAKMP, in notifications and deletes of phase 1.
    pub const ISAKMP: u32 = 0;
    /// IPsec.
    pub const IPSEC: u32 = 1;
}

/// Situations of the IPsec DOI (RFC 2407 §4.2).
pub mod situation {
    /// Only identities say who it is.
    pub const IDENTITY_ONLY: u32 = 1;
}

/// Security protocol identifiers (RFC 2407 §4.4.1).
pub mod protocol {
    /// ISAKMP.
    pub const ISAKMP: u8 = 1;
    /// AH.
    pub const AH: u8 = 2;
    /// ESP.
    pub const ESP: u8 = 3;
    /// IP compression.
    pub const IPCOMP: u8 = 4;
}

/// Identification types (RFC 2407 §4.6.2.1).
pub mod identification {
    /// Four octets of IPv4 address.
    pub const IPV4_ADDR: u8 = 1;
    /// Domain name.
    pub const FQDN: u8 = 2;
    /// User at domain name.
    pub const USER_FQDN: u8 = 3;
    /// IPv4 address and mask.
    pub const IPV4_ADDR_SUBNET: u8 = 4;
    /// Sixteen octets of IPv6 address.
    pub const IPV6_ADDR: u8 = 5;
    /// IPv6 address and mask of sixteen octets.
    pub const IPV6_ADDR_SUBNET: u8 = 6;
    /// First and last IPv4 address.
    pub const IPV4_ADDR_RANGE: u8 = 7;
    /// First and last IPv6 address.
    pub const IPV6_ADDR_RANGE: u8 = 8;
    /// Distinguished name in DER.
    pub const DER_ASN1_DN: u8 = 9;
    /// General name in DER.
    pub const DER_ASN1_GN: u8 = 10;
    /// Opaque octets; Cisco's group name.
    pub const KEY_ID: u8 = 11;
}
