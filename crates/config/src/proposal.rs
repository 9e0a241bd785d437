//! Proposals in strongSwan's words: `aes128gcm16-prfsha256-x25519`. Algorithms of one kind in one
//! proposal are alternatives, the first preferred.

use ipsec::{
    EncryptionAlgorithm, EspProposal, IkeProposal, IntegrityAlgorithm, KeyExchangeMethod,
    PrfAlgorithm,
};

use crate::suggest::closest;
use crate::table::{Fault, Report, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Encryption(EncryptionAlgorithm),
    Integrity(IntegrityAlgorithm),
    Prf(PrfAlgorithm),
    KeyExchange(KeyExchangeMethod),
    Esn(bool),
}

const TOKENS: &[(&str, Token)] = &[
    (
        "aes128gcm16",
        Token::Encryption(EncryptionAlgorithm::Aes128Gcm16),
    ),
    (
        "aes128gcm128",
        Token::Encryption(EncryptionAlgorithm::Aes128Gcm16),
    ),
    (
        "aes192gcm16",
        Token::Encryption(EncryptionAlgorithm::Aes192Gcm16),
    ),
    (
        "aes192gcm128",
        Token::Encryption(EncryptionAlgorithm::Aes192Gcm16),
    ),
    (
        "aes256gcm16",
        Token::Encryption(EncryptionAlgorithm::Aes256Gcm16),
    ),
    (
        "aes256gcm128",
        Token::Encryption(EncryptionAlgorithm::Aes256Gcm16),
    ),
    (
        "chacha20poly1305",
        Token::Encryption(EncryptionAlgorithm::ChaCha20Poly1305),
    ),
    ("aes128", Token::Encryption(EncryptionAlgorithm::Aes128Cbc)),
    ("aes", Token::Encryption(EncryptionAlgorithm::Aes128Cbc)),
    ("aes192", Token::Encryption(EncryptionAlgorithm::Aes192Cbc)),
    ("aes256", Token::Encryption(EncryptionAlgorithm::Aes256Cbc)),
    ("3des", Token::Encryption(EncryptionAlgorithm::TripleDesCbc)),
    (
        "sha256",
        Token::Integrity(IntegrityAlgorithm::HmacSha256_128),
    ),
    (
        "sha2_256",
        Token::Integrity(IntegrityAlgorithm::HmacSha256_128),
    ),
    (
        "sha384",
        Token::Integrity(IntegrityAlgorithm::HmacSha384_192),
    ),
    (
        "sha2_384",
        Token::Integrity(IntegrityAlgorithm::HmacSha384_192),
    ),
    (
        "sha512",
        Token::Integrity(IntegrityAlgorithm::HmacSha512_256),
    ),
    (
        "sha2_512",
        Token::Integrity(IntegrityAlgorithm::HmacSha512_256),
    ),
    ("sha1", Token::Integrity(IntegrityAlgorithm::HmacSha1_96)),
    ("sha", Token::Integrity(IntegrityAlgorithm::HmacSha1_96)),
    ("prfsha256", Token::Prf(PrfAlgorithm::HmacSha256)),
    ("prfsha384", Token::Prf(PrfAlgorithm::HmacSha384)),
    ("prfsha512", Token::Prf(PrfAlgorithm::HmacSha512)),
    ("prfsha1", Token::Prf(PrfAlgorithm::HmacSha1)),
    ("x25519", Token::KeyExchange(KeyExchangeMethod::X25519)),
    ("curve25519", Token::KeyExchange(KeyExchangeMethod::X25519)),
    ("ecp256", Token::KeyExchange(KeyExchangeMethod::EcpP256)),
    ("ecp384", Token::KeyExchange(KeyExchangeMethod::EcpP384)),
    ("modp1024", Token::KeyExchange(KeyExchangeMethod::Modp1024)),
    ("modp1536", Token::KeyExchange(KeyExchangeMethod::Modp1536)),
    ("modp2048", Token::KeyExchange(KeyExchangeMethod::Modp2048)),
    ("modp3072", Token::KeyExchange(KeyExchangeMethod::Modp3072)),
    ("modp4096", Token::KeyExchange(KeyExchangeMethod::Modp4096)),
    ("esn", Token::Esn(true)),
    ("noesn", Token::Esn(false)),
];

/// Algorithms that exist elsewhere, and what to write instead.
const REFUSED: &[(&str, &str)] = &[
    ("des", "write `aes128` or better"),
    ("null", "ESP without encryption is not supported"),
    ("aes128gcm8", "write `aes128gcm16`"),
    ("aes256gcm8", "write `aes256gcm16`"),
    ("aes128gcm12", "write `aes128gcm16`"),
    ("aes256gcm12", "write `aes256gcm16`"),
    ("aes128ccm16", "write `aes128gcm16`"),
    ("aes256ccm16", "write `aes256gcm16`"),
    ("aes128ctr", "write `aes128gcm16`"),
    ("aes256ctr", "write `aes256gcm16`"),
    ("md5", "write `sha256`"),
    ("prfmd5", "write `prfsha256`"),
    ("aesxcbc", "write `sha256`"),
    ("aescmac", "write `sha256`"),
    ("sha256_96", "write `sha256`"),
    ("modp768", "write `modp2048` or better"),
    ("modp6144", "write `modp4096` or `ecp384`"),
    ("modp8192", "write `modp4096` or `ecp384`"),
    ("ecp521", "write `ecp384`"),
    ("ecp224", "write `ecp256`"),
    ("ecp192", "write `ecp256`"),
    ("x448", "write `x25519` or `ecp384`"),
    ("curve448", "write `x25519` or `ecp384`"),
    (
        "mlkem768",
        "post-quantum key exchange is not supported; write `x25519`",
    ),
];

/// Algorithms that are taken because old peers have nothing else, why they should not be, and what to
/// write as soon as it can be.
const WEAK: &[(&str, &str, &str)] = &[
    (
        "3des",
        "has blocks of 64 bits, which give the traffic away after some gigabytes under one key",
        "write `aes128` or better as soon as the peer has it",
    ),
    (
        "modp1024",
        "can be broken by whoever can spend much on it",
        "write `modp2048` or better as soon as the peer has it",
    ),
    (
        "modp1536",
        "is weaker than what is recommended today (RFC 8247)",
        "write `modp2048` or better as soon as the peer has it",
    ),
];

#[derive(Default)]
struct Parts {
    encryption: Vec<EncryptionAlgorithm>,
    integrity: Vec<IntegrityAlgorithm>,
    prf: Vec<PrfAlgorithm>,
    key_exchange: Vec<KeyExchangeMethod>,
    esn: Vec<bool>,
}

/// One string of `proposals`. "default" stands for [`default_ike`].
pub(crate) fn ike(value: &Value<'_>, report: &Report) -> Result<Vec<IkeProposal>, Fault> {
    let text = value.text()?;
    if text == "default" {
        return Ok(default_ike());
    }
    let parts = parse(text)?;
    warn_of_weak(text, value, report);
    if !parts.esn.is_empty() {
        return Err(Fault::new("`esn` belongs to ESP and not to IKE")
            .instead("remove it here and write it in `esp_proposals`"));
    }
    if parts.key_exchange.is_empty() {
        return Err(Fault::new("this proposal has no key exchange method")
            .instead(format!("write `{text}-x25519`")));
    }
    let prf = if parts.prf.is_empty() {
        prf_of(&parts.integrity)
    } else {
        parts.prf
    };
    if prf.is_empty() {
        return Err(Fault::new("this proposal has no pseudorandom function")
            .instead("an AEAD cipher implies none; add `prfsha256` after it, as in `aes128gcm16-prfsha256-x25519`"));
    }
    Ok(vec![IkeProposal {
        encryption: parts.encryption,
        integrity: parts.integrity,
        prf,
        key_exchange: parts.key_exchange,
    }])
}

/// One string of `esp_proposals`. "default" stands for [`default_esp`].
pub(crate) fn esp(value: &Value<'_>, report: &Report) -> Result<Vec<EspProposal>, Fault> {
    let text = value.text()?;
    if text == "default" {
        return Ok(default_esp());
    }
    let parts = parse(text)?;
    warn_of_weak(text, value, report);
    if !parts.prf.is_empty() {
        return Err(
            Fault::new("a pseudorandom function belongs to IKE and not to ESP")
                .instead("remove it here and write it in `proposals`"),
        );
    }
    let esn = if parts.esn.is_empty() {
        vec![false]
    } else {
        parts.esn
    };
    Ok(vec![EspProposal {
        encryption: parts.encryption,
        integrity: parts.integrity,
        key_exchange: parts.key_exchange,
        esn,
    }])
}

fn parse(text: &str) -> Result<Parts, Fault> {
    let mut parts = Parts::default();
    for word in text.split('-') {
        let token = TOKENS.iter().find(|(name, _)| *name == word);
        let (_, token) = token.ok_or_else(|| unknown(word))?;
        let first = match *token {
            Token::Encryption(one) => push(&mut parts.encryption, one),
            Token::Integrity(one) => push(&mut parts.integrity, one),
            Token::Prf(one) => push(&mut parts.prf, one),
            Token::KeyExchange(one) => push(&mut parts.key_exchange, one),
            Token::Esn(one) => push(&mut parts.esn, one),
        };
        if !first {
            return Err(Fault::new(format!(
                "`{word}` names an algorithm that is already in this proposal"
            ))
            .instead("name each algorithm once"));
        }
    }
    check_ciphers(&parts)?;
    Ok(parts)
}

fn warn_of_weak(text: &str, value: &Value<'_>, report: &Report) {
    for word in text.split('-') {
        if let Some((_, why, instead)) = WEAK.iter().find(|(name, ..)| *name == word) {
            let warning = Fault::new(format!("`{word}` {why}"));
            report.warning(&value.span(), warning.instead(*instead));
        }
    }
}

fn push<T: PartialEq>(list: &mut Vec<T>, one: T) -> bool {
    let first = !list.contains(&one);
    list.push(one);
    first
}

fn unknown(word: &str) -> Fault {
    if word.is_empty() {
        return Fault::new("an algorithm is missing between the hyphens")
            .instead("write it as in `aes128gcm16-prfsha256-x25519`");
    }
    if let Some((_, instead)) = REFUSED.iter().find(|(name, _)| *name == word) {
        return Fault::new(format!("`{word}` is not supported")).instead(*instead);
    }
    let fault = Fault::new(format!("unknown algorithm `{word}`"));
    match closest(word, TOKENS.iter().map(|(name, _)| *name)) {
        Some(meant) => fault.instead(format!("did you mean `{meant}`?")),
        None => {
            let all: Vec<_> = TOKENS.iter().map(|(name, _)| *name).collect();
            fault.instead(format!("algorithms: {}", all.join(", ")))
        }
    }
}

/// RFC 5282 §8: ciphers that authenticate and ciphers that do not are never in one proposal, and the
/// former take no integrity algorithm.
fn check_ciphers(parts: &Parts) -> Result<(), Fault> {
    let aead = parts.encryption.iter().filter(|one| one.is_aead()).count();
    if parts.encryption.is_empty() {
        return Err(Fault::new("this proposal has no cipher")
            .instead("begin it with a cipher such as `aes128gcm16`"));
    }
    if aead != 0 && aead != parts.encryption.len() {
        return Err(Fault::new("this proposal mixes AEAD ciphers with others")
            .instead("write two proposals, such as \"aes128gcm16-prfsha256-x25519\" and \"aes128-sha256-x25519\""));
    }
    if aead != 0 && !parts.integrity.is_empty() {
        return Err(Fault::new("an AEAD cipher takes no integrity algorithm")
            .instead("remove it; for a pseudorandom function write `prfsha256` and not `sha256`"));
    }
    if aead == 0 && parts.integrity.is_empty() {
        return Err(Fault::new("this cipher needs an integrity algorithm")
            .instead("add one, such as `sha256`, or write an AEAD cipher such as `aes128gcm16`"));
    }
    Ok(())
}

/// The pseudorandom functions that go with integrity algorithms when none is named, as in
/// strongSwan.
fn prf_of(integrity: &[IntegrityAlgorithm]) -> Vec<PrfAlgorithm> {
    let paired = |one: &IntegrityAlgorithm| match one {
        IntegrityAlgorithm::HmacSha1_96 => PrfAlgorithm::HmacSha1,
        IntegrityAlgorithm::HmacSha256_128 => PrfAlgorithm::HmacSha256,
        IntegrityAlgorithm::HmacSha384_192 => PrfAlgorithm::HmacSha384,
        IntegrityAlgorithm::HmacSha512_256 => PrfAlgorithm::HmacSha512,
    };
    integrity.iter().map(paired).collect()
}

const AEAD: [EncryptionAlgorithm; 3] = [
    EncryptionAlgorithm::Aes128Gcm16,
    EncryptionAlgorithm::Aes256Gcm16,
    EncryptionAlgorithm::ChaCha20Poly1305,
];
const CBC: [EncryptionAlgorithm; 2] = [
    EncryptionAlgorithm::Aes128Cbc,
    EncryptionAlgorithm::Aes256Cbc,
];
const SHA2: [IntegrityAlgorithm; 3] = [
    IntegrityAlgorithm::HmacSha256_128,
    IntegrityAlgorithm::HmacSha384_192,
    IntegrityAlgorithm::HmacSha512_256,
];
const PRF_SHA2: [PrfAlgorithm; 3] = [
    PrfAlgorithm::HmacSha256,
    PrfAlgorithm::HmacSha384,
    PrfAlgorithm::HmacSha512,
];

/// Everything strong, the fast first. SHA-1 and the 2048-bit group take part only when named.
pub(crate) fn default_ike() -> Vec<IkeProposal> {
    let key_exchange = vec![
        KeyExchangeMethod::X25519,
        KeyExchangeMethod::EcpP256,
        KeyExchangeMethod::EcpP384,
        KeyExchangeMethod::Modp3072,
        KeyExchangeMethod::Modp4096,
    ];
    vec![
        IkeProposal {
            encryption: AEAD.to_vec(),
            integrity: Vec::new(),
            prf: PRF_SHA2.to_vec(),
            key_exchange: key_exchange.clone(),
        },
        IkeProposal {
            encryption: CBC.to_vec(),
            integrity: SHA2.to_vec(),
            prf: PRF_SHA2.to_vec(),
            key_exchange,
        },
    ]
}

/// Everything strong, the fast first, with extended sequence numbers where the peer has them.
pub(crate) fn default_esp() -> Vec<EspProposal> {
    let esn = vec![true, false];
    vec![
        EspProposal {
            encryption: AEAD.to_vec(),
            integrity: Vec::new(),
            key_exchange: Vec::new(),
            esn: esn.clone(),
        },
        EspProposal {
            encryption: CBC.to_vec(),
            integrity: SHA2.to_vec(),
            key_exchange: Vec::new(),
            esn,
        },
    ]
}
