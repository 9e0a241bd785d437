//! The report for people.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use crate::report::{ClassReport, Finding, NetworkReport, Passage, Percentiles, Report, Score};

/// Renders the report in lines of text.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write_report(report, &mut out);
    out
}

fn write_report(report: &Report, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "peers          {} of {} established, {:.0} per second",
        report.established, report.peers, report.setup_per_second
    )?;
    writeln!(out, "set-up         {}", milliseconds(&report.setup_ms))?;
    if report.classes.len() > 1 {
        write_classes(&report.classes, out)?;
    }
    if report.returned > 0 {
        writeln!(
            out,
            "came back      {}: {}",
            report.returned,
            milliseconds(&report.return_ms)
        )?;
    }
    reasons("failed", &report.failures, out)?;
    reasons("lost", &report.losses, out)?;
    let traffic = &report.traffic;
    writeln!(
        out,
        "packets        {} sent, {} came back right, {} wrong, {} unrelated",
        traffic.sent, traffic.verified, traffic.mismatched, traffic.unrelated
    )?;
    writeln!(out, "echo           {}", milliseconds(&traffic.echo_ms))?;
    if traffic.first_packet_ms.count > 0 {
        let first = milliseconds(&traffic.first_packet_ms);
        writeln!(out, "first packet   {first}")?;
    }
    passage("in rekeys", traffic.during_rekey, out)?;
    passage("in failovers", traffic.during_failover, out)?;
    reasons("packet drops", &traffic.drops, out)?;
    let ike = &report.ike;
    writeln!(
        out,
        "IKE            {} messages sent, {} received, {} probes answered, {} ignored on purpose",
        ike.messages_sent, ike.messages_received, ike.probes_answered, ike.probes_ignored
    )?;
    if ike.probes_sent > 0 {
        writeln!(
            out,
            "own probes     {} sent, {} answered",
            ike.probes_sent, ike.probes_acknowledged
        )?;
    }
    writeln!(
        out,
        "rekeys         {} Child SAs, {} IKE SAs",
        ike.child_rekeys, ike.ike_rekeys
    )?;
    if ike.rekey_ms.count > 0 {
        writeln!(out, "rekey          {}", milliseconds(&ike.rekey_ms))?;
    }
    reasons("IKE drops", &ike.rejected, out)?;
    write_network(&report.network, out)?;
    writeln!(out, "deaths         {}", report.deaths.len())?;
    if let Some(score) = &report.score {
        write_score(score, out)?;
    }
    write_flood(report, out)?;
    write_headend(report, out)?;
    write_findings(report, out)?;
    writeln!(
        out,
        "generator      {:.1} s, {:.1} s of CPU, {} octets of memory per peer",
        report.elapsed_s, report.cpu_s, report.memory_bytes_per_peer
    )?;
    let verdict = if report.is_success() {
        "passed"
    } else {
        "FAILED"
    };
    writeln!(out, "result         {verdict}")
}

fn write_flood(report: &Report, out: &mut String) -> std::fmt::Result {
    let Some(flood) = &report.flood else {
        return Ok(());
    };
    writeln!(
        out,
        "flood          {} first messages, {:.0} per second",
        flood.sent, flood.per_second
    )?;
    writeln!(
        out,
        "  set-up       {} after its first second; {} before and after it",
        milliseconds(&flood.setup_ms),
        milliseconds(&flood.quiet_setup_ms)
    )
}

fn write_headend(report: &Report, out: &mut String) -> std::fmt::Result {
    let Some(headend) = &report.headend else {
        return Ok(());
    };
    let mib = |octets: u64| octets as f64 / f64::from(1 << 20);
    write!(
        out,
        "headend        {:.1} s of CPU, {:.1} MiB at most",
        headend.cpu_s,
        mib(headend.resident_bytes_max)
    )?;
    match headend.settled_bytes {
        Some(settled) => writeln!(out, ", {:.1} before", mib(settled)),
        None => writeln!(out),
    }
}

/// Each expectation; of one that failed, by how much.
fn write_findings(report: &Report, out: &mut String) -> std::fmt::Result {
    for finding in &report.findings {
        let Finding {
            expectation, limit, ..
        } = finding;
        let word = if finding.met {
            "as expected"
        } else {
            "NOT MET"
        };
        write!(out, "  {expectation:<28} {limit}: {word}")?;
        match finding.found {
            Some(found) if finding.met => writeln!(out, ", {found:.3}")?,
            Some(found) => writeln!(out, ", {found:.3}: off by {:.3}", (found - limit).abs())?,
            None => writeln!(out, ", not measured")?,
        }
    }
    Ok(())
}

fn write_classes(classes: &[ClassReport], out: &mut String) -> std::fmt::Result {
    for class in classes {
        write!(
            out,
            "  {:<20} {} of {} established",
            class.name, class.established, class.peers
        )?;
        if !class.wants_tunnel {
            write!(out, ", which none of them wants")?;
        }
        if class.dead > 0 {
            write!(out, ", {} of {} dead found", class.found, class.dead)?;
        }
        if class.false_dead > 0 {
            write!(out, ", {} FALSE verdicts", class.false_dead)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_network(network: &NetworkReport, out: &mut String) -> std::fmt::Result {
    if *network == NetworkReport::default() {
        return Ok(());
    }
    write!(
        out,
        "network        {} datagrams lost, {} twice, {} changed, {} moves of a mapping",
        network.lost, network.duplicated, network.corrupted, network.moves
    )?;
    if network.overflowed > 0 {
        write!(out, ", {} lost for want of room", network.overflowed)?;
    }
    writeln!(out)
}

fn write_score(score: &Score, out: &mut String) -> std::fmt::Result {
    writeln!(
        out,
        "verdicts       {} of {} deaths found, {} late, {} missed, {} living peers declared dead",
        score.dead_detected,
        score.dead_injected,
        score.dead_late,
        score.dead_missed,
        score.false_dead
    )?;
    if score.dead_returned > 0 {
        writeln!(
            out,
            "               {} came back before they had to be found",
            score.dead_returned
        )?;
    }
    if score.dead_unusable > 0 {
        writeln!(
            out,
            "               {} more were on peers without a tunnel on their own side",
            score.dead_unusable
        )?;
    }
    if score.dead_undue > 0 {
        writeln!(
            out,
            "               {} deaths were not due to be found yet: let the run last longer",
            score.dead_undue
        )?;
    }
    let detection = &score.detection_s;
    if detection.count > 0 {
        write!(
            out,
            "detection      p50 {:.2} s, p99 {:.2} s, max {:.2} s",
            detection.p50, detection.p99, detection.max
        )?;
        match score.bound_s {
            Some(bound) => writeln!(out, " (allowed {bound:.2} s)")?,
            None => writeln!(out)?,
        }
    }
    if !score.complete {
        writeln!(
            out,
            "               the event stream had gaps: the score is incomplete"
        )?;
    }
    Ok(())
}

fn passage(what: &str, passage: Passage, out: &mut String) -> std::fmt::Result {
    if passage.sent == 0 {
        return Ok(());
    }
    let (sent, lost) = (passage.sent, passage.lost());
    writeln!(
        out,
        "{what:<14} {sent} packets sent, {lost} did not come back"
    )
}

fn milliseconds(percentiles: &Percentiles) -> String {
    if percentiles.count == 0 {
        return "nothing measured".into();
    }
    format!(
        "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        percentiles.p50, percentiles.p90, percentiles.p99, percentiles.max
    )
}

fn reasons<N: Display>(
    what: &str,
    counts: &BTreeMap<String, N>,
    out: &mut String,
) -> std::fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = counts
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    writeln!(out, "{what:<14} {}", list.join(", "))
}
