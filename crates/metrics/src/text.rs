//! The text formats: Prometheus 0.0.4 and OpenMetrics 1.0.

use core::fmt::Write as _;

use crate::buckets::Buckets;
use crate::definition::{Description, Kind};
use crate::scrape::{Family, Scrape, Value};

/// A text format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Prometheus text exposition, version 0.0.4.
    Prometheus,
    /// OpenMetrics text, version 1.0.0.
    OpenMetrics,
}

impl Format {
    /// Which format an HTTP `Accept` header asks for.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The HTTP `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Scrape {
    /// The whole scrape as text, families in the order of their names.
    #[must_use]
    pub fn render(&self, format: Format) -> String {
        let mut out = String::new();
        for family in self.families() {
            if !family.samples.is_empty() {
                render_family(&mut out, family, format);
            }
        }
        if format == Format::OpenMetrics {
            out.push_str("# EOF\n");
        }
        out
    }
}

fn render_family(out: &mut String, family: &Family, format: Format) {
    let description = family.description;
    // OpenMetrics names a counter's family without the suffix that its samples carry.
    let title = match format {
        Format::OpenMetrics if description.kind == Kind::Counter => description
            .name
            .strip_suffix("_total")
            .unwrap_or(description.name),
        _ => description.name,
    };
    push(
        out,
        format_args!("# HELP {title} {}\n", escape_help(description.help)),
    );
    push(
        out,
        format_args!("# TYPE {title} {}\n", description.kind.as_str()),
    );
    for (labels, value) in &family.samples {
        let labels = join_labels(description, labels);
        match value {
            Value::Number(number) => {
                push(
                    out,
                    format_args!("{}{} {number}\n", description.name, braced(&labels)),
                );
            }
            Value::Distribution(buckets) => {
                render_distribution(out, description.name, &labels, buckets);
            }
        }
    }
}

fn render_distribution(out: &mut String, name: &str, labels: &str, buckets: &Buckets) {
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, count) in buckets.cumulative() {
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
        push(
            out,
            format_args!("{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}\n"),
        );
    }
    push(
        out,
        format_args!("{name}_sum{} {}\n", braced(labels), buckets.sum()),
    );
    push(
        out,
        format_args!("{name}_count{} {}\n", braced(labels), buckets.count()),
    );
}

fn push(out: &mut String, arguments: core::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(arguments);
}

fn join_labels(description: Description, values: &[Box<str>]) -> String {
    let pairs = description.labels.iter().zip(values);
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{name}=\"{}\"", escape_value(value)))
        .collect();
    pairs.join(",")
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn escape_value(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn escape_help(help: &str) -> String {
    help.replace('\\', "\\\\").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn openmetrics_names_counter_families_without_their_suffix_and_ends_with_eof() {
        let mut scrape = Scrape::new();
        scrape.count(&catalogue::DPD_ANSWERS, [], 3);
        let text = scrape.render(Format::OpenMetrics);
        assert!(
            text.contains("# TYPE palisade_dpd_answers counter\n"),
            "{text}"
        );
        assert!(text.contains("\npalisade_dpd_answers_total 3\n"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn label_values_are_escaped() {
        let mut scrape = Scrape::new();
        scrape.gauge(&catalogue::BUILD_INFO, ["a\"b\\c\nd"], 1.0);
        let text = scrape.render(Format::Prometheus);
        assert!(text.contains(r#"{version="a\"b\\c\nd"} 1"#), "{text}");
    }

    #[test]
    fn the_accept_header_chooses_the_format() {
        assert_eq!(Format::accepted(None), Format::Prometheus);
        assert_eq!(Format::accepted(Some("text/plain")), Format::Prometheus);
        let asked = Some("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
        assert_eq!(Format::accepted(asked), Format::OpenMetrics);
    }
}
