//! Policies for the two ends of a story that speak IKEv1.

use std::sync::Arc;

use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use ipsec::{
    ChildPolicy, ConnectionPolicy, EspProposal, IkeProposal, IntegrityAlgorithm, PolicySnapshot,
    Versions,
};

#[path = "../exchanges/policy.rs"]
mod shared;

pub(crate) use shared::{LEFT_ID, RIGHT_ID, email, fqdn, rekey_after, secret, snapshot};

pub(crate) fn ike_proposal() -> IkeProposal {
    IkeProposal {
        encryption: vec![EncryptionAlgorithm::Aes128Cbc],
        integrity: vec![IntegrityAlgorithm::HmacSha256_128],
        prf: vec![PrfAlgorithm::HmacSha256],
        key_exchange: vec![KeyExchangeMethod::EcpP256],
    }
}

pub(crate) fn esp_proposal() -> EspProposal {
    EspProposal {
        encryption: vec![EncryptionAlgorithm::Aes128Cbc],
        integrity: vec![IntegrityAlgorithm::HmacSha1_96],
        key_exchange: vec![],
        esn: vec![false],
    }
}

fn for_v1(connection: ConnectionPolicy) -> ConnectionPolicy {
    let children = connection.children.into_iter().map(|child| ChildPolicy {
        proposals: vec![esp_proposal()],
        ..child
    });
    ConnectionPolicy {
        versions: Versions::V1,
        proposals: vec![ike_proposal()],
        children: children.collect(),
        ..connection
    }
}

/// A connection of the left end, which initiates.
pub(crate) fn left_connection() -> ConnectionPolicy {
    for_v1(shared::left_connection())
}

/// The mirror image.
pub(crate) fn right_connection() -> ConnectionPolicy {
    for_v1(shared::right_connection())
}

/// Both ends, phase 1 only: without children nothing follows it.
pub(crate) fn phase_one(
    change: impl Fn(&mut ConnectionPolicy),
) -> (PolicySnapshot, PolicySnapshot) {
    phase_one_each(&change, &change)
}

/// As [`phase_one`], each end changed by itself.
pub(crate) fn phase_one_each(
    left: impl Fn(&mut ConnectionPolicy),
    right: impl Fn(&mut ConnectionPolicy),
) -> (PolicySnapshot, PolicySnapshot) {
    let bare = |connection: ConnectionPolicy, change: &dyn Fn(&mut ConnectionPolicy)| {
        let mut connection = ConnectionPolicy {
            children: vec![],
            ..connection
        };
        change(&mut connection);
        snapshot(connection)
    };
    (
        bare(left_connection(), &left),
        bare(right_connection(), &right),
    )
}

/// The only connection of an end.
pub(crate) fn change(policy: &mut PolicySnapshot, change: impl Fn(&mut ConnectionPolicy)) {
    let mut connection = (*policy.connections[0]).clone();
    change(&mut connection);
    policy.connections = vec![Arc::new(connection)].into();
}
