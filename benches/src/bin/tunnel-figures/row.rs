//! What was measured of one program in one test.

use serde::{Deserialize, Serialize};

/// What one run found. Processor time is in cores, of the left process and of the right.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) gbps: f64,
    /// Thousands of packets a second.
    pub(crate) kpps: f64,
    pub(crate) cpu_a: f64,
    pub(crate) cpu_b: f64,
}

/// The runs of one row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Row {
    pub(crate) program: String,
    pub(crate) cipher: String,
    pub(crate) test: String,
    pub(crate) direction: String,
    pub(crate) samples: Vec<Sample>,
}

/// A row as it is written: medians, the range of what was found, and every run.
#[derive(Serialize, Deserialize)]
pub(crate) struct Written {
    program: String,
    cipher: String,
    test: String,
    direction: String,
    gbps: f64,
    kpps: f64,
    cpu_a: f64,
    cpu_b: f64,
    runs: usize,
    gbps_range: [f64; 2],
    kpps_range: [f64; 2],
    samples: Vec<Sample>,
}

impl Row {
    /// The median of one figure, and its lowest and highest.
    pub(crate) fn summary(&self, figure: impl Fn(&Sample) -> f64) -> [f64; 3] {
        let mut values: Vec<f64> = self.samples.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let middle = match values.as_slice() {
            [] => f64::NAN,
            sorted => {
                let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
                f64::midpoint(low, high)
            }
        };
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        [middle, end(values.first()), end(values.last())]
    }

    pub(crate) fn gbps(&self) -> f64 {
        self.summary(|sample| sample.gbps)[0]
    }

    pub(crate) fn kpps(&self) -> f64 {
        self.summary(|sample| sample.kpps)[0]
    }

    pub(crate) fn cpu(&self) -> [f64; 2] {
        [
            self.summary(|sample| sample.cpu_a)[0],
            self.summary(|sample| sample.cpu_b)[0],
        ]
    }
}

impl From<&Row> for Written {
    fn from(row: &Row) -> Self {
        let [gbps, gbps_low, gbps_high] = row.summary(|sample| sample.gbps).map(rounded);
        let [kpps, kpps_low, kpps_high] = row.summary(|sample| sample.kpps).map(rounded);
        let [cpu_a, cpu_b] = row.cpu().map(rounded);
        Self {
            program: row.program.clone(),
            cipher: row.cipher.clone(),
            test: row.test.clone(),
            direction: row.direction.clone(),
            gbps,
            kpps,
            cpu_a,
            cpu_b,
            runs: row.samples.len(),
            gbps_range: [gbps_low, gbps_high],
            kpps_range: [kpps_low, kpps_high],
            samples: row.samples.clone(),
        }
    }
}

impl From<Written> for Row {
    fn from(written: Written) -> Self {
        Self {
            program: written.program,
            cipher: written.cipher,
            test: written.test,
            direction: written.direction,
            samples: written.samples,
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
