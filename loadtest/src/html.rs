//! The report as one page without anything from elsewhere: its plots are drawn in SVG.

use std::fmt::Write;

use plot::{Curve, Plot, escape};

use crate::report::{Percentiles, Report, Sample, Score};
use crate::text;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#222;background:#fff}pre{background:#f4f4f4;padding:1rem;overflow:auto}\
svg{width:100%;height:auto}h2{margin-bottom:0}figure{margin:1.5rem 0}th,td{padding:.2rem 1rem;text-align:right}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#222}\
svg text{fill:#ddd}svg line{stroke:#555}}";

/// Renders the report as a page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::with_capacity(64 * 1024);
    out.push_str("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width\">");
    let verdict = if report.is_success() {
        "passed"
    } else {
        "failed"
    };
    // Writing into a string cannot fail.
    let _ = write!(
        out,
        "<title>palisade-load: {verdict}</title><style>{STYLE}</style>\
         <h1>palisade-load: {} peers, {verdict}</h1><pre>{}</pre>",
        report.peers,
        escape(&text::render(report)),
    );
    if let Some(score) = &report.score {
        write_matrix(report, score, &mut out);
    }
    for plot in plots(report) {
        out.push_str("<figure>");
        out.push_str(&plot.render());
        out.push_str("</figure>");
    }
    if let Ok(scenario) = toml::to_string_pretty(&report.scenario) {
        let _ = write!(out, "<h2>Scenario</h2><pre>{}</pre>", escape(&scenario));
    }
    out.push_str("</html>\n");
    out
}

/// The verdicts against the truth. A peer that came back before it had to be found, or that died
/// shortly before the end, is in neither column.
fn write_matrix(report: &Report, score: &Score, out: &mut String) {
    let alive = report.established.saturating_sub(score.dead_injected);
    // Writing into a string cannot fail.
    let _ = write!(
        out,
        "<table><tr><th></th><th>declared dead</th><th>not declared dead</th></tr>\
         <tr><th>dead</th><td>{}</td><td>{}</td></tr>\
         <tr><th>alive</th><td>{}</td><td>{}</td></tr></table>",
        score.dead_detected,
        score.dead_missed,
        score.false_dead,
        alive.saturating_sub(score.false_dead),
    );
}

fn plots(report: &Report) -> Vec<Plot> {
    let over_time = |of: fn(&Sample) -> f64| -> Vec<(f64, f64)> {
        let points = report.series.iter();
        points
            .map(|sample| (sample.elapsed_s, of(sample)))
            .collect()
    };
    let mut plots = vec![
        Plot {
            title: "Peers".into(),
            x: "seconds".into(),
            y: "peers".into(),
            curves: vec![
                Curve::new("up", over_time(|s| f64::from(s.up))),
                Curve::new("started", over_time(|s| f64::from(s.started))),
                Curve::new("died", over_time(|s| f64::from(s.dead))),
                Curve::new("found dead", over_time(|s| f64::from(s.verdicts))),
            ],
        },
        Plot {
            title: "Packets".into(),
            x: "seconds".into(),
            y: "per second".into(),
            curves: vec![
                Curve::new("sent", over_time(|s| s.sent_per_second)),
                Curve::new("came back right", over_time(|s| s.verified_per_second)),
            ],
        },
        Plot {
            title: "Set-ups and probes".into(),
            x: "seconds".into(),
            y: "per second".into(),
            curves: vec![
                Curve::new("set-ups", over_time(|s| s.setup_per_second)),
                Curve::new("probes answered", over_time(|s| s.probes_per_second)),
            ],
        },
        distribution("Set-up time", "milliseconds", &report.setup_ms),
        distribution("Echo time", "milliseconds", &report.traffic.echo_ms),
        distribution(
            "Time to the first packet that came back",
            "milliseconds",
            &report.traffic.first_packet_ms,
        ),
        distribution("Rekey time", "milliseconds", &report.ike.rekey_ms),
    ];
    if let Some(score) = &report.score {
        let title = "Time from death to verdict";
        let mut plot = distribution(title, "seconds", &score.detection_s);
        let bound = score.bound_s.filter(|_| score.detection_s.count > 0);
        let curve = bound.map(|bound| Curve::new("allowed", vec![(bound, 0.0), (bound, 1.0)]));
        plot.curves.extend(curve);
        plots.push(plot);
    }
    plots.retain(Plot::has_line);
    plots
}

fn distribution(title: &'static str, x: &'static str, percentiles: &Percentiles) -> Plot {
    Plot {
        title: title.into(),
        x: x.into(),
        y: "share not above".into(),
        curves: vec![Curve::new("", percentiles.curve.clone())],
    }
}
