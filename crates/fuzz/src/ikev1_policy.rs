use std::sync::Arc;

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use ipsec::{
    ConnectionPolicy, IkeProposal, ModeConfig, PolicySnapshot, PreSharedKey, TrafficSelector,
    Users, V1Policy, Versions, Xauth,
};
use shard::Policy;

pub(crate) const USER: &str = "joe";
pub(crate) const PASSWORD: &[u8] = b"battery staple";

/// What of IKEv1 a run is about.
#[derive(Clone, Copy)]
pub(crate) struct Variant {
    pub(crate) aggressive: bool,
    pub(crate) xauth: bool,
    pub(crate) mode_config: ModeConfig,
    /// Somebody watches.
    pub(crate) watched: bool,
    /// The peer begins with few octets, so that few may be answered.
    pub(crate) brief: bool,
    /// Each Child SA has a key exchange of its own.
    pub(crate) forward_secrecy: bool,
}

impl Variant {
    pub(crate) const fn of_octet(octet: u8) -> Self {
        Self {
            aggressive: octet & 1 != 0,
            xauth: octet & 2 != 0,
            mode_config: match octet >> 2 & 3 {
                0 | 1 => ModeConfig::None,
                2 => ModeConfig::Pull,
                _ => ModeConfig::Push,
            },
            watched: octet & 16 != 0,
            brief: octet & 32 != 0,
            forward_secrecy: octet & 64 != 0,
        }
    }

    /// A policy of the simulation for IKEv1 alone, of the side that answers.
    pub(crate) fn server(self, policy: &Policy) -> Policy {
        let server = self.xauth.then_some(Xauth::Server);
        self.converted(policy, server)
    }

    /// The same for the side that initiates.
    pub(crate) fn client(self, policy: &Policy) -> Policy {
        let client = self.xauth.then(|| Xauth::Client {
            user: USER.into(),
            password: PreSharedKey::new(PASSWORD.to_vec()),
        });
        self.converted(policy, client)
    }

    fn converted(self, policy: &Policy, xauth: Option<Xauth>) -> Policy {
        let snapshot = &policy.snapshot;
        let user = (USER.into(), PreSharedKey::new(PASSWORD.to_vec()));
        let connections = snapshot.connections.iter();
        Policy {
            snapshot: Arc::new(PolicySnapshot {
                connections: connections
                    .map(|connection| Arc::new(self.connection(connection, xauth.clone())))
                    .collect(),
                users: Users::from_iter([user]),
                ..PolicySnapshot::clone(snapshot)
            }),
            ..policy.clone()
        }
    }

    fn connection(self, connection: &ConnectionPolicy, xauth: Option<Xauth>) -> ConnectionPolicy {
        let mut connection = connection.clone();
        connection.versions = Versions::V1;
        connection.v1 = V1Policy {
            aggressive: self.aggressive,
            xauth,
            mode_config: self.mode_config,
            ios_keepalive: true,
            split_include: vec![([172, 16, 0, 0].into(), 12)],
            default_domain: Some("example".into()),
            banner: Some("Welcome".into()),
        };
        connection.proposals = vec![IkeProposal {
            encryption: vec![
                EncryptionAlgorithm::Aes128Cbc,
                EncryptionAlgorithm::TripleDesCbc,
            ],
            integrity: vec![IntegrityAlgorithm::HmacSha1_96],
            prf: vec![PrfAlgorithm::HmacSha1],
            key_exchange: vec![KeyExchangeMethod::EcpP256],
        }];
        for proposal in connection
            .children
            .iter_mut()
            .flat_map(|child| &mut child.proposals)
        {
            proposal.esn = vec![false];
            if self.forward_secrecy {
                proposal.key_exchange = vec![KeyExchangeMethod::EcpP256];
            }
        }
        connection.request_virtual.0 &= self.mode_config != ModeConfig::None;
        if self.mode_config == ModeConfig::None {
            connection.pools.clear();
            // Nothing narrows in IKEv1: who has no virtual address must say which one it uses.
            let own = connection.local_addrs.iter();
            let own: Vec<_> = own.map(|address| TrafficSelector::host(*address)).collect();
            for child in &mut connection.children {
                if child.local_ts.is_empty() {
                    child.local_ts.clone_from(&own);
                }
            }
        }
        connection
    }
}
