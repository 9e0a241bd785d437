use crypto::{
    EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm, ProtectionSuite,
};

/// The algorithms of an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IkeSuite {
    /// Cipher of the Encrypted payload.
    pub encryption: EncryptionAlgorithm,
    /// `None` exactly when the cipher is an AEAD.
    pub integrity: Option<IntegrityAlgorithm>,
    /// Pseudorandom function.
    pub prf: PrfAlgorithm,
    /// Key exchange method.
    pub key_exchange: KeyExchangeMethod,
}

/// The algorithms of a Child SA.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspSuite {
    /// Cipher.
    pub encryption: EncryptionAlgorithm,
    /// `None` exactly when the cipher is an AEAD.
    pub integrity: Option<IntegrityAlgorithm>,
    /// Key exchange of its own (perfect forward secrecy), if there was one.
    pub key_exchange: Option<KeyExchangeMethod>,
    /// 64-bit sequence numbers.
    pub esn: bool,
}

impl IkeSuite {
    /// What protects messages.
    #[must_use]
    pub fn protection(&self) -> ProtectionSuite {
        ProtectionSuite {
            encryption: self.encryption,
            integrity: self.integrity,
        }
    }
}

impl EspSuite {
    /// What protects packets.
    #[must_use]
    pub fn protection(&self) -> ProtectionSuite {
        ProtectionSuite {
            encryption: self.encryption,
            integrity: self.integrity,
        }
    }
}
