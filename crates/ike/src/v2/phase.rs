use ipsec::EspSpi;

use super::ike_auth::{AuthInitiator, AuthResponder};
use super::ike_sa_init::{Initiating, Responding};
use super::standing::Standing;
use super::{ChildSa, IkeSa};

/// How far an IKE SA has come, named for what it expects next.
pub(super) enum Phase {
    /// As initiator: a key pair, or the response to IKE_SA_INIT.
    Initiating(Box<Initiating>),
    /// As responder: the key exchange for its response to IKE_SA_INIT.
    Responding(Box<Responding>),
    /// As initiator: the response to IKE_AUTH.
    AuthInitiator(Box<AuthInitiator>),
    /// As responder: the IKE_AUTH request.
    AuthResponder(Box<AuthResponder>),
    /// Both ends are authenticated.
    Established(Box<Standing>),
    /// Nothing more. What it had once established tells its owner who is gone.
    Closed(Option<Box<Standing>>),
}

impl IkeSa {
    /// What it has once established.
    pub(super) fn standing(&self) -> Option<&Standing> {
        match &self.phase {
            Phase::Established(standing) => Some(standing),
            _ => None,
        }
    }

    /// What it has or had once established.
    pub(super) fn known(&self) -> Option<&Standing> {
        match &self.phase {
            Phase::Established(standing) | Phase::Closed(Some(standing)) => Some(standing),
            _ => None,
        }
    }

    /// What it has once established.
    pub(super) fn standing_mut(&mut self) -> Option<&mut Standing> {
        match &mut self.phase {
            Phase::Established(standing) => Some(standing),
            _ => None,
        }
    }

    /// The Child SA with this inbound SPI.
    pub(super) fn child_mut(&mut self, inbound: EspSpi) -> Option<&mut ChildSa> {
        self.standing_mut()?.child_mut(inbound)
    }
}
