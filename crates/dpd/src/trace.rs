//! The lines that operators of IOS know from `debug crypto isakmp` and from the system log.

use core::fmt::{self, Display};

/// One line of the story of a dead peer. The peer is shown as an address, its endpoint with a port.
#[derive(Clone, Copy)]
pub enum Line<'a> {
    /// A try went unanswered and the next one leaves.
    ErrorCounter,
    /// The last try went unanswered.
    NotResponding {
        /// The peer's address.
        peer: &'a dyn Display,
    },
    /// The SAs go.
    DeletingSa,
    /// The tunnel is gone.
    TunnelDown {
        /// The peer's address and port.
        peer: &'a dyn Display,
        /// The peer's identity.
        id: &'a dyn Display,
    },
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorCounter => {
                f.write_str("incrementing error counter on sa: PEERS_ALIVE_TIMER")
            }
            Self::NotResponding { peer } => write!(f, "peer {peer} not responding!"),
            Self::DeletingSa => f.write_str("deleting SA reason \"peers alive\""),
            Self::TunnelDown { peer, id } => write!(
                f,
                "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN. Peer {peer} Id: {id}"
            ),
        }
    }
}
