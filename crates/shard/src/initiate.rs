//! Connections in which we are the initiator: start, trap, retry, restart, the next peer.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use dpd::Action;
use ike::v2::{IkeSa, Initiation, Role};
use ike::{CloseReason, Path};
use ipsec::{
    ConnectionPolicy, EspSpi, Flow, IkeSpi, InnerVrf, PeerEndpoint, StartAction, TrafficSelector,
};
use timer::{Instant, TimerKey};

use crate::peers::{Initiated, Peer};
use crate::shard::Token;
use crate::{Output, RouteChange, Shard};

/// The first pause after a failed set-up; it doubles with each further failure.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What the shard keeps for the connections that it initiates.
#[derive(Default)]
pub(crate) struct Initiations {
    by_connection: HashMap<u16, Attempt>,
    traps: Vec<Trap>,
}

#[derive(Default)]
struct Attempt {
    /// Which of the connection's peers is in turn.
    remote: u16,
    child: u16,
    current: Option<IkeSpi>,
    failures: u32,
    timer: Option<TimerKey>,
}

/// Traffic that makes us initiate.
struct Trap {
    connection: u16,
    child: u16,
    ivrf: InnerVrf,
    local: Vec<TrafficSelector>,
    remote: Vec<TrafficSelector>,
}

impl Trap {
    fn catches(&self, flow: &Flow) -> bool {
        let source =
            |ts: &TrafficSelector| ts.contains(flow.source, flow.protocol, flow.source_port);
        let destination = |ts: &TrafficSelector| {
            ts.contains(flow.destination, flow.protocol, flow.destination_port)
        };
        self.remote.iter().any(destination) && self.local.iter().any(source)
    }
}

impl Shard {
    /// Initiates the connections that are to be started at once and lays traps for those that wait
    /// for traffic. Call it once, when sending is possible.
    pub fn start(&mut self, now: Instant, out: &mut impl Output) {
        self.set_traps(out);
        for (connection, child) in self.own_children(StartAction::Start) {
            self.initiate(connection, child, now, out);
        }
    }

    /// Lays the traps of the connections that this shard initiates, in place of those that lie.
    pub(crate) fn set_traps(&mut self, out: &mut impl Output) {
        for trap in core::mem::take(&mut self.initiations.traps) {
            for ts in &trap.remote {
                self.world.directory.withdraw(trap.ivrf, ts, self.id);
                out.route(trap.ivrf, RouteChange::Remove(*ts));
            }
        }
        for (connection, child) in self.own_children(StartAction::Trap) {
            self.lay_trap(connection, child, out);
        }
    }

    /// The children with a start action of the connections that fall to this shard.
    fn own_children(&self, wanted: StartAction) -> Vec<(u16, u16)> {
        let mut found = Vec::new();
        for (index, connection) in (0..).zip(&self.world.policy.snapshot.connections) {
            if index % self.shards.max(1) != u16::from(self.id.0)
                || connection.remote_addrs.is_empty()
            {
                continue;
            }
            let children = (0..).zip(&connection.children);
            found.extend(
                children
                    .filter(|(_, child)| child.start == wanted)
                    .map(|(child, _)| (index, child)),
            );
        }
        found
    }

    /// Traffic for the child's peer is led to us, where it springs the trap.
    fn lay_trap(&mut self, connection: u16, child: u16, out: &mut impl Output) {
        let Some(policy) = self.connection(connection) else {
            return;
        };
        let Some(terms) = policy.children.get(usize::from(child)) else {
            return;
        };
        let trap = Trap {
            connection,
            child,
            ivrf: policy.ivrf,
            local: terms.local_ts.clone(),
            remote: terms.remote_ts.clone(),
        };
        let known = |old: &Trap| old.connection == connection && old.child == child;
        if !self.initiations.traps.iter().any(known) {
            for ts in &trap.remote {
                self.world.directory.announce(trap.ivrf, ts, self.id);
                out.route(trap.ivrf, RouteChange::Add(*ts));
            }
            self.initiations.traps.push(trap);
        }
    }

    fn connection(&self, index: u16) -> Option<Arc<ConnectionPolicy>> {
        self.world
            .policy
            .snapshot
            .connections
            .get(usize::from(index))
            .cloned()
    }

    /// Initiates if a trap catches the packet. Returns whether it does.
    pub(crate) fn spring_trap(
        &mut self,
        ivrf: InnerVrf,
        flow: &Flow,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let caught = self
            .initiations
            .traps
            .iter()
            .find(|trap| trap.ivrf == ivrf && trap.catches(flow));
        let Some((connection, child)) = caught.map(|trap| (trap.connection, trap.child)) else {
            return false;
        };
        let waits = self.initiations.by_connection.get(&connection);
        let busy = waits.is_some_and(|attempt| attempt.timer.is_some())
            || self.current_of(connection).is_some();
        if !busy {
            self.initiate(connection, child, now, out);
        }
        true
    }

    /// Sets up an IKE SA as initiator.
    pub(crate) fn initiate(
        &mut self,
        connection: u16,
        child: u16,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<IkeSpi> {
        let policy = self.connection(connection)?;
        policy.children.get(usize::from(child))?;
        let attempt = self
            .initiations
            .by_connection
            .entry(connection)
            .or_default();
        attempt.child = child;
        let count = u16::try_from(policy.remote_addrs.len())
            .ok()
            .filter(|count| *count > 0)?;
        attempt.remote %= count;
        let PeerEndpoint::Address(remote) =
            *policy.remote_addrs.get(usize::from(attempt.remote))?
        else {
            return None;
        };
        let initiated = Initiated {
            connection,
            child,
            remote: attempt.remote,
        };
        let path = Path {
            local: self.local_for(&policy, remote)?,
            remote,
            encapsulated: false,
            fvrf: policy.fvrf,
        };
        let alone = self.current_of(connection).is_none();
        let initiation = Initiation {
            connection: policy,
            path,
            child: Some(child),
            local_id: None,
            initial_contact: alone,
        };
        let spi = self.open(initiation, now, out)?;
        if let Some(peer) = self.peers.get_mut(spi) {
            peer.initiated = Some(initiated);
        }
        if let Some(attempt) = self.initiations.by_connection.get_mut(&connection) {
            attempt.current = Some(spi);
        }
        Some(spi)
    }

    /// The IKE SA that a connection of ours has.
    fn current_of(&self, connection: u16) -> Option<IkeSpi> {
        let current = self.initiations.by_connection.get(&connection)?.current;
        current.filter(|spi| self.peers.get(*spi).is_some())
    }

    fn open(
        &mut self,
        initiation: Initiation,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<IkeSpi> {
        let mut actions = core::mem::take(&mut self.actions);
        let tracing = self.traces_stranger(&initiation.path);
        let spis = self.peers.reserve();
        let sa = self.world.ask(spis, now, tracing, |ctx| {
            IkeSa::initiate(initiation, ctx, &mut actions)
        });
        let spi = sa.map(|sa| self.adopt(sa, now));
        if let Some(spi) = spi {
            self.apply_all(spi, &mut actions, now, out);
            self.rearm_ike(spi);
        }
        actions.clear();
        self.actions = actions;
        spi
    }

    /// The address and port from which a peer is reached; an unspecified address leaves the choice
    /// to the routing table.
    fn local_for(&self, policy: &ConnectionPolicy, remote: SocketAddr) -> Option<SocketAddr> {
        let same_family = |address: &&IpAddr| address.is_ipv4() == remote.is_ipv4();
        let wanted = policy.local_addrs.iter().find(same_family).copied();
        let sockets = self.world.settings.ike_sockets.iter();
        let fits = |socket: &&SocketAddr| {
            socket.is_ipv4() == remote.is_ipv4()
                && wanted.is_none_or(|ip| socket.ip() == ip || socket.ip().is_unspecified())
        };
        let here = sockets.filter(|socket| socket.fvrf == policy.fvrf);
        let socket = here.map(|socket| &socket.address).find(fits)?;
        Some(SocketAddr::new(
            wanted.unwrap_or(socket.ip()),
            socket.port(),
        ))
    }

    pub(crate) fn initiation_succeeded(&mut self, spi: IkeSpi) {
        let Some(initiated) = self.peers.get(spi).and_then(|peer| peer.initiated) else {
            return;
        };
        if let Some(attempt) = self
            .initiations
            .by_connection
            .get_mut(&initiated.connection)
        {
            attempt.failures = 0;
            attempt.current = Some(spi);
        }
    }

    /// An IKE SA is gone: what follows for its connection.
    pub(crate) fn after_close(
        &mut self,
        peer: &Peer,
        reason: CloseReason,
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.shutting_down {
            return;
        }
        let Some(initiated) = peer.initiated.or_else(|| self.site_to_site(peer)) else {
            return;
        };
        let established = peer.sa.peer().is_some();
        if !established {
            self.retry_later(initiated, now);
        } else if reason == CloseReason::Unresponsive {
            self.after_death(initiated, self.action_after_death(peer), now, out);
        }
    }

    /// The connection of a peer that came to us and that we could initiate as well.
    fn site_to_site(&self, peer: &Peer) -> Option<Initiated> {
        let connection = peer.sa.connection()?;
        if peer.sa.role() == Role::Initiator || connection.remote_addrs.is_empty() {
            return None;
        }
        let connections = &self.world.policy.snapshot.connections;
        let index = connections
            .iter()
            .position(|known| known.name == connection.name)?;
        let child = peer.children.first().map_or(0, |child| child.policy);
        Some(Initiated {
            connection: u16::try_from(index).ok()?,
            child,
            remote: 0,
        })
    }

    fn after_death(
        &mut self,
        initiated: Initiated,
        action: Action,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Initiated {
            connection,
            child,
            remote,
        } = initiated;
        match action {
            Action::Clear => {}
            Action::Hold => self.lay_trap(connection, child, out),
            Action::Restart | Action::NextPeer => {
                let step = u16::from(action == Action::NextPeer);
                let attempt = self
                    .initiations
                    .by_connection
                    .entry(connection)
                    .or_default();
                attempt.remote = remote.wrapping_add(step);
                attempt.child = child;
                let due = self.watch.budgets.reinitiations.book(now).max(now);
                self.arm_attempt(connection, due);
            }
        }
    }

    /// A set-up failed: another attempt follows, at the next peer of the list, after a pause.
    fn retry_later(&mut self, initiated: Initiated, now: Instant) {
        let keeps_trying = self.keeps_trying(initiated);
        let attempt = self
            .initiations
            .by_connection
            .entry(initiated.connection)
            .or_default();
        attempt.remote = initiated.remote.wrapping_add(1);
        attempt.failures = attempt.failures.saturating_add(1);
        let doublings = attempt.failures.saturating_sub(1).min(6);
        let pause = RETRY_FIRST.saturating_mul(1 << doublings).min(RETRY_MAX);
        // Up to half of the pause more, so that those who failed together do not return together.
        let spread =
            pause.mul_f64(f64::from(self.world.spi_entropy.next_u32()) / f64::from(u32::MAX) / 2.0);
        if keeps_trying {
            self.arm_attempt(initiated.connection, now + pause + spread);
        }
    }

    /// Whether the connection is to stand for good: by its own setting, or by what its liveness
    /// policy wants after a death.
    fn keeps_trying(&self, initiated: Initiated) -> bool {
        let Some(connection) = self.connection(initiated.connection) else {
            return false;
        };
        let child = connection.children.get(usize::from(initiated.child));
        let liveness = self.world.policy.dpd.get(usize::from(connection.dpd));
        child.is_some_and(|child| child.start == StartAction::Start)
            || liveness.is_some_and(|liveness| {
                matches!(liveness.action, Action::Restart | Action::NextPeer)
            })
    }

    fn arm_attempt(&mut self, connection: u16, due: Instant) {
        let key = self.wheel.arm(due, Token::Initiate(connection));
        let attempt = self
            .initiations
            .by_connection
            .entry(connection)
            .or_default();
        if let Some(old) = attempt.timer.replace(key) {
            self.wheel.cancel(old);
        }
    }

    pub(crate) fn initiate_timer_fired(
        &mut self,
        connection: u16,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(attempt) = self.initiations.by_connection.get_mut(&connection) else {
            return;
        };
        attempt.timer = None;
        let child = attempt.child;
        self.initiate(connection, child, now, out);
    }

    /// Authenticates anew: a second IKE SA is set up, and the first is deleted when it stands.
    pub(crate) fn reauthenticate(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(initiated) = self.peers.get(spi).and_then(|peer| peer.initiated) else {
            return;
        };
        let attempt = self
            .initiations
            .by_connection
            .entry(initiated.connection)
            .or_default();
        attempt.remote = initiated.remote;
        let new = self.initiate(initiated.connection, initiated.child, now, out);
        if let Some(peer) = new.and_then(|new| self.peers.get_mut(new)) {
            peer.replaces = Some(spi);
        }
    }

    pub(crate) fn terminate(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) -> bool {
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Deleted, ctx, actions);
        })
        .is_some()
    }

    pub(crate) fn terminate_child(
        &mut self,
        inbound: EspSpi,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(owner) = self.owner_of_child(inbound) else {
            return false;
        };
        let deleted = self.with_sa(owner, now, out, |sa, ctx, actions| {
            sa.delete_child(inbound, ike::RemovalReason::Deleted, ctx, actions)
                .is_ok()
        });
        deleted == Some(true)
    }

    pub(crate) fn rekey_ike(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) -> bool {
        self.with_sa(spi, now, out, IkeSa::rekey_ike).is_some()
    }

    pub(crate) fn rekey_child(
        &mut self,
        inbound: EspSpi,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(owner) = self.owner_of_child(inbound) else {
            return false;
        };
        let begun = self.with_sa(owner, now, out, |sa, ctx, actions| {
            sa.rekey_child(inbound, ctx, actions).is_ok()
        });
        begun == Some(true)
    }

    /// Deletes every IKE SA with one DELETE each, which is not repeated.
    pub(crate) fn shut_down(&mut self, now: Instant, out: &mut impl Output) {
        self.shutting_down = true;
        let all: Vec<IkeSpi> = self
            .peers
            .iter_from(0)
            .map(|(_, peer)| peer.sa.local_spi())
            .collect();
        for spi in all {
            self.with_sa(spi, now, out, |sa, ctx, actions| {
                sa.close(CloseReason::Deleted, false, ctx, actions);
            });
        }
    }
}
