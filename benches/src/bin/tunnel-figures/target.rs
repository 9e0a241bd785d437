//! What the figures are held against.

use std::fmt;

use serde::Serialize;

use crate::contestant::{Cipher, Program};
use crate::figures::Figures;
use crate::row::Row;

/// The programs of which the best is to be left behind by a factor.
const OTHERS: [Program; 3] = [Program::BoringTun, Program::GotaTun, Program::WireGuardGo];

/// A figure, and what it ought to be at least.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Target {
    what: &'static str,
    at_least: f64,
    /// Absent if something that it takes was not measured.
    found: Option<f64>,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            at_least,
            found,
        } = self;
        match found {
            None => write!(f, "unknown: {what}: at least {at_least} is asked for"),
            Some(found) => {
                let verdict = if found >= at_least {
                    "reached"
                } else {
                    "missed"
                };
                write!(
                    f,
                    "{verdict}: {what}: {found:.2}, at least {at_least} is asked for"
                )
            }
        }
    }
}

/// All of them.
pub(crate) fn all(figures: &Figures) -> Vec<Target> {
    let ours = |test| figures.row(Program::Palisade.name(), Cipher::Aes128Gcm.name(), test);
    let copy = |test| figures.row(Program::PalisadeCopy.name(), Cipher::Copy.name(), test);
    let swan = |test| figures.row(Program::StrongSwan.name(), Cipher::Aes128Gcm.name(), test);
    let wireguard =
        |program: Program, test| figures.row(program.name(), Cipher::ChaCha20Poly1305.name(), test);
    let newest = |test| wireguard(Program::WireGuardGoNewest, test).map(Row::gbps);
    let best = |test, figure: fn(&Row) -> f64| {
        let of = |program| wireguard(program, test).map(figure);
        OTHERS.into_iter().filter_map(of).reduce(f64::max)
    };
    let gbps = |test| ours(test).map(Row::gbps);
    let times = |ours: Option<f64>, theirs: Option<f64>| Some(ours? / theirs?);
    let target = |what, at_least, found| Target {
        what,
        at_least,
        found,
    };
    let packets = |test| times(ours(test).map(Row::kpps), best(test, Row::kpps));
    vec![
        target("one TCP stream, Gbit/s", 6.0, gbps("tcp-1")),
        target(
            "one TCP stream without segmentation offload, Gbit/s",
            4.2,
            gbps("tcp-1-kernel"),
        ),
        target(
            "one TCP stream, share of the same path with a copy for a cipher",
            0.85,
            times(gbps("tcp-1"), copy("tcp-1").map(Row::gbps)),
        ),
        target(
            "the same without segmentation offload",
            0.85,
            times(gbps("tcp-1-kernel"), copy("tcp-1-kernel").map(Row::gbps)),
        ),
        target(
            "one TCP stream, times strongSwan's kernel-libipsec",
            8.0,
            times(gbps("tcp-1"), swan("tcp-1").map(Row::gbps)),
        ),
        target(
            "one TCP stream, times the best of boringtun, gotatun and Debian's wireguard-go",
            4.0,
            times(gbps("tcp-1"), best("tcp-1", Row::gbps)),
        ),
        target(
            "one TCP stream, times wireguard-go's newest source",
            1.0,
            times(gbps("tcp-1"), newest("tcp-1")),
        ),
        target(
            "packets of 1,400 octets, times the best of boringtun, gotatun and Debian's wireguard-go",
            2.0,
            packets("udp-1400"),
        ),
        target(
            "packets of 64 octets, times the best of boringtun, gotatun and Debian's wireguard-go",
            2.0,
            packets("udp-64"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::Contestant;
    use crate::row::Sample;
    use crate::trial::Trial;

    #[test]
    fn the_best_of_the_others_counts() {
        let mut figures = Figures::default();
        let mut add = |program: Program, gbps: f64| {
            let contestant = Contestant::ALL
                .into_iter()
                .find(|one| one.program == program);
            let sample = Sample {
                gbps,
                kpps: 0.0,
                cpu_a: 0.0,
                cpu_b: 0.0,
            };
            figures.add(contestant.unwrap(), &Trial::ALL[0], sample);
        };
        add(Program::Palisade, 5.0);
        add(Program::BoringTun, 0.5);
        add(Program::GotaTun, 1.0);
        // The bar beyond is none of the three.
        add(Program::WireGuardGoNewest, 2.5);
        let told: Vec<String> = all(&figures).iter().map(Target::to_string).collect();
        assert_eq!(
            told[0],
            "missed: one TCP stream, Gbit/s: 5.00, at least 6 is asked for"
        );
        assert!(told[4].starts_with("unknown: one TCP stream, times strongSwan"));
        assert!(told[5].starts_with("reached") && told[5].contains(": 5.00,"));
        assert!(told[6].contains(": 2.00,"));
    }
}
