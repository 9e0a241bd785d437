//! `show crypto ipsec sa`.

use control::view::{PeerView, SaView};

use super::flow::{self, Selector};
use super::session::dropped;
use super::{Tunnel, endpoint, time, transform, vrf};

/// The Child SAs. `interface` is the inner device.
pub(crate) fn ipsec_sa(tunnels: &[Tunnel<'_>], interface: &str, detail: bool) -> String {
    let mut out = String::new();
    for tunnel in tunnels {
        let flows: Vec<_> = tunnel
            .children
            .iter()
            .flat_map(|sa| flow::pairs(sa).into_iter().map(move |pair| (*sa, pair)))
            .collect();
        if flows.is_empty() {
            continue;
        }
        let peer = tunnel.peer;
        out.push_str(&format!(
            "interface: {interface}\n    Crypto map tag: {}, local addr {}\n\n",
            peer.connection,
            endpoint(&peer.local).0
        ));
        for (sa, pair) in flows {
            out.push_str(&block(peer, sa, pair, (interface, detail)));
        }
    }
    out
}

fn block(
    peer: &PeerView,
    sa: &SaView,
    (ours, theirs): (Selector, Selector),
    (interface, detail): (&str, bool),
) -> String {
    let (local, (remote, port)) = (endpoint(&peer.local).0, endpoint(&peer.remote));
    let (out, inn) = (&sa.outbound, &sa.inbound);
    let pfs = match sa.pfs_group {
        Some(group) => format!("Y, DH group: group{group}"),
        None => "N, DH group: none".to_owned(),
    };
    let inbound = half(peer, sa, &sa.spi_in, sa.remaining_bytes_in);
    let outbound = half(peer, sa, &sa.spi_out, sa.remaining_bytes_out);
    format!(
        "   protected vrf: {vrf}
   local  ident (addr/mask/prot/port): ({ours})
   remote ident (addr/mask/prot/port): ({theirs})
   current_peer {remote} port {port}
     PERMIT, flags={{origin_is_acl,}}
    #pkts encaps: {sent}, #pkts encrypt: {sent}, #pkts digest: {sent}
    #pkts decaps: {got}, #pkts decrypt: {got}, #pkts verify: {got}
    #pkts compressed: 0, #pkts decompressed: 0
    #pkts not compressed: 0, #pkts compr. failed: 0
    #pkts not decompressed: 0, #pkts decompress failed: 0
{errors}
     local crypto endpt.: {local}, remote crypto endpt.: {remote}
     plaintext mtu {mtu}, path mtu {path_mtu}, ip mtu {path_mtu}, ip mtu idb {interface}
     current outbound spi: {spi_out}
     PFS (Y/N): {pfs}

     inbound esp sas:
{inbound}
     inbound ah sas:

     inbound pcp sas:

     outbound esp sas:
{outbound}
     outbound ah sas:

     outbound pcp sas:

",
        vrf = vrf(&peer.ivrf, "(none)"),
        ours = ours.identity(),
        theirs = theirs.identity(),
        sent = out.packets,
        got = inn.packets,
        errors = errors(sa, detail),
        mtu = sa.mtu,
        path_mtu = sa.path_mtu,
        spi_out = both_notations(&sa.spi_out),
    )
}

/// What was dropped: as two sums, or each by its reason.
fn errors(sa: &SaView, detail: bool) -> String {
    let (out, inn) = (&sa.outbound, &sa.inbound);
    if !detail {
        let (send, receive) = (dropped(out), dropped(inn));
        return format!("    #send errors {send}, #recv errors {receive}\n");
    }
    format!(
        "    #pkts no sa (send) 0, #pkts invalid sa (rcv) 0
    #pkts encaps failed (send) {refused}, #pkts decaps failed (rcv) {closed}
    #pkts invalid prot (recv) 0, #pkts verify failed: {integrity}
    #pkts invalid identity (recv) {identity}, #pkts invalid len (rcv) {malformed}
    #pkts replay rollover (send): {rollover}, #pkts replay rollover (rcv) 0
    ##pkts replay failed (rcv): {replay}
    #pkts tagged (send): 0, #pkts untagged (rcv): 0
    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0
    #pkts internal err (send): 0, #pkts internal err (recv) 0
",
        refused = out.refused.saturating_add(out.too_big),
        closed = inn.refused,
        integrity = inn.integrity,
        identity = inn.selector_mismatch,
        malformed = inn.malformed,
        rollover = out.sequence_exhausted,
        replay = inn.replay,
    )
}

/// One direction of a pair.
fn half(peer: &PeerView, sa: &SaView, spi: &str, bytes_left: Option<u64>) -> String {
    let mode = if sa.encapsulation == "udp" {
        "Tunnel UDP-Encaps, "
    } else {
        "Tunnel, "
    };
    let timing = match bytes_left {
        Some(bytes) => format!(
            "sa timing: remaining key lifetime (k/sec): ({}/{})",
            bytes / 1_024,
            time::seconds(sa.remaining_s)
        ),
        None => format!(
            "sa timing: remaining key lifetime (sec): {}\n        Kilobyte Volume Rekey has been disabled",
            time::seconds(sa.remaining_s)
        ),
    };
    let status = if sa.state == "installed" {
        "ACTIVE(ACTIVE)"
    } else {
        "INACTIVE"
    };
    format!(
        "      spi: {}
        transform: {} ,
        in use settings ={{{mode}}}
        conn id: {}, flow_id: SW:{}, sibling_flags 80000040, crypto map: {}
        {timing}
        IV size: {} bytes
        replay detection support: Y  replay window size: {}
        Status: {status}
",
        both_notations(spi),
        transform::esp(&sa.proposal),
        peer.number,
        peer.number.saturating_sub(1_000),
        peer.connection,
        transform::iv_octets(&sa.proposal),
        sa.replay_window,
    )
}

/// `0x397C36EE(964441838)`
fn both_notations(spi: &str) -> String {
    let number = u32::from_str_radix(spi, 16).unwrap_or(0);
    format!("0x{number:X}({number})")
}
