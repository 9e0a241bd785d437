//! Connections in which we are the initiator: whom to reach, when, and what waits meanwhile.

mod after;
mod attempt;
mod held;
mod home;
mod lost;
mod renumber;
mod resolve;
mod ring;
mod trap;
mod traps;

use std::collections::HashMap;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, IkeSpi};
use timer::Instant;

use self::attempt::Attempt;
pub use self::held::HoldLimits;
use self::held::{Held, HeldPacket};
pub use self::home::home;
pub use self::resolve::Question;
use self::ring::Ring;
use self::traps::Traps;
use crate::counters::ShardDrop;
use crate::{Output, Shard};

/// What the shard keeps for the connections that it initiates.
pub(crate) struct Initiations {
    by_connection: HashMap<u32, Attempt>,
    traps: Traps,
    held: Held,
    /// Connections whose tunnel has just come to stand, and for which something waits.
    ready: Vec<u32>,
    /// Host names that are being resolved, and for which connection.
    questions: HashMap<u64, u32>,
    last_question: u64,
}

impl Initiations {
    /// `seed` must be unpredictable, as for [`ipsec::FlowTable`].
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            by_connection: HashMap::new(),
            traps: Traps::new(seed),
            held: Held::default(),
            ready: Vec::new(),
            questions: HashMap::new(),
            last_question: 0,
        }
    }

    /// Inner packets that wait for a tunnel.
    pub(crate) const fn held(&self) -> usize {
        self.held.len()
    }

    fn attempt(&mut self, connection: u32) -> &mut Attempt {
        self.by_connection.entry(connection).or_default()
    }
}

impl Shard {
    fn connection(&self, number: u32) -> Option<Arc<ConnectionPolicy>> {
        let connections = &self.world.policy.snapshot.connections;
        connections.numbered(number).cloned()
    }

    fn ring_of(&self, connection: u32) -> Option<Ring> {
        Ring::of(&*self.connection(connection)?)
    }

    /// The IKE SA that a connection of ours has.
    fn current_of(&self, connection: u32) -> Option<IkeSpi> {
        let current = self.initiations.by_connection.get(&connection)?.current;
        current.filter(|spi| self.peers.get(*spi).is_some())
    }

    fn is_established(&self, spi: IkeSpi) -> bool {
        let peer = self.peers.get(spi);
        peer.is_some_and(|peer| peer.sa.peer().is_some())
    }

    /// Keeps a packet until its tunnel stands, if there is room for it.
    pub(crate) fn hold(
        &mut self,
        connection: u32,
        packet: &[u8],
        ivrf: ipsec::InnerVrf,
        now: Instant,
    ) {
        self.expire_held(connection, now);
        let limits = &self.world.settings.hold;
        let held = &mut self.initiations.held;
        match held.admit(connection, packet.len(), limits) {
            Ok(()) => {
                held.push(connection, HeldPacket::new(packet, ivrf, now));
                self.counters.held += 1;
            }
            Err(reason) => self.counters.dropped(reason),
        }
    }

    /// Drops what has waited too long for a connection.
    fn expire_held(&mut self, connection: u32, now: Instant) {
        let limits = &self.world.settings.hold;
        let expired = self.initiations.held.expire(connection, now, limits);
        self.counters
            .dropped_several(ShardDrop::HoldExpired, expired);
    }

    /// Drops all that waits for a connection: no tunnel will come.
    fn abandon_held(&mut self, connection: u32) {
        let abandoned = self.initiations.held.take(connection).len() as u64;
        self.counters
            .dropped_several(ShardDrop::HoldAbandoned, abandoned);
    }

    /// Sends what waited for tunnels that stand now, in the order in which it came. It is done before
    /// any later packet is looked at.
    pub(crate) fn release_held(&mut self, now: Instant, out: &mut impl Output) {
        while let Some(connection) = self.initiations.ready.pop() {
            self.expire_held(connection, now);
            let mut held = self.initiations.held.take(connection);
            self.counters.released += held.len() as u64;
            let mut packets: Vec<_> = held.iter_mut().map(HeldPacket::describe).collect();
            self.inner(&mut packets, now, out);
        }
    }
}
