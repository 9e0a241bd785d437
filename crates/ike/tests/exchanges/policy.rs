//! Policies for the two ends of a story.

use std::sync::Arc;
use std::time::Duration;

use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use ipsec::{
    AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, EspProposal, Identity, IdentityPattern,
    IkeProposal, PolicySnapshot, PreSharedKey, RekeyPolicy, SecretEntry, StartAction,
    TrafficSelector,
};

pub(crate) const LEFT_ID: &str = "left@example.org";
pub(crate) const RIGHT_ID: &str = "right.example.org";

pub(crate) fn email(name: &str) -> Identity {
    Identity::Email(name.into())
}

pub(crate) fn fqdn(name: &str) -> Identity {
    Identity::Fqdn(name.into())
}

pub(crate) fn prefix(text: &str, length: u8) -> TrafficSelector {
    TrafficSelector::from_prefix(text.parse().expect("an address"), length).expect("a prefix")
}

pub(crate) const NO_REKEY: RekeyPolicy = RekeyPolicy {
    time: None,
    bytes: None,
    packets: None,
    hard_time: None,
    jitter_percent: 0,
};

pub(crate) fn ike_proposal() -> IkeProposal {
    IkeProposal {
        encryption: vec![EncryptionAlgorithm::Aes256Gcm16],
        integrity: vec![],
        prf: vec![PrfAlgorithm::HmacSha256],
        key_exchange: vec![KeyExchangeMethod::X25519, KeyExchangeMethod::EcpP256],
    }
}

pub(crate) fn esp_proposal() -> EspProposal {
    EspProposal {
        encryption: vec![EncryptionAlgorithm::ChaCha20Poly1305],
        integrity: vec![],
        key_exchange: vec![],
        esn: vec![true, false],
    }
}

pub(crate) fn child(name: &str, local: TrafficSelector, remote: TrafficSelector) -> ChildPolicy {
    ChildPolicy {
        name: name.into(),
        local_ts: vec![local],
        remote_ts: vec![remote],
        proposals: vec![esp_proposal()],
        rekey: NO_REKEY,
        replay_window: 64,
        peer_replay_window: 0,
        df: DfPolicy::Copy,
        copy_dscp: true,
        mss_clamp: None,
        start: StartAction::None,
    }
}

/// A connection of the left end, which initiates: 10.1.0.0/16 behind it, 10.2.0.0/16 behind the
/// other.
pub(crate) fn left_connection() -> ConnectionPolicy {
    ConnectionPolicy {
        name: "to-right".into(),
        versions: ipsec::Versions::default(),
        v1: ipsec::V1Policy::default(),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: vec![],
        default_peer: None,
        remote_addrs: vec![],
        remote_sources: vec![],
        local_id: Some(email(LEFT_ID)),
        remote_id: IdentityPattern::Exact(fqdn(RIGHT_ID)),
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: vec![ike_proposal()],
        children: vec![
            child("net", prefix("10.1.0.0", 16), prefix("10.2.0.0", 16)),
            child("extra", prefix("10.11.0.0", 16), prefix("10.12.0.0", 16)),
        ],
        pools: vec![],
        request_virtual: (false, false),
        rekey: NO_REKEY,
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1280,
        send_initial_contact: false,
        unique: true,
        force_encap: false,
    }
}

/// The mirror image.
pub(crate) fn right_connection() -> ConnectionPolicy {
    ConnectionPolicy {
        name: "from-left".into(),
        local_id: Some(fqdn(RIGHT_ID)),
        remote_id: IdentityPattern::EmailGlob("*@example.org".into()),
        children: vec![
            child("net", prefix("10.2.0.0", 16), prefix("10.1.0.0", 16)),
            child("extra", prefix("10.12.0.0", 16), prefix("10.11.0.0", 16)),
        ],
        ..left_connection()
    }
}

pub(crate) fn secret(octets: &str) -> SecretEntry {
    SecretEntry {
        fvrf: None,
        owners: vec![],
        key: PreSharedKey::new(octets.as_bytes().to_vec()),
    }
}

pub(crate) fn snapshot(connection: ConnectionPolicy) -> PolicySnapshot {
    PolicySnapshot {
        connections: vec![Arc::new(connection)].into(),
        secrets: vec![secret("a secret between two ends")].into(),
        pools: vec![],
        users: ipsec::Users::default(),
    }
}

/// Rekey after so many seconds, without jitter.
pub(crate) fn rekey_after(seconds: u64) -> RekeyPolicy {
    RekeyPolicy {
        time: Some(Duration::from_secs(seconds)),
        hard_time: Some(Duration::from_secs(2 * seconds)),
        ..NO_REKEY
    }
}
