//! Beginnings and ends of peers.

use core::net::SocketAddr;
use core::time::Duration;

use anyhow::Result;
use ike::{CloseReason, IkeSa, Initiation, Path};
use timer::Instant;

use super::peer::{Peer, State, Which};
use super::{Token, Worker};
use crate::plan::purpose;
use crate::progress::{Death, Moment, News};
use crate::scenario::{Class, numbered};

impl Worker {
    /// Peer `n` sends its first message.
    pub(super) fn start_peer(&mut self, n: u32, due: Instant, now: Instant) -> Result<()> {
        let plan = &self.shared.plan;
        let path = self.first_path(n);
        let slot = n / u32::from(self.count);
        self.peers.push(Peer {
            state: State::Connecting,
            class: plan.class(n),
            ike: None,
            others: Vec::new(),
            children: Vec::new(),
            timer: None,
            due,
            inner: plan.scenario.inner_address(n),
            esp_path: (path.local, path.remote),
            packets: 0,
            probes_seen: 0,
            sequence: 0,
            mapping: 0,
            settled: false,
            echoed: false,
            mute: false,
        });
        self.stats.counts.started += 1;
        self.first_message(slot, now)
    }

    /// The peer sends its IKE_SA_INIT, or the first message of its phase 1.
    pub(super) fn first_message(&mut self, slot: u32, now: Instant) -> Result<()> {
        let n = self.peer_number(slot);
        let initiation = Initiation {
            connection: self.shared.plan.connection(n)?,
            path: self.first_path(n),
            child: Some(0),
            local_id: Some(self.shared.plan.identity(n)?),
            initial_contact: true,
        };
        let version = self.shared.plan.version(n).into();
        let mut actions = Vec::new();
        let sa = self.with_context(slot, true, now, |ctx| {
            IkeSa::initiate(version, initiation, ctx, &mut actions)
        });
        match sa {
            Some(sa) => self.settle_actions(slot, Which::Current, sa, actions, now),
            None => self.fail(slot, CloseReason::Exhausted.label(), now),
        }
        Ok(())
    }

    /// The peer is up, has failed or has stalled for the first time.
    pub(super) fn settle(&mut self, slot: u32, now: Instant) {
        if let Some(peer) = self.peers.get_mut(slot as usize)
            && !core::mem::replace(&mut peer.settled, true)
        {
            self.shared.settle(now);
        }
    }

    fn first_path(&self, n: u32) -> Path {
        let plan = &self.shared.plan;
        let target = plan.scenario.target.address;
        let index = plan
            .sources
            .port_index(n / u32::from(self.count), plan.scenario.peers.ports);
        let source = plan.sources.address(n);
        match plan.scenario.target.ike_port {
            None => Path {
                local: SocketAddr::new(source, self.sockets.encapsulated_port(index)),
                remote: target,
                encapsulated: true,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
            Some(port) => Path {
                local: SocketAddr::new(source, self.sockets.plain_port(index)),
                remote: SocketAddr::new(target.ip(), port),
                encapsulated: false,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
        }
    }

    /// The first Child SA stands.
    pub(super) fn on_up(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        peer.state = State::Up;
        let setup = now - peer.due;
        let (class, returned) = (peer.class, peer.settled);
        let due_s = peer.due.as_nanos() as f64 / 1e9;
        let gap_s = self.packet_gap_s(slot);
        self.stats.counts.up += 1;
        let micros = u64::try_from(setup.as_micros()).unwrap_or(u64::MAX);
        if returned {
            self.stats.return_us.saturating_record(micros);
            self.fails_over(slot, now);
        } else {
            self.stats.counts.established += 1;
            self.stats.established(class);
            self.stats.last_setup_ns = self.stats.last_setup_ns.max(now.as_nanos());
            self.stats.setup_us.saturating_record(micros);
            let flood = &self.shared.plan.scenario.flood;
            if flood.meets_cookies_at(due_s) {
                self.stats.flood_setup_us.saturating_record(micros);
            } else if !flood.lasts_at(due_s) {
                self.stats.quiet_setup_us.saturating_record(micros);
            }
        }
        self.settle(slot, now);
        self.tell(News::Up(self.moment(slot, now)));
        self.begin_habits(slot, now);
        let packets_per_second = gap_s.map_or(0.0, |gap_s| 1.0 / gap_s);
        let version = self.shared.plan.version(self.peer_number(slot));
        let shows_life = |class: &Class| class.shows_life(version, packets_per_second);
        if !self.class_of(slot).is_none_or(shows_life) {
            self.fall_mute(slot, now);
        }
        if let Some(gap_s) = gap_s {
            self.queue_packet(slot, now);
            let phase = self
                .shared
                .plan
                .phase(purpose::PACKETS, self.peer_number(slot));
            let next = now + Duration::from_secs_f64(gap_s * phase);
            self.wheel.arm(next, Token::Packet(slot));
        }
    }

    /// The peer gives up before it had a tunnel.
    pub(super) fn fail(&mut self, slot: u32, reason: &'static str, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state != State::Connecting {
            return;
        }
        peer.state = State::Failed;
        self.forget_tunnel(slot);
        self.stats.counts.failed += 1;
        *self.stats.failures.entry(reason).or_default() += 1;
        self.settle(slot, now);
    }

    /// The peer's tunnel is gone although it did not want that.
    pub(super) fn lose(&mut self, slot: u32, reason: &'static str, now: Instant) {
        self.tell(News::Lost(self.moment(slot, now)));
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.state = State::Lost;
            self.stats.counts.up -= 1;
            *self.stats.losses.entry(reason).or_default() += 1;
        }
        self.forget_tunnel(slot);
    }

    /// Once every peer of the run is settled, draws who dies and when.
    pub(super) fn plan_deaths(&mut self, now: Instant) {
        if self.deaths_planned {
            return;
        }
        let Some(settled) = self.shared.settled_at() else {
            return;
        };
        self.deaths_planned = true;
        let plan = &self.shared.plan;
        let deaths = &plan.scenario.deaths;
        let quota = quota(deaths.count, self.count, self.number);
        let mortal = |peer: &Peer| {
            let class = plan.classes.get(usize::from(peer.class));
            let own_way = |class: &Class| class.mortal && class.silent_at_s.is_none();
            peer.state == State::Up && !peer.mute && class.is_none_or(own_way)
        };
        let mut candidates: Vec<u32> = (0..)
            .zip(&self.peers)
            .filter(|(_, peer)| mortal(peer))
            .map(|(slot, _)| slot)
            .collect();
        plan.lots(purpose::DEATHS + (u64::from(self.number) << 8))
            .shuffle(&mut candidates);
        candidates.truncate(quota as usize);
        let step_s = deaths.spread_s / f64::from(quota.max(1));
        for (index, slot) in (0_u32..).zip(candidates) {
            let after_s = deaths.delay_s + step_s * f64::from(index);
            let due = (settled + Duration::from_secs_f64(after_s)).max(now);
            self.wheel.arm(due, Token::Death(slot));
        }
    }

    /// From now on the peer neither sends nor answers anything.
    pub(super) fn die(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state != State::Up {
            return;
        }
        let was_mute = peer.mute;
        self.bury(slot);
        if !was_mute {
            self.announce_death(slot, now);
        }
        let return_after_s = self.class_of(slot).and_then(|class| class.return_after_s);
        if let Some(after_s) = return_after_s {
            let due = now + Duration::from_secs_f64(after_s);
            self.wheel.arm(due, Token::Return(slot));
        }
    }

    /// The peer goes on, but nobody can tell.
    fn fall_mute(&mut self, slot: u32, now: Instant) {
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.mute = true;
        }
        self.announce_death(slot, now);
    }

    pub(super) fn is_mute(&self, slot: u32) -> bool {
        self.peers.get(slot as usize).is_some_and(|peer| peer.mute)
    }

    /// A peer that was up is no more.
    pub(super) fn bury(&mut self, slot: u32) {
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.state = State::Dead;
        }
        self.forget_tunnel(slot);
        self.stats.counts.up -= 1;
    }

    fn announce_death(&mut self, slot: u32, now: Instant) {
        self.stats.counts.dead += 1;
        let n = self.peer_number(slot);
        self.tell(News::Died(Death {
            peer: n,
            identity: numbered(&self.shared.plan.scenario.peers.identity, n),
            unix_ns: self.shared.clock.unix_ns(now),
            run_ns: now.as_nanos(),
        }));
    }

    pub(super) fn moment(&self, slot: u32, now: Instant) -> Moment {
        Moment {
            peer: self.peer_number(slot),
            unix_ns: self.shared.clock.unix_ns(now),
        }
    }

    pub(super) fn tell(&self, news: News) {
        // Nobody listens any more when the run was given up.
        let _ = self.news.send(news);
    }

    /// Tells the other end that the peer leaves.
    pub(super) fn say_goodbye(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state == State::Up {
            peer.state = State::Leaving;
            let Some(spi) = peer.ike.as_ref().map(|sa| sa.local_spi()) else {
                return;
            };
            self.drive(slot, spi, now, |sa, ctx, actions| {
                sa.close(CloseReason::Deleted, false, ctx, actions);
            });
        }
    }
}

/// The share of worker `number` of `count` in a total.
fn quota(total: u32, count: u16, number: u16) -> u32 {
    let count = u32::from(count);
    total / count + u32::from(u32::from(number) < total % count)
}

#[cfg(test)]
mod tests {
    use super::quota;

    #[test]
    fn quotas_add_up() {
        for (total, count) in [(0, 3), (7, 1), (100, 3), (2, 5)] {
            let sum: u32 = (0..count).map(|number| quota(total, count, number)).sum();
            assert_eq!(sum, total);
        }
    }
}
