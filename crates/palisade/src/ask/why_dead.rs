use std::process::ExitCode;

use anyhow::Result;
use control::view::DeathRecord;

use super::show;
use crate::cli::PeerArgs;

/// `palisade why-dead PEER`.
pub(crate) fn why_dead(args: &PeerArgs) -> Result<ExitCode> {
    let path = format!("/v1/why-dead/{}", control::path_segment(&args.peer));
    let deaths: Vec<DeathRecord> = super::client(&args.ask)?.get(&path)?;
    if args.ask.json {
        show::json(&deaths)?;
    } else {
        for death in &deaths {
            show::write(&text(death))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A verdict with its evidence, for people.
fn text(death: &DeathRecord) -> String {
    let nat = if death.nat { ", behind a NAT" } else { "" };
    let mut out = format!(
        "{}  {} ({}){nat}: {}\n  last proof of life: {}, {} before the verdict ({} allowed)\n  policy: {}\n",
        show::moment(death.verdict_unix_ns),
        death.identity,
        death.remote,
        death.verdict,
        death.last_proof,
        show::seconds(death.silent_s),
        show::seconds(death.bound_s),
        death.policy,
    );
    for one in &death.tries {
        out.push_str(&format!(
            "  try {}: sent {} before the verdict, {}\n",
            one.number,
            show::seconds(one.before_verdict_s),
            one.counted
        ));
    }
    out.push_str(&format!(
        "  our own queue was late by {} at most; breaker: {}; done: {}\n",
        show::seconds(death.queue_delay_s),
        death.breaker,
        death.action
    ));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::view::TryView;

    #[test]
    fn a_verdict_reads_like_a_report() {
        let death = DeathRecord {
            identity: "joe@example.org".into(),
            remote: "192.0.2.7:4500".into(),
            verdict_unix_ns: 1_000_000_000_000_000_000,
            verdict: "dead".into(),
            last_proof: "ESP packet".into(),
            silent_s: 19.5,
            bound_s: 20.0,
            tries: vec![TryView {
                number: 1,
                before_verdict_s: 9.5,
                counted: "counted".into(),
            }],
            ..DeathRecord::default()
        };
        let text = text(&death);
        assert!(
            text.starts_with("2001-09-09 01:46:40.000  joe@example.org (192.0.2.7:4500): dead\n"),
            "{text}"
        );
        assert!(
            text.contains("ESP packet, 19s before the verdict (20s allowed)"),
            "{text}"
        );
        assert!(
            text.contains("try 1: sent 9.5s before the verdict, counted"),
            "{text}"
        );
    }
}
