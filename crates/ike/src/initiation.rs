use std::sync::Arc;

use ipsec::{ConnectionPolicy, Identity};

use crate::Path;

/// How to set up an IKE SA as initiator.
pub struct Initiation {
    /// The connection.
    pub connection: Arc<ConnectionPolicy>,
    /// From where to where IKE_SA_INIT goes.
    pub path: Path,
    /// Index of the child whose Child SA is set up at once. `None`: in IKEv2 the first, since IKE_AUTH
    /// sets one up; in IKEv1 none, for the Child SAs of another IKE SA with this peer, which are handed
    /// over when this one stands ([`IkeSa::hand_over`](crate::IkeSa::hand_over)).
    pub child: Option<u16>,
    /// Our identity, if other than the connection's.
    pub local_id: Option<Identity>,
    /// No other IKE SA with this peer exists, so INITIAL_CONTACT may be said if the connection
    /// wants it.
    pub initial_contact: bool,
}
