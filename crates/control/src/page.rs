//! The status page: one look, no scripts.

use core::fmt::Write as _;

use crate::view::Status;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem;\
color:#1c2733;background:#fff}h1{font-size:1.4rem}table{border-collapse:collapse;width:100%;margin:1rem 0}\
td,th{padding:.3rem .6rem;border-bottom:1px solid #d5dce4;text-align:left}td.n,th.n{text-align:right;\
font-variant-numeric:tabular-nums}.up{color:#11734b}.down{color:#a3221b}a{color:#1457a8}\
@media(prefers-color-scheme:dark){body{color:#dde5ee;background:#12181f}td,th{border-color:#2d3947}\
.up{color:#5fd3a2}.down{color:#ff8f86}a{color:#7db7ff}}";

pub(crate) fn render(status: &Status) -> String {
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
             <meta http-equiv=\"refresh\" content=\"5\"><title>Palisade: {} peers</title>\
             <style>{STYLE}</style></head><body><h1>Palisade {}</h1>\
             <p><strong class=\"{class}\">{word}</strong>, up for {}, on {}</p>",
            status.ike_established,
            escape(&status.version),
            duration(status.uptime_s),
            escape(&status.listen.join(", ")),
        ),
    );
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

fn octets(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{count} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
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
        let html = render(&status);
        assert!(
            html.contains("&lt;b&gt;&amp;&quot;") && !html.contains("<b>"),
            "{html}"
        );
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(octets(1023), "1023 B");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets(5 << 40), "5.0 TiB");
        assert_eq!(duration(59.9), "59 s");
        assert_eq!(duration(3_700.0), "1 h 1 min");
        assert_eq!(duration(90_000.0), "1 d 1 h");
    }
}
