use ipsec::EspSpi;

use super::IkeSa;
use super::handshake::Handshake;
use super::standing::Standing;
use crate::ChildSa;

/// How far an IKE SA has come.
pub(super) enum Phase {
    /// Phase 1 is under way.
    Handshake(Box<Handshake>),
    /// Phase 1 is done: both ends are authenticated.
    Established(Box<Standing>),
    /// Nothing more. What it had once established tells its owner who is gone.
    Closed(Option<Box<Standing>>),
}

impl IkeSa {
    pub(super) fn handshake(&self) -> Option<&Handshake> {
        match &self.phase {
            Phase::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }

    pub(super) fn handshake_mut(&mut self) -> Option<&mut Handshake> {
        match &mut self.phase {
            Phase::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }

    /// What it has once phase 1 is done.
    pub(super) fn standing(&self) -> Option<&Standing> {
        match &self.phase {
            Phase::Established(standing) => Some(standing),
            _ => None,
        }
    }

    /// What it has once phase 1 is done.
    pub(super) fn standing_mut(&mut self) -> Option<&mut Standing> {
        match &mut self.phase {
            Phase::Established(standing) => Some(standing),
            _ => None,
        }
    }

    /// What it has or had once phase 1 was done.
    pub(super) fn known(&self) -> Option<&Standing> {
        match &self.phase {
            Phase::Established(standing) | Phase::Closed(Some(standing)) => Some(standing),
            _ => None,
        }
    }

    /// The Child SA with this inbound SPI.
    pub(super) fn child_mut(&mut self, inbound: EspSpi) -> Option<&mut ChildSa> {
        self.standing_mut()?.child_mut(inbound)
    }
}
