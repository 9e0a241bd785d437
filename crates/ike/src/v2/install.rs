//! Putting a negotiated Child SA in place, whichever exchange made it.

use std::sync::Arc;

use core::net::IpAddr;

use crypto::Secret;
use ipsec::{EspSpi, Selectors};

use super::keymat::{Nonces, child_keys};
use super::negotiation::ChildAgreement;
use super::phase::Phase;
use super::suite::EspSuite;
use super::{ChildSa, ChildState, IkeSa, Role};
use crate::action::{ChildInstalled, ChildTerms};
use crate::lifetimes::Lifetimes;
use crate::{Action, Context};

/// A Child SA on which both ends agree.
pub(super) struct Agreed {
    /// Index in the connection's children.
    pub(super) policy: u16,
    /// The peer's SPI.
    pub(super) outbound: EspSpi,
    pub(super) suite: EspSuite,
    pub(super) selectors: Selectors,
}

impl Agreed {
    /// `None` when the peer's SPI is reserved (RFC 4303 §2.1: up to 255).
    pub(super) fn read(agreement: &ChildAgreement<'_>) -> Option<Self> {
        let octets = agreement.chosen.peer_spi.try_into().ok()?;
        let spi = u32::from_be_bytes(octets);
        (spi > 255).then(|| Self {
            policy: agreement.policy,
            outbound: EspSpi(spi),
            suite: agreement.chosen.suite,
            selectors: agreement.selectors.clone(),
        })
    }
}

/// What is to be installed.
pub(super) struct NewChild {
    pub(super) agreed: Agreed,
    /// Our SPI.
    pub(super) inbound: EspSpi,
    /// The inbound SPI of the Child SA that it replaces.
    pub(super) replaces: Option<EspSpi>,
    /// The peer is known to be ready for traffic on it.
    pub(super) outbound_ready: bool,
}

impl IkeSa {
    /// Derives the keys and hands the Child SA to the owner. `role` is ours in the exchange whose
    /// nonces these are; `shared` is that of the exchange's own key exchange.
    pub(super) fn install_child(
        &mut self,
        child: NewChild,
        nonces: Nonces<'_>,
        shared: Option<&Secret>,
        role: Role,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let path = self.path;
        let encapsulated = path.encapsulated || self.nat.any();
        let (Some(keys), Phase::Established(standing)) = (&self.keys, &mut self.phase) else {
            return;
        };
        let NewChild {
            agreed, inbound, ..
        } = child;
        let children = &standing.connection.children;
        let Some(policy) = children.get(usize::from(agreed.policy)) else {
            return;
        };
        let prf = keys.suite.prf;
        let derivation = &keys.derivation;
        let (outbound_key, inbound_key) =
            child_keys(prf, derivation, shared, nonces, &agreed.suite, role);
        let ends = Lifetimes::from(&policy.rekey, ctx.now, ctx.entropy);
        // Nearly every IKE SA has one Child SA: room for four would cost more than the rest.
        standing.children.reserve_exact(1);
        standing.children.push(ChildSa {
            inbound,
            outbound: agreed.outbound,
            policy: agreed.policy,
            state: ChildState::Installed,
            replaced_by: None,
            outbound_pending: !child.outbound_ready,
            rekey_at: ends.rekey_at,
            expires_at: ends.expires_at,
            pfs: agreed.suite.key_exchange.filter(|_| shared.is_some()),
            selectors: agreed.selectors.clone(),
        });
        let terms = ChildTerms {
            inbound,
            outbound: agreed.outbound,
            suite: agreed.suite.protection(),
            inbound_key,
            outbound_key,
            esn: agreed.suite.esn,
            encapsulated,
            path,
            selectors: agreed.selectors,
            connection: Arc::clone(&standing.connection),
            policy: agreed.policy,
            replaces: child.replaces,
            octets_max: None,
            outbound_ready: child.outbound_ready,
        };
        let installed = ChildInstalled::new(terms, &standing.proof);
        actions.push(Action::ChildInstalled(Box::new(installed)));
    }

    /// What "dynamic" selectors of the peer's side stand for: its virtual addresses from us, or
    /// else its outer address.
    pub(super) fn peer_addresses(&self) -> Vec<IpAddr> {
        let leases = self.standing().map_or(&[][..], |standing| &standing.leases);
        if leases.is_empty() {
            return vec![self.path.remote.ip()];
        }
        leases.iter().map(|lease| lease.address).collect()
    }
}
