//! `debug crypto ipsec`.

use control::trace::{Step, TraceRecord};

use super::endpoint;

/// The lines of a record about a Child SA.
pub(super) fn lines(record: &TraceRecord) -> Vec<String> {
    let (ours, theirs) = (endpoint(&record.local).0, endpoint(&record.remote).0);
    match &record.step {
        Step::ChildInstalled {
            spi_in, spi_out, ..
        } => vec![
            of_sa("create_sa): sa created", ours, spi_in),
            of_sa("create_sa): sa created", theirs, spi_out),
        ],
        Step::ChildActive { spi_out, .. } => vec![format!(
            "IPSEC(update_current_outbound_sa): updated peer {theirs} current outbound sa to SPI {}",
            spi_out.to_uppercase()
        )],
        Step::ChildAged { spi_in } => vec![of_sa(
            "lifetime_expiry): SA lifetime threshold reached",
            ours,
            spi_in,
        )],
        Step::ChildRemoved { spi_in, .. } => vec![of_sa("delete_sa): deleting SA", ours, spi_in)],
        Step::ChildFailed(why) => vec![format!(
            "IPSEC(ipsec_process_proposal): no SA with {theirs}: {}",
            why.sentence
        )],
        _ => Vec::new(),
    }
}

/// A line about one SA: its destination, ESP as protocol, its SPI in both notations.
fn of_sa(what: &str, destination: &str, spi: &str) -> String {
    let number = u32::from_str_radix(spi, 16).unwrap_or(0);
    format!(
        "IPSEC({what},\n  (sa) sa_dest= {destination}, sa_proto= 50,\n    sa_spi= 0x{number:X}({number})"
    )
}
