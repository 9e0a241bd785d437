//! What the operator allows: the parsed, validated meaning of the configuration. Shards share it as
//! an immutable snapshot.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use crypto::{
    Credential, EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod, PrfAlgorithm,
    TrustAnchors,
};

use crate::{FrontVrf, Identity, IdentityPattern, InnerVrf, TrafficSelector, V1Policy, Versions};

/// A pool's name, unique in a snapshot.
pub type PoolName = Arc<str>;

/// Alternatives for an IKE SA; within each list the first is preferred.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IkeProposal {
    /// Ciphers, all AEAD or none.
    pub encryption: Vec<EncryptionAlgorithm>,
    /// Empty exactly when the ciphers are AEAD.
    pub integrity: Vec<IntegrityAlgorithm>,
    /// Pseudorandom functions.
    pub prf: Vec<PrfAlgorithm>,
    /// Key exchange methods.
    pub key_exchange: Vec<KeyExchangeMethod>,
}

/// Alternatives for an ESP SA; within each list the first is preferred.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EspProposal {
    /// Ciphers, all AEAD or none.
    pub encryption: Vec<EncryptionAlgorithm>,
    /// Empty exactly when the ciphers are AEAD.
    pub integrity: Vec<IntegrityAlgorithm>,
    /// Methods for perfect forward secrecy in CREATE_CHILD_SA; empty for none.
    pub key_exchange: Vec<KeyExchangeMethod>,
    /// Acceptable values of the ESN transform, the preferred first (`true` = 64-bit numbers).
    pub esn: Vec<bool>,
}

/// A shared secret. No `Debug`, zeroized on drop.
#[derive(Clone)]
pub struct PreSharedKey(Arc<zeroize::Zeroizing<Vec<u8>>>);

impl PreSharedKey {
    /// Takes over the octets of the secret.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Arc::new(zeroize::Zeroizing::new(octets)))
    }

    /// The secret, for the computation of AUTH or SKEYID, or for a comparison in constant time.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// One `secrets` entry: the owners for whom the key is good.
#[derive(Clone)]
pub struct SecretEntry {
    /// Identities of either end; empty means any.
    pub owners: Vec<IdentityPattern>,
    /// The front-door VRF in which it is good; `None` for every one.
    pub fvrf: Option<FrontVrf>,
    /// The secret itself.
    pub key: PreSharedKey,
}

/// How an end authenticates, and what that takes if it is by certificate: our own certificate and
/// key, or whom we trust to certify the peer.
pub enum AuthPolicy<T> {
    /// Shared key message integrity code (method 2).
    Psk,
    /// Signature with a certified key (RFC 7427; IKEv2 only).
    Certificate(Arc<T>),
}

impl<T> AuthPolicy<T> {
    /// What a certificate takes.
    #[must_use]
    pub fn certificate(&self) -> Option<&Arc<T>> {
        match self {
            Self::Psk => None,
            Self::Certificate(material) => Some(material),
        }
    }
}

impl<T> Clone for AuthPolicy<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Psk => Self::Psk,
            Self::Certificate(material) => Self::Certificate(Arc::clone(material)),
        }
    }
}

// A key has no `Debug`.
impl<T> fmt::Debug for AuthPolicy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Psk => "Psk",
            Self::Certificate(_) => "Certificate",
        })
    }
}

/// When to rekey: each limit is optional, the first reached wins, each is shortened by a random
/// share of up to `jitter_percent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RekeyPolicy {
    /// Soft lifetime.
    pub time: Option<Duration>,
    /// Soft limit on octets (Child SAs only).
    pub bytes: Option<u64>,
    /// Soft limit on packets (Child SAs only).
    pub packets: Option<u64>,
    /// Hard lifetime: the SA is deleted when a rekey has not succeeded by then.
    pub hard_time: Option<Duration>,
    /// 0-100: how much of each soft limit may be taken off at random.
    pub jitter_percent: u8,
}

/// What happens to a child at load time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StartAction {
    /// Wait for the peer.
    #[default]
    None,
    /// Initiate when traffic asks for it.
    Trap,
    /// Initiate at once.
    Start,
}

/// Don't Fragment bit of the outer header (RFC 4301 §8.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DfPolicy {
    /// As in the inner header.
    #[default]
    Copy,
    /// Always set.
    Set,
    /// Never set.
    Clear,
}

/// What a Child SA may look like.
#[derive(Clone, Debug)]
pub struct ChildPolicy {
    /// Name, unique in its connection.
    pub name: Arc<str>,
    /// Traffic selectors of our side. Empty means the peer's choice is narrowed to what it proposes.
    pub local_ts: Vec<TrafficSelector>,
    /// Traffic selectors of the peer's side. Empty stands for "dynamic": the peer's virtual address
    /// or else its outer address.
    pub remote_ts: Vec<TrafficSelector>,
    /// In order of preference.
    pub proposals: Vec<EspProposal>,
    /// When to rekey.
    pub rekey: RekeyPolicy,
    /// Replay window in packets, 64 to 8192.
    pub replay_window: u32,
    /// How many packets the peer's replay window is known to cover; 0 if that is not known.
    pub peer_replay_window: u32,
    /// Outer DF bit.
    pub df: DfPolicy,
    /// Whether DSCP is copied to the outer header.
    pub copy_dscp: bool,
    /// Clamp of the TCP maximum segment size on SYN segments.
    pub mss_clamp: Option<u16>,
    /// What happens when the configuration is loaded.
    pub start: StartAction,
}

/// Where a peer is reached. The IKE port is 500 unless configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerEndpoint {
    /// At an address.
    Address(SocketAddr),
    /// At the address that a host name stands for.
    Name {
        /// The name.
        name: Arc<str>,
        /// The IKE port.
        port: u16,
        /// Whether it is resolved again at each attempt; else the first answer holds until the
        /// policy is replaced.
        dynamic: bool,
    },
}

/// A pool of virtual addresses.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressPool {
    /// Name, unique in its snapshot.
    pub name: PoolName,
    /// First address that is handed out.
    pub first: IpAddr,
    /// Last address that is handed out, inclusive, same family.
    pub last: IpAddr,
    /// DNS servers sent along.
    pub dns: Vec<IpAddr>,
    /// The inner VRF to which its addresses belong.
    pub ivrf: InnerVrf,
}

/// One `connections` entry.
#[derive(Clone, Debug)]
pub struct ConnectionPolicy {
    /// Name, unique in a snapshot.
    pub name: Arc<str>,
    /// The versions of IKE that it speaks.
    pub versions: Versions,
    /// What it does in IKEv1 beyond what both versions share.
    pub v1: V1Policy,
    /// Index of the connection's DPD policy in the snapshot.
    pub dpd: u16,
    /// Where its peers are met.
    pub fvrf: FrontVrf,
    /// Where its traffic comes from and goes to.
    pub ivrf: InnerVrf,
    /// Our addresses; empty means any that we listen on.
    pub local_addrs: Vec<IpAddr>,
    /// For an initiator, the peers in order of preference; for a responder, acceptable sources are
    /// `remote_sources`.
    pub remote_addrs: Vec<PeerEndpoint>,
    /// Which of `remote_addrs` is tried first whenever a tunnel is needed anew; `None` for the one
    /// whose turn it is.
    pub default_peer: Option<u16>,
    /// Acceptable source ranges of a responder: inclusive ranges; empty means any.
    pub remote_sources: Vec<(IpAddr, IpAddr)>,
    /// What we call ourselves; `None` means our address.
    pub local_id: Option<Identity>,
    /// Whom we accept.
    pub remote_id: IdentityPattern,
    /// How we authenticate.
    pub local_auth: AuthPolicy<Credential>,
    /// How the peer must authenticate.
    pub remote_auth: AuthPolicy<TrustAnchors>,
    /// In order of preference.
    pub proposals: Vec<IkeProposal>,
    /// The Child SAs that may exist under it.
    pub children: Vec<ChildPolicy>,
    /// Pools from which a peer gets virtual addresses (one per family at most is used).
    pub pools: Vec<PoolName>,
    /// As initiator: ask for virtual addresses of these families (IPv4, IPv6).
    pub request_virtual: (bool, bool),
    /// When to rekey the IKE SA.
    pub rekey: RekeyPolicy,
    /// When to authenticate anew instead of rekeying.
    pub reauth_time: Option<Duration>,
    /// Whether fragmentation (RFC 7383) is offered and accepted.
    pub fragmentation: bool,
    /// Largest IP datagram of an IKE message before it is fragmented.
    pub fragment_size: u16,
    /// Whether we send INITIAL_CONTACT with our first Child SA.
    pub send_initial_contact: bool,
    /// Whether a new IKE SA of the same identity replaces the old one.
    pub unique: bool,
    /// Force UDP encapsulation even where no NAT was found.
    pub force_encap: bool,
}
