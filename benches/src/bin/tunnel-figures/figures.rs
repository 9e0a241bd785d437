//! Everything that was measured, and how it is shown.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contestant::Contestant;
use crate::latency::Latency;
use crate::row::{Row, Sample, Written};
use crate::target::{self, Target};
use crate::trial::Trial;

/// The file that holds the figures.
pub(crate) const FILE: &str = "tunnel.json";

/// Something that there is no figure of, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) what: String,
    pub(crate) reason: String,
}

#[derive(Default)]
pub(crate) struct Figures {
    rows: Vec<Row>,
    missing: Vec<Gap>,
    latency: Option<Latency>,
}

/// As they are written.
#[derive(Serialize, Deserialize)]
struct File {
    rows: Vec<Written>,
    /// Derived from the rows, so not read.
    #[serde(skip_deserializing)]
    targets: Vec<Target>,
    missing: Vec<Gap>,
    latency: Option<Latency>,
    processors: usize,
}

impl Figures {
    /// What an earlier run left in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file: File = serde_json::from_str(&text)?;
        Ok(Self {
            rows: file.rows.into_iter().map(Row::from).collect(),
            missing: file.missing,
            latency: file.latency,
        })
    }

    pub(crate) fn add(&mut self, contestant: Contestant, trial: &Trial, sample: Sample) {
        let Contestant { program, cipher } = contestant;
        let (program, cipher) = (program.name(), cipher.name());
        let direction = trial.direction.name();
        let known = self.rows.iter_mut().find(|row| {
            (row.program.as_str(), row.cipher.as_str()) == (program, cipher)
                && (row.test.as_str(), row.direction.as_str()) == (trial.name, direction)
        });
        match known {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row {
                program: program.to_owned(),
                cipher: cipher.to_owned(),
                test: trial.name.to_owned(),
                direction: direction.to_owned(),
                samples: vec![sample],
            }),
        }
    }

    /// Notes that there is no figure of something; once.
    pub(crate) fn lacks(&mut self, what: &str, reason: &str) {
        if self.missing.iter().all(|gap| gap.what != what) {
            self.missing.push(Gap {
                what: what.to_owned(),
                reason: reason.to_owned(),
            });
        }
    }

    pub(crate) fn set_latency(&mut self, latency: Latency) {
        self.latency = Some(latency);
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a test in the direction that everybody has.
    pub(crate) fn row(&self, program: &str, cipher: &str, test: &str) -> Option<&Row> {
        let forward = |row: &&Row| row.test == test && row.direction == "forward";
        let of_program = |row: &&Row| row.program == program && row.cipher == cipher;
        self.rows.iter().filter(of_program).find(forward)
    }

    pub(crate) fn to_json(&self) -> Result<Value> {
        let file = File {
            rows: self.rows.iter().map(Written::from).collect(),
            targets: target::all(self),
            missing: self.missing.clone(),
            latency: self.latency.clone(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        };
        Ok(serde_json::to_value(file)?)
    }

    /// Markdown: the rows, test by test, then what they were measured against.
    pub(crate) fn to_table(&self) -> String {
        let mut text = String::from(
            "| test | direction | program | cipher | Gbit/s: median (range) | 1,000 packets/s | cores, left | right | runs |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for trial in Trial::ALL {
            let of_trial =
                |row: &&Row| row.test == trial.name && row.direction == trial.direction.name();
            for row in self.rows.iter().filter(of_trial) {
                let [median, low, high] = row.summary(|sample| sample.gbps);
                let [cpu_a, cpu_b] = row.cpu();
                // Writing to a string does not fail.
                let _ = writeln!(
                    text,
                    "| {} | {} | {} | {} | {median:.2} ({low:.2} – {high:.2}) | {:.1} | {cpu_a:.2} | {cpu_b:.2} | {} |",
                    row.test,
                    row.direction,
                    row.program,
                    row.cipher,
                    row.kpps(),
                    row.samples.len()
                );
            }
        }
        text.push('\n');
        for target in target::all(self) {
            let _ = writeln!(text, "{target}");
        }
        if let Some(latency) = &self.latency {
            let _ = write!(text, "{latency}");
        }
        for Gap { what, reason } in &self.missing {
            let _ = writeln!(text, "missing: {what}: {reason}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::{Cipher, Program};

    fn sample(gbps: f64) -> Sample {
        Sample {
            gbps,
            kpps: gbps * 100.0,
            cpu_a: 0.5,
            cpu_b: 0.25,
        }
    }

    fn measured() -> Figures {
        let mut figures = Figures::default();
        let [palisade, ..] = Contestant::ALL;
        for gbps in [9.0, 7.0, 8.0] {
            figures.add(palisade, &Trial::ALL[0], sample(gbps));
        }
        figures.lacks("gotatun", "not installed");
        figures.lacks("gotatun", "again");
        figures
    }

    #[test]
    fn rows_carry_medians_and_their_range() {
        let json = measured().to_json().unwrap();
        let row = &json["rows"][0];
        assert_eq!(row["program"], "palisade");
        assert_eq!(row["cipher"], "aes-128-gcm");
        assert_eq!(row["test"], "tcp-1");
        assert_eq!(row["direction"], "forward");
        assert_eq!(row["gbps"], 8.0);
        assert_eq!(row["kpps"], 800.0);
        assert_eq!(row["cpu_a"], 0.5);
        assert_eq!(row["cpu_b"], 0.25);
        assert_eq!(row["runs"], 3);
        assert_eq!(row["gbps_range"], serde_json::json!([7.0, 9.0]));
        assert_eq!(json["missing"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn the_median_of_two_lies_between() {
        let mut figures = Figures::default();
        for gbps in [1.0, 2.0] {
            figures.add(Contestant::ALL[0], &Trial::ALL[0], sample(gbps));
        }
        assert!((figures.rows()[0].gbps() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn what_was_written_is_read_and_added_to() {
        let folder = std::env::temp_dir().join(format!("tunnel-figures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let written = measured();
        std::fs::write(folder.join(FILE), written.to_json().unwrap().to_string()).unwrap();
        let mut read = Figures::read(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.rows(), written.rows());
        read.add(Contestant::ALL[0], &Trial::ALL[0], sample(10.0));
        assert_eq!(read.rows().len(), 1);
        assert!((read.rows()[0].gbps() - 8.5).abs() < 1e-9);
    }

    #[test]
    fn the_table_names_what_is_missing() {
        let table = measured().to_table();
        assert!(
            table.contains("| tcp-1 | forward | palisade | aes-128-gcm | 8.00 (7.00 – 9.00) | 800.0 | 0.50 | 0.25 | 3 |"),
            "{table}"
        );
        assert!(table.contains("missing: gotatun: not installed"), "{table}");
    }

    #[test]
    fn a_program_with_another_cipher_has_rows_of_its_own() {
        let mut figures = measured();
        let other = Contestant::ALL
            .into_iter()
            .find(|one| (one.program, one.cipher) == (Program::Palisade, Cipher::Aes256Gcm));
        figures.add(other.unwrap(), &Trial::ALL[0], sample(1.0));
        assert_eq!(figures.rows().len(), 2);
    }
}
