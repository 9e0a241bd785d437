//! `show crypto session`.

use control::trace::Stage;
use control::view::{PeerView, SaCounters, SaView};

use super::flow::{self, permit};
use super::{CODES, Tunnel, capabilities, endpoint, slashed, time, vrf};

/// The sessions. `interface` is the inner device, `now` the wall clock in nanoseconds.
pub(crate) fn session(tunnels: &[Tunnel<'_>], interface: &str, detail: bool, now: u64) -> String {
    let mut out = "Crypto session current status\n\n".to_owned();
    if detail {
        out.push_str(CODES);
        out.push('\n');
    }
    for tunnel in tunnels {
        out.push_str(&block(tunnel, interface, detail, now));
        out.push('\n');
    }
    out
}

fn block(tunnel: &Tunnel<'_>, interface: &str, detail: bool, now: u64) -> String {
    let peer = tunnel.peer;
    let mut lines = vec![format!("Interface: {interface}")];
    if !peer.connection.is_empty() {
        lines.push(format!("Profile: {}", peer.connection));
    }
    if detail {
        let up = now.saturating_sub(peer.since_unix_ns) as f64 / 1e9;
        lines.push(format!("Uptime: {}", time::short(up)));
    }
    lines.extend(
        peer.virtual_addresses
            .iter()
            .map(|address| format!("Assigned address: {address}")),
    );
    lines.push(format!("Session status: {}", status(tunnel)));
    lines.extend(who(peer, detail));
    lines.extend(ike_sa(peer, detail));
    for sa in &tunnel.children {
        lines.extend(flows(sa, detail));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn status(tunnel: &Tunnel<'_>) -> &'static str {
    match (tunnel.peer.stage, tunnel.children.is_empty()) {
        (Stage::Established, false) => "UP-ACTIVE",
        (Stage::Established, true) => "UP-IDLE",
        (_, false) => "UP-NO-IKE",
        (Stage::Closed, true) => "DOWN",
        (_, true) => "DOWN-NEGOTIATING",
    }
}

fn who(peer: &PeerView, detail: bool) -> Vec<String> {
    let (address, port) = endpoint(&peer.remote);
    if !detail {
        return vec![format!("Peer: {address} port {port}")];
    }
    let id = match peer.identity.as_str() {
        "" => "(none)",
        id => id,
    };
    vec![
        format!(
            "Peer: {address} port {port} fvrf: {} ivrf: {}",
            vrf(&peer.fvrf, "(none)"),
            vrf(&peer.ivrf, "(none)")
        ),
        format!("      Phase1_id: {id}"),
        "      Desc: (none)".to_owned(),
    ]
}

fn ike_sa(peer: &PeerView, detail: bool) -> Vec<String> {
    let state = match peer.stage {
        Stage::Established => "Active",
        _ => "Inactive",
    };
    let mut lines = vec![
        format!("  Session ID: {}", peer.number),
        format!(
            "  IKEv{} SA: local {} remote {} {state}",
            peer.version,
            slashed(&peer.local),
            slashed(&peer.remote)
        ),
    ];
    if detail {
        let can = match capabilities(peer).as_str() {
            "" => "(none)".to_owned(),
            letters => letters.to_owned(),
        };
        let remaining = peer.ike.as_ref().and_then(|ike| ike.remaining_s);
        let lifetime = remaining.map_or_else(|| "0".to_owned(), time::clock);
        lines.push(format!(
            "          Capabilities:{can} connid:{} lifetime:{lifetime}",
            peer.number
        ));
    }
    lines
}

fn flows(sa: &SaView, detail: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for pair in flow::pairs(sa) {
        lines.push(format!("  IPSEC FLOW: {}", permit(pair)));
        lines.push("        Active SAs: 2, origin: crypto map".to_owned());
        if detail {
            lines.push(format!(
                "        Inbound:  #pkts dec'ed {} drop {} life (KB/Sec) {}",
                sa.inbound.packets,
                dropped(&sa.inbound),
                life(sa.remaining_bytes_in, sa.remaining_s)
            ));
            lines.push(format!(
                "        Outbound: #pkts enc'ed {} drop {} life (KB/Sec) {}",
                sa.outbound.packets,
                dropped(&sa.outbound),
                life(sa.remaining_bytes_out, sa.remaining_s)
            ));
        }
    }
    lines
}

/// Everything that an SA dropped.
pub(super) fn dropped(counters: &SaCounters) -> u64 {
    [
        counters.replay,
        counters.integrity,
        counters.malformed,
        counters.selector_mismatch,
        counters.sequence_exhausted,
        counters.too_big,
        counters.refused,
    ]
    .iter()
    .fold(0, |sum, count| sum.saturating_add(*count))
}

fn life(bytes: Option<u64>, seconds: Option<f64>) -> String {
    let volume = bytes.map_or_else(
        || "KB Vol Rekey Disabled".to_owned(),
        |bytes| (bytes / 1_024).to_string(),
    );
    format!("{volume}/{}", time::seconds(seconds))
}
