use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use timer::Instant;

/// On what the ends of an IKE SA agreed, for who looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Negotiated {
    /// Cipher of messages.
    pub encryption: EncryptionAlgorithm,
    /// IKEv2: `None` exactly when the cipher is an AEAD. IKEv1 has none: its hash payloads protect.
    pub integrity: Option<IntegrityAlgorithm>,
    /// Pseudorandom function; IKEv1: by its hash.
    pub prf: PrfAlgorithm,
    /// Key exchange method.
    pub key_exchange: KeyExchangeMethod,
    /// IKEv1: a user has to be named, too.
    pub xauth: bool,
    /// Long messages go in fragments.
    pub fragments: bool,
    /// When it must be gone; [`Instant::MAX`] for never, or before both ends are authenticated.
    pub expires_at: Instant,
}
