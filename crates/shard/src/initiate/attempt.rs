//! One attempt after the other to have an IKE SA with one of a connection's peers.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::HashMap;
use std::sync::Arc;

use dpd::Action;
use ike::{CloseReason, IkeSa, Initiation, Path};
use ipsec::{ConnectionPolicy, IkeSpi, IkeVersion, OwnChild, PeerEndpoint, StartAction, Versions};
use timer::{Instant, TimerKey};

use super::ring::Ring;
use crate::peers::Initiated;
use crate::shard::Token;
use crate::{Output, Shard};

/// How often a child of a standing IKE SA is asked for again by traffic.
const CHILD_AGAIN: Duration = Duration::from_secs(10);

/// Where a connection stands.
#[derive(Default)]
pub(crate) struct Attempt {
    /// Whose turn it is among the connection's peers.
    pub(super) remote: u16,
    /// With which child the next IKE SA begins.
    pub(super) child: u16,
    /// The IKE SA that stands or is being set up.
    pub(super) current: Option<IkeSpi>,
    /// Peers that could not be reached since one was.
    pub(super) failures: u32,
    /// The pause before the next attempt, or the patience with this one.
    pub(super) timer: Option<(TimerKey, Instant)>,
    /// The name of the peer whose turn it is is being resolved.
    pub(super) question: Option<u64>,
    /// Answers that hold, by the peer's place in the list.
    pub(super) answers: HashMap<u16, IpAddr>,
    /// Children that traffic asked for while the IKE SA stood, and when.
    pub(super) asked: Vec<(u16, Instant)>,
    /// Who was reached last.
    pub(super) reached: Option<u16>,
}

/// What became of the wish to initiate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    /// The first message is under way, or the peer's name is being resolved.
    UnderWay,
    /// It cannot be: no such connection or child, no socket of ours fits, or there is no room.
    Failed,
}

impl Shard {
    /// Initiates the connections that are to be started at once and lays traps for those that wait
    /// for traffic. Call it once, when sending is possible.
    pub fn start(&mut self, now: Instant, out: &mut impl Output) {
        self.set_traps(out);
        for (connection, child) in self.own_children(StartAction::Start) {
            self.need(connection, child, now, out);
        }
    }

    /// The children with a start action of the connections that fall to this shard.
    pub(super) fn own_children(&self, wanted: StartAction) -> Vec<(u32, u16)> {
        let connections = &self.world.policy.snapshot.connections;
        let falls_to_us = |one: &&OwnChild| {
            let connection = connections.numbered(one.connection);
            connection.is_some_and(|it| super::home(&it.name, self.shards) == self.id)
        };
        let children = connections.own_children().iter();
        children
            .filter(|one| one.start == wanted)
            .filter(falls_to_us)
            .map(|one| (one.connection, one.child))
            .collect()
    }

    /// Sets up an IKE SA because somebody wants one; it goes on with the next peer if that fails.
    pub(super) fn need(
        &mut self,
        connection: u32,
        child: u16,
        now: Instant,
        out: &mut impl Output,
    ) {
        if self.initiate(connection, child, now, out) {
            return;
        }
        let remote = self.initiations.attempt(connection).remote;
        let initiated = Initiated {
            connection,
            child,
            remote,
        };
        self.not_reached(initiated, now);
    }

    /// Sets up an IKE SA as initiator, with the default peer or else the one whose turn it is.
    /// `false` if that cannot be.
    pub(crate) fn initiate(
        &mut self,
        connection: u32,
        child: u16,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(ring) = self.ring_of(connection) else {
            return false;
        };
        let attempt = self.initiations.attempt(connection);
        if attempt.failures == 0 {
            attempt.remote = ring.afresh(attempt.remote);
        }
        self.try_next(connection, child, now, out) == Begun::UnderWay
    }

    /// Tries the peer whose turn it is.
    pub(super) fn try_next(
        &mut self,
        connection: u32,
        child: u16,
        now: Instant,
        out: &mut impl Output,
    ) -> Begun {
        let policy = self.connection(connection).filter(|_| !self.shutting_down);
        let Some(policy) = policy.filter(|one| usize::from(child) < one.children.len()) else {
            return Begun::Failed;
        };
        let attempt = self.initiations.attempt(connection);
        attempt.child = child;
        let count = u16::try_from(policy.remote_addrs.len()).unwrap_or(u16::MAX);
        attempt.remote = attempt.remote.checked_rem(count).unwrap_or(0);
        let remote = attempt.remote;
        let initiated = Initiated {
            connection,
            child,
            remote,
        };
        let address = match policy.remote_addrs.get(usize::from(remote)) {
            None => return Begun::Failed,
            Some(PeerEndpoint::Address(address)) => *address,
            Some(PeerEndpoint::Name { name, port, .. }) => match attempt.answers.get(&remote) {
                Some(known) => SocketAddr::new(*known, *port),
                None => return self.ask_for_address(connection, name, now, out),
            },
        };
        match self.open_to(initiated, address, &policy, now, out) {
            Some(_) => Begun::UnderWay,
            None => Begun::Failed,
        }
    }

    /// Sends the first message to a peer.
    pub(super) fn open_to(
        &mut self,
        initiated: Initiated,
        remote: SocketAddr,
        policy: &Arc<ConnectionPolicy>,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<IkeSpi> {
        let connection = initiated.connection;
        let path = Path {
            local: self.local_for(policy, remote)?,
            remote,
            encapsulated: false,
            fvrf: policy.fvrf,
        };
        let initiation = Initiation {
            connection: Arc::clone(policy),
            path,
            child: Some(initiated.child),
            local_id: None,
            initial_contact: self.current_of(connection).is_none(),
        };
        let failures = self.initiations.attempt(connection).failures;
        let version = version_for(policy, failures);
        let spi = self.open(version, initiation, Some(initiated), now, out)?;
        // Of one peer alone there is nothing to hurry for: its retransmissions take their time.
        if Ring::of(policy).is_some_and(Ring::has_several) && self.peers.get(spi).is_some() {
            self.arm_attempt(connection, now + self.world.settings.peer_patience);
        }
        Some(spi)
    }

    /// Sends the first message of an IKE SA.
    pub(crate) fn open(
        &mut self,
        version: IkeVersion,
        initiation: Initiation,
        initiated: Option<Initiated>,
        now: Instant,
        out: &mut impl Output,
    ) -> Option<IkeSpi> {
        let mut actions = core::mem::take(&mut self.actions);
        let tracing = self.traces_stranger(&initiation.path);
        let spis = self.peers.reserve();
        let sa = self.world.ask(spis, now, tracing, |ctx| {
            IkeSa::initiate(version, initiation, ctx, &mut actions)
        });
        let spi = sa.map(|sa| self.adopt(sa, now));
        if let Some(spi) = spi {
            // Before its actions: it may already end with one of them.
            if let Some(peer) = self.peers.get_mut(spi) {
                peer.initiated = initiated;
            }
            if let Some(initiated) = initiated {
                self.initiations.attempt(initiated.connection).current = Some(spi);
            }
            self.apply_all(spi, &mut actions, now, out);
            self.rearm_ike(spi);
        }
        actions.clear();
        self.actions = actions;
        spi
    }

    /// The address and port from which a peer is reached; an unspecified address leaves the choice
    /// to the routing table.
    pub(super) fn local_for(
        &self,
        policy: &ConnectionPolicy,
        remote: SocketAddr,
    ) -> Option<SocketAddr> {
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

    /// An IKE SA that we initiated stands.
    pub(crate) fn reached(&mut self, spi: IkeSpi) {
        let Some(initiated) = self.peers.get(spi).and_then(|peer| peer.initiated) else {
            return;
        };
        let attempt = self.initiations.attempt(initiated.connection);
        attempt.failures = 0;
        attempt.remote = initiated.remote;
        attempt.current = Some(spi);
        attempt.asked.clear();
        let before = attempt.reached.replace(initiated.remote);
        if before.is_some_and(|before| before != initiated.remote) {
            self.counters.failovers += 1;
        }
        self.disarm_attempt(initiated.connection);
    }

    /// The IKE SA of a connection has a successor.
    pub(crate) fn inherited(&mut self, old: IkeSpi, new: IkeSpi) {
        let Some(initiated) = self.peers.get(new).and_then(|peer| peer.initiated) else {
            return;
        };
        let attempt = self.initiations.attempt(initiated.connection);
        if attempt.current == Some(old) {
            attempt.current = Some(new);
        }
    }

    /// A peer could not be reached: the next one of the list follows, after a pause, if anybody wants
    /// it.
    pub(super) fn not_reached(&mut self, initiated: Initiated, now: Instant) {
        let connection = initiated.connection;
        let Some(ring) = self.ring_of(connection) else {
            self.abandon_held(connection);
            return;
        };
        let attempt = self.initiations.attempt(connection);
        attempt.child = initiated.child;
        attempt.remote = ring.after(initiated.remote);
        let mid_round = !ring.round_is_over(attempt.failures.saturating_add(1));
        if mid_round || self.is_wanted(initiated) {
            self.try_later(connection, now);
        } else {
            let attempt = self.initiations.attempt(connection);
            attempt.failures = attempt.failures.saturating_add(1);
        }
    }

    /// Another failure: the next attempt comes after a pause.
    pub(super) fn try_later(&mut self, connection: u32, now: Instant) {
        let Some(ring) = self.ring_of(connection) else {
            return;
        };
        let random = self.world.spi_entropy.next_u32();
        let attempt = self.initiations.attempt(connection);
        attempt.failures = attempt.failures.saturating_add(1);
        let pause = ring.pause(attempt.failures, random);
        self.arm_attempt(connection, now + pause);
    }

    /// Whether somebody wants the connection to stand: traffic that waits, its own setting, or what
    /// its liveness policy wants after a death.
    fn is_wanted(&self, initiated: Initiated) -> bool {
        let Some(connection) = self.connection(initiated.connection) else {
            return false;
        };
        let child = connection.children.get(usize::from(initiated.child));
        let liveness = self.world.policy.dpd.get(usize::from(connection.dpd));
        let restarts = |liveness: &dpd::DpdPolicy| {
            matches!(liveness.action, Action::Restart | Action::NextPeer)
        };
        self.initiations.held.waits_for(initiated.connection)
            || child.is_some_and(|child| child.start == StartAction::Start)
            || liveness.is_some_and(restarts)
    }

    pub(super) fn arm_attempt(&mut self, connection: u32, due: Instant) {
        let key = self.wheel.arm(due, Token::Initiate(connection));
        let attempt = self.initiations.attempt(connection);
        if let Some((old, _)) = attempt.timer.replace((key, due)) {
            self.wheel.cancel(old);
        }
    }

    pub(super) fn disarm_attempt(&mut self, connection: u32) {
        if let Some((key, _)) = self.initiations.attempt(connection).timer.take() {
            self.wheel.cancel(key);
        }
    }

    pub(crate) fn initiate_timer_fired(
        &mut self,
        connection: u32,
        now: Instant,
        out: &mut impl Output,
    ) {
        let attempt = self.initiations.attempt(connection);
        attempt.timer = None;
        let initiated = Initiated {
            connection,
            child: attempt.child,
            remote: attempt.remote,
        };
        if let Some(question) = attempt.question.take() {
            self.initiations.questions.remove(&question);
            self.not_resolved(initiated, now, out);
            return;
        }
        match self.current_of(connection) {
            Some(spi) if self.is_established(spi) => self.reauthenticate(spi, now, out),
            // Patience with this peer is over. Its end brings the next one.
            Some(spi) => {
                self.with_sa(spi, now, out, |sa, ctx, actions| {
                    sa.close(CloseReason::HalfOpenTimeout, true, ctx, actions);
                });
            }
            None => self.go_on(initiated, now, out),
        }
    }

    /// The pause is over.
    fn go_on(&mut self, initiated: Initiated, now: Instant, out: &mut impl Output) {
        let connection = initiated.connection;
        self.expire_held(connection, now);
        let failures = self.initiations.attempt(connection).failures;
        let mid_round = self
            .ring_of(connection)
            .is_some_and(|ring| !ring.round_is_over(failures));
        if !mid_round && !self.is_wanted(initiated) {
            return;
        }
        if self.try_next(connection, initiated.child, now, out) == Begun::Failed {
            self.not_reached(initiated, now);
        }
    }

    /// Authenticates anew: a second IKE SA is set up, and the first is deleted when it stands.
    pub(crate) fn reauthenticate(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get(spi) else {
            return;
        };
        if peer.sa.version() == IkeVersion::V1 {
            self.renew(spi, now, out);
            return;
        }
        let Some(initiated) = peer.initiated else {
            return;
        };
        let ip = peer.sa.path().remote.ip();
        let Some(policy) = self.connection(initiated.connection) else {
            return;
        };
        let port = match policy.remote_addrs.get(usize::from(initiated.remote)) {
            Some(PeerEndpoint::Address(address)) => address.port(),
            Some(PeerEndpoint::Name { port, .. }) => *port,
            None => return,
        };
        let remote = SocketAddr::new(ip, port);
        let new = self.open_to(initiated, remote, &policy, now, out);
        if let Some(peer) = new.and_then(|new| self.peers.get_mut(new)) {
            peer.replaces = Some(spi);
        }
    }

    /// Traffic wants a child of an IKE SA that stands without it.
    pub(super) fn want_child(
        &mut self,
        connection: u32,
        child: u16,
        spi: IkeSpi,
        now: Instant,
        out: &mut impl Output,
    ) {
        let attempt = self.initiations.attempt(connection);
        attempt.asked.retain(|(_, at)| now - *at < CHILD_AGAIN);
        if attempt.asked.iter().any(|(asked, _)| *asked == child) {
            return;
        }
        attempt.asked.push((child, now));
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            // What it refuses is waited for in vain, which the bound on waiting ends.
            let _ = sa.create_child(child, ctx, actions);
        });
    }
}

/// The version to set up an IKE SA with. A connection that speaks both begins with IKEv2, and when
/// all of its peers were tried in vain it is the other's turn.
fn version_for(policy: &ConnectionPolicy, failures: u32) -> IkeVersion {
    let Versions { v1, v2 } = policy.versions;
    let peers = u32::try_from(policy.remote_addrs.len()).unwrap_or(u32::MAX);
    let rounds = failures / peers.max(1);
    if v1 && (!v2 || rounds % 2 == 1) {
        IkeVersion::V1
    } else {
        IkeVersion::V2
    }
}
