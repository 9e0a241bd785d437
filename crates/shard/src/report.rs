//! What a shard tells about its peers, as plain rows.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use crypto::{KeyExchangeMethod, ProtectionSuite};
use dpd::{Evidence, Proof};
use ike::trace::Stage;
use ike::{Negotiated, Role};
use ipsec::{
    Encapsulation, EspSpi, FrontVrf, Identity, IkeSpi, IkeVersion, InboundCounters,
    OutboundCounters, TrafficSelector, VolumeLimits,
};
use timer::Instant;

use crate::obituary::Obituary;
use crate::peers::{Child, Peer};
use crate::{PeerRef, Shard};

/// IKE SAs that one question finds at most.
const FOUND_MAX: usize = 8;

/// One IKE SA.
#[derive(Clone, Debug)]
pub struct PeerRow {
    /// Names it.
    pub peer: PeerRef,
    /// A short number for people, unlike that of any other IKE SA of the service at the same time.
    pub number: u32,
    /// The version that it speaks.
    pub version: IkeVersion,
    /// How far it has come.
    pub stage: Stage,
    /// On what both ends agreed, once there are keys.
    pub negotiated: Option<Negotiated>,
    /// Our part in it.
    pub role: Role,
    /// The peer's SPI.
    pub peer_spi: IkeSpi,
    /// Whether both ends are authenticated.
    pub established: bool,
    /// IKE and ESP go in UDP on the encapsulating port.
    pub encapsulated: bool,
    /// Whether a NAT is before us, and before the peer.
    pub nat: (bool, bool),
    /// Time since its first message, or since that of the IKE SA which it succeeded.
    pub age: Duration,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
    /// How many Child SAs it has.
    pub children: usize,
    /// Liveness; `None` before authentication.
    pub liveness: Option<LivenessRow>,
}

/// What is known of a peer's life.
#[derive(Clone, Debug)]
pub struct LivenessRow {
    /// The state of dead peer detection.
    pub state: dpd::State,
    /// The last proof of life.
    pub last_proof: Proof,
    /// Time since then.
    pub since_proof: Duration,
    /// Tries of the current probe so far.
    pub tries: u8,
    /// The record of the current probe, from its second try on.
    pub evidence: Option<Evidence>,
}

/// One Child SA.
#[derive(Clone, Debug)]
pub struct SaRow {
    /// The IKE SA that owns it.
    pub peer: PeerRef,
    /// Name of the child in its connection.
    pub child: Arc<str>,
    /// Our SPI.
    pub inbound: EspSpi,
    /// The peer's SPI.
    pub outbound: EspSpi,
    /// Outbound traffic uses it.
    pub active: bool,
    /// Algorithms.
    pub suite: ProtectionSuite,
    /// 64-bit sequence numbers.
    pub esn: bool,
    /// The method of its own key exchange, with perfect forward secrecy.
    pub pfs: Option<KeyExchangeMethod>,
    /// How its packets go.
    pub encapsulation: Encapsulation,
    /// Octets that an outer packet may have.
    pub path_mtu: u16,
    /// Octets of the biggest inner packet that fits.
    pub inner_mtu: u16,
    /// Packets that may overtake each other.
    pub replay_window: u32,
    /// When it must be gone; [`Instant::MAX`] for never.
    pub expires_at: Instant,
    /// Limits of volume of each direction.
    pub limits: VolumeLimits,
    /// What may pass on our side.
    pub local_ts: Vec<TrafficSelector>,
    /// What may pass on the peer's side.
    pub remote_ts: Vec<TrafficSelector>,
    /// What came in.
    pub counted_in: InboundCounters,
    /// What went out.
    pub counted_out: OutboundCounters,
}

/// Who is meant by a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// The IKE SA with this SPI of ours.
    Spi(IkeSpi),
    /// The peer with this identity.
    Identity(Identity),
    /// The peer behind this inner address.
    Inner(IpAddr),
    /// The peer at this outer address.
    Outer(SocketAddr),
}

impl Shard {
    /// Up to `limit` IKE SAs from slot `from` on, and the slot to go on from.
    #[must_use]
    pub fn peers(&self, from: usize, limit: usize, now: Instant) -> (Vec<PeerRow>, Option<usize>) {
        let mut rows = Vec::new();
        for (slot, peer) in self.peers.iter_from(from) {
            if rows.len() == limit {
                return (rows, Some(slot));
            }
            rows.push(self.peer_row(peer, now));
        }
        (rows, None)
    }

    /// The Child SAs of up to `limit` IKE SAs from slot `from` on, and the slot to go on from.
    #[must_use]
    pub fn sas(&self, from: usize, limit: usize) -> (Vec<SaRow>, Option<usize>) {
        let mut rows = Vec::new();
        for (count, (slot, peer)) in self.peers.iter_from(from).enumerate() {
            if count == limit {
                return (rows, Some(slot));
            }
            rows.extend(
                peer.children
                    .iter()
                    .filter_map(|child| self.sa_row(peer, child)),
            );
        }
        (rows, None)
    }

    /// The IKE SAs that are meant, each with its Child SAs; enough of them to see that there are
    /// several.
    #[must_use]
    pub fn peer(&self, which: &Which, now: Instant) -> Vec<(PeerRow, Vec<SaRow>)> {
        let found = self.find(which);
        let meant = found.iter().filter_map(|spi| self.peers.get(*spi));
        let with_children = |peer: &Peer| {
            let children = peer.children.iter();
            let sas = children.filter_map(|child| self.sa_row(peer, child));
            (self.peer_row(peer, now), sas.collect())
        };
        meant.map(with_children).collect()
    }

    /// The latest verdict on a peer.
    #[must_use]
    pub fn why_dead(&self, which: &Which) -> Option<Obituary> {
        let found = match which {
            Which::Spi(spi) => self.obituaries.of_spi(*spi),
            Which::Identity(identity) => self.obituaries.of_identity(identity),
            Which::Outer(address) => self
                .obituaries
                .iter()
                .find(|obituary| obituary.peer.remote.ip() == address.ip()),
            Which::Inner(_) => None,
        };
        found.cloned()
    }

    /// Finds IKE SAs of this shard. An identity may live in several VRFs, and so may an address.
    fn find(&self, which: &Which) -> Vec<IkeSpi> {
        let matching = |matches: &dyn Fn(&Peer) -> bool| {
            let peers = self.peers.iter_from(0).map(|(_, peer)| peer);
            let found = peers.filter(|peer| matches(peer)).take(FOUND_MAX);
            found.map(|peer| peer.sa.local_spi()).collect()
        };
        match which {
            Which::Spi(spi) => self.peers.get(*spi).map(|_| *spi).into_iter().collect(),
            Which::Identity(identity) => self.owned(identity),
            Which::Inner(address) => matching(&|peer| peer.addresses.contains(address)),
            Which::Outer(address) => matching(&|peer| peer.sa.path().remote.ip() == address.ip()),
        }
    }

    /// The IKE SAs of this shard that own an identity, in whichever front-door VRF.
    fn owned(&self, identity: &Identity) -> Vec<IkeSpi> {
        let sockets = &self.world.settings.ike_sockets;
        let mut vrfs: Vec<_> = sockets.iter().map(|socket| socket.fvrf).collect();
        vrfs.push(FrontVrf::GLOBAL);
        vrfs.sort_unstable();
        vrfs.dedup();
        let owner = |fvrf| self.world.directory.owner_of_identity(fvrf, identity);
        let owners = vrfs.into_iter().filter_map(owner);
        let here = owners.filter(|owner| owner.shard == self.id);
        here.take(FOUND_MAX).map(|owner| owner.spi).collect()
    }

    fn peer_row(&self, peer: &Peer, now: Instant) -> PeerRow {
        let path = peer.sa.path();
        let nat = peer.sa.nat();
        PeerRow {
            peer: PeerRef {
                shard: self.id,
                spi: peer.sa.local_spi(),
                connection: peer
                    .sa
                    .connection()
                    .map_or_else(|| "".into(), |c| c.name.clone()),
                identity: peer.sa.peer().cloned(),
                local: path.local,
                remote: path.remote,
                fvrf: path.fvrf,
                ivrf: peer.ivrf(),
            },
            number: self.number(peer.sa.local_spi()),
            negotiated: peer.sa.negotiated(),
            version: peer.sa.version(),
            stage: peer.sa.stage(),
            role: peer.sa.role(),
            peer_spi: peer.sa.peer_spi(),
            established: peer.sa.is_established(),
            encapsulated: path.encapsulated,
            nat: (nat.local, nat.remote),
            age: now - peer.born,
            addresses: peer.addresses.clone(),
            children: peer.children.len(),
            liveness: peer.liveness.as_ref().map(|liveness| {
                let (last_proof, at) = liveness.last_proof();
                LivenessRow {
                    state: liveness.state(),
                    last_proof,
                    since_proof: now - at,
                    tries: liveness.tries(),
                    evidence: liveness.evidence().cloned(),
                }
            }),
        }
    }

    fn sa_row(&self, peer: &Peer, child: &Child) -> Option<SaRow> {
        let inbound = self.world.sad.inbound(child.inbound)?;
        let outbound = self.world.sad.outbound(child.outbound)?;
        let spi = peer.sa.local_spi();
        let of_ike = peer.sa.children();
        let known = of_ike.iter().find(|known| known.inbound == child.inbound);
        Some(SaRow {
            peer: self.peer_ref(spi)?,
            child: self.child_name(spi, child.policy),
            inbound: child.inbound,
            outbound: outbound.spi,
            active: child.active,
            suite: inbound.suite,
            esn: inbound.esn,
            pfs: known.and_then(|known| known.pfs),
            encapsulation: outbound.path().encapsulation,
            path_mtu: outbound.path().mtu,
            inner_mtu: esp::inner_mtu(outbound),
            replay_window: inbound.window.size(),
            expires_at: known.map_or(Instant::MAX, |known| known.expires_at),
            limits: outbound.limits,
            local_ts: inbound.selectors.local().to_vec(),
            remote_ts: inbound.selectors.remote().to_vec(),
            counted_in: inbound.counters,
            counted_out: outbound.counters,
        })
    }
}
