//! Child SAs come, take traffic over, and go.

use core::time::Duration;
use std::sync::Arc;

use ike::{ChildInstalled, RemovalReason};
use ipsec::{
    Encapsulation, EspPath, EspSpi, IkeSpi, InboundParameters, InboundSa, InnerVrf,
    OutboundParameters, OutboundSa, OuterHeaderPolicy, Selectors, TrafficSelector, VolumeLimits,
};
use timer::Instant;

use crate::counters::bump;
use crate::elephant::PEER_WINDOW_MIN;
use crate::peers::{Child, Draining, slot_of};
use crate::shard::Token;
use crate::trace::{ChildStep, TraceStep};
use crate::{EventKind, Output, RouteChange, Shard};

/// How long an inbound SA outlives its rekey, for packets that the network holds back.
const DRAIN: Duration = Duration::from_secs(5);
/// Rekeyed inbound SAs that a peer may have open at once.
const DRAINING_MAX: usize = 4;

impl Shard {
    /// Makes a Child SA usable: inbound at once, outbound when the peer is ready for it.
    pub(crate) fn install_child(
        &mut self,
        spi: IkeSpi,
        child: ChildInstalled,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(terms) = child
            .connection
            .children
            .get(usize::from(child.policy))
            .cloned()
        else {
            return;
        };
        let selectors = child.selectors.clone();
        let jitter = self.world.spi_entropy.next_u32();
        let limits = VolumeLimits::from_policy(&terms.rekey, jitter);
        let limits = match child.octets_max {
            Some(octets) => limits.within(octets),
            None => limits,
        };
        let owner = slot_of(spi);
        let ivrf = child.connection.ivrf;
        let path_mtu = self.path_mtu(child.path.fvrf, child.path.remote.ip(), now);
        let inbound = InboundSa::new(
            child.inbound,
            InboundParameters {
                key: child.inbound_key,
                suite: child.suite,
                esn: child.esn,
                replay_window: terms.replay_window,
                selectors: selectors.clone(),
                limits,
                owner,
            },
        )
        .with_mss_clamp(terms.mss_clamp)
        .with_vrfs(child.path.fvrf, ivrf);
        let outbound = OutboundSa::new(OutboundParameters {
            spi: child.outbound,
            key: child.outbound_key,
            suite: child.suite,
            esn: child.esn,
            outer: OuterHeaderPolicy {
                df: terms.df,
                copy_dscp: terms.copy_dscp,
                mss_clamp: terms.mss_clamp,
            },
            selectors,
            limits,
            owner,
            path: EspPath {
                local: child.path.local,
                remote: child.path.remote,
                encapsulation: if child.encapsulated {
                    Encapsulation::Udp
                } else {
                    Encapsulation::Raw
                },
                mtu: path_mtu,
                fvrf: child.path.fvrf,
            },
        });
        let installed = self.world.sad.install_inbound(inbound).is_ok();
        let handle = self.world.sad.insert_outbound(outbound);
        let (true, Some(handle), Some(peer)) = (installed, handle, self.peers.get_mut(spi)) else {
            self.world.sad.remove_inbound(child.inbound);
            if let Some(handle) = handle {
                self.remove_outbound(handle, out);
            }
            // The peer believes in the Child SA until it is told otherwise.
            self.with_sa(spi, now, out, |sa, ctx, actions| {
                // A failure is an action of its own.
                let _ = sa.delete_child(child.inbound, RemovalReason::NoRoom, ctx, actions);
            });
            return;
        };
        let first = peer.children.is_empty();
        // Most peers have one, and a list that grows by itself makes room for four.
        peer.children.reserve_exact(1);
        peer.children.push(Child {
            inbound: child.inbound,
            outbound: handle,
            ivrf,
            policy: child.policy,
            active: false,
            awaits_traffic: !child.outbound_ready,
            wide: terms.peer_replay_window >= PEER_WINDOW_MIN,
            replaces: child.replaces,
        });
        self.counters.children_installed += 1;
        let event = EventKind::ChildInstalled {
            child: terms.name,
            inbound: child.inbound,
            outbound: child.outbound,
            replaces: child.replaces,
            local_ts: child.selectors.local().to_vec(),
            remote_ts: child.selectors.remote().to_vec(),
        };
        self.emit(spi, event, now, out);
        self.tell(spi, now, out, || {
            TraceStep::Child(ChildStep::Installed {
                inbound: child.inbound,
                outbound: child.outbound,
                replaces: child.replaces,
            })
        });
        if first {
            self.tell(spi, now, out, || TraceStep::Session { up: true });
        }
        if child.outbound_ready {
            self.activate_child(spi, child.inbound, now, out);
        }
    }

    /// Sends outbound traffic into a Child SA from now on.
    pub(crate) fn activate_child(
        &mut self,
        spi: IkeSpi,
        inbound: EspSpi,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let same = |child: &&mut Child| child.inbound == inbound && !child.active;
        let Some(child) = peer.children.iter_mut().find(same) else {
            return;
        };
        child.active = true;
        child.awaits_traffic = false;
        let Child {
            outbound: handle,
            ivrf,
            policy,
            replaces,
            ..
        } = *child;
        let Some(sa) = self.world.sad.outbound(handle) else {
            return;
        };
        let selectors = sa.selectors.clone();
        // The new SA stands before the old one in the look-up, so no packet falls between them.
        self.spds.insert(ivrf, handle, &selectors);
        self.announce(ivrf, &selectors, out);
        let outbound = sa.spi;
        self.child_in_use(spi, policy, out);
        if let Some(old) = replaces {
            // Who carries what the old one carried needs the same help, before the old one's ends.
            if self.elephants.has(old) {
                self.lend(inbound, now, out);
            }
            self.deactivate_child(spi, old, out);
        }
        self.tell(spi, now, out, || {
            TraceStep::Child(ChildStep::Active { inbound, outbound })
        });
    }

    /// The IKE SA to which a Child SA of this one belongs now.
    pub(crate) fn holder_of(&self, spi: IkeSpi, inbound: EspSpi) -> IkeSpi {
        let Some(peer) = self.peers.get(spi) else {
            return spi;
        };
        let own = peer.children.iter().any(|child| child.inbound == inbound);
        peer.heir().filter(|_| !own).unwrap_or(spi)
    }

    /// Takes outbound traffic away from a Child SA.
    fn deactivate_child(&mut self, spi: IkeSpi, inbound: EspSpi, out: &mut impl Output) {
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let same = |child: &&mut Child| child.inbound == inbound && child.active;
        let Some(child) = peer.children.iter_mut().find(same) else {
            return;
        };
        child.active = false;
        let (handle, ivrf, policy) = (child.outbound, child.ivrf, child.policy);
        let Some(sa) = self.world.sad.outbound(handle) else {
            return;
        };
        let selectors = sa.selectors.clone();
        self.spds.remove(ivrf, handle, &selectors);
        self.withdraw(ivrf, &selectors, out);
        self.recall(inbound, out);
        self.child_out_of_use(spi, policy);
    }

    pub(crate) fn remove_child(
        &mut self,
        spi: IkeSpi,
        inbound: EspSpi,
        reason: RemovalReason,
        now: Instant,
        out: &mut impl Output,
    ) {
        self.activate_heir(spi, inbound, now, out);
        self.deactivate_child(spi, inbound, out);
        let Some(peer) = self.peers.get_mut(spi) else {
            return;
        };
        let Some(place) = peer
            .children
            .iter()
            .position(|child| child.inbound == inbound)
        else {
            return;
        };
        let child = peer.children.swap_remove(place);
        let left = peer.children.len();
        if reason == RemovalReason::Rekeyed {
            let timer = self.wheel.arm(now + DRAIN, Token::Drained(inbound));
            peer.draining.push(Draining { inbound, timer });
            // A peer that rekeys without pause must not hold more and more SAs.
            let excess = peer.draining.len().saturating_sub(DRAINING_MAX);
            for oldest in peer.draining.drain(..excess) {
                self.wheel.cancel(oldest.timer);
                self.world.sad.remove_inbound(oldest.inbound);
            }
        } else {
            self.world.sad.remove_inbound(inbound);
        }
        self.remove_outbound(child.outbound, out);
        self.child_removed(spi, child.policy, reason, out);
        bump(&mut self.counters.children_removed, reason.index());
        self.emit(spi, EventKind::ChildRemoved { inbound, reason }, now, out);
        self.tell(spi, now, out, || {
            TraceStep::Child(ChildStep::Removed {
                inbound,
                reason,
                left,
            })
        });
        if left == 0 {
            self.tell(spi, now, out, || TraceStep::Session { up: false });
        }
    }

    /// What the peer sent before it rekeyed has arrived by now, or never will.
    pub(crate) fn drained(&mut self, inbound: EspSpi) {
        let Some(owner) = self.world.sad.inbound(inbound).map(|sa| sa.owner) else {
            return;
        };
        self.world.sad.remove_inbound(inbound);
        if let Some(peer) = self.peers.owner_mut(owner) {
            peer.draining.retain(|draining| draining.inbound != inbound);
        }
    }

    /// A Child SA that replaces the one that goes takes its traffic now at the latest.
    fn activate_heir(&mut self, spi: IkeSpi, old: EspSpi, now: Instant, out: &mut impl Output) {
        let Some(peer) = self.peers.get(spi) else {
            return;
        };
        let heir = |child: &&Child| child.replaces == Some(old) && !child.active;
        if let Some(heir) = peer.children.iter().find(heir).map(|child| child.inbound) {
            self.activate_child(spi, heir, now, out);
        }
    }

    fn announce(&self, ivrf: InnerVrf, selectors: &Selectors, out: &mut impl Output) {
        for ts in selectors.remote() {
            self.world.directory.announce(ivrf, ts, self.id);
            if self.needs_route(ivrf, ts) {
                out.route(ivrf, RouteChange::Add(*ts));
            }
        }
    }

    fn withdraw(&self, ivrf: InnerVrf, selectors: &Selectors, out: &mut impl Output) {
        for ts in selectors.remote() {
            self.world.directory.withdraw(ivrf, ts, self.id);
            if self.needs_route(ivrf, ts) {
                out.route(ivrf, RouteChange::Remove(*ts));
            }
        }
    }

    /// Addresses of a pool are routed as a whole; only others need a route of their own.
    fn needs_route(&self, ivrf: InnerVrf, ts: &TrafficSelector) -> bool {
        let within = |pool: &ipsec::AddressPool| {
            pool.ivrf == ivrf && pool.first <= ts.start && ts.end <= pool.last
        };
        !self.world.policy.snapshot.pools.iter().any(within)
    }

    pub(crate) fn child_name(&self, spi: IkeSpi, policy: u16) -> Arc<str> {
        self.peers
            .get(spi)
            .and_then(|peer| peer.sa.connection())
            .and_then(|connection| connection.children.get(usize::from(policy)))
            .map_or_else(|| "".into(), |child| child.name.clone())
    }
}
