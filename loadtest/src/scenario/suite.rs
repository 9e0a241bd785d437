//! Algorithm suites in swanctl's words. One suite each: a generator proposes what it is told to.

use anyhow::{Result, bail};
use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use ipsec::{EspProposal, IkeProposal};
use serde::{Deserialize, Serialize};

/// What protects an IKE SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IkeSuite {
    text: String,
    proposal: IkeProposal,
}

/// What protects a Child SA.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EspSuite {
    text: String,
    proposal: EspProposal,
}

#[derive(Default)]
struct Words {
    encryption: Option<EncryptionAlgorithm>,
    integrity: Option<IntegrityAlgorithm>,
    prf: Option<PrfAlgorithm>,
    key_exchange: Option<KeyExchangeMethod>,
    esn: bool,
}

fn read(text: &str) -> Result<Words> {
    let mut words = Words::default();
    for word in text.split('-') {
        match word {
            "aes128gcm16" => words.encryption = Some(EncryptionAlgorithm::Aes128Gcm16),
            "aes192gcm16" => words.encryption = Some(EncryptionAlgorithm::Aes192Gcm16),
            "aes256gcm16" => words.encryption = Some(EncryptionAlgorithm::Aes256Gcm16),
            "chacha20poly1305" => words.encryption = Some(EncryptionAlgorithm::ChaCha20Poly1305),
            "aes128" => words.encryption = Some(EncryptionAlgorithm::Aes128Cbc),
            "aes192" => words.encryption = Some(EncryptionAlgorithm::Aes192Cbc),
            "3des" => words.encryption = Some(EncryptionAlgorithm::TripleDesCbc),
            "aes256" => words.encryption = Some(EncryptionAlgorithm::Aes256Cbc),
            "sha1" => words.integrity = Some(IntegrityAlgorithm::HmacSha1_96),
            "sha256" => words.integrity = Some(IntegrityAlgorithm::HmacSha256_128),
            "sha384" => words.integrity = Some(IntegrityAlgorithm::HmacSha384_192),
            "sha512" => words.integrity = Some(IntegrityAlgorithm::HmacSha512_256),
            "prfsha1" => words.prf = Some(PrfAlgorithm::HmacSha1),
            "prfsha256" => words.prf = Some(PrfAlgorithm::HmacSha256),
            "prfsha384" => words.prf = Some(PrfAlgorithm::HmacSha384),
            "prfsha512" => words.prf = Some(PrfAlgorithm::HmacSha512),
            "x25519" | "curve25519" => words.key_exchange = Some(KeyExchangeMethod::X25519),
            "ecp256" => words.key_exchange = Some(KeyExchangeMethod::EcpP256),
            "ecp384" => words.key_exchange = Some(KeyExchangeMethod::EcpP384),
            "modp1024" => words.key_exchange = Some(KeyExchangeMethod::Modp1024),
            "modp1536" => words.key_exchange = Some(KeyExchangeMethod::Modp1536),
            "modp2048" => words.key_exchange = Some(KeyExchangeMethod::Modp2048),
            "modp3072" => words.key_exchange = Some(KeyExchangeMethod::Modp3072),
            "modp4096" => words.key_exchange = Some(KeyExchangeMethod::Modp4096),
            "esn" => words.esn = true,
            "noesn" => words.esn = false,
            _ => bail!("`{word}` in the suite `{text}` is not an algorithm that I know"),
        }
    }
    Ok(words)
}

/// As swanctl does, an integrity algorithm names the PRF too when none is given.
fn prf_of(integrity: IntegrityAlgorithm) -> PrfAlgorithm {
    match integrity {
        IntegrityAlgorithm::HmacSha1_96 => PrfAlgorithm::HmacSha1,
        IntegrityAlgorithm::HmacSha256_128 => PrfAlgorithm::HmacSha256,
        IntegrityAlgorithm::HmacSha384_192 => PrfAlgorithm::HmacSha384,
        IntegrityAlgorithm::HmacSha512_256 => PrfAlgorithm::HmacSha512,
    }
}

fn encryption(words: &Words, text: &str) -> Result<EncryptionAlgorithm> {
    let Some(encryption) = words.encryption else {
        bail!("the suite `{text}` names no cipher");
    };
    if encryption.is_aead() == words.integrity.is_some() {
        bail!(
            "in the suite `{text}`: a GCM or ChaCha20 cipher stands alone, a CBC cipher needs an integrity algorithm"
        );
    }
    Ok(encryption)
}

impl IkeSuite {
    /// What peers of IKEv1 propose, which knows no AEAD in phase 1, unless they are told otherwise.
    pub(super) fn default_v1() -> Self {
        Self::try_from("aes128-sha256-ecp256".to_owned()).expect("a good suite")
    }

    /// The one proposal.
    #[must_use]
    pub fn proposal(&self) -> &IkeProposal {
        &self.proposal
    }
}

impl EspSuite {
    /// The one proposal.
    #[must_use]
    pub fn proposal(&self) -> &EspProposal {
        &self.proposal
    }
}

impl TryFrom<String> for IkeSuite {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        let words = read(&text)?;
        let encryption = encryption(&words, &text)?;
        let Some(prf) = words.prf.or(words.integrity.map(prf_of)) else {
            bail!("the IKE suite `{text}` names no PRF");
        };
        let Some(key_exchange) = words.key_exchange else {
            bail!("the IKE suite `{text}` names no key exchange");
        };
        Ok(Self {
            proposal: IkeProposal {
                encryption: vec![encryption],
                integrity: words.integrity.into_iter().collect(),
                prf: vec![prf],
                key_exchange: vec![key_exchange],
            },
            text,
        })
    }
}

impl TryFrom<String> for EspSuite {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        let words = read(&text)?;
        let encryption = encryption(&words, &text)?;
        Ok(Self {
            proposal: EspProposal {
                encryption: vec![encryption],
                integrity: words.integrity.into_iter().collect(),
                key_exchange: words.key_exchange.into_iter().collect(),
                esn: vec![words.esn],
            },
            text,
        })
    }
}

impl From<IkeSuite> for String {
    fn from(suite: IkeSuite) -> Self {
        suite.text
    }
}

impl From<EspSuite> for String {
    fn from(suite: EspSuite) -> Self {
        suite.text
    }
}

impl Default for IkeSuite {
    fn default() -> Self {
        Self::try_from("aes128gcm16-prfsha256-x25519".to_owned()).expect("a good suite")
    }
}

impl Default for EspSuite {
    fn default() -> Self {
        Self::try_from("aes128gcm16".to_owned()).expect("a good suite")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_read_as_swanctl_reads_them() {
        let ike = IkeSuite::try_from("aes256-sha256-modp2048".to_owned()).unwrap();
        assert_eq!(ike.proposal().prf, [PrfAlgorithm::HmacSha256]);
        let esp = EspSuite::try_from("chacha20poly1305-x25519-esn".to_owned()).unwrap();
        assert_eq!(esp.proposal().esn, [true]);
        assert!(esp.proposal().integrity.is_empty());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for text in [
            "aes256-x25519",
            "aes128gcm16-sha256-x25519",
            "x25519",
            "rot13",
        ] {
            assert!(IkeSuite::try_from(text.to_owned()).is_err(), "{text}");
        }
        assert!(IkeSuite::try_from("aes128gcm16-x25519".to_owned()).is_err());
        assert!(EspSuite::try_from("aes128".to_owned()).is_err());
    }
}
