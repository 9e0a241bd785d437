use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use control::view::{PeerDetail, SaView};

use super::show;
use crate::cli::PeerArgs;

/// `palisade peer ID`.
pub(crate) fn peer(args: &PeerArgs) -> Result<ExitCode> {
    let path = format!("/v1/peers/{}", control::path_segment(&args.peer));
    let detail: PeerDetail = super::client(&args.ask)?.get(&path)?;
    if args.ask.json {
        show::json(&detail)?;
    } else {
        text(&detail)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(detail: &PeerDetail) -> Result<()> {
    let peer = &detail.peer;
    let mut table = show::table(&[]);
    let nat = if peer.nat { " (behind a NAT)" } else { "" };
    let since = show::moment(peer.since_unix_ns);
    let tries = match detail.tries {
        0 => String::new(),
        tries => format!(", asked {tries} times"),
    };
    let bound = match detail.detection_bound_s {
        Some(bound) => format!(
            "{}; a death is found within {}",
            detail.dpd,
            show::seconds(bound)
        ),
        None => detail.dpd.clone(),
    };
    let rows = [
        ("identity", peer.identity.clone()),
        ("number", peer.id.clone()),
        (
            "connection",
            format!("{} (we are the {})", peer.connection, peer.role),
        ),
        (
            "state",
            format!(
                "{} (IKEv{}, {}), worker {}",
                peer.state, peer.version, peer.stage, peer.shard
            ),
        ),
        ("since", since),
        (
            "addresses",
            format!("{} – {}{nat}", peer.local, peer.remote),
        ),
        (
            "VRFs",
            format!("front-door {}, inner {}", peer.fvrf, peer.ivrf),
        ),
        ("virtual addresses", peer.virtual_addresses.join(", ")),
        ("IKE SPIs", format!("{} {}", peer.spis.0, peer.spis.1)),
        (
            "liveness",
            format!(
                "{}, heard {} ago{tries}",
                peer.liveness,
                show::maybe_seconds(peer.heard_s)
            ),
        ),
        ("detection", bound),
    ];
    for (name, value) in rows {
        table.add_row([
            name.to_owned(),
            if value.is_empty() {
                "–".to_owned()
            } else {
                value
            },
        ]);
    }
    show::print(&table)?;
    for child in &detail.children {
        show::write(&format!("\nchild {}\n", child.child))?;
        show::print(&child_table(child))?;
    }
    Ok(())
}

fn child_table(child: &SaView) -> comfy_table::Table {
    let mut table = show::table(&[]);
    let esn = if child.esn {
        ", 64-bit sequence numbers"
    } else {
        ""
    };
    table.add_row(["state", &child.state]);
    table.add_row([
        "SPIs",
        &format!("in {}, out {}", child.spi_in, child.spi_out),
    ]);
    table.add_row([
        "proposal",
        &format!("{}{esn}, over {}", child.proposal, child.encapsulation),
    ]);
    table.add_row(["local", &child.local_ts.join(", ")]);
    table.add_row(["remote", &child.remote_ts.join(", ")]);
    for (direction, counters) in [("in", &child.inbound), ("out", &child.outbound)] {
        let text = format!(
            "{} packets, {}, last {} ago; lost {}, replay {}, integrity {}, malformed {}, selector {}, sequence {}",
            counters.packets,
            control::octets(counters.bytes),
            show::maybe_seconds(counters.last_s),
            counters.lost,
            counters.replay,
            counters.integrity,
            counters.malformed,
            counters.selector_mismatch,
            counters.sequence_exhausted,
        );
        table.add_row([Cell::new(direction), Cell::new(text)]);
    }
    table
}
