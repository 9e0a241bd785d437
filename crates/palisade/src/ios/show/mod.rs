//! The layouts of `show crypto …`.

mod flow;
mod ikev2_sa;
mod ipsec_sa;
mod isakmp_sa;
mod session;
#[cfg(test)]
mod tests;
mod time;
mod transform;

pub(crate) use ikev2_sa::ikev2_sa;
pub(crate) use ipsec_sa::ipsec_sa;
pub(crate) use isakmp_sa::isakmp_sa;
pub(crate) use session::session;

use control::view::{PeerView, SaView};

use super::endpoint;

/// An IKE SA with the Child SAs under it.
pub(crate) struct Tunnel<'v> {
    pub(crate) peer: &'v PeerView,
    pub(crate) children: Vec<&'v SaView>,
}

/// Whether the outer addresses are of IPv6.
fn is_ipv6(peer: &PeerView) -> bool {
    endpoint(&peer.remote).0.contains(':')
}

/// `address/port`.
fn slashed(text: &str) -> String {
    let (address, port) = endpoint(text);
    format!("{address}/{port}")
}

/// The name of a VRF, or another word where it is the one of everything that names none.
fn vrf<'n>(name: &'n str, without: &'n str) -> &'n str {
    match name {
        "" | "global" => without,
        name => name,
    }
}

/// What both ends can do, in letters.
fn capabilities(peer: &PeerView) -> String {
    let ike = peer.ike.as_ref();
    let letters = [
        (!peer.virtual_addresses.is_empty(), 'C'),
        (peer.dpd_settings.is_some(), 'D'),
        (peer.nat, 'N'),
        (ike.is_some_and(|ike| ike.xauth), 'X'),
        (ike.is_some_and(|ike| ike.fragments), 'F'),
    ];
    letters
        .iter()
        .filter(|(can, _)| *can)
        .map(|(_, letter)| *letter)
        .collect()
}

const CODES: &str = "\
Code: C - IKE Configuration mode, D - Dead Peer Detection
K - Keepalives, N - NAT-traversal, T - cTCP encapsulation
X - IKE Extended Authentication, F - IKE Fragmentation
R - IKE Auto Reconnect, U - IKE Dynamic Route Update
S - SIP VPN
";
