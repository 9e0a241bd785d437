use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use crypto::UnixTime;
use dpd::ServiceHealth;
use ipsec::{FrontVrf, InnerVrf};
use shard::{
    Command, Event, FrontSocket, InnerPacket, OuterPacket, Policy, Settings, Setup, Shard, ShardId,
};
use timer::Instant;

use crate::{Datagram, Dice, MemoryDirectory, Outbox};

/// The shards at one end of the network, with what a runtime does around them: it steers datagrams,
/// carries mail and runs slow work at once.
pub struct Side {
    shards: Vec<Shard>,
    directory: Arc<MemoryDirectory>,
    outbox: Outbox,
}

/// What the wall clock shows to computations: peers here have no certificates that it could expire.
const WALL: UnixTime = UnixTime(0);

/// Datagrams that a shard is handed at once.
const BATCH: usize = 64;

impl Side {
    /// So many shards with one policy.
    #[must_use]
    pub fn new(
        shards: u8,
        settings: &Settings,
        policy: &Policy,
        now: Instant,
        dice: &mut Dice,
    ) -> Self {
        let seed = dice.below(u64::MAX);
        let directory = Arc::new(MemoryDirectory::new(&policy.snapshot.pools, seed));
        let shards = (0..shards)
            .map(|id| {
                Shard::new(Setup {
                    id: ShardId(id),
                    shards: u16::from(shards),
                    settings: settings.clone(),
                    policy: policy.clone(),
                    directory: directory.clone(),
                    entropy: Box::new(dice.fork()),
                    spi_entropy: Box::new(dice.fork()),
                    now,
                })
            })
            .collect();
        Self {
            shards,
            directory,
            outbox: Outbox::default(),
        }
    }

    /// Settings for a side that listens on every address of IPv4 and holds so many peers.
    #[must_use]
    pub fn settings(peers: u32) -> Settings {
        let any = |port| FrontSocket {
            fvrf: FrontVrf::GLOBAL,
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        };
        Settings {
            ike: ike::Settings::default(),
            peers_max: peers,
            children_max: peers * 2,
            budgets: dpd::BudgetPolicy::default(),
            breaker: dpd::BreakerPolicy::default(),
            keepalive: Duration::from_secs(20),
            ike_sockets: vec![any(500)],
            nat_sockets: vec![any(4500)],
            path_mtu: 1_500,
            ..Settings::default()
        }
    }

    /// Its shards.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// What its shards share.
    #[must_use]
    pub fn directory(&self) -> &MemoryDirectory {
        &self.directory
    }

    /// Hands in what the network delivers. Datagrams are spread over the shards by where they come
    /// from, as sockets that share a port spread them, so that some meet the wrong shard.
    pub fn receive(&mut self, datagrams: Vec<Datagram>, now: Instant) {
        let mut queues: Vec<Vec<Datagram>> = self.shards.iter().map(|_| Vec::new()).collect();
        for datagram in datagrams {
            let mut hasher = DefaultHasher::new();
            datagram.from.hash(&mut hasher);
            let index = hasher.finish() % queues.len() as u64;
            queues[index as usize].push(datagram);
        }
        for (index, mut queue) in queues.into_iter().enumerate() {
            for batch in queue.chunks_mut(BATCH) {
                self.hand_in(index, batch, now);
            }
        }
        self.settle(now);
    }

    fn hand_in(&mut self, index: usize, datagrams: &mut [Datagram], now: Instant) {
        let mut packets: Vec<_> = datagrams.iter_mut().map(describe).collect();
        self.shards[index].outer(&mut packets, now, &mut self.outbox);
    }

    /// Sends a packet from the inner side of the given shard.
    pub fn send_inner(&mut self, shard: usize, packet: &[u8], now: Instant) {
        let mut buffer = vec![0; esp::HEADROOM + packet.len() + esp::TAILROOM];
        buffer[esp::HEADROOM..esp::HEADROOM + packet.len()].copy_from_slice(packet);
        let mut packets = [InnerPacket {
            buffer: &mut buffer,
            start: esp::HEADROOM,
            len: packet.len(),
            ivrf: InnerVrf::GLOBAL,
        }];
        self.shards[shard].inner(&mut packets, now, &mut self.outbox);
        self.settle(now);
    }

    /// Gives a command to a shard; `false` if it cannot be carried out.
    pub fn command(&mut self, shard: usize, command: Command, now: Instant) -> bool {
        let done = self.shards[shard].command(command, now, &mut self.outbox);
        self.settle(now);
        done
    }

    /// When a timer of one of its shards is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.shards.iter().filter_map(Shard::next_deadline).min()
    }

    /// Fires timers. Whatever the network had for this side must have been handed in before.
    pub fn tick(&mut self, now: Instant) {
        for shard in &mut self.shards {
            shard.serviced(ServiceHealth::good(now));
            shard.tick(now, &mut self.outbox);
        }
        self.settle(now);
    }

    /// Sees to slow work, strays and mail until none is left.
    fn settle(&mut self, now: Instant) {
        loop {
            let Outbox {
                jobs,
                strays,
                inner_strays,
                mail,
                ..
            } = &mut self.outbox;
            let (jobs, mut strays) = (core::mem::take(jobs), core::mem::take(strays));
            let (inner, mail) = (core::mem::take(inner_strays), core::mem::take(mail));
            if jobs.is_empty() && strays.is_empty() && inner.is_empty() && mail.is_empty() {
                return;
            }
            for (ticket, job) in jobs {
                let computed = job.run(WALL);
                let shard = &mut self.shards[usize::from(ticket.shard.0)];
                shard.computed(ticket, computed, now, &mut self.outbox);
            }
            for (to, datagram) in &mut strays {
                let packet = describe(datagram);
                self.shards[usize::from(to.0)].handed_over(packet, now, &mut self.outbox);
            }
            for (to, packet) in inner {
                self.send_inner(usize::from(to.0), &packet, now);
            }
            for (to, mail) in mail {
                self.shards[usize::from(to.0)].mail(mail, now, &mut self.outbox);
            }
        }
    }

    /// What left since the last call.
    pub fn take_datagrams(&mut self) -> Vec<Datagram> {
        core::mem::take(&mut self.outbox.datagrams)
    }

    /// What happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.outbox.events)
    }

    /// What was opened for the inner side since the last call.
    pub fn take_delivered(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.outbox.delivered)
    }
}

fn describe(datagram: &mut Datagram) -> OuterPacket<'_> {
    OuterPacket {
        listener: datagram.listener,
        fvrf: FrontVrf::GLOBAL,
        local: datagram.to,
        remote: datagram.from,
        tos: datagram.traffic_class,
        bytes: &mut datagram.bytes,
    }
}
