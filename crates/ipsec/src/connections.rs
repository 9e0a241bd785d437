//! The connections of a configuration, and the ways to find one among hundreds of thousands.

use core::net::IpAddr;
use core::ops::Deref;
use std::collections::HashMap;
use std::sync::Arc;

use crate::by_source::BySource;
use crate::pattern_index::PatternIndex;
use crate::{
    ConnectionPolicy, FrontVrf, Identity, IkeProposal, IkeVersion, PeerEndpoint, StartAction,
};

/// The connections in the order of the configuration, which is the order of preference, with an
/// index: whoever looks for one pays for what fits, not for how many there are.
#[derive(Clone, Default)]
pub struct Connections {
    list: Arc<[Arc<ConnectionPolicy>]>,
    index: Arc<Index>,
}

#[derive(Default)]
struct Index {
    by_name: HashMap<Arc<str>, u32>,
    /// What is open to a peer that has not said who it is, by the VRF where it is met. Of those that
    /// are alike to such a peer the first stands for all.
    openings: BySource,
    /// The kind of opening that each connection is, beside those that are alike.
    kinds: Vec<u32>,
    /// Who is meant by `remote_id`, in each VRF.
    identities: HashMap<FrontVrf, PatternIndex>,
    /// The subjects of [`Self::by_identity`] begin here in each VRF's numbers of patterns.
    by_identity: HashMap<FrontVrf, BySource>,
    /// Whom we connect to with IKEv1, and the first connection that does.
    v1_peers: HashMap<IpAddr, u32>,
    /// Children that are set up at once or trapped, of connections that have whom to connect to.
    begun: Vec<OwnChild>,
}

/// A child that we set up of our own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnChild {
    /// Number of the connection.
    pub connection: u32,
    /// Index in the connection's children.
    pub child: u16,
    /// What makes us set it up.
    pub start: StartAction,
}

/// What of a connection matters before the peer has said who it is.
#[derive(PartialEq, Eq, Hash)]
struct Opening<'c> {
    versions: (bool, bool),
    local_addrs: &'c [IpAddr],
    proposals: &'c [IkeProposal],
    certificates: bool,
    /// The authorities that the peer is told of.
    anchors: Option<*const crypto::TrustAnchors>,
    aggressive: bool,
    /// How the method of IKEv1's proposals comes out.
    xauth: Option<core::mem::Discriminant<crate::Xauth>>,
}

impl<'c> Opening<'c> {
    fn of(connection: &'c ConnectionPolicy) -> Self {
        Self {
            versions: (connection.versions.v1, connection.versions.v2),
            local_addrs: &connection.local_addrs,
            proposals: &connection.proposals,
            certificates: connection.uses_certificates(),
            anchors: connection.remote_auth.certificate().map(Arc::as_ptr),
            aggressive: connection.v1.aggressive,
            xauth: connection.v1.xauth.as_ref().map(core::mem::discriminant),
        }
    }
}

impl Deref for Connections {
    type Target = [Arc<ConnectionPolicy>];

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl FromIterator<Arc<ConnectionPolicy>> for Connections {
    fn from_iter<I: IntoIterator<Item = Arc<ConnectionPolicy>>>(connections: I) -> Self {
        let list: Arc<[_]> = connections.into_iter().collect();
        let index = Arc::new(Index::of(&list));
        Self { list, index }
    }
}

impl From<Vec<Arc<ConnectionPolicy>>> for Connections {
    fn from(connections: Vec<Arc<ConnectionPolicy>>) -> Self {
        connections.into_iter().collect()
    }
}

impl Index {
    fn of(list: &[Arc<ConnectionPolicy>]) -> Self {
        let mut index = Self::default();
        index.by_name.reserve(list.len());
        index.kinds.reserve_exact(list.len());
        let mut kinds = HashMap::new();
        for (connection, number) in list.iter().zip(0..) {
            let next = u32::try_from(kinds.len()).unwrap_or(u32::MAX);
            let kind = *kinds.entry(Opening::of(connection)).or_insert(next);
            index.kinds.push(kind);
            index.add(connection, number, kind);
        }
        index.openings.shrink();
        index.by_identity.values_mut().for_each(BySource::shrink);
        index
    }

    fn add(&mut self, connection: &ConnectionPolicy, number: u32, kind: u32) {
        let name = Arc::clone(&connection.name);
        self.by_name.entry(name).or_insert(number);
        let (fvrf, sources) = (connection.fvrf, &connection.remote_sources);
        let kinds = &self.kinds;
        let new = |there: &[u32]| {
            let alike = |one: &u32| kinds.get(*one as usize) == Some(&kind);
            !there.iter().any(alike)
        };
        self.openings.add(number, u32::from(fvrf.0), sources, new);
        let pattern = self
            .identities
            .entry(fvrf)
            .or_default()
            .number(&connection.remote_id);
        let by_identity = self.by_identity.entry(fvrf).or_default();
        by_identity.add(number, pattern, sources, |_| true);
        if connection.versions.v1 {
            for endpoint in &connection.remote_addrs {
                if let PeerEndpoint::Address(address) = endpoint {
                    self.v1_peers.entry(address.ip()).or_insert(number);
                }
            }
        }
        if !connection.remote_addrs.is_empty() {
            let children = connection.children.iter().zip(0..);
            let begun = children.filter(|(child, _)| child.start != StartAction::None);
            self.begun.extend(begun.map(|(child, place)| OwnChild {
                connection: number,
                child: place,
                start: child.start,
            }));
        }
    }
}

impl Connections {
    /// The number of the connection with a name.
    #[must_use]
    pub fn number_of(&self, name: &str) -> Option<u32> {
        self.index.by_name.get(name).copied()
    }

    /// The connection with a number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<&Arc<ConnectionPolicy>> {
        self.list.get(usize::try_from(number).ok()?)
    }

    /// The connection with a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<ConnectionPolicy>> {
        self.numbered(self.number_of(name)?)
    }

    /// The first connection that connects with IKEv1 to this address.
    #[must_use]
    pub fn to_v1_peer(&self, remote: IpAddr) -> Option<&Arc<ConnectionPolicy>> {
        self.numbered(*self.index.v1_peers.get(&remote)?)
    }

    /// The children that we set up of our own accord, of connections that have whom to connect to.
    #[must_use]
    pub fn own_children(&self) -> &[OwnChild] {
        &self.index.begun
    }

    /// What is open to a peer at `remote` with this version of IKE on our address `local` in a
    /// front-door VRF before it says who it is, the preferred first. Connections that are alike until
    /// then (proposals, certificates, mode) are represented by the first of them. IKEv1 knows no
    /// certificates here.
    pub fn between(
        &self,
        version: IkeVersion,
        fvrf: FrontVrf,
        local: IpAddr,
        remote: IpAddr,
    ) -> impl Iterator<Item = &Arc<ConnectionPolicy>> {
        let lists = self.index.openings.get(u32::from(fvrf.0), remote);
        let mut numbers: Vec<u32> = lists.flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .filter_map(|number| self.numbered(number))
            .filter(move |one| one.speaks(version) && one.accepts(local, remote))
    }

    /// The connection of an identified peer. Among those of the VRF that speak the version, accept
    /// the two addresses and answer to whom the peer asked for, if it did: the one whose `remote_id`
    /// describes the peer most closely ([`Specificity`](crate::Specificity)); among equals the first
    /// of the configuration. How narrowly a connection describes the peer's address never matters.
    #[must_use]
    pub fn of_peer(
        &self,
        version: IkeVersion,
        fvrf: FrontVrf,
        (local, remote): (IpAddr, IpAddr),
        asked_for: Option<&Identity>,
        peer: &Identity,
    ) -> Option<&Arc<ConnectionPolicy>> {
        let identities = self.index.identities.get(&fvrf)?;
        let by_identity = self.index.by_identity.get(&fvrf)?;
        let fits = |number: &u32| {
            self.numbered(*number).is_some_and(|one| {
                one.speaks(version) && one.accepts(local, remote) && one.answers_to(asked_for)
            })
        };
        let first = |pattern: u32| {
            let lists = by_identity.get(pattern, remote);
            lists
                .filter_map(|list| list.iter().copied().find(fits))
                .min()
        };
        if let Some(number) = identities.exact(peer).and_then(first) {
            return self.numbered(number);
        }
        let wider = identities.wider(peer);
        let groups = wider.chunk_by(|(one, _), (other, _)| one == other);
        let mut found = groups.filter_map(|group| {
            let patterns = group.iter().map(|(_, pattern)| *pattern);
            patterns.filter_map(first).min()
        });
        self.numbered(found.next()?)
    }
}

impl ConnectionPolicy {
    /// IKEv1 knows no certificates here.
    fn speaks(&self, version: IkeVersion) -> bool {
        self.versions.allow(version) && (version == IkeVersion::V2 || !self.uses_certificates())
    }

    /// Whether it may be whom a peer wants to reach, if it says.
    fn answers_to(&self, asked_for: Option<&Identity>) -> bool {
        match (asked_for, &self.local_id) {
            (Some(asked), Some(own)) => asked.same(own),
            _ => true,
        }
    }
}
