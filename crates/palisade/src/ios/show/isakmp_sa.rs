//! `show crypto isakmp sa`.

use control::trace::Stage;
use control::view::PeerView;

use super::{capabilities, endpoint, is_ipv6, time, transform, vrf};
use crate::ios::stage;

const CODES: &str = "\
Codes: C - IKE configuration mode, D - Dead Peer Detection
       K - Keepalives, N - NAT-traversal
       T - cTCP encapsulation, X - IKE Extended Authentication
       psk - Preshared key, rsig - RSA signature
       renc - RSA encryption
";

const HEADER: &str = "dst             src             state          conn-id status\n";
const HEADER_IN_DETAIL: &str = "
C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.

";

/// The IKE SAs of IKEv1.
pub(crate) fn isakmp_sa(peers: &[PeerView], detail: bool) -> String {
    let of_v1 = |ipv6: bool| {
        let known = peers.iter();
        known.filter(move |peer| peer.version == 1 && is_ipv6(peer) == ipv6)
    };
    let mut out = String::new();
    if detail {
        out.push_str(CODES);
    }
    for (family, ipv6) in [("IPv4", false), ("IPv6", true)] {
        out.push_str(&format!("{family} Crypto ISAKMP SA\n"));
        if !ipv6 || of_v1(ipv6).next().is_some() {
            out.push_str(if detail { HEADER_IN_DETAIL } else { HEADER });
        }
        if detail {
            out.extend(of_v1(ipv6).map(row_in_detail));
        } else {
            out.extend(of_v1(ipv6).map(row));
        }
        if !ipv6 {
            out.push('\n');
        }
    }
    out
}

fn status(peer: &PeerView) -> &'static str {
    if peer.stage == Stage::Closed {
        "ACTIVE (deleted)"
    } else {
        "ACTIVE"
    }
}

fn row(peer: &PeerView) -> String {
    let (local, remote) = (endpoint(&peer.local).0, endpoint(&peer.remote).0);
    // From the initiator to the responder.
    let (dst, src, role) = if peer.role == "initiator" {
        (remote, local, 'I')
    } else {
        (local, remote, 'R')
    };
    format!(
        "{dst:<15} {src:<15} {:<14} {:>7} {}\n",
        stage::table(peer.stage, role),
        peer.number,
        status(peer)
    )
}

fn row_in_detail(peer: &PeerView) -> String {
    let ike = peer.ike.clone().unwrap_or_default();
    let line = format!(
        "{:<5} {:<15} {:<15} {:<6} {:<6} {:<4} {:<6} {:<4} {:>2} {} {}",
        peer.number,
        endpoint(&peer.local).0,
        endpoint(&peer.remote).0,
        vrf(&peer.ivrf, ""),
        status(peer),
        transform::short_cipher(&ike.encryption),
        transform::short_hash(&ike.prf),
        "psk",
        ike.group,
        time::clock(ike.remaining_s.unwrap_or(0.0)),
        capabilities(peer)
    );
    format!(
        "{}\n       Engine-id:Conn-id =  SW:{}\n\n",
        line.trim_end(),
        peer.number.saturating_sub(1_000)
    )
}
