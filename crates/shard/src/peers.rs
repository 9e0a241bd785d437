//! The table of IKE SAs, indexed by the slot in the SPI that we chose.

use core::net::IpAddr;

use crypto::Entropy;
use dpd::{DomainKey, FaultDomain, Liveness, OwnSequence, PeerSequence};
use ike::IkeSa;
use ipsec::ahead;
use ipsec::{EspSpi, Identity, IkeSlot, IkeSpi, IkeVersion, InnerVrf, OutboundHandle, Slab};
use timer::{Instant, TimerKey};

use crate::ShardId;

/// What the shard keeps beside an IKE SA.
pub(crate) struct Peer {
    pub(crate) sa: IkeSa,
    /// Present from authentication on.
    pub(crate) liveness: Option<Liveness>,
    /// The fault domains that the breaker was told when liveness began.
    pub(crate) domains: [DomainKey; 4],
    pub(crate) ike_timer: Option<(TimerKey, Instant)>,
    pub(crate) dpd_timer: Option<(TimerKey, Instant)>,
    pub(crate) keepalive_timer: Option<TimerKey>,
    pub(crate) born: Instant,
    pub(crate) children: Vec<Child>,
    /// Inbound SAs of Child SAs that were rekeyed, still open for late packets.
    pub(crate) draining: Vec<Draining>,
    /// Virtual addresses: given to the peer, or by the peer to us.
    pub(crate) addresses: Vec<IpAddr>,
    /// Index of the connection when we are the initiator, and which of its peers we talk to.
    pub(crate) initiated: Option<Initiated>,
    /// Set between INITIAL_CONTACT and the claim on the identity.
    pub(crate) initial_contact: bool,
    /// The identity that this IKE SA claimed in the directory.
    pub(crate) claimed: Option<Identity>,
    /// The IKE SA that this one is to replace by reauthentication.
    pub(crate) replaces: Option<IkeSpi>,
    /// What only IKEv1 needs; present from authentication on.
    pub(crate) v1: Option<Box<V1>>,
}

/// What the shard keeps for an IKE SA of IKEv1 alone.
pub(crate) struct V1 {
    /// The sequence of the peer's R-U-THERE messages.
    pub(crate) theirs: PeerSequence,
    /// That of ours.
    pub(crate) ours: OwnSequence,
    /// The IKE SA that took everything over, and the timer that ends this one.
    retired: Option<(IkeSpi, TimerKey)>,
    /// The Child SAs that this one took over.
    pub(crate) adopted: Vec<EspSpi>,
    /// When it took them over.
    pub(crate) renewed_at: Option<Instant>,
}

impl V1 {
    /// `random` begins our sequence.
    pub(crate) fn new(random: u32) -> Self {
        Self {
            theirs: PeerSequence::new(),
            ours: OwnSequence::new(random),
            retired: None,
            adopted: Vec::new(),
            renewed_at: None,
        }
    }
}

/// An inbound SA that is kept for late packets, and the timer that ends it.
#[derive(Clone, Copy)]
pub(crate) struct Draining {
    pub(crate) inbound: EspSpi,
    pub(crate) timer: TimerKey,
}

impl Peer {
    pub(crate) fn new(sa: IkeSa, born: Instant) -> Self {
        Self {
            sa,
            liveness: None,
            domains: [DomainKey::new(FaultDomain::Shard, 0); 4],
            ike_timer: None,
            dpd_timer: None,
            keepalive_timer: None,
            born,
            children: Vec::new(),
            draining: Vec::new(),
            addresses: Vec::new(),
            initiated: None,
            initial_contact: false,
            claimed: None,
            replaces: None,
            v1: None,
        }
    }

    /// The IKE SA that took everything over.
    pub(crate) fn heir(&self) -> Option<IkeSpi> {
        let (heir, _) = self.v1.as_ref()?.retired?;
        Some(heir)
    }

    /// What is kept for IKEv1; `random` is as in [`V1::new`].
    pub(crate) fn v1(&mut self, random: u32) -> &mut V1 {
        self.v1.get_or_insert_with(|| Box::new(V1::new(random)))
    }

    /// Records who took everything over, and the timer of the end. Returns the timer before it.
    pub(crate) fn retire(&mut self, heir: IkeSpi, timer: TimerKey) -> Option<TimerKey> {
        let v1 = self.v1(0);
        v1.retired.replace((heir, timer)).map(|(_, timer)| timer)
    }

    /// The timer that ends it after its renewal.
    pub(crate) fn retire_timer(&self) -> Option<TimerKey> {
        let (_, timer) = self.v1.as_ref()?.retired?;
        Some(timer)
    }

    /// Where its traffic comes from and goes to; the global one before its connection is known.
    pub(crate) fn ivrf(&self) -> InnerVrf {
        self.sa
            .connection()
            .map_or(InnerVrf::GLOBAL, |connection| connection.ivrf)
    }
}

/// How far the memory of a peer has been asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FetchStep {
    /// Its place in the table.
    Place,
    /// What the shard keeps of it.
    Peer,
    /// Its IKE SA.
    Sa,
    /// The keys of that, and what it has established.
    Keys,
    /// What those keys are made from, and its Child SAs.
    Material,
}

impl FetchStep {
    /// In their order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Place,
        Self::Peer,
        Self::Sa,
        Self::Keys,
        Self::Material,
    ];
}

/// Which part of the policy made us initiate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Initiated {
    pub(crate) connection: u32,
    pub(crate) child: u16,
    pub(crate) remote: u16,
}

/// One Child SA as the shard sees it.
#[derive(Clone, Copy)]
pub(crate) struct Child {
    pub(crate) inbound: EspSpi,
    pub(crate) outbound: OutboundHandle,
    /// Where its inner packets come from and go to.
    pub(crate) ivrf: InnerVrf,
    /// Index in the connection's children.
    pub(crate) policy: u16,
    /// Outbound traffic uses it.
    pub(crate) active: bool,
    /// Held back until the peer shows that it is ready.
    pub(crate) awaits_traffic: bool,
    /// The peer takes packets that several shards seal.
    pub(crate) wide: bool,
    pub(crate) replaces: Option<EspSpi>,
}

/// The IKE SAs of a shard.
pub(crate) struct Peers {
    shard: ShardId,
    spis: Slab<IkeSpi>,
    live: Vec<Option<Box<Peer>>>,
    count: usize,
    /// Those that speak IKEv1.
    count_v1: usize,
}

impl Peers {
    pub(crate) fn new(shard: ShardId, capacity: u32) -> Self {
        Self {
            shard,
            spis: Slab::new(capacity.min(IkeSpi::SLOTS)),
            live: Vec::new(),
            count: 0,
            count_v1: 0,
        }
    }

    /// The allocator of SPIs, apart from the peers, so that an IKE SA can reserve an SPI for its
    /// successor while it is borrowed.
    pub(crate) fn split(&mut self, spi: IkeSpi) -> (SpiReserve<'_>, Option<&mut Peer>) {
        let peer = match self.live.get_mut(spi.slot() as usize) {
            Some(Some(peer)) if peer.sa.local_spi() == spi => Some(&mut **peer),
            _ => None,
        };
        (
            SpiReserve {
                shard: self.shard,
                spis: &mut self.spis,
            },
            peer,
        )
    }

    pub(crate) fn reserve(&mut self) -> SpiReserve<'_> {
        SpiReserve {
            shard: self.shard,
            spis: &mut self.spis,
        }
    }

    pub(crate) fn get(&self, spi: IkeSpi) -> Option<&Peer> {
        let peer = self.live.get(spi.slot() as usize)?.as_deref()?;
        (peer.sa.local_spi() == spi).then_some(peer)
    }

    pub(crate) fn get_mut(&mut self, spi: IkeSpi) -> Option<&mut Peer> {
        self.split(spi).1
    }

    /// Two peers at once, and the allocator of SPIs.
    pub(crate) fn split_pair(
        &mut self,
        one: IkeSpi,
        two: IkeSpi,
    ) -> Option<(SpiReserve<'_>, &mut Peer, &mut Peer)> {
        let slots = [one.slot() as usize, two.slot() as usize];
        let [Some(first), Some(second)] = self.live.get_disjoint_mut(slots).ok()? else {
            return None;
        };
        let spis = SpiReserve {
            shard: self.shard,
            spis: &mut self.spis,
        };
        let right = first.sa.local_spi() == one && second.sa.local_spi() == two;
        right.then_some((spis, &mut **first, &mut **second))
    }

    /// The peer that owns an SA, by the slot that the SA carries.
    pub(crate) fn owner_mut(&mut self, slot: IkeSlot) -> Option<&mut Peer> {
        let peer = self.live.get_mut(slot.index as usize)?.as_deref_mut()?;
        (slot_of(peer.sa.local_spi()) == slot).then_some(peer)
    }

    /// Asks for the memory of the peer in a slot, a step of indirection at a time; each step wants
    /// the one before to have come. Timers fire for peers in no order, and each is cold.
    pub(crate) fn fetch(&self, slot: u32, step: FetchStep) {
        if step == FetchStep::Place {
            return ahead::fetch(&self.live, slot as usize);
        }
        let Some(Some(peer)) = self.live.get(slot as usize) else {
            return;
        };
        match step {
            FetchStep::Place => {}
            FetchStep::Peer => {
                ahead::fetch_value(&peer.sa);
                ahead::fetch_value(&peer.liveness);
                ahead::fetch_value(&peer.dpd_timer);
            }
            FetchStep::Sa => peer.sa.fetch(),
            FetchStep::Keys => peer.sa.fetch_further(),
            FetchStep::Material => peer.sa.fetch_last(),
        }
    }

    /// The SPI of the peer in a slot.
    pub(crate) fn spi_at(&self, slot: u32) -> Option<IkeSpi> {
        let peer = self.live.get(slot as usize)?.as_deref()?;
        Some(peer.sa.local_spi())
    }

    /// Puts a peer into the slot that its SPI reserved.
    pub(crate) fn insert(&mut self, peer: Peer) {
        let slot = peer.sa.local_spi().slot() as usize;
        if self.live.len() <= slot {
            self.live.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.live.get_mut(slot) {
            debug_assert!(place.is_none(), "an SPI names one IKE SA");
            self.count_v1 += usize::from(peer.sa.version() == IkeVersion::V1);
            *place = Some(Box::new(peer));
            self.count += 1;
        }
    }

    /// Takes a peer out and frees its SPI.
    pub(crate) fn remove(&mut self, spi: IkeSpi) -> Option<Box<Peer>> {
        self.get(spi)?;
        let peer = self.live.get_mut(spi.slot() as usize)?.take()?;
        self.spis.remove(spi.slot());
        self.count -= 1;
        self.count_v1 -= usize::from(peer.sa.version() == IkeVersion::V1);
        Some(peer)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.live.iter_mut().flatten().map(|peer| &mut **peer)
    }

    /// One more than the last slot that was ever used.
    pub(crate) const fn slots(&self) -> usize {
        self.live.len()
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// SPIs that are taken, by entries or for those to come.
    pub(crate) const fn spis_taken(&self) -> u32 {
        self.spis.len()
    }

    pub(crate) const fn len_v1(&self) -> usize {
        self.count_v1
    }

    /// The peers from slot `from` on, with their slots.
    pub(crate) fn iter_from(&self, from: usize) -> impl Iterator<Item = (usize, &Peer)> {
        let rest = self.live.get(from..).unwrap_or(&[]);
        rest.iter()
            .enumerate()
            .filter_map(move |(i, peer)| Some((from + i, peer.as_deref()?)))
    }
}

/// Hands out SPIs.
pub(crate) struct SpiReserve<'a> {
    shard: ShardId,
    spis: &'a mut Slab<IkeSpi>,
}

impl SpiReserve<'_> {
    pub(crate) fn allocate(&mut self, entropy: &mut dyn Entropy) -> Option<IkeSpi> {
        let nonce = entropy.next_u32();
        let slot = self
            .spis
            .insert_with(|slot| IkeSpi::compose(self.shard.0, slot, nonce))?;
        self.spis
            .get(slot)
            .copied()
            .filter(|spi| *spi != IkeSpi::ZERO)
    }

    pub(crate) fn release(&mut self, spi: IkeSpi) {
        if self.spis.get(spi.slot()) == Some(&spi) {
            self.spis.remove(spi.slot());
        }
    }
}

/// How SAs name the IKE SA that owns them: its slot, and the random part of its SPI.
pub(crate) fn slot_of(spi: IkeSpi) -> IkeSlot {
    #[allow(clippy::cast_possible_truncation)] // The lower half is what is wanted.
    IkeSlot {
        index: spi.slot(),
        generation: spi.0 as u32,
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
