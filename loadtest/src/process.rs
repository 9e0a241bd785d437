//! What the operating system says about a process.

use std::path::PathBuf;

/// `USER_HZ`: in which the kernel counts processor time for `/proc`; 100 on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process of this machine.
#[derive(Clone)]
pub(crate) struct Process(PathBuf);

impl Process {
    pub(crate) fn own() -> Self {
        Self(PathBuf::from("/proc/self"))
    }

    pub(crate) fn with_id(pid: u32) -> Self {
        Self(PathBuf::from(format!("/proc/{pid}")))
    }

    /// Octets of resident memory; 0 if the system does not tell.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(self.0.join("status")).unwrap_or_default();
        let kibibytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| {
                rest.trim()
                    .trim_end_matches("kB")
                    .trim()
                    .parse::<u64>()
                    .ok()
            });
        kibibytes.unwrap_or(0) * 1_024
    }

    /// Processor time in seconds; 0 if the system does not tell.
    pub(crate) fn cpu_s(&self) -> f64 {
        let stat = std::fs::read_to_string(self.0.join("stat")).unwrap_or_default();
        // The name, which may contain anything, ends with the last parenthesis; user and system time
        // are the 14th and 15th field of the line.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        ticks
            .filter_map(|field| field.parse::<f64>().ok())
            .sum::<f64>()
            / TICKS_PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_about_us_under_either_name() {
        let process = Process::with_id(std::process::id());
        assert!(process.resident_bytes() > 1 << 20);
        assert!(Process::own().resident_bytes() > 1 << 20);
        let before = process.cpu_s();
        let started = std::time::Instant::now();
        while process.cpu_s() < before + 0.02 {
            assert!(started.elapsed().as_secs() < 20, "no time passes");
        }
    }
}
