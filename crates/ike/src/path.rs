use core::net::SocketAddr;

use ipsec::FrontVrf;

/// The two ends between which messages of an IKE SA travel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port, as seen from here.
    pub remote: SocketAddr,
    /// Messages carry the non-ESP marker and share their port with ESP (RFC 3948 §2.2). The edge
    /// adds and removes the marker; messages in this crate never include it.
    pub encapsulated: bool,
    /// Whose sockets carry them.
    pub fvrf: FrontVrf,
}

/// The port of UDP encapsulation (RFC 3948 §2).
pub(crate) const ENCAPSULATED_PORT: u16 = 4500;
