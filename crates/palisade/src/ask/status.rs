use std::process::ExitCode;

use anyhow::Result;
use control::view::Status;

use super::show;
use crate::cli::Ask;

/// `palisade status`.
pub(crate) fn status(ask: &Ask) -> Result<ExitCode> {
    let status: Status = super::client(ask)?.get("/v1/status")?;
    if ask.json {
        show::json(&status)?;
    } else {
        text(&status)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Status) -> Result<()> {
    let ready = if status.ready {
        "accepting peers"
    } else {
        "not ready"
    };
    let mut table = show::table(&[]);
    let metrics = match status.metrics.as_str() {
        "" => "off".to_owned(),
        address => format!("http://{address}/metrics"),
    };
    let rows = [
        (
            "service",
            format!("Palisade {} (PID {}), {ready}", status.version, status.pid),
        ),
        ("up for", show::seconds(status.uptime_s)),
        ("configuration", status.configuration.clone()),
        ("listens on", status.listen.join(", ")),
        ("engine", status.engine.clone()),
        ("inner device", status.inner.clone()),
        ("metrics", metrics),
        (
            "peers",
            format!(
                "{} established, {} half-open{}",
                status.ike_established,
                status.ike_half_open,
                deprecated(status.ike_v1)
            ),
        ),
        ("Child SAs", status.child_sas.to_string()),
        (
            "set-ups",
            format!(
                "{} since start, {} failed",
                status.setups, status.setup_failures
            ),
        ),
        ("recovery", recovery(status)),
        (
            "declared dead",
            format!(
                "{} ({} probes sent){}",
                status.dead,
                status.dpd_probes,
                waiting(status)
            ),
        ),
        (
            "ESP",
            format!(
                "in {} packets, {}; out {} packets, {}; {} dropped",
                status.esp_packets_in,
                control::octets(status.esp_bytes_in),
                status.esp_packets_out,
                control::octets(status.esp_bytes_out),
                status.esp_drops
            ),
        ),
        ("memory", control::octets(status.resident_bytes)),
        ("processor time", format!("{:.1}s", status.cpu_s)),
    ];
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    show::print(&table)?;
    let mut shards = show::table(&["worker", "peers", "timers", "mailbox", "CPU"]);
    for shard in &status.shards {
        shards.add_row([
            show::number(shard.shard),
            show::number(shard.peers),
            show::number(shard.timers),
            show::number(shard.mailbox),
            show::number(format!("{:.1}s", shard.cpu_s)),
        ]);
    }
    show::write("\n")?;
    show::print(&shards)
}

/// Who has to come back, how fast that goes, and how long it will take.
fn recovery(status: &Status) -> String {
    let rate = format!("{:.0} set-ups/s", status.setups_per_second);
    let silent = match status.silent {
        0 => String::new(),
        silent => format!(", {silent} peers silent"),
    };
    match status.recovery_s {
        Some(seconds) => format!("about {} at {rate}{silent}", show::seconds(seconds)),
        None => format!("{rate}{silent}"),
    }
}

/// What the budget of teardowns holds back.
fn waiting(status: &Status) -> String {
    match status.verdicts_waiting {
        0 => String::new(),
        count => format!(
            "; {count} verdicts wait for their turn, the last for {}",
            show::seconds(status.verdicts_wait_s)
        ),
    }
}

/// Nothing where nobody speaks IKEv1.
fn deprecated(count: u64) -> String {
    match count {
        0 => String::new(),
        count => format!(" ({count} of IKEv1, which is deprecated)"),
    }
}
