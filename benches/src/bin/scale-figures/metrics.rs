//! Metrics as any scraper reads them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// One scrape.
#[derive(Clone, Default)]
pub(crate) struct Scrape {
    text: String,
    /// How long the answer took.
    pub(crate) took: Duration,
}

/// Upper bounds of a histogram's buckets in milliseconds, and how many values are not above them.
pub(crate) type Buckets = Vec<(f64, f64)>;

pub(crate) fn scrape(address: SocketAddr) -> Result<Scrape> {
    let start = Instant::now();
    let text = get(address, "/metrics")?;
    Ok(Scrape {
        text,
        took: start.elapsed(),
    })
}

/// The body of an answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    ensure!(status == "200", "{path} answers {status}");
    Ok(body.into())
}

impl Scrape {
    /// The sum over all series of a metric whose labels contain `label`.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let values = self
            .series(name)
            .filter(|(labels, _)| labels.contains(label));
        values.map(|(_, value)| value).sum()
    }

    /// The labels and values of a metric.
    fn series(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        self.text.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let whole = labels.is_empty() || labels.starts_with('{');
            Some((labels, value.parse().ok()?)).filter(|_| whole)
        })
    }

    /// The buckets of a histogram, of which values since `before` count.
    pub(crate) fn buckets_since(&self, before: &Self, name: &str) -> Buckets {
        let name = format!("{name}_bucket");
        let earlier: Vec<(&str, f64)> = before.series(&name).collect();
        let mut buckets: Buckets = self
            .series(&name)
            .filter_map(|(labels, count)| {
                let bound = labels.split("le=\"").nth(1)?.split('"').next()?;
                let bound = bound.parse::<f64>().unwrap_or(f64::INFINITY) * 1e3;
                let known = earlier.iter().find(|(other, _)| *other == labels);
                Some((bound, count - known.map_or(0.0, |(_, count)| *count)))
            })
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }
}

/// The lowest bound that a share of the values does not exceed.
pub(crate) fn quantile(buckets: &Buckets, share: f64) -> f64 {
    let total = buckets.last().map_or(0.0, |(_, count)| *count);
    let reached = |(_, count): &&(f64, f64)| *count >= total * share;
    buckets
        .iter()
        .find(reached)
        .map_or(0.0, |(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scraped(text: &str) -> Scrape {
        Scrape {
            text: text.into(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn series_are_summed_and_not_confused() {
        let scrape = scraped(
            "# TYPE a_total counter\na_total{try=\"first\"} 3\na_total{try=\"again\"} 4\na_total_more 9\na 1\n",
        );
        assert_eq!(scrape.sum("a_total", ""), 7.0);
        assert_eq!(scrape.sum("a_total", "again"), 4.0);
        assert_eq!(scrape.sum("a", ""), 1.0);
    }

    #[test]
    fn quantiles_are_of_what_came_since() {
        let before = scraped(
            "h_bucket{le=\"0.001\"} 90\nh_bucket{le=\"0.01\"} 100\nh_bucket{le=\"+Inf\"} 100\n",
        );
        let after = scraped(
            "h_bucket{le=\"0.001\"} 90\nh_bucket{le=\"0.01\"} 109\nh_bucket{le=\"+Inf\"} 110\n",
        );
        let buckets = after.buckets_since(&before, "h");
        assert_eq!(quantile(&buckets, 0.5), 10.0);
        assert_eq!(quantile(&buckets, 0.9), 10.0);
        assert_eq!(quantile(&buckets, 1.0), f64::INFINITY);
    }
}
