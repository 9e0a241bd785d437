//! Child SAs: from what IKE agreed on to what ESP needs.

use core::net::SocketAddr;

use ike::{ChildInstalled, Path};
use ipsec::{
    DfPolicy, Encapsulation, EspPath, EspSpi, IkeSlot, InboundParameters, InboundSa,
    OutboundParameters, OutboundSa, OuterHeaderPolicy, VolumeLimits,
};
use timer::Instant;

use super::Worker;
use super::peer::{Child, State};

/// Outer packets may be this large: test packets are small, and loopback carries more.
const OUTER_MTU: u16 = 1_500;

impl Worker {
    pub(super) fn install_child(&mut self, slot: u32, child: ChildInstalled, now: Instant) {
        let owner = IkeSlot {
            index: slot,
            generation: 0,
        };
        let inbound = InboundSa::new(
            child.inbound,
            InboundParameters {
                key: child.inbound_key,
                suite: child.suite,
                esn: child.esn,
                replay_window: self.shared.plan.scenario.tunnel.replay_window,
                selectors: child.selectors.clone(),
                limits: VolumeLimits::NONE,
                owner,
            },
        );
        let encapsulation = if child.encapsulated {
            Encapsulation::Udp
        } else {
            Encapsulation::Raw
        };
        let outbound = OutboundSa::new(OutboundParameters {
            spi: child.outbound,
            key: child.outbound_key,
            suite: child.suite,
            esn: child.esn,
            outer: OuterHeaderPolicy {
                df: DfPolicy::Clear,
                copy_dscp: false,
                mss_clamp: None,
            },
            selectors: child.selectors,
            limits: VolumeLimits::NONE,
            owner,
            path: EspPath {
                local: child.path.local,
                remote: child.path.remote,
                encapsulation,
                mtu: OUTER_MTU,
                fvrf: ipsec::FrontVrf::GLOBAL,
            },
        });
        if self.sad.install_inbound(inbound).is_err() {
            return;
        }
        let Some(outbound) = self.sad.insert_outbound(outbound) else {
            self.sad.remove_inbound(child.inbound);
            return;
        };
        let esp_path = self.esp_path(&child.path);
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        peer.esp_path = esp_path;
        peer.children.push(Child {
            inbound: child.inbound,
            outbound,
            ready: child.outbound_ready,
        });
        if child.replaces.is_some() {
            self.stats.counts.child_rekeys += 1;
            self.rekey_ends(slot, now);
        } else if peer.state == State::Connecting {
            self.on_up(slot, now);
        }
    }

    /// ESP always goes in UDP: an initiator that started at the IKE port has its ESP at the
    /// encapsulation port, whether IKE floated or not.
    fn esp_path(&self, path: &Path) -> (SocketAddr, SocketAddr) {
        let local = SocketAddr::new(path.local.ip(), self.sockets.sibling(path.local.port()));
        let target = self.shared.plan.scenario.target.address;
        (local, SocketAddr::new(path.remote.ip(), target.port()))
    }

    pub(super) fn switch_outbound(&mut self, slot: u32, child: EspSpi) {
        if let Some(peer) = self.peers.get_mut(slot as usize)
            && let Some(child) = peer.child_mut(child)
        {
            child.ready = true;
        }
    }

    pub(super) fn remove_child(&mut self, slot: u32, inbound: EspSpi) {
        self.sad.remove_inbound(inbound);
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if let Some(at) = peer.children.iter().position(|c| c.inbound == inbound) {
            let child = peer.children.remove(at);
            self.sad.remove_outbound(child.outbound);
        }
    }

    pub(super) fn move_path(&mut self, slot: u32, path: &Path) {
        let esp_path = self.esp_path(path);
        if let Some(peer) = self.peers.get_mut(slot as usize) {
            peer.esp_path = esp_path;
        }
    }

    /// Drops every SA of a peer without a word.
    pub(super) fn forget_tunnel(&mut self, slot: u32) {
        self.rekeying.remove(&slot);
        self.unrest.remove(&slot);
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        peer.ike = None;
        peer.others.clear();
        for child in core::mem::take(&mut peer.children) {
            self.sad.remove_inbound(child.inbound);
            self.sad.remove_outbound(child.outbound);
        }
        if let Some((key, _)) = peer.timer.take() {
            self.wheel.cancel(key);
        }
    }
}
