use core::net::{IpAddr, SocketAddr};

use ike::IkeSa;
use ipsec::{EspSpi, IkeSpi, OutboundHandle};
use timer::{Instant, TimerKey};

/// Where a peer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It has started and has no Child SA yet.
    Connecting,
    /// It has a tunnel.
    Up,
    /// It gave up before it had a tunnel.
    Failed,
    /// It had a tunnel and lost it without wanting to.
    Lost,
    /// It stopped on its way to a tunnel, on purpose.
    Stalled,
    /// It died.
    Dead,
    /// It is leaving because the run ends.
    Leaving,
}

/// A Child SA of a peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) inbound: EspSpi,
    pub(super) outbound: OutboundHandle,
    /// Whether the other end is known to be ready for what we send on it.
    pub(super) ready: bool,
}

/// One peer. There may be half a million: what is here is small, and the rest lives in its IKE SA
/// and in the database of SAs.
pub(super) struct Peer {
    pub(super) state: State,
    pub(super) class: u8,
    pub(super) ike: Option<IkeSa>,
    /// IKE SAs that were rekeyed or lost a simultaneous rekey, until they are deleted; in IKEv1 also
    /// one that is to take over, until it stands.
    pub(super) others: Vec<IkeSa>,
    pub(super) children: Vec<Child>,
    /// The timer for the IKE SAs, and when it is due.
    pub(super) timer: Option<(TimerKey, Instant)>,
    /// When it was due to start.
    pub(super) due: Instant,
    pub(super) inner: Option<IpAddr>,
    /// Where ESP is sent from and to.
    pub(super) esp_path: (SocketAddr, SocketAddr),
    pub(super) packets: u64,
    /// Liveness checks that have reached it.
    pub(super) probes_seen: u32,
    /// The number of its next R-U-THERE.
    pub(super) sequence: u32,
    /// How often a NAT has mapped it to another port.
    pub(super) mapping: u16,
    /// It has been up, has failed or has stalled once.
    pub(super) settled: bool,
    /// A packet of its tunnel has come back.
    pub(super) echoed: bool,
    /// It is up and shows no sign of life that a headend may believe.
    pub(super) mute: bool,
}

impl Peer {
    /// The Child SA on which it sends: the newest that the other end is ready for.
    pub(super) fn sending_child(&self) -> Option<&Child> {
        self.children.iter().rev().find(|child| child.ready)
    }

    pub(super) fn child_mut(&mut self, inbound: EspSpi) -> Option<&mut Child> {
        self.children
            .iter_mut()
            .find(|child| child.inbound == inbound)
    }

    /// When one of its IKE SAs has something to do.
    pub(super) fn deadline(&self) -> Instant {
        let all = self.ike.iter().chain(&self.others);
        all.map(|sa| sa.next_deadline())
            .min()
            .unwrap_or(Instant::MAX)
    }

    /// Takes the IKE SA with an SPI out, and says which it was.
    pub(super) fn take_sa(&mut self, spi: IkeSpi) -> Option<(Which, IkeSa)> {
        if let Some(sa) = self.ike.take_if(|sa| sa.local_spi() == spi) {
            return Some((Which::Current, sa));
        }
        let at = self.others.iter().position(|sa| sa.local_spi() == spi)?;
        Some((Which::Other, self.others.swap_remove(at)))
    }

    /// The SPIs of all its IKE SAs.
    pub(super) fn spis(&self) -> Vec<IkeSpi> {
        let all = self.ike.iter().chain(&self.others);
        all.map(|sa| sa.local_spi()).collect()
    }
}

/// The part that an IKE SA of a peer plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// The one that counts.
    Current,
    /// One that waits for its deletion, or to take over.
    Other,
}

#[cfg(test)]
mod tests {
    use super::Peer;

    #[test]
    fn half_a_million_peers_fit() {
        // Beside it a peer has its IKE SA and a pair of SAs.
        assert!(size_of::<Peer>() <= 224, "{}", size_of::<Peer>());
    }
}
