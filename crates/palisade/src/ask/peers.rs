use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use control::view::{PeerPage, PeerView};

use super::{Wanted, show};
use crate::cli::ListArgs;

/// `palisade peers`.
pub(crate) fn peers(args: &ListArgs) -> Result<ExitCode> {
    let client = super::client(&args.ask)?;
    let open = |page: PeerPage| (page.peers, page.next);
    let wanted = Wanted::of(args);
    if args.ask.json {
        super::stream(&client, "peers", wanted, open)?;
    } else {
        text(&super::collect(&client, "peers", wanted, open)?)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(peers: &[PeerView]) -> Result<()> {
    if peers.is_empty() {
        return show::write("No peers.\n");
    }
    let vrfs = peers
        .iter()
        .any(|peer| !show::is_global(&peer.fvrf, &peer.ivrf));
    let mut titles = vec![
        "id",
        "identity",
        "connection",
        "IKE",
        "state",
        "liveness",
        "heard",
        "remote",
        "virtual",
        "in",
        "out",
    ];
    if vrfs {
        titles.extend(["fvrf", "ivrf"]);
    }
    let mut table = show::table(&titles);
    for peer in peers {
        let mut row = vec![
            Cell::new(&peer.id),
            Cell::new(&peer.identity),
            Cell::new(&peer.connection),
            show::number(peer.version),
            Cell::new(&peer.state),
            Cell::new(&peer.liveness),
            show::number(show::maybe_seconds(peer.heard_s)),
            Cell::new(&peer.remote),
            Cell::new(peer.virtual_addresses.join(" ")),
            show::number(control::octets(peer.bytes_in)),
            show::number(control::octets(peer.bytes_out)),
        ];
        if vrfs {
            row.extend([Cell::new(&peer.fvrf), Cell::new(&peer.ivrf)]);
        }
        table.add_row(row);
    }
    show::print(&table)
}
