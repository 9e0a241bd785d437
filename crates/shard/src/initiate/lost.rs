//! Traps under tunnels that stand, so that their traffic is neither routed elsewhere nor lost while
//! they are replaced.

use dpd::Action;
use ike::{RemovalReason, Role};
use ipsec::{IkeSpi, PeerEndpoint};

use super::traps::ChildNumber;
use crate::peers::{Initiated, Peer};
use crate::{Output, Shard};

impl Shard {
    /// The connection that made us initiate, or that we could initiate as well as the peer did.
    pub(crate) fn initiated_by(&self, peer: &Peer) -> Option<Initiated> {
        peer.initiated.or_else(|| self.site_to_site(peer))
    }

    /// The connection of a peer that came to us and that we could initiate as well.
    fn site_to_site(&self, peer: &Peer) -> Option<Initiated> {
        let own = peer.sa.connection()?;
        if peer.sa.role() == Role::Initiator || own.remote_addrs.is_empty() {
            return None;
        }
        let connections = &self.world.policy.snapshot.connections;
        let connection = connections.number_of(&own.name)?;
        let child = peer.children.first().map_or(0, |child| child.policy);
        let ip = peer.sa.path().remote.ip();
        let here = |peer: &PeerEndpoint| matches!(peer, PeerEndpoint::Address(at) if at.ip() == ip);
        let place = own.remote_addrs.iter().position(here).unwrap_or(0);
        Some(Initiated {
            connection,
            child,
            remote: u16::try_from(place).unwrap_or(0),
        })
    }

    fn number_of(&self, spi: IkeSpi, child: u16) -> Option<ChildNumber> {
        let initiated = self.initiated_by(self.peers.get(spi)?)?;
        Some(ChildNumber {
            connection: initiated.connection,
            child,
        })
    }

    /// Traffic goes into a Child SA from now on. If its peer's death has consequences, a trap is laid
    /// below, before there is a gap into which packets could fall; and what waited is sent.
    pub(crate) fn child_in_use(&mut self, spi: IkeSpi, child: u16, out: &mut impl Output) {
        let Some(number) = self.number_of(spi, child) else {
            return;
        };
        let outlived = self
            .peers
            .get(spi)
            .is_some_and(|peer| self.action_after_death(peer) != Action::Clear);
        if outlived {
            self.lay_trap(number, out);
        }
        self.initiations.traps.used(number);
        if self.initiations.held.waits_for(number.connection) {
            self.initiations.ready.push(number.connection);
        }
    }

    /// No traffic goes into a Child SA any longer.
    pub(crate) fn child_out_of_use(&mut self, spi: IkeSpi, child: u16) {
        if let Some(number) = self.number_of(spi, child) {
            self.initiations.traps.unused(number);
        }
    }

    /// A Child SA is gone by itself: what we deleted is not to come back by traffic.
    pub(crate) fn child_removed(
        &mut self,
        spi: IkeSpi,
        child: u16,
        reason: RemovalReason,
        out: &mut impl Output,
    ) {
        if reason == RemovalReason::Deleted
            && let Some(number) = self.number_of(spi, child)
        {
            self.take_up_trap(number, out);
        }
    }

    /// A Child SA that we wanted did not come to be: if there is none, nothing waits any longer.
    pub(crate) fn child_failed(&mut self, spi: IkeSpi, child: u16) {
        let idle = self
            .peers
            .get(spi)
            .is_some_and(|peer| !peer.children.iter().any(|child| child.active));
        if idle && let Some(number) = self.number_of(spi, child) {
            self.abandon_held(number.connection);
        }
    }
}
