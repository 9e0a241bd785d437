use crate::ikev1::PayloadType;

impl PayloadType {
    /// No further payload.
    pub const NONE: Self = Self(0);
    /// Security Association.
    pub const SA: Self = Self(1);
    /// Key Exchange.
    pub const KE: Self = Self(4);
    /// Identification.
    pub const ID: Self = Self(5);
    /// Certificate.
    pub const CERT: Self = Self(6);
    /// Certificate Request.
    pub const CERTREQ: Self = Self(7);
    /// Hash.
    pub const HASH: Self = Self(8);
    /// Signature.
    pub const SIG: Self = Self(9);
    /// Nonce.
    pub const NONCE: Self = Self(10);
    /// Notification.
    pub const NOTIFICATION: Self = Self(11);
    /// Delete.
    pub const DELETE: Self = Self(12);
    /// Vendor ID.
    pub const VENDOR_ID: Self = Self(13);
    /// Attributes (draft-dukes-ike-mode-cfg §3.2).
    pub const ATTRIBUTES: Self = Self(14);
    /// NAT discovery (RFC 3947 §3.2).
    pub const NAT_D: Self = Self(20);
    /// Original address behind a NAT (RFC 3947 §5.2).
    pub const NAT_OA: Self = Self(21);
    /// NAT discovery of the drafts 02 and 03.
    pub const NAT_D_DRAFTS: Self = Self(130);
    /// Original address of the drafts 02 and 03.
    pub const NAT_OA_DRAFTS: Self = Self(131);
    /// A piece of a message (Cisco).
    pub const FRAGMENT: Self = Self(132);
}
