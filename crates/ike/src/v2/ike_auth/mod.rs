//! IKE_AUTH (RFC 7296 §1.2): both ends prove who they are, and the first Child SA comes to be.

pub(super) mod certificates;
mod first_child;
mod initiator;
mod proof;
mod responder;

use core::net::IpAddr;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, Identity};

use wire::ikev2::PayloadType;

use super::configuration::Reply;
use super::open::Inner;
use super::phase::Phase;
use super::standing::Standing;
use super::{IkeSa, PeerAuthenticated};
use crate::{Action, CloseReason, Context, Established, Lease};

pub(super) use initiator::AuthInitiator;
pub(super) use responder::{AuthResponder, Pending};

/// Most octets of a message that are kept for somebody who is not authenticated: as many certificates
/// as are looked at, and as much again for everything else.
const KEPT_MAX: usize = 2 * certificates::OCTETS_MAX;

/// What AUTH covers: the IKE_SA_INIT messages as sent and the nonces (RFC 7296 §2.15).
pub(super) struct Handshake {
    pub(super) request: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) initiator_nonce: Box<[u8]>,
    pub(super) responder_nonce: Box<[u8]>,
}

/// The inside of a message of the peer's, kept while a computation judges its certificate.
pub(super) struct Kept {
    first: PayloadType,
    octets: Box<[u8]>,
}

impl Kept {
    /// # Errors
    /// When it is longer than what anybody needs to prove who he is.
    fn of(inner: &Inner) -> Result<Self, CloseReason> {
        if inner.octets.len() > KEPT_MAX {
            return Err(CloseReason::CertificateUnreadable);
        }
        Ok(Self {
            first: inner.first,
            octets: inner.octets.as_slice().into(),
        })
    }
}

/// What both ends know once the peer has proved its identity.
struct Authenticated {
    proof: PeerAuthenticated,
    local_id: Identity,
    connection: Arc<ConnectionPolicy>,
    /// What the peer has from us.
    leases: Vec<Lease>,
    /// What we have from the peer.
    reply: Reply,
}

impl IkeSa {
    /// Both ends are authenticated: from here on Child SAs may exist.
    fn establish(
        &mut self,
        agreed: Authenticated,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        actions.push(Action::Established(Box::new(Established {
            peer: agreed.proof.identity().clone(),
            local: agreed.local_id,
            connection: Arc::clone(&agreed.connection),
            path: self.path,
            leases: agreed.leases.clone(),
            addresses: agreed.reply.addresses.clone(),
            dns: agreed.reply.dns,
            local_behind_nat: self.nat.local,
            peer_behind_nat: self.nat.remote,
        })));
        if let Some(keys) = &mut self.keys {
            keys.authentication = None;
        }
        let standing = Standing::new(
            agreed.proof,
            agreed.connection,
            agreed.leases,
            agreed.reply.addresses,
            self.role,
            ctx,
        );
        self.fragment_size = self
            .fragment_size
            .map(|_| standing.connection.fragment_size);
        self.phase = Phase::Established(Box::new(standing));
    }
}

/// What an end calls itself that has no configured identity.
pub(super) fn address_identity(address: IpAddr) -> Identity {
    match address.to_canonical() {
        IpAddr::V4(address) => Identity::Ipv4(address),
        IpAddr::V6(address) => Identity::Ipv6(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_have_much_kept() {
        let kept = |len| {
            let inner = Inner {
                first: PayloadType::IDI,
                octets: vec![0; len],
            };
            Kept::of(&inner).map(|kept| kept.octets.len()).ok()
        };
        assert_eq!(kept(KEPT_MAX), Some(KEPT_MAX));
        assert_eq!(kept(KEPT_MAX + 1), None);
    }
}
