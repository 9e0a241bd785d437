use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};

/// How phase 1 authenticates (RFC 2409 appendix A, draft-beaulieu-ike-xauth-02 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthMethod {
    /// Pre-shared key.
    PreSharedKey,
    /// Pre-shared key, after which the initiator has to name a user.
    XauthInitiator,
    /// Pre-shared key, after which the responder has to name a user.
    XauthResponder,
}

/// The algorithms of an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suite {
    /// Cipher, in CBC mode.
    pub encryption: EncryptionAlgorithm,
    /// Hash; its HMAC is the pseudorandom function (RFC 2409 §4).
    pub hash: PrfAlgorithm,
    /// Key exchange method.
    pub key_exchange: KeyExchangeMethod,
    /// How the ends authenticate.
    pub method: AuthMethod,
}
