//! The status page: one look, no scripts. Its plots are drawn here, and nothing is loaded from elsewhere.

use core::fmt::Write as _;

use plot::{Curve, Plot, escape};

use crate::charts::{Chart, charts};
use crate::view::{Sample, Span, Status};
use crate::words::octets;

/// What the page may do in a browser: show its own styles. Text of peers cannot become more than text.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
                                 form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;\
color:#1c2733;background:#fff}h1{font-size:1.4rem}table{border-collapse:collapse;width:100%;margin:1rem 0}\
td,th{padding:.3rem .6rem;border-bottom:1px solid #d5dce4;text-align:left}td.n,th.n{text-align:right;\
font-variant-numeric:tabular-nums}.up{color:#11734b}.down{color:#a3221b}a{color:#1457a8}\
@media(prefers-color-scheme:dark){body{color:#dde5ee;background:#12181f}td,th{border-color:#2d3947}\
.up{color:#5fd3a2}.down{color:#ff8f86}a{color:#7db7ff}svg text{fill:#dde5ee}svg line{stroke:#2d3947}}\
section{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:1rem}\
svg{width:100%;height:auto}";

pub(crate) fn render(status: &Status, samples: &[Sample], span: Span) -> String {
    let (class, word) = if status.ready {
        ("up", "accepting peers")
    } else {
        ("down", "not ready")
    };
    let mut out = String::new();
    push(
        &mut out,
        format_args!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <meta http-equiv=\"refresh\" content=\"{}\"><title>Palisade: {} peers</title>\
             <style>{STYLE}</style></head><body><h1>Palisade {}</h1>\
             <p><strong class=\"{class}\">{word}</strong>, up for {}, on {}</p>",
            refresh_seconds(span),
            status.ike_established,
            escape(&status.version),
            duration(status.uptime_s),
            escape(&status.listen.join(", ")),
        ),
    );
    plots(&mut out, samples, span);
    out.push_str("<table><caption hidden>Totals</caption>");
    for (name, value) in totals(status) {
        push(
            &mut out,
            format_args!(
                "<tr><th>{name}</th><td class=\"n\">{}</td></tr>",
                escape(&value)
            ),
        );
    }
    out.push_str(
        "</table><table><caption hidden>Workers</caption><tr><th>worker</th>\
                  <th class=\"n\">peers</th><th class=\"n\">timers</th><th class=\"n\">mailbox</th>\
                  <th class=\"n\">CPU s</th></tr>",
    );
    for shard in &status.shards {
        push(
            &mut out,
            format_args!(
                "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
                 <td class=\"n\">{:.1}</td></tr>",
                shard.shard, shard.peers, shard.timers, shard.mailbox, shard.cpu_s
            ),
        );
    }
    out.push_str("</table><p><a href=\"/metrics\">metrics</a> · <a href=\"/readyz\">readiness</a></p></body></html>\n");
    out
}

/// New samples come as often.
fn refresh_seconds(span: Span) -> u32 {
    match span {
        Span::Minutes => 5,
        Span::Day => 60,
    }
}

fn plots(out: &mut String, samples: &[Sample], span: Span) {
    let (words, unit, unit_s) = match span {
        Span::Minutes => (
            "The last ten minutes · <a href=\"/?span=day\">the last day</a>",
            "minutes",
            60.0,
        ),
        Span::Day => (
            "<a href=\"/\">The last ten minutes</a> · the last day",
            "hours",
            3_600.0,
        ),
    };
    push(out, format_args!("<p>{words}</p>"));
    let newest = samples.last().map_or(0, |sample| sample.unix_ns);
    let ago = |sample: &Sample| -(newest.saturating_sub(sample.unix_ns) as f64 / 1e9 / unit_s);
    let times: Vec<f64> = samples.iter().map(ago).collect();
    out.push_str("<section>");
    for chart in charts(samples) {
        out.push_str(&draw(chart, &times, unit).render());
    }
    out.push_str("</section>");
}

fn draw(chart: Chart, times: &[f64], unit: &'static str) -> Plot {
    let curves = chart.lines.into_iter().map(|line| {
        let points = times.iter().zip(line.values);
        let points = points.filter_map(|(time, value)| Some((*time, value?)));
        Curve::new(line.name, points.collect())
    });
    Plot {
        title: chart.title.into(),
        x: unit.into(),
        y: chart.unit.into(),
        curves: curves.collect(),
    }
}

fn totals(status: &Status) -> [(&'static str, String); 13] {
    [
        ("peers established", status.ike_established.to_string()),
        ("half-open", status.ike_half_open.to_string()),
        ("Child SAs", status.child_sas.to_string()),
        ("set-ups since start", status.setups.to_string()),
        ("failed set-ups", status.setup_failures.to_string()),
        ("declared dead", status.dead.to_string()),
        ("probes sent", status.dpd_probes.to_string()),
        (
            "ESP in",
            format!(
                "{} packets, {}",
                status.esp_packets_in,
                octets(status.esp_bytes_in)
            ),
        ),
        (
            "ESP out",
            format!(
                "{} packets, {}",
                status.esp_packets_out,
                octets(status.esp_bytes_out)
            ),
        ),
        ("ESP drops", status.esp_drops.to_string()),
        (
            "engine, inner device",
            format!("{}, {}", status.engine, status.inner),
        ),
        ("memory", octets(status.resident_bytes)),
        ("processor time", format!("{:.1} s", status.cpu_s)),
    ]
}

fn duration(seconds: f64) -> String {
    let seconds = seconds as u64;
    match (
        seconds / 86_400,
        seconds % 86_400 / 3_600,
        seconds % 3_600 / 60,
        seconds % 60,
    ) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

fn push(out: &mut String, arguments: core::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let status = Status {
            inner: "<b>&\"".into(),
            ready: true,
            ..Status::default()
        };
        let html = render(&status, &[], Span::Minutes);
        assert!(
            html.contains("&lt;b&gt;&amp;&quot;") && !html.contains("<b>"),
            "{html}"
        );
    }

    #[test]
    fn a_history_is_drawn_up_to_now() {
        let sample = |seconds: u64| Sample {
            unix_ns: seconds * 1_000_000_000,
            seconds: 2.0,
            established: 40,
            ..Sample::default()
        };
        let html = render(
            &Status::default(),
            &[sample(540), sample(600)],
            Span::Minutes,
        );
        assert_eq!(html.matches("<svg").count(), 8, "{html}");
        // A minute ago at the left edge, now at the right one; 40 of 50.
        assert!(html.contains("points=\"70.0,83.0 780.0,83.0 \""), "{html}");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(duration(59.9), "59 s");
        assert_eq!(duration(3_700.0), "1 h 1 min");
        assert_eq!(duration(90_000.0), "1 d 1 h");
    }
}
