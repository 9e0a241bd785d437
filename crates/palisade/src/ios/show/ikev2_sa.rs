//! `show crypto ikev2 sa`.

use control::trace::Stage;
use control::view::{IkeTerms, PeerView};

use super::{is_ipv6, slashed, time, transform, vrf};

/// The IKE SAs of IKEv2. `now` is the wall clock in nanoseconds.
pub(crate) fn ikev2_sa(peers: &[PeerView], detailed: bool, now: u64) -> String {
    let mut out = String::new();
    for (family, ipv6) in [("IPv4", false), ("IPv6", true)] {
        out.push_str(&format!(" {family} Crypto IKEv2  SA\n\n"));
        let known = peers.iter();
        for peer in known.filter(|peer| peer.version == 2 && is_ipv6(peer) == ipv6) {
            out.push_str(&row(peer, now));
            if detailed {
                out.push_str(&details(peer));
            }
            out.push('\n');
        }
    }
    out
}

fn row(peer: &PeerView, now: u64) -> String {
    let status = match peer.stage {
        Stage::Established => "READY",
        Stage::Closed => "DELETE",
        _ => "IN-NEG",
    };
    let vrfs = format!("{}/{}", vrf(&peer.fvrf, "none"), vrf(&peer.ivrf, "none"));
    let (local, remote) = (slashed(&peer.local), slashed(&peer.remote));
    let mut out =
        "Tunnel-id Local                 Remote                fvrf/ivrf            Status\n"
            .to_owned();
    out.push_str(&format!(
        "{:<9} {local:<21} {remote:<21} {vrfs:<20} {status}\n",
        peer.number
    ));
    let Some(ike) = &peer.ike else {
        return out;
    };
    let active = now.saturating_sub(peer.since_unix_ns) / 1_000_000_000;
    out.push_str(&format!("      {}\n", algorithms(ike)));
    out.push_str(&format!(
        "      Life/Active Time: {}/{active} sec\n",
        time::seconds(ike.lifetime_s)
    ));
    out
}

fn algorithms(ike: &IkeTerms) -> String {
    let (cipher, bits) = transform::cipher(&ike.encryption);
    format!(
        "Encr: {cipher}, keysize: {bits}, PRF: {}, Hash: {}, DH Grp:{}, Auth sign: PSK, Auth verify: PSK",
        ike.prf.to_uppercase(),
        transform::hash(&ike.integrity),
        ike.group
    )
}

fn details(peer: &PeerView) -> String {
    let initiator = peer.role == "initiator";
    let (first, second) = (&peer.spis.0, &peer.spis.1);
    let (local_spi, remote_spi) = if initiator {
        (first, second)
    } else {
        (second, first)
    };
    let done = match peer.stage {
        Stage::Established => "Negotiation done",
        Stage::Closed => "Deleted",
        _ => "Negotiating",
    };
    let dpd = peer.dpd_settings.as_ref().map_or_else(
        || "DPD not configured".to_owned(),
        |dpd| {
            format!(
                "DPD configured for {} seconds, retry {}",
                time::seconds(Some(dpd.interval_s)),
                time::seconds(Some(dpd.retry_s))
            )
        },
    );
    let fragments = peer.ike.as_ref().is_some_and(|ike| ike.fragments);
    let mut lines = vec![
        format!("CE id: 0, Session-id: {}", peer.number),
        format!("Status Description: {done}"),
        format!(
            "Local spi: {}       Remote spi: {}",
            local_spi.to_uppercase(),
            remote_spi.to_uppercase()
        ),
        format!("Local id: {}", peer.local_identity),
        format!("Remote id: {}", peer.identity),
        dpd,
        if fragments {
            "IETF Std Fragmentation  enabled.".to_owned()
        } else {
            "Fragmentation not  configured.".to_owned()
        },
        "Extended Authentication not configured.".to_owned(),
        if peer.nat {
            "NAT-T is detected".to_owned()
        } else {
            "NAT-T is not detected".to_owned()
        },
        format!("Initiator of SA : {}", if initiator { "Yes" } else { "No" }),
    ];
    for address in &peer.virtual_addresses {
        lines.push(if initiator {
            format!("Pushed IP address: {address}")
        } else {
            format!("Assigned host addr: {address}")
        });
    }
    lines.iter().map(|line| format!("      {line}\n")).collect()
}
