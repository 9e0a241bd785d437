use std::process::ExitCode;

use anyhow::Result;
use comfy_table::Cell;
use control::view::{SaCounters, SaPage, SaView};

use super::{Wanted, show};
use crate::cli::ListArgs;

/// `palisade sas`.
pub(crate) fn sas(args: &ListArgs) -> Result<ExitCode> {
    let client = super::client(&args.ask)?;
    let open = |page: SaPage| (page.sas, page.next);
    let wanted = Wanted::of(args);
    if args.ask.json {
        super::stream(&client, "sas", wanted, open)?;
        return Ok(ExitCode::SUCCESS);
    }
    let sas = super::collect(&client, "sas", wanted, open)?;
    if sas.is_empty() {
        show::write("No Child SAs.\n")?;
    } else {
        show::print(&table(&sas))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Child SAs, one a line.
pub(super) fn table(sas: &[SaView]) -> comfy_table::Table {
    let vrfs = sas.iter().any(|sa| !show::is_global(&sa.fvrf, &sa.ivrf));
    let mut titles = vec![
        "identity", "child", "state", "SPI in", "SPI out", "proposal", "over", "in", "out", "lost",
        "dropped",
    ];
    if vrfs {
        titles.extend(["fvrf", "ivrf"]);
    }
    let mut table = show::table(&titles);
    for sa in sas {
        let dropped = dropped(&sa.inbound).saturating_add(dropped(&sa.outbound));
        let mut row = vec![
            Cell::new(&sa.identity),
            Cell::new(&sa.child),
            Cell::new(&sa.state),
            Cell::new(&sa.spi_in),
            Cell::new(&sa.spi_out),
            Cell::new(&sa.proposal),
            Cell::new(&sa.encapsulation),
            show::number(control::octets(sa.inbound.bytes)),
            show::number(control::octets(sa.outbound.bytes)),
            show::number(sa.inbound.lost),
            show::number(dropped),
        ];
        if vrfs {
            row.extend([Cell::new(&sa.fvrf), Cell::new(&sa.ivrf)]);
        }
        table.add_row(row);
    }
    table
}

/// Packets that an SA dropped, for whatever reason.
fn dropped(counters: &SaCounters) -> u64 {
    [
        counters.replay,
        counters.integrity,
        counters.malformed,
        counters.selector_mismatch,
        counters.sequence_exhausted,
        counters.too_big,
        counters.refused,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
}
