//! Inner packets that wait for a tunnel, few and not for long.

use core::time::Duration;
use std::collections::{HashMap, VecDeque};

use ipsec::InnerVrf;
use timer::Instant;

use crate::{InnerPacket, ShardDrop};

/// How many packets may wait for tunnels, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldLimits {
    /// Packets of one connection.
    pub packets: usize,
    /// Octets of one connection.
    pub octets: usize,
    /// Packets of all connections of a shard.
    pub packets_all: usize,
    /// Octets of all connections of a shard.
    pub octets_all: usize,
    /// What waited longer is of no use to anybody.
    pub time: Duration,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            packets: 64,
            octets: 128 << 10,
            packets_all: 4_096,
            octets_all: 8 << 20,
            time: Duration::from_secs(30),
        }
    }
}

/// A packet that waits, in a buffer with room for ESP around it.
pub(crate) struct HeldPacket {
    buffer: Vec<u8>,
    len: usize,
    ivrf: InnerVrf,
    since: Instant,
}

impl HeldPacket {
    pub(crate) fn new(packet: &[u8], ivrf: InnerVrf, now: Instant) -> Self {
        let mut buffer = Vec::with_capacity(esp::HEADROOM + packet.len() + esp::TAILROOM);
        buffer.resize(esp::HEADROOM, 0);
        buffer.extend_from_slice(packet);
        buffer.resize(buffer.len() + esp::TAILROOM, 0);
        Self {
            buffer,
            len: packet.len(),
            ivrf,
            since: now,
        }
    }

    /// The packet as it came from the inner side.
    pub(super) fn describe(&mut self) -> InnerPacket<'_> {
        InnerPacket {
            start: esp::HEADROOM,
            len: self.len,
            ivrf: self.ivrf,
            buffer: &mut self.buffer,
        }
    }
}

#[derive(Default)]
struct Queue {
    packets: VecDeque<HeldPacket>,
    octets: usize,
}

/// What waits, by the connection that it waits for.
#[derive(Default)]
pub(crate) struct Held {
    queues: HashMap<u32, Queue>,
    packets: usize,
    octets: usize,
}

impl Held {
    /// Packets that wait now.
    pub(crate) const fn len(&self) -> usize {
        self.packets
    }

    /// Whether anything waits for a connection.
    pub(crate) fn waits_for(&self, connection: u32) -> bool {
        self.queues.contains_key(&connection)
    }

    /// Whether another packet of so many octets may wait.
    pub(crate) fn admit(
        &self,
        connection: u32,
        octets: usize,
        limits: &HoldLimits,
    ) -> Result<(), ShardDrop> {
        let (packets, held) = self
            .queues
            .get(&connection)
            .map_or((0, 0), |queue| (queue.packets.len(), queue.octets));
        let fits = packets < limits.packets
            && held.saturating_add(octets) <= limits.octets
            && self.packets < limits.packets_all
            && self.octets.saturating_add(octets) <= limits.octets_all;
        fits.then_some(()).ok_or(ShardDrop::HoldFull)
    }

    pub(crate) fn push(&mut self, connection: u32, packet: HeldPacket) {
        let queue = self.queues.entry(connection).or_default();
        queue.octets += packet.len;
        self.octets += packet.len;
        self.packets += 1;
        queue.packets.push_back(packet);
    }

    /// Drops what has waited too long for a connection, and says how much that was.
    pub(crate) fn expire(&mut self, connection: u32, now: Instant, limits: &HoldLimits) -> u64 {
        let Some(queue) = self.queues.get_mut(&connection) else {
            return 0;
        };
        let mut expired = 0;
        while let Some(oldest) = queue.packets.front()
            && now - oldest.since > limits.time
        {
            queue.octets -= oldest.len;
            self.octets -= oldest.len;
            self.packets -= 1;
            expired += 1;
            queue.packets.pop_front();
        }
        if queue.packets.is_empty() {
            self.queues.remove(&connection);
        }
        expired
    }

    /// Takes all that waits for a connection, in the order in which it came.
    pub(crate) fn take(&mut self, connection: u32) -> VecDeque<HeldPacket> {
        let queue = self.queues.remove(&connection).unwrap_or_default();
        self.packets -= queue.packets.len();
        self.octets -= queue.octets;
        queue.packets
    }

    /// Lets what waits wait for the connections' new numbers. What waited for one that is gone is
    /// dropped; how much that was is returned.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) -> u64 {
        let mut gone = 0;
        let former = core::mem::take(&mut self.queues);
        for (connection, queue) in former {
            if let Some(connection) = number(connection) {
                self.queues.insert(connection, queue);
            } else {
                gone += queue.packets.len() as u64;
                self.packets -= queue.packets.len();
                self.octets -= queue.octets;
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HoldLimits = HoldLimits {
        packets: 3,
        octets: 100,
        packets_all: 4,
        octets_all: 150,
        time: Duration::from_secs(5),
    };

    fn offer(held: &mut Held, connection: u32, octets: usize, now: Instant) -> bool {
        let taken = held.admit(connection, octets, &LIMITS).is_ok();
        if taken {
            let packet = HeldPacket::new(&vec![7; octets], InnerVrf::GLOBAL, now);
            held.push(connection, packet);
        }
        taken
    }

    #[test]
    fn every_bound_holds() {
        let mut held = Held::default();
        let now = Instant::ZERO;
        assert!(offer(&mut held, 0, 40, now) && offer(&mut held, 0, 40, now));
        assert!(!offer(&mut held, 0, 21, now), "octets of the connection");
        assert!(offer(&mut held, 0, 20, now));
        assert!(!offer(&mut held, 0, 0, now), "packets of the connection");
        assert!(!offer(&mut held, 1, 51, now), "octets of the shard");
        assert!(offer(&mut held, 1, 50, now));
        assert!(!offer(&mut held, 2, 0, now), "packets of the shard");
        assert_eq!(held.take(0).len(), 3);
        assert!(offer(&mut held, 2, 100, now), "what is taken makes room");
        assert_eq!((held.len(), held.octets), (2, 150));
    }

    #[test]
    fn what_waited_too_long_goes_first() {
        let mut held = Held::default();
        let at = Instant::from_secs;
        for second in [0, 2, 4] {
            assert!(offer(&mut held, 9, 10, at(second)));
        }
        assert_eq!(held.expire(9, at(5), &LIMITS), 0);
        assert_eq!(held.expire(9, at(8), &LIMITS), 2);
        assert_eq!(held.expire(9, at(99), &LIMITS), 1);
        assert!(!held.waits_for(9));
        assert_eq!((held.len(), held.octets), (0, 0));
    }

    #[test]
    fn packets_follow_their_connection() {
        let mut held = Held::default();
        for connection in [1, 2, 2] {
            assert!(offer(&mut held, connection, 10, Instant::ZERO));
        }
        assert_eq!(held.renumber(|old| (old == 1).then_some(7)), 2);
        assert_eq!((held.len(), held.octets), (1, 10));
        let packet = held.take(7).pop_front().expect("it moved");
        let inside = esp::HEADROOM..esp::HEADROOM + packet.len;
        assert_eq!(packet.buffer[inside], [7; 10]);
        assert_eq!(packet.buffer.len(), esp::HEADROOM + 10 + esp::TAILROOM);
    }
}
