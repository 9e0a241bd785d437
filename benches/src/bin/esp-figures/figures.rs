//! Medians, spread, and how they are shown.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// What was measured of one thing, a value a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Low, median and high: the tenth, the fiftieth and the ninetieth of a hundred.
    pub(crate) fn summary(&self) -> [f64; 3] {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let last = sorted.len().saturating_sub(1);
            sorted
                .get(last * percent / 100)
                .copied()
                .unwrap_or(f64::NAN)
        };
        [at(10), at(50), at(90)]
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// A figure that has a name of its own.
struct Headline {
    key: &'static str,
    series: Series,
}

/// Nanoseconds a packet of one suite, length and number of SAs.
struct Row {
    what: String,
    unit: &'static str,
    series: Series,
}

/// Everything that was measured.
#[derive(Default)]
pub(crate) struct Figures {
    headlines: Vec<Headline>,
    rows: Vec<Row>,
    pinned: bool,
    rounds: usize,
}

impl Figures {
    pub(crate) fn new(pinned: bool, rounds: usize) -> Self {
        Self {
            pinned,
            rounds,
            ..Self::default()
        }
    }

    pub(crate) fn headline(&mut self, key: &'static str, series: Series) {
        self.headlines.push(Headline { key, series });
    }

    pub(crate) fn row(&mut self, what: String, unit: &'static str, series: Series) {
        self.rows.push(Row { what, unit, series });
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut spread = Map::new();
        for Headline { key, series } in &self.headlines {
            let [low, median, high] = series.summary();
            object.insert((*key).to_owned(), json!(rounded(median)));
            spread.insert((*key).to_owned(), json!([rounded(low), rounded(high)]));
        }
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let [low, median, high] = row.series.summary();
                json!({
                    "what": row.what,
                    "unit": row.unit,
                    "median": rounded(median),
                    "p10": rounded(low),
                    "p90": rounded(high),
                })
            })
            .collect();
        object.insert("spread".to_owned(), Value::Object(spread));
        object.insert("rows".to_owned(), Value::Array(rows));
        object.insert("rounds".to_owned(), json!(self.rounds));
        object.insert("pinned".to_owned(), json!(self.pinned));
        Value::Object(object)
    }

    pub(crate) fn to_table(&self) -> String {
        let mut text = String::new();
        let pinned = if self.pinned { "pinned" } else { "not pinned" };
        let mut line = |what: &str, series: &Series, unit: &str| {
            let [low, median, high] = series.summary();
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "{what:<44} {median:>9.2} {low:>9.2} – {high:<9.2} {unit}"
            );
        };
        for Headline { key, series } in &self.headlines {
            line(key, series, "");
        }
        for row in &self.rows {
            line(&row.what, &row.series, row.unit);
        }
        format!(
            "{:<44} {:>9} {:>9} – {:<9} ({} rounds, {pinned})\n{text}",
            "", "median", "p10", "p90", self.rounds
        )
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
