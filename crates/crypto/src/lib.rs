//! The only room that names a cipher crate: AEAD, CBC with HMAC, PRF, key exchange.
//!
//! Keys are zeroized when dropped and have no `Debug`. Every operation is selected once, when a
//! key is built, and never per packet.
#![forbid(unsafe_code)]

mod algorithm;
mod entropy;

pub use algorithm::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
pub use entropy::Entropy;
