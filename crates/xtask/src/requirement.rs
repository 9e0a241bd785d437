//! What some tests need of the machine. A test target says so by requiring a feature of that name.

use std::path::Path;
use std::process::{Command, Stdio};

/// Something that a machine may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Requirement {
    /// Root, network namespaces, TUN, strongSwan, ike-scan and the tools around them.
    Namespaces,
    /// The same, and libreswan.
    Libreswan,
    /// Prometheus's linter for metrics.
    Promtool,
    /// A browser.
    Chromium,
}

/// Programs that tests in namespaces call.
const NAMESPACE_PROGRAMS: &[&str] = &[
    "charon-systemd",
    "swanctl",
    "ike-scan",
    "ip",
    "nft",
    "ping",
    "iperf3",
    "tcpdump",
    "sysctl",
    "promtool",
];

/// ESP in user space, for kernels without their own.
const LIBIPSEC: &str = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";

/// Where libreswan is unpacked.
pub(crate) const LIBRESWAN: &str = "/opt/libreswan";

impl Requirement {
    /// The requirement that a feature stands for.
    pub(crate) fn of_feature(feature: &str) -> Option<Self> {
        match feature {
            "namespaces" => Some(Self::Namespaces),
            "libreswan" => Some(Self::Libreswan),
            "promtool" => Some(Self::Promtool),
            "chromium" => Some(Self::Chromium),
            _ => None,
        }
    }

    /// What this machine lacks; empty when everything is there.
    pub(crate) fn lacking(self) -> Vec<String> {
        match self {
            Self::Promtool => missing_programs(&["promtool"]),
            Self::Chromium => missing_programs(&["chromium"]),
            Self::Libreswan => {
                let mut lacking = Self::Namespaces.lacking();
                lacking.extend(missing_programs(&["certutil", "cc"]));
                if !Path::new(LIBRESWAN)
                    .join("usr/libexec/ipsec/pluto")
                    .exists()
                {
                    lacking.push(format!("libreswan in {LIBRESWAN}"));
                }
                lacking
            }
            Self::Namespaces => {
                if !is_root() {
                    return vec!["root".to_owned()];
                }
                let mut lacking = missing_programs(NAMESPACE_PROGRAMS);
                if !Path::new(LIBIPSEC).exists() {
                    lacking.push("strongSwan's plugin kernel-libipsec".to_owned());
                }
                if !Path::new("/dev/net/tun").exists() {
                    lacking.push("/dev/net/tun".to_owned());
                }
                if !makes_namespaces() {
                    lacking.push("the right to make network namespaces".to_owned());
                }
                lacking
            }
        }
    }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether a program of that name is in the path, or where only root's path leads.
pub(crate) fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|directory| directory.join(name).is_file())
}

fn missing_programs(names: &[&str]) -> Vec<String> {
    names
        .iter()
        .filter(|name| !has_program(name))
        .map(|&name| name.to_owned())
        .collect()
}

fn makes_namespaces() -> bool {
    Command::new("unshare")
        .args(["--net", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::{has_program, missing_programs};

    #[test]
    fn programs_are_found_or_named() {
        assert!(has_program("sh"));
        assert_eq!(
            missing_programs(&["sh", "no-such-program"]),
            ["no-such-program"]
        );
    }
}
