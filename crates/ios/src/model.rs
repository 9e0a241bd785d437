//! What a router's configuration says about IPsec, as it says it.

use core::net::{IpAddr, Ipv4Addr};

use crate::line::LineId;
use crate::secret::Secret;

/// A value and the line that gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) line: LineId,
}

/// All of it.
#[derive(Default)]
pub(crate) struct Router {
    pub(crate) hostname: Option<At<String>>,
    pub(crate) domain: Option<At<String>>,
    pub(crate) isakmp: Isakmp,
    pub(crate) ipsec: Ipsec,
    pub(crate) ikev2: Ikev2,
    pub(crate) maps: Vec<MapEntry>,
    pub(crate) map_settings: Vec<MapSettings>,
    pub(crate) dynamic_maps: Vec<MapEntry>,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) lists: Vec<AccessList>,
    pub(crate) pools: Vec<LocalPool>,
    pub(crate) users: Vec<User>,
    pub(crate) logins: Vec<Method>,
    pub(crate) networks: Vec<Method>,
}

/// `crypto isakmp …` and `crypto keyring`.
#[derive(Default)]
pub(crate) struct Isakmp {
    pub(crate) policies: Vec<Policy>,
    pub(crate) keys: Vec<Key>,
    pub(crate) keyrings: Vec<Keyring>,
    pub(crate) keepalive: Option<At<Keepalive>>,
    pub(crate) identity: Option<At<IdentityKind>>,
    pub(crate) aggressive_disabled: Option<LineId>,
    pub(crate) nat_keepalive: Option<At<u32>>,
    pub(crate) pool: Option<At<String>>,
    pub(crate) profiles: Vec<IsakmpProfile>,
    pub(crate) groups: Vec<Group>,
}

/// A word of Palisade for an algorithm; `None` for one that it does not have.
pub(crate) type Word = Option<&'static str>;

/// `crypto isakmp policy`.
pub(crate) struct Policy {
    pub(crate) priority: u32,
    pub(crate) line: LineId,
    pub(crate) encryption: Option<At<Word>>,
    pub(crate) hash: Option<At<Word>>,
    pub(crate) pre_share: Option<At<bool>>,
    pub(crate) group: Option<At<Word>>,
    pub(crate) lifetime: Option<At<u32>>,
}

/// Whose a key is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// An address and the length of its prefix.
    Prefix(IpAddr, u8),
    /// A host name.
    Host(String),
}

/// A pre-shared key of IKEv1.
pub(crate) struct Key {
    pub(crate) line: LineId,
    pub(crate) owner: Owner,
    pub(crate) secret: Secret,
    pub(crate) no_xauth: bool,
}

/// `crypto keyring`.
pub(crate) struct Keyring {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) vrf: Option<String>,
    pub(crate) keys: Vec<Key>,
}

/// Dead peer detection: seconds between probes, between tries, and whether without traffic too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Keepalive {
    pub(crate) interval: u32,
    pub(crate) retry: u32,
    pub(crate) periodic: bool,
}

/// `crypto isakmp identity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum IdentityKind {
    Address,
    Hostname,
}

/// An identity that a profile gives or asks for, in Palisade's words.
pub(crate) type Identity = At<String>;

/// What is asked of clients, and given to them.
#[derive(Default)]
pub(crate) struct Clients {
    pub(crate) authentication: Option<At<String>>,
    pub(crate) configuration: Vec<At<Direction>>,
    pub(crate) authorization: Option<At<String>>,
}

impl Clients {
    /// Whether anything is said about clients.
    pub(crate) fn is_empty(&self) -> bool {
        self.authentication.is_none()
            && self.configuration.is_empty()
            && self.authorization.is_none()
    }
}

/// Who begins mode-config.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    Respond,
    Initiate,
}

/// `crypto isakmp profile`.
pub(crate) struct IsakmpProfile {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) keyrings: Vec<At<String>>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) groups: Vec<At<String>>,
    pub(crate) own: Option<At<Own>>,
    pub(crate) keepalive: Option<At<Keepalive>>,
    pub(crate) clients: Clients,
    pub(crate) aggressive: Option<LineId>,
    pub(crate) vrf: Option<At<String>>,
}

/// Who we say we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Own {
    Address,
    Hostname,
    /// In Palisade's words.
    Named(String),
}

/// `crypto isakmp client configuration group`.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) key: Option<(LineId, Secret)>,
    pub(crate) dns: Vec<At<Ipv4Addr>>,
    pub(crate) domain: Option<At<String>>,
    pub(crate) pool: Option<At<String>>,
    pub(crate) list: Option<At<String>>,
    /// The banner, and the lines that hold it.
    pub(crate) banner: Option<(String, Vec<LineId>)>,
}

/// `crypto ipsec …`.
#[derive(Default)]
pub(crate) struct Ipsec {
    pub(crate) transform_sets: Vec<TransformSet>,
    pub(crate) lifetime: Lifetime,
    pub(crate) replay: Option<At<u32>>,
    pub(crate) df: Option<At<Df>>,
}

/// `crypto ipsec transform-set`; the words are those of a proposal without key exchange.
pub(crate) struct TransformSet {
    pub(crate) name: String,
    pub(crate) line: LineId,
    /// `None` if Palisade has no such ESP.
    pub(crate) proposal: Option<String>,
    /// Lines of its mode.
    pub(crate) modes: Vec<LineId>,
    /// `mode transport require`.
    pub(crate) transport_only: bool,
}

/// How long a Child SA lives.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Lifetime {
    pub(crate) seconds: Option<At<u32>>,
    /// `None` inside for no limit.
    pub(crate) kilobytes: Option<At<Option<u32>>>,
}

/// The outer DF bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Df {
    Clear,
    Set,
    Copy,
}

/// `set peer`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Peer {
    Address(IpAddr),
    /// A name, and whether it is resolved at each attempt.
    Host(String, bool),
}

/// An entry of a crypto map or of a dynamic one.
pub(crate) struct MapEntry {
    pub(crate) map: String,
    pub(crate) number: u32,
    pub(crate) line: LineId,
    /// The dynamic map that the entry stands for.
    pub(crate) dynamic: Option<String>,
    pub(crate) peers: Vec<At<Peer>>,
    /// Index into `peers` of the one that is tried first again.
    pub(crate) preferred: Option<usize>,
    pub(crate) transform_sets: Vec<At<String>>,
    pub(crate) pfs: Option<At<Word>>,
    pub(crate) lifetime: Lifetime,
    pub(crate) replay: Option<At<u32>>,
    pub(crate) list: Option<At<String>>,
    pub(crate) isakmp_profile: Option<At<String>>,
    pub(crate) ikev2_profile: Option<At<String>>,
    pub(crate) reverse_route: Option<LineId>,
    pub(crate) description: Option<At<String>>,
}

/// What holds for all entries of a crypto map.
#[derive(Default)]
pub(crate) struct MapSettings {
    pub(crate) map: String,
    pub(crate) clients: Clients,
    pub(crate) local_address: Option<At<String>>,
    pub(crate) isakmp_profile: Option<At<String>>,
}

/// `interface`.
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) address: Option<At<Ipv4Addr>>,
    pub(crate) map: Option<At<String>>,
    pub(crate) vrf: Option<At<String>>,
    pub(crate) df: Option<At<Df>>,
}

/// An access list.
pub(crate) struct AccessList {
    pub(crate) name: String,
    /// The line that opens it, if it is a section.
    pub(crate) line: Option<LineId>,
    pub(crate) entries: Vec<AccessEntry>,
}

/// A line of an access list.
pub(crate) struct AccessEntry {
    pub(crate) line: LineId,
    pub(crate) rule: Rule,
}

/// What a line of an access list says.
pub(crate) enum Rule {
    Remark(String),
    Permit(Match),
    Deny(Match),
    /// A line that cannot be told in selectors, and why.
    Unknown(String),
}

/// Packets that a line is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Match {
    /// 0 for any.
    pub(crate) protocol: u8,
    pub(crate) source: End,
    pub(crate) destination: End,
}

/// One side of a match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End {
    pub(crate) network: Ipv4Addr,
    pub(crate) length: u8,
    /// First and last port.
    pub(crate) ports: (u16, u16),
}

/// `ip local pool`.
pub(crate) struct LocalPool {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) first: Ipv4Addr,
    pub(crate) last: Ipv4Addr,
}

/// `username`.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) password: Secret,
}

/// `aaa authentication login` or `aaa authorization network`.
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) line: LineId,
    /// Whether the first method is the router's own list.
    pub(crate) local: bool,
}

/// `crypto ikev2 …`.
#[derive(Default)]
pub(crate) struct Ikev2 {
    pub(crate) proposals: Vec<Ikev2Proposal>,
    pub(crate) policies: Vec<Ikev2Policy>,
    pub(crate) keyrings: Vec<Ikev2Keyring>,
    pub(crate) profiles: Vec<Ikev2Profile>,
    pub(crate) dpd: Option<At<Keepalive>>,
    pub(crate) cookie_challenge: Option<At<u32>>,
    pub(crate) half_open_max: Option<At<u32>>,
    pub(crate) nat_keepalive: Option<At<u32>>,
    /// `crypto ikev2 fragmentation`, with its MTU.
    pub(crate) fragmentation: Option<At<Option<u32>>>,
}

/// `crypto ikev2 proposal`; words of Palisade.
pub(crate) struct Ikev2Proposal {
    pub(crate) name: String,
    pub(crate) encryption: Vec<&'static str>,
    pub(crate) integrity: Vec<&'static str>,
    pub(crate) prf: Vec<&'static str>,
    pub(crate) groups: Vec<&'static str>,
    /// The lines that say so.
    pub(crate) lines: Vec<LineId>,
}

/// `crypto ikev2 policy`.
pub(crate) struct Ikev2Policy {
    pub(crate) line: LineId,
    pub(crate) proposals: Vec<At<String>>,
}

/// `crypto ikev2 keyring`.
pub(crate) struct Ikev2Keyring {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) peers: Vec<Ikev2Peer>,
}

/// `peer` of a keyring.
pub(crate) struct Ikev2Peer {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) address: Option<At<Owner>>,
    pub(crate) host: Option<At<String>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) local: Option<(LineId, Secret)>,
    pub(crate) remote: Option<(LineId, Secret)>,
}

/// `crypto ikev2 profile`.
pub(crate) struct Ikev2Profile {
    pub(crate) name: String,
    pub(crate) line: LineId,
    pub(crate) identities: Vec<Identity>,
    pub(crate) own: Option<At<Own>>,
    pub(crate) local_pre_share: Option<At<bool>>,
    pub(crate) remote_pre_share: Vec<At<bool>>,
    /// Keys that stand in the profile itself.
    pub(crate) local_key: Option<(LineId, Secret)>,
    pub(crate) remote_key: Option<(LineId, Secret)>,
    pub(crate) keyring: Option<At<String>>,
    pub(crate) dpd: Option<At<Keepalive>>,
    pub(crate) lifetime: Option<At<u32>>,
    pub(crate) force_encap: Option<LineId>,
    pub(crate) vrf: Option<At<String>>,
}
