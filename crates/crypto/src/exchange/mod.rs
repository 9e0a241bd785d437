//! Key exchange: an ephemeral key pair and the secret it agrees on with a peer.

mod curve;
mod modp;

use curve::CurveKey;
use modp::ModpKey;

use crate::{Entropy, KeyExchangeMethod, Secret};

/// The peer's public value is not one that the method allows (RFC 6989 §2, RFC 8031 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidPublicValue;

impl std::fmt::Display for InvalidPublicValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the peer's public key exchange value is invalid for its group")
    }
}

impl std::error::Error for InvalidPublicValue {}

/// An ephemeral key pair for one exchange. The private half never leaves it.
pub struct KeyPair {
    method: KeyExchangeMethod,
    private: Private,
    public: Box<[u8]>,
}

enum Private {
    Curve(CurveKey),
    Modp(ModpKey),
}

impl KeyPair {
    /// Makes a key pair from `entropy` alone: the same octets give the same pair.
    ///
    /// Costs from 15 µs (X25519) to several milliseconds (MODP-4096), so the service does it off
    /// the shard threads.
    #[must_use]
    pub fn generate(method: KeyExchangeMethod, entropy: &mut dyn Entropy) -> Self {
        let (private, public) = match method {
            KeyExchangeMethod::X25519 | KeyExchangeMethod::EcpP256 | KeyExchangeMethod::EcpP384 => {
                let (key, public) = CurveKey::generate(method, entropy);
                (Private::Curve(key), public)
            }
            KeyExchangeMethod::Modp1024
            | KeyExchangeMethod::Modp1536
            | KeyExchangeMethod::Modp2048
            | KeyExchangeMethod::Modp3072
            | KeyExchangeMethod::Modp4096 => {
                let (key, public) = ModpKey::generate(method, entropy);
                (Private::Modp(key), public)
            }
        };
        Self {
            method,
            private,
            public,
        }
    }

    /// The method this pair belongs to.
    #[must_use]
    pub fn method(&self) -> KeyExchangeMethod {
        self.method
    }

    /// The public value as a Key Exchange payload carries it, of
    /// [`KeyExchangeMethod::public_len`] octets: `x | y` for a random curve (RFC 5903 §7), padded
    /// in front to the length of the prime for MODP (RFC 7296 §3.4).
    #[must_use]
    pub fn public_value(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret with the peer whose public value is `peer`: the x coordinate for a
    /// random curve (RFC 5903 §9), padded to the length of the prime for MODP (RFC 7296 §2.14).
    ///
    /// # Errors
    /// [`InvalidPublicValue`] when `peer` has the wrong length, is not a point of the curve, is
    /// out of range, or gives the all-zero secret.
    pub fn agree(&self, peer: &[u8]) -> Result<Secret, InvalidPublicValue> {
        if peer.len() != self.method.public_len() {
            return Err(InvalidPublicValue);
        }
        match &self.private {
            Private::Curve(key) => key.agree(peer),
            Private::Modp(key) => key.agree(peer),
        }
    }
}
