use crate::ikev1::NotifyType;

/// Error types (RFC 2408 §3.14.1).
impl NotifyType {
    /// A payload type that is not known.
    pub const INVALID_PAYLOAD_TYPE: Self = Self(1);
    /// A domain of interpretation that is not known.
    pub const DOI_NOT_SUPPORTED: Self = Self(2);
    /// A situation that is not known.
    pub const SITUATION_NOT_SUPPORTED: Self = Self(3);
    /// Cookies that name no ISAKMP SA.
    pub const INVALID_COOKIE: Self = Self(4);
    /// Major version not supported.
    pub const INVALID_MAJOR_VERSION: Self = Self(5);
    /// Minor version not supported.
    pub const INVALID_MINOR_VERSION: Self = Self(6);
    /// Exchange type that is not known.
    pub const INVALID_EXCHANGE_TYPE: Self = Self(7);
    /// Flags that are not allowed.
    pub const INVALID_FLAGS: Self = Self(8);
    /// A message ID that is not expected.
    pub const INVALID_MESSAGE_ID: Self = Self(9);
    /// A protocol that is not known.
    pub const INVALID_PROTOCOL_ID: Self = Self(10);
    /// An SPI that is not known.
    pub const INVALID_SPI: Self = Self(11);
    /// A transform that is not known.
    pub const INVALID_TRANSFORM_ID: Self = Self(12);
    /// Attributes that are not known.
    pub const ATTRIBUTES_NOT_SUPPORTED: Self = Self(13);
    /// None of the proposals is acceptable.
    pub const NO_PROPOSAL_CHOSEN: Self = Self(14);
    /// A proposal that breaks the rules.
    pub const BAD_PROPOSAL_SYNTAX: Self = Self(15);
    /// Malformed payload.
    pub const PAYLOAD_MALFORMED: Self = Self(16);
    /// A key exchange that cannot be used.
    pub const INVALID_KEY_INFORMATION: Self = Self(17);
    /// Identities that are not acceptable.
    pub const INVALID_ID_INFORMATION: Self = Self(18);
    /// A certificate encoding that is not known.
    pub const INVALID_CERT_ENCODING: Self = Self(19);
    /// A certificate that is not valid.
    pub const INVALID_CERTIFICATE: Self = Self(20);
    /// A type of certificate that is not supported.
    pub const CERT_TYPE_UNSUPPORTED: Self = Self(21);
    /// A certificate authority that is not known.
    pub const INVALID_CERT_AUTHORITY: Self = Self(22);
    /// A hash that does not fit.
    pub const INVALID_HASH_INFORMATION: Self = Self(23);
    /// Authentication failed.
    pub const AUTHENTICATION_FAILED: Self = Self(24);
    /// A signature that does not fit.
    pub const INVALID_SIGNATURE: Self = Self(25);
    /// An address is notified.
    pub const ADDRESS_NOTIFICATION: Self = Self(26);
    /// A lifetime is notified.
    pub const NOTIFY_SA_LIFETIME: Self = Self(27);
    /// There is no certificate.
    pub const CERTIFICATE_UNAVAILABLE: Self = Self(28);
    /// An exchange type that is not supported.
    pub const UNSUPPORTED_EXCHANGE_TYPE: Self = Self(29);
    /// Lengths that do not add up.
    pub const UNEQUAL_PAYLOAD_LENGTHS: Self = Self(30);

    /// The first type that is not an error.
    pub const FIRST_STATUS: Self = Self(16384);

    /// Whether the type tells of an error (RFC 2408 §3.14.1: types below 16384).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < Self::FIRST_STATUS.0
    }
}

/// Status types.
impl NotifyType {
    /// The SA may be used (RFC 2408 §3.14.1, the answer to the commit bit).
    pub const CONNECTED: Self = Self(16384);
    /// The lifetime that the responder keeps (RFC 2407 §4.6.3.1).
    pub const RESPONDER_LIFETIME: Self = Self(24576);
    /// Whether the responder checks for replays (RFC 2407 §4.6.3.2).
    pub const REPLAY_STATUS: Self = Self(24577);
    /// The sender knows of no other SA with us (RFC 2407 §4.6.3.3).
    pub const INITIAL_CONTACT: Self = Self(24578);
    /// Cisco IOS asks whether we live; data as in R-U-THERE.
    pub const IOS_KEEPALIVE: Self = Self(32768);
    /// Cisco IOS's answer to its keepalive.
    pub const IOS_KEEPALIVE_ACK: Self = Self(32769);
    /// The peer asks whether we live; data is the sequence number, four octets (RFC 3706 §5.3).
    pub const R_U_THERE: Self = Self(36136);
    /// The answer to R-U-THERE with the same sequence number (RFC 3706 §5.3).
    pub const R_U_THERE_ACK: Self = Self(36137);
    /// Cisco Unity: go to another gateway of a cluster.
    pub const UNITY_LOAD_BALANCE: Self = Self(40501);
}
