//! Which shard is at home to an IKEv1 message. Its header does not say which end sent it, and a
//! renewal begins like a first message, so that it must find the shard where the peer is known.
//! And the line in which a newcomer waits, if it comes so far.

use core::net::IpAddr;
use ike::{Gate, Path};
use ipsec::{Connections, FrontVrf, IkeSpi, IkeVersion};
use timer::Instant;

use crate::counters::{ShardDrop, bump};
use crate::initiate::home;
use crate::{Disposition, Output, Shard, ShardId};

/// Whoever has sent a first message and is to wait until it is its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Newcomer {
    /// Its address may be forged.
    Stranger,
    /// It returns a cookie that we sent to its address: it goes before the others.
    Returning,
}

/// Where a message of an IKE SA of IKEv1 goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// This shard has the IKE SA.
    Here(IkeSpi),
    /// Another shard may have it.
    There(ShardId),
    /// Nobody has.
    Nowhere,
}

/// The shard that answers the first messages of a peer, out of so many: the one from which we
/// initiate IKEv1 to it, if we do.
fn shard_of(connections: &Connections, remote: IpAddr, shards: u16) -> ShardId {
    if let Some(connection) = connections.to_v1_peer(remote) {
        return home(&connection.name, shards);
    }
    let spread = spread(remote) % u64::from(shards.max(1));
    ShardId(u8::try_from(spread).unwrap_or(0))
}

/// Spreads neighbouring addresses over the shards (the finalizer of MurmurHash3).
fn spread(address: IpAddr) -> u64 {
    let number = match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        #[allow(clippy::cast_possible_truncation)] // Both halves are mixed.
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(1),
    };
    let mixed = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

impl Shard {
    /// Says in which line an IKEv2 peer with this first message waits. Who must prove its address first is told so on
    /// the spot and waits in none, so that a flood from forged addresses keeps nobody out who has proved its own.
    pub(crate) fn gate(
        &mut self,
        message: &[u8],
        path: &Path,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<Newcomer> {
        // Whoever watches sees what is inside, too.
        if self.shutting_down || self.traces_stranger(path) {
            return Some(Newcomer::Stranger);
        }
        let (settings, entropy) = (&self.world.settings.ike, &mut *self.world.entropy);
        match self.front.gate(message, path, now, settings, entropy) {
            Gate::Open => Some(Newcomer::Stranger),
            Gate::Proved => Some(Newcomer::Returning),
            // It must not come after the IKE_AUTH of its peer, which waits for nobody.
            Gate::Known(spi) => {
                self.counters.ike_in += 1;
                self.sa_message(spi, message, *path, now, out);
                None
            }
            Gate::Closed { answer, reason } => {
                self.counters.ike_in += 1;
                bump(&mut self.counters.ike_rejected, reason.index());
                match answer.map(|octets| out.send_ike(IkeSpi::ZERO, path, octets)) {
                    Some(Disposition::Taken) => self.counters.ike_out += 1,
                    Some(Disposition::Refused) => self.counters.dropped(ShardDrop::SendRefused),
                    None => {}
                }
                None
            }
        }
    }

    /// Where the first message of a phase 1 goes, if not here.
    pub(crate) fn home_of_stranger(&self, remote: IpAddr) -> Option<ShardId> {
        let connections = &self.world.policy.snapshot.connections;
        let home = shard_of(connections, remote, self.shards);
        (home != self.id).then_some(home)
    }

    /// Where a message with these cookies goes: the responder's is tried as ours, then the
    /// initiator's. `forwarded` says that another shard sent it here. Such a message goes on only
    /// from the responder cookie's shard to the initiator cookie's, so none goes round in circles.
    pub(crate) fn home_of(
        &self,
        responder: IkeSpi,
        initiator: IkeSpi,
        fvrf: FrontVrf,
        forwarded: bool,
    ) -> Home {
        // The same cookie in another VRF is not ours: a peer lives where it was met.
        let ours = |spi: &IkeSpi| {
            self.peers.get(*spi).is_some_and(|peer| {
                peer.sa.version() == IkeVersion::V1 && peer.sa.path().fvrf == fvrf
            })
        };
        if let Some(spi) = [responder, initiator].into_iter().find(ours) {
            return Home::Here(spi);
        }
        let elsewhere = |spi: IkeSpi| {
            let shard = spi.shard();
            (spi != IkeSpi::ZERO && shard != self.id.0 && u16::from(shard) < self.shards)
                .then_some(ShardId(shard))
        };
        let next = match (forwarded, responder.shard() == self.id.0) {
            (false, _) => elsewhere(responder).or(elsewhere(initiator)),
            (true, true) => elsewhere(initiator),
            (true, false) => None,
        };
        next.map_or(Home::Nowhere, Home::There)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_spread_evenly() {
        let nobody = Connections::default();
        let mut counts = [0_u32; 4];
        for host in 0..=255_u8 {
            let shard = shard_of(&nobody, IpAddr::from([192, 0, 2, host]), 4);
            counts[usize::from(shard.0)] += 1;
        }
        assert!(
            counts.iter().all(|count| (40..=90).contains(count)),
            "{counts:?}"
        );
    }
}
