//! One thing that is measured of a tunnel.

use anyhow::{Context, Result};
use interop::iperf3::{self, Server};
use interop::network::{Pair, Segmentation};
use palisade_benches::process::cpu_time;
use serde_json::Value;

use crate::contestant::{Cipher, Contestant, Program};
use crate::row::Sample;

pub(crate) const LEFT: &str = "10.1.0.1";
pub(crate) const RIGHT: &str = "10.2.0.1";
/// Octets of the headers of UDP over IPv4.
#[cfg(test)]
const UDP_HEADERS: u16 = 28;

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Load {
    /// So many streams.
    Tcp(u8),
    /// Packets of so many octets, as many as there is time for.
    Udp(u16),
}

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// The left, which also set the tunnel up.
    Forward,
    /// The right.
    Reverse,
    /// Both at once; what arrives is added up.
    Both,
}

impl Direction {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Reverse => "reverse",
            Self::Both => "both",
        }
    }
}

/// A test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Trial {
    pub(crate) name: &'static str,
    pub(crate) direction: Direction,
    load: Load,
    /// What the wire between the two does.
    segmentation: Segmentation,
}

impl Trial {
    /// In this order. A name ends in `-kernel` if the wire has no segmentation offload.
    pub(crate) const ALL: [Self; 9] = [
        Self::tcp("tcp-1", 1, Direction::Forward),
        Self::tcp("tcp-1", 1, Direction::Reverse),
        Self::tcp("tcp-1", 1, Direction::Both),
        Self::tcp("tcp-4", 4, Direction::Forward),
        Self::udp("udp-1400", 1_400),
        Self::udp("udp-64", 64),
        Self::tcp("tcp-1-kernel", 1, Direction::Forward).by_kernel(),
        Self::udp("udp-1400-kernel", 1_400).by_kernel(),
        Self::udp("udp-64-kernel", 64).by_kernel(),
    ];

    const fn tcp(name: &'static str, streams: u8, direction: Direction) -> Self {
        Self {
            name,
            direction,
            load: Load::Tcp(streams),
            segmentation: Segmentation::Device,
        }
    }

    const fn udp(name: &'static str, octets: u16) -> Self {
        Self {
            name,
            direction: Direction::Forward,
            load: Load::Udp(octets),
            segmentation: Segmentation::Device,
        }
    }

    const fn by_kernel(self) -> Self {
        Self {
            segmentation: Segmentation::Kernel,
            ..self
        }
    }

    /// Whether it is measured of `contestant`: everything with the usual cipher, with the others what
    /// depends on the cipher, with a copy what is compared with it.
    pub(crate) fn concerns(&self, contestant: Contestant) -> bool {
        let one_way = self.direction == Direction::Forward && self.load != Load::Tcp(4);
        match contestant.program {
            Program::Palisade if contestant.cipher != Cipher::Aes128Gcm => {
                one_way && self.segmentation == Segmentation::Device
            }
            Program::PalisadeCopy => one_way,
            _ => true,
        }
    }

    /// Measures once, with the processes of the tunnel given.
    pub(crate) fn run(
        &self,
        pair: &Pair,
        server: &Server<'_>,
        pids: [u32; 2],
        seconds: u32,
    ) -> Result<Sample> {
        pair.set_segmentation(self.segmentation)?;
        let before = cpu_times(pids)?;
        let report = server.load(&pair.left, LEFT, seconds, &self.options())?;
        let after = cpu_times(pids)?;
        let (gbps, kpps) = self.read(&report).with_context(|| report.to_string())?;
        let [cpu_a, cpu_b] =
            std::array::from_fn(|end| (after[end] - before[end]) / f64::from(seconds));
        Ok(Sample {
            gbps,
            kpps,
            cpu_a,
            cpu_b,
        })
    }

    /// What iperf3 is told.
    fn options(&self) -> Vec<&'static str> {
        let mut options = match self.load {
            Load::Tcp(4) => vec!["-P", "4"],
            Load::Tcp(_) => vec![],
            Load::Udp(64) => vec!["-u", "-b", "0", "-l", "36"],
            Load::Udp(_) => vec!["-u", "-b", "0", "-l", "1372"],
        };
        match self.direction {
            Direction::Forward => {}
            Direction::Reverse => options.push("-R"),
            Direction::Both => options.push("--bidir"),
        }
        options
    }

    /// Gigabits and thousands of packets a second. TCP counts payload, and packets as if all were
    /// full; UDP counts packets, and their octets from the inner IP header on.
    fn read(&self, report: &Value) -> Option<(f64, f64)> {
        match self.load {
            Load::Tcp(_) => {
                let there = iperf3::tcp_received(report)?;
                let back = match self.direction {
                    Direction::Both => iperf3::tcp_received_in_return(report)?,
                    Direction::Forward | Direction::Reverse => 0.0,
                };
                let bits = there + back;
                Some((bits / 1e9, bits / 8e3 / iperf3::segment_len(report)?))
            }
            Load::Udp(octets) => {
                let packets = iperf3::datagrams_received(report)?;
                Some((packets * f64::from(octets) * 8.0 / 1e9, packets / 1e3))
            }
        }
    }
}

/// Seconds of processor time so far.
fn cpu_times(pids: [u32; 2]) -> Result<[f64; 2]> {
    let [a, b] = pids.map(cpu_time);
    Ok([a?.as_secs_f64(), b?.as_secs_f64()])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_say_what_is_sent() {
        for trial in Trial::ALL {
            assert_eq!(
                trial.name.ends_with("-kernel"),
                trial.segmentation == Segmentation::Kernel
            );
            let options = trial.options();
            if let Load::Udp(octets) = trial.load {
                let payload = (octets - UDP_HEADERS).to_string();
                assert_eq!(options.last(), Some(&payload.as_str()), "{}", trial.name);
            }
            assert!(trial.concerns(Contestant::ALL[0]));
        }
    }

    #[test]
    fn both_directions_are_added_up() {
        let report = json!({
            "start": {"tcp_mss_default": 1250},
            "end": {
                "sum_received": {"bits_per_second": 2e9},
                "sum_received_bidir_reverse": {"bits_per_second": 1e9},
            },
        });
        let [forward, _, both, ..] = Trial::ALL;
        assert_eq!(forward.read(&report), Some((2.0, 200.0)));
        assert_eq!(both.read(&report), Some((3.0, 300.0)));
    }

    #[test]
    fn packets_count_from_their_ip_header_on() {
        let report =
            json!({"end": {"sum": {"packets": 120_000, "lost_packets": 20_000, "seconds": 1.0}}});
        let (gbps, kpps) = Trial::udp("udp-64", 64).read(&report).unwrap();
        assert!((kpps - 100.0).abs() < 1e-9);
        assert!((gbps - 0.0512).abs() < 1e-9);
    }
}
