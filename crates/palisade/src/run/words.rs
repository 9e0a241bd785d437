//! Policies and algorithms in the words of the configuration.

use dpd::{Action, DpdPolicy, Mode, State};
use ike::trace::Stage;
use ipsec::{EncryptionAlgorithm, IntegrityAlgorithm};

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

/// How far an IKE SA has come.
pub(super) fn stage(stage: Stage) -> String {
    match stage {
        Stage::Idle => "idle".to_owned(),
        Stage::Main(message) => format!("main mode, message {message}"),
        Stage::Aggressive(message) => format!("aggressive mode, message {message}"),
        Stage::Xauth => "xauth".to_owned(),
        Stage::ModeConfig => "mode config".to_owned(),
        Stage::Init => "IKE_SA_INIT".to_owned(),
        Stage::Auth => "IKE_AUTH".to_owned(),
        Stage::Established => "established".to_owned(),
        Stage::Closed => "closed".to_owned(),
        Stage::Quick(message) => format!("quick mode, message {message}"),
        Stage::QuickDone => "quick mode done".to_owned(),
    }
}

/// Algorithms of an SA in swanctl's words.
pub(super) fn suite(
    encryption: EncryptionAlgorithm,
    integrity: Option<IntegrityAlgorithm>,
) -> String {
    let cipher = match encryption {
        EncryptionAlgorithm::Aes128Gcm16 => "aes128gcm16",
        EncryptionAlgorithm::Aes192Gcm16 => "aes192gcm16",
        EncryptionAlgorithm::Aes256Gcm16 => "aes256gcm16",
        EncryptionAlgorithm::ChaCha20Poly1305 => "chacha20poly1305",
        EncryptionAlgorithm::Aes128Cbc => "aes128",
        EncryptionAlgorithm::Aes192Cbc => "aes192",
        EncryptionAlgorithm::Aes256Cbc => "aes256",
        EncryptionAlgorithm::TripleDesCbc => "3des",
    };
    let integrity = match integrity {
        None => return cipher.to_owned(),
        Some(IntegrityAlgorithm::HmacSha1_96) => "sha1",
        Some(IntegrityAlgorithm::HmacSha256_128) => "sha256",
        Some(IntegrityAlgorithm::HmacSha384_192) => "sha384",
        Some(IntegrityAlgorithm::HmacSha512_256) => "sha512",
    };
    format!("{cipher}-{integrity}")
}
