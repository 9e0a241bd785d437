use core::net::{IpAddr, SocketAddr};

use wire::ikev2::NON_ESP_MARKER;

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

impl Path {
    /// Where the routing table chose our address, the path on which an answer `arrived` tells which
    /// one that was. Whether we know more now than before.
    pub(crate) fn learn(&mut self, arrived: Self) -> bool {
        if !self.local.ip().is_unspecified() || arrived.local.ip().is_unspecified() {
            return false;
        }
        self.local.set_ip(arrived.local.ip());
        true
    }

    /// The octets that an IKE message may have when its IP datagram may have `datagram_len_max`.
    pub(crate) fn message_len_max(self, datagram_len_max: u16) -> usize {
        let ip_header = match self.remote.ip().to_canonical() {
            IpAddr::V4(_) => 20,
            IpAddr::V6(_) => 40,
        };
        let marker = if self.encapsulated {
            NON_ESP_MARKER.len()
        } else {
            0
        };
        usize::from(datagram_len_max).saturating_sub(ip_header + 8 + marker)
    }
}

/// The port of UDP encapsulation (RFC 3948 §2).
pub(crate) const ENCAPSULATED_PORT: u16 = 4500;
