//! Policies and algorithms in the words of the configuration.

use control::view::DpdSettings;
use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use dpd::{Action, DpdPolicy, Mode, State};

/// A policy of dead peer detection in a line.
pub(super) fn policy(policy: &DpdPolicy) -> String {
    let mode = match policy.mode {
        Mode::OnDemand => "on-demand",
        Mode::Periodic => "periodic",
        Mode::Hybrid => "hybrid",
        Mode::RespondOnly => return "respond-only".to_owned(),
        Mode::Off => return "off".to_owned(),
    };
    format!(
        "{mode}, interval {:?}, {} tries {:?} apart",
        policy.interval,
        policy.tries(),
        policy.retry
    )
}

pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::Clear => "clear",
        Action::Hold => "hold",
        Action::Restart => "restart",
        Action::NextPeer => "next-peer",
    }
}

pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Worried => "worried",
        State::Probing => "probing",
        State::Suspect => "suspect",
        State::Dead => "dead",
    }
}

/// The settings of dead peer detection; `None` when it is off.
pub(super) fn dpd_settings(policy: &DpdPolicy) -> Option<DpdSettings> {
    Some(DpdSettings {
        mode: match policy.mode {
            Mode::OnDemand => "on-demand",
            Mode::Periodic => "periodic",
            Mode::Hybrid => "hybrid",
            Mode::RespondOnly => "respond-only",
            Mode::Off => return None,
        }
        .to_owned(),
        interval_s: policy.interval.as_secs_f64(),
        retry_s: policy.retry.as_secs_f64(),
        retries: policy.retries,
    })
}

/// A cipher in swanctl's word.
pub(super) const fn cipher(encryption: EncryptionAlgorithm) -> &'static str {
    match encryption {
        EncryptionAlgorithm::Aes128Gcm16 => "aes128gcm16",
        EncryptionAlgorithm::Aes192Gcm16 => "aes192gcm16",
        EncryptionAlgorithm::Aes256Gcm16 => "aes256gcm16",
        EncryptionAlgorithm::ChaCha20Poly1305 => "chacha20poly1305",
        EncryptionAlgorithm::Aes128Cbc => "aes128",
        EncryptionAlgorithm::Aes192Cbc => "aes192",
        EncryptionAlgorithm::Aes256Cbc => "aes256",
        EncryptionAlgorithm::TripleDesCbc => "3des",
    }
}

/// An integrity algorithm in swanctl's word.
pub(super) const fn integrity(integrity: IntegrityAlgorithm) -> &'static str {
    match integrity {
        IntegrityAlgorithm::HmacSha1_96 => "sha1",
        IntegrityAlgorithm::HmacSha256_128 => "sha256",
        IntegrityAlgorithm::HmacSha384_192 => "sha384",
        IntegrityAlgorithm::HmacSha512_256 => "sha512",
    }
}

/// The hash of a pseudorandom function in swanctl's word.
pub(super) const fn prf(prf: PrfAlgorithm) -> &'static str {
    match prf {
        PrfAlgorithm::HmacSha1 => "sha1",
        PrfAlgorithm::HmacSha256 => "sha256",
        PrfAlgorithm::HmacSha384 => "sha384",
        PrfAlgorithm::HmacSha512 => "sha512",
    }
}

/// The number of a key exchange method (IANA, IKEv2 transform type 4).
pub(super) const fn group(method: KeyExchangeMethod) -> u16 {
    match method {
        KeyExchangeMethod::Modp1024 => 2,
        KeyExchangeMethod::Modp1536 => 5,
        KeyExchangeMethod::Modp2048 => 14,
        KeyExchangeMethod::Modp3072 => 15,
        KeyExchangeMethod::Modp4096 => 16,
        KeyExchangeMethod::EcpP256 => 19,
        KeyExchangeMethod::EcpP384 => 20,
        KeyExchangeMethod::X25519 => 31,
    }
}

/// Algorithms of an SA in swanctl's words.
pub(super) fn suite(
    encryption: EncryptionAlgorithm,
    protection: Option<IntegrityAlgorithm>,
) -> String {
    match protection {
        None => cipher(encryption).to_owned(),
        Some(protection) => format!("{}-{}", cipher(encryption), integrity(protection)),
    }
}
