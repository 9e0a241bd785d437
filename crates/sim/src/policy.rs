use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use dpd::DpdPolicy;
use ipsec::{
    AddressPool, AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, EspProposal, Identity,
    IdentityPattern, IkeProposal, IkeVersion, IntegrityAlgorithm, ModeConfig, PeerEndpoint,
    PolicySnapshot, PreSharedKey, RekeyPolicy, SecretEntry, Secrets, StartAction, TrafficSelector,
    V1Policy, Versions,
};
use shard::Policy;

/// The headend's address.
pub const HEADEND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// Peers have outer addresses from here on, one each.
const PEERS_FROM: u32 = u32::from_be_bytes([10, 0, 0, 1]);
/// Virtual addresses are leased from here on.
const LEASES_FROM: u32 = u32::from_be_bytes([100, 64, 0, 1]);
/// Each peer talks to a service of its own, from here on.
const SERVICES_FROM: u32 = u32::from_be_bytes([172, 16, 0, 1]);

/// The outer address of a peer.
#[must_use]
pub fn peer_address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(PEERS_FROM + peer)
}

/// The address behind the headend that a peer talks to.
#[must_use]
pub fn service_address(peer: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(SERVICES_FROM + peer)
}

/// The identity of a peer.
#[must_use]
pub fn peer_identity(peer: u32) -> Identity {
    Identity::Fqdn(format!("peer-{peer}.example").into())
}

/// The peer with an outer address.
#[must_use]
pub fn peer_index(address: IpAddr) -> Option<u32> {
    match address {
        IpAddr::V4(address) => address.to_bits().checked_sub(PEERS_FROM),
        IpAddr::V6(_) => None,
    }
}

/// How many peers there are and what the two sides want.
#[derive(Clone, Debug)]
pub struct Estate {
    /// Peers; each is a connection of the peers' side.
    pub peers: u16,
    /// Shards of the headend.
    pub shards: u8,
    /// How the headend finds dead peers.
    pub headend_dpd: DpdPolicy,
    /// How peers find a dead headend.
    pub peer_dpd: DpdPolicy,
    /// When the headend suspects that a mass death is its own fault.
    pub breaker: dpd::BreakerPolicy,
    /// How fast the headend's shards may probe and kill.
    pub budgets: dpd::BudgetPolicy,
    /// When the peers' side suspects that the headend's death is its own fault.
    pub peer_breaker: dpd::BreakerPolicy,
    /// How fast the peers' side may probe, kill and initiate again.
    pub peer_budgets: dpd::BudgetPolicy,
    /// Every so many-th peer sends ESP in UDP; zero for none.
    pub encapsulated_every: u16,
    /// When the headend rekeys.
    pub headend_lifetimes: Lifetimes,
    /// When a peer rekeys.
    pub peer_lifetimes: Lifetimes,
    /// The version of IKE that all of them speak.
    pub version: IkeVersion,
}

/// When a side rekeys.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Its IKE SAs.
    pub ike: RekeyPolicy,
    /// Its Child SAs.
    pub child: RekeyPolicy,
}

impl Lifetimes {
    /// Nothing is ever rekeyed.
    pub const ENDLESS: Self = Self {
        ike: NEVER,
        child: NEVER,
    };

    /// Rekeys after these times, less up to a tenth; the hard ends come at twice of them.
    #[must_use]
    pub const fn of(ike: Duration, child: Duration) -> Self {
        Self {
            ike: every(ike),
            child: every(child),
        }
    }

    fn apply(&self, mut connection: ConnectionPolicy) -> ConnectionPolicy {
        connection.rekey = self.ike;
        for child in &mut connection.children {
            child.rekey = self.child;
        }
        connection
    }
}

const fn every(time: Duration) -> RekeyPolicy {
    RekeyPolicy {
        time: Some(time),
        bytes: None,
        packets: None,
        hard_time: Some(time.saturating_mul(2)),
        jitter_percent: 10,
    }
}

const NEVER: RekeyPolicy = RekeyPolicy {
    time: None,
    bytes: None,
    packets: None,
    hard_time: None,
    jitter_percent: 0,
};

impl Estate {
    /// So many peers that watch nobody, and a headend of two shards that asks periodically.
    #[must_use]
    pub fn new(peers: u16) -> Self {
        Self {
            peers,
            shards: 2,
            headend_dpd: DpdPolicy {
                mode: dpd::Mode::Periodic,
                ..DpdPolicy::default()
            },
            peer_dpd: DpdPolicy {
                mode: dpd::Mode::RespondOnly,
                ..DpdPolicy::default()
            },
            breaker: dpd::BreakerPolicy::default(),
            budgets: dpd::BudgetPolicy::default(),
            peer_breaker: dpd::BreakerPolicy::default(),
            peer_budgets: dpd::BudgetPolicy::default(),
            encapsulated_every: 2,
            headend_lifetimes: Lifetimes::ENDLESS,
            peer_lifetimes: Lifetimes::ENDLESS,
            version: IkeVersion::V2,
        }
    }

    /// The pool from which the headend leases virtual addresses.
    #[must_use]
    pub fn pools(&self) -> Vec<AddressPool> {
        let last = LEASES_FROM + u32::from(self.peers) * 2;
        vec![AddressPool {
            name: "virtual".into(),
            first: Ipv4Addr::from_bits(LEASES_FROM).into(),
            last: Ipv4Addr::from_bits(last).into(),
            dns: Vec::new(),
            ivrf: ipsec::InnerVrf::GLOBAL,
        }]
    }

    /// What the headend allows: any peer that knows the secret, to reach all services.
    #[must_use]
    pub fn headend_policy(&self) -> Policy {
        let services = TrafficSelector::range(
            service_address(0).into(),
            service_address(u32::from(self.peers)).into(),
        );
        let connection = ConnectionPolicy {
            pools: self.pools().into_iter().map(|pool| pool.name).collect(),
            remote_id: IdentityPattern::FqdnGlob("*.example".into()),
            ..connection("peers", headend_identity(), vec![services], Vec::new())
        };
        let connections = vec![self.speaking(self.headend_lifetimes.apply(connection))];
        policy(connections, self.pools(), self.headend_dpd.clone())
    }

    /// What the peers want: each one connection to the headend, with a virtual address.
    #[must_use]
    pub fn peers_policy(&self) -> Policy {
        let connections = (0..self.peers)
            .map(|peer| self.speaking(self.peer_lifetimes.apply(self.peer_connection(peer))));
        policy(connections.collect(), Vec::new(), self.peer_dpd.clone())
    }

    /// IKEv1 has neither AEAD ciphers nor X25519 in phase 1, and no extended sequence numbers here.
    fn speaking(&self, connection: ConnectionPolicy) -> ConnectionPolicy {
        if self.version == IkeVersion::V2 {
            return connection;
        }
        let mut connection = ConnectionPolicy {
            versions: Versions::V1,
            v1: V1Policy {
                mode_config: ModeConfig::Pull,
                ..V1Policy::default()
            },
            proposals: vec![IkeProposal {
                encryption: vec![EncryptionAlgorithm::Aes128Cbc],
                integrity: vec![IntegrityAlgorithm::HmacSha256_128],
                prf: vec![PrfAlgorithm::HmacSha256],
                key_exchange: vec![KeyExchangeMethod::EcpP256],
            }],
            ..connection
        };
        for child in &mut connection.children {
            for proposal in &mut child.proposals {
                proposal.esn = vec![false];
            }
        }
        connection
    }

    fn peer_connection(&self, index: u16) -> ConnectionPolicy {
        let peer = u32::from(index);
        let service = TrafficSelector::host(service_address(peer).into());
        let encapsulated =
            self.encapsulated_every > 0 && index.is_multiple_of(self.encapsulated_every);
        ConnectionPolicy {
            local_addrs: vec![peer_address(peer).into()],
            remote_addrs: vec![PeerEndpoint::Address(SocketAddr::new(HEADEND.into(), 500))],
            remote_id: IdentityPattern::Exact(headend_identity()),
            request_virtual: (true, false),
            force_encap: encapsulated,
            // All of these peers live in one place, and they all know the headend.
            unique: false,
            ..connection(
                &format!("peer-{peer}"),
                peer_identity(peer),
                Vec::new(),
                vec![service],
            )
        }
    }
}

fn headend_identity() -> Identity {
    Identity::Fqdn("headend.example".into())
}

fn policy(
    connections: Vec<ConnectionPolicy>,
    pools: Vec<AddressPool>,
    dpd_policy: DpdPolicy,
) -> Policy {
    let key = PreSharedKey::new(b"a secret for simulations only".to_vec());
    let owners = Vec::new();
    Policy {
        snapshot: Arc::new(PolicySnapshot {
            connections: connections.into_iter().map(Arc::new).collect(),
            secrets: Secrets::from(vec![SecretEntry {
                owners,
                fvrf: None,
                key,
            }]),
            pools,
            users: ipsec::Users::default(),
        }),
        dpd: vec![dpd_policy].into(),
        dpd_exceptions: Arc::default(),
    }
}

fn connection(
    name: &str,
    local_id: Identity,
    local_ts: Vec<TrafficSelector>,
    remote_ts: Vec<TrafficSelector>,
) -> ConnectionPolicy {
    ConnectionPolicy {
        name: name.into(),
        versions: ipsec::Versions::default(),
        v1: ipsec::V1Policy::default(),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: Vec::new(),
        default_peer: None,
        remote_addrs: Vec::new(),
        remote_sources: Vec::new(),
        local_id: Some(local_id),
        remote_id: IdentityPattern::Any,
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: vec![IkeProposal {
            encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
            integrity: Vec::new(),
            prf: vec![PrfAlgorithm::HmacSha256],
            key_exchange: vec![KeyExchangeMethod::X25519],
        }],
        children: vec![child(local_ts, remote_ts)],
        pools: Vec::new(),
        request_virtual: (false, false),
        rekey: NEVER,
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1_280,
        send_initial_contact: true,
        unique: true,
        force_encap: false,
    }
}

fn child(local_ts: Vec<TrafficSelector>, remote_ts: Vec<TrafficSelector>) -> ChildPolicy {
    ChildPolicy {
        name: "all".into(),
        local_ts,
        remote_ts,
        proposals: vec![EspProposal {
            encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
            integrity: Vec::new(),
            key_exchange: Vec::new(),
            esn: vec![true, false],
        }],
        rekey: NEVER,
        replay_window: 64,
        peer_replay_window: 0,
        df: DfPolicy::Copy,
        copy_dscp: false,
        mss_clamp: None,
        start: StartAction::None,
    }
}
