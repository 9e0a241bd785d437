//! Sessions that an operator ends by what they have in common, some at a time.

use core::net::{IpAddr, SocketAddr};

use ike::CloseReason;
use ipsec::{FrontVrf, Identity, IkeSpi, InnerVrf};
use timer::Instant;

use crate::peers::Peer;
use crate::{Output, PeerRef, Shard};

/// Slots that one call looks at, at most: a table that is nearly empty must not hold the shard up.
const SLOTS_MAX: usize = 8_192;

/// An address, with a port or with any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The port; any if `None`.
    pub port: Option<u16>,
}

impl Endpoint {
    fn is(&self, actual: SocketAddr) -> bool {
        self.address == actual.ip() && self.port.is_none_or(|port| port == actual.port())
    }
}

/// Which sessions are meant: those for which everything that is given here holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SessionFilter {
    /// Our outer address.
    pub local: Option<Endpoint>,
    /// The peer's outer address.
    pub remote: Option<Endpoint>,
    /// The VRF in which the peer is met.
    pub fvrf: Option<FrontVrf>,
    /// The VRF of its tunnels.
    pub ivrf: Option<InnerVrf>,
    /// Who the peer is.
    pub identity: Option<Identity>,
}

impl SessionFilter {
    fn means(&self, peer: &Peer) -> bool {
        let path = peer.sa.path();
        self.local.is_none_or(|local| local.is(path.local))
            && self.remote.is_none_or(|remote| remote.is(path.remote))
            && self.fvrf.is_none_or(|fvrf| fvrf == path.fvrf)
            && self.ivrf.is_none_or(|ivrf| ivrf == peer.ivrf())
            && (self.identity.is_none() || self.identity.as_ref() == peer.sa.peer())
    }
}

/// A session that was ended, or would be.
#[derive(Clone, Debug)]
pub struct SessionRow {
    /// Its IKE SA.
    pub peer: PeerRef,
    /// The number of the IKE SA for people.
    pub number: u32,
    /// Both ends were authenticated, so the peer was sent a DELETE.
    pub established: bool,
    /// Pairs of Child SAs.
    pub children: usize,
}

impl Shard {
    /// Ends up to `limit` sessions that a filter means, from slot `from` on: each peer is sent one
    /// DELETE, and its SAs are gone. With `dry_run` nothing is done. The slot to go on from is
    /// `None` when all have been looked at.
    pub fn clear_sessions(
        &mut self,
        filter: &SessionFilter,
        (from, limit): (usize, usize),
        dry_run: bool,
        now: Instant,
        out: &mut impl Output,
    ) -> (Vec<SessionRow>, Option<usize>) {
        let mut rows = Vec::new();
        let slots = self.peers.slots();
        let end = slots.min(from.saturating_add(SLOTS_MAX));
        let mut slot = from;
        while slot < end && rows.len() < limit {
            if let Some((spi, row)) = self.session_at(slot, filter) {
                rows.push(row);
                if !dry_run {
                    self.with_sa(spi, now, out, |sa, ctx, actions| {
                        sa.close(CloseReason::Deleted, false, ctx, actions);
                    });
                }
            }
            slot = slot.saturating_add(1);
        }
        (rows, (slot < slots).then_some(slot))
    }

    fn session_at(&self, slot: usize, filter: &SessionFilter) -> Option<(IkeSpi, SessionRow)> {
        let spi = self.peers.spi_at(u32::try_from(slot).ok()?)?;
        let peer = self.peers.get(spi).filter(|peer| filter.means(peer))?;
        let row = SessionRow {
            peer: self.peer_ref(spi)?,
            number: self.number(spi),
            established: peer.sa.is_established(),
            children: peer.children.len(),
        };
        Some((spi, row))
    }
}
