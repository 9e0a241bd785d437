//! Network namespaces and the links between them.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process;

const PREFIX: &str = "palisade";
const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// A network namespace. Dropped, it goes, and with it whatever still runs in it.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with its loopback device up. Its name holds `label` and is unique.
    ///
    /// # Errors
    /// Without root, or when the kernel has no namespaces.
    pub fn new(label: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        SWEEP.call_once(remove_abandoned);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}-{}-{number}-{label}", std::process::id());
        process::run("ip", &["netns", "add", &name], COMMAND_LIMIT)?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        // Off: a test that waits for duplicate address detection waits for nothing.
        for setting in [
            "net.ipv6.conf.all.accept_dad=0",
            "net.ipv6.conf.default.accept_dad=0",
            "net.ipv4.conf.all.rp_filter=0",
            "net.ipv4.conf.default.rp_filter=0",
        ] {
            namespace.run("sysctl", &["-qw", setting])?;
        }
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `program`, to be started inside.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a program inside, to its end.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let inside = [&["netns", "exec", &self.name, program], arguments].concat();
        process::run("ip", &inside, COMMAND_LIMIT)
    }

    /// Runs `ip` on the namespace, with its arguments as one would type them.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        let mut all = vec!["-n", self.name.as_str()];
        all.extend(arguments.split_whitespace());
        process::run("ip", &all, COMMAND_LIMIT)
    }

    /// Gives the namespace the inner addresses `addresses`, on its loopback device.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn add_inner(&self, addresses: &[&str]) -> Result<()> {
        for address in addresses {
            self.ip(&format!("addr add {address} dev lo"))?;
        }
        Ok(())
    }

    /// Drops what comes in on `device` with an inner address: it has not been through a tunnel.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn refuse_plain(&self, device: &str) -> Result<()> {
        let rules = format!(
            "table inet plain {{ chain refuse {{ type filter hook prerouting priority -300; \
             iifname \"{device}\" ip saddr 10.0.0.0/8 drop; \
             iifname \"{device}\" ip6 saddr fd00::/8 drop; }}; }}"
        );
        self.run("nft", &[&rules])?;
        Ok(())
    }

    /// Calls `work` on a thread that lives in the namespace: sockets made there belong to it for
    /// good.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` does.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.name))?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(work())
            });
            match inside.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Joins two namespaces by a pair of devices, each with the addresses given, and brings them up.
///
/// # Errors
/// When `ip` fails.
pub fn link(
    (left, left_device, left_addresses): (&Namespace, &str, &[&str]),
    (right, right_device, right_addresses): (&Namespace, &str, &[&str]),
) -> Result<()> {
    left.ip(&format!(
        "link add {left_device} type veth peer name {right_device} netns {}",
        right.name
    ))?;
    for (namespace, device, addresses) in [
        (left, left_device, left_addresses),
        (right, right_device, right_addresses),
    ] {
        for address in addresses {
            namespace.ip(&format!("addr add {address} dev {device}"))?;
        }
        namespace.ip(&format!("link set {device} up"))?;
    }
    Ok(())
}

/// Two gateways on one wire, which carries no plain text between inner addresses: outer addresses 192.0.2.1 and .2, 2001:db8::1 and ::2; inner
/// addresses 10.1.0.1 and 10.2.0.1, fd00:1::1 and fd00:2::1.
pub struct Pair {
    /// The first gateway.
    pub left: Namespace,
    /// The second.
    pub right: Namespace,
}

impl Pair {
    /// Builds it.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn new() -> Result<Self> {
        let left = Namespace::new("left")?;
        let right = Namespace::new("right")?;
        link(
            (&left, "outer", &["192.0.2.1/24", "2001:db8::1/64"]),
            (&right, "outer", &["192.0.2.2/24", "2001:db8::2/64"]),
        )?;
        left.add_inner(&["10.1.0.1/32", "fd00:1::1/128"])?;
        right.add_inner(&["10.2.0.1/32", "fd00:2::1/128"])?;
        for (gateway, other) in [(&left, 2), (&right, 1)] {
            gateway.refuse_plain("outer")?;
            gateway.ip(&format!("route add default via 192.0.2.{other}"))?;
            gateway.ip(&format!("-6 route add default via 2001:db8::{other}"))?;
        }
        Ok(Self { left, right })
    }

    /// Says what the wire's devices take over from the kernel.
    ///
    /// # Errors
    /// When `ethtool` fails.
    pub fn set_segmentation(&self, segmentation: Segmentation) -> Result<()> {
        let (by_device, merging) = match segmentation {
            Segmentation::Device => ("on", "off"),
            Segmentation::Kernel => ("off", "on"),
        };
        for gateway in [&self.left, &self.right] {
            let mut arguments = vec!["-K", "outer", "gro", merging];
            for feature in ["tx-udp-segmentation", "tso"] {
                arguments.extend([feature, by_device]);
            }
            gateway.run("ethtool", &arguments)?;
        }
        Ok(())
    }
}

/// Who cuts runs of equal packets apart, and who joins them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segmentation {
    /// Runs cross the wire whole, as with a device that segments UDP and merges what it receives.
    Device,
    /// The kernel segments before the device and merges after it (GRO).
    Kernel,
}

/// Two gateways with a router between them: left 192.0.2.1 and 2001:db8:1::1 (inner 10.1.0.1), right
/// 198.51.100.2 and 2001:db8:2::2 (inner 10.2.0.1).
pub struct Routed {
    /// The first gateway.
    pub left: Namespace,
    /// Between them.
    pub router: Namespace,
    /// The second gateway.
    pub right: Namespace,
}

impl Routed {
    /// Builds it. The router's link to the right takes packets of `mtu` octets only.
    ///
    /// # Errors
    /// When `ip` or `nft` fails.
    pub fn new(mtu: u16) -> Result<Self> {
        let left = Namespace::new("left")?;
        let router = Namespace::new("router")?;
        let right = Namespace::new("right")?;
        link(
            (&left, "outer", &["192.0.2.1/24", "2001:db8:1::1/64"]),
            (&router, "near", &["192.0.2.254/24", "2001:db8:1::fe/64"]),
        )?;
        link(
            (&router, "far", &["198.51.100.254/24", "2001:db8:2::fe/64"]),
            (&right, "outer", &["198.51.100.2/24", "2001:db8:2::2/64"]),
        )?;
        for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            router.run("sysctl", &["-qw", setting])?;
        }
        router.ip(&format!("link set far mtu {mtu}"))?;
        right.ip(&format!("link set outer mtu {mtu}"))?;
        for (gateway, inner, v4, v6) in [
            (&left, "10.1.0.1/32", "192.0.2.254", "2001:db8:1::fe"),
            (&right, "10.2.0.1/32", "198.51.100.254", "2001:db8:2::fe"),
        ] {
            gateway.add_inner(&[inner])?;
            gateway.refuse_plain("outer")?;
            gateway.ip(&format!("route add default via {v4}"))?;
            gateway.ip(&format!("-6 route add default via {v6}"))?;
        }
        Ok(Self {
            left,
            router,
            right,
        })
    }

    /// The router no longer says what it drops.
    ///
    /// # Errors
    /// When `nft` fails.
    pub fn silence_router(&self) -> Result<()> {
        let rules = "table inet silent { chain out { type filter hook output priority 0; \
                     icmp type destination-unreachable drop; \
                     icmpv6 type packet-too-big drop; }; }";
        self.router.run("nft", &[rules])?;
        Ok(())
    }
}

/// A client behind a masquerading router, and a gateway in the open: client 172.16.0.2 (inner
/// 10.1.0.1), router 198.51.100.1, gateway 198.51.100.2 (inner 10.2.0.1).
pub struct BehindNat {
    /// The client.
    pub client: Namespace,
    /// The router.
    pub router: Namespace,
    /// The gateway.
    pub gateway: Namespace,
}

impl BehindNat {
    /// Builds it.
    ///
    /// # Errors
    /// When `ip` or `nft` fails.
    pub fn new() -> Result<Self> {
        let client = Namespace::new("client")?;
        let router = Namespace::new("router")?;
        let gateway = Namespace::new("gateway")?;
        link(
            (&client, "outer", &["172.16.0.2/24"]),
            (&router, "inside", &["172.16.0.1/24"]),
        )?;
        link(
            (&router, "outside", &["198.51.100.1/24"]),
            (&gateway, "outer", &["198.51.100.2/24"]),
        )?;
        client.ip("route add default via 172.16.0.1")?;
        client.add_inner(&["10.1.0.1/32"])?;
        gateway.add_inner(&["10.2.0.1/32"])?;
        client.refuse_plain("outer")?;
        gateway.refuse_plain("outer")?;
        router.run("sysctl", &["-qw", "net.ipv4.ip_forward=1"])?;
        let behind_nat = Self {
            client,
            router,
            gateway,
        };
        behind_nat.masquerade()?;
        Ok(behind_nat)
    }

    fn masquerade(&self) -> Result<()> {
        let rules = "table ip nat { chain postrouting { type nat hook postrouting priority 100; \
                     oifname \"outside\" masquerade random; }; }";
        self.router.run("nft", &[rules])?;
        Ok(())
    }

    /// Gives the router another public address, 198.51.100.`host`, as a provider may at any time:
    /// every mapping is gone, and the next packet from inside makes a new one.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn change_mapping(&self, host: u8) -> Result<()> {
        // The masquerade target forgets its mappings when the device goes down.
        self.router.ip("link set outside down")?;
        self.router.ip("addr flush dev outside")?;
        self.router
            .ip(&format!("addr add 198.51.100.{host}/24 dev outside"))?;
        self.router.ip("link set outside up")?;
        Ok(())
    }
}

/// Removes what a killed run left behind: namespaces whose name holds a process that is gone.
fn remove_abandoned() {
    let Ok(entries) = fs::read_dir("/run/netns") else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('-');
        let (Some(PREFIX), Some(pid)) = (parts.next(), parts.next()) else {
            continue;
        };
        if pid.parse::<u32>().is_ok() && !fs::exists(format!("/proc/{pid}")).unwrap_or(true) {
            remove(&name);
        }
    }
}

/// Ends what runs in a namespace of ours and deletes it. What fails here has no one to tell.
fn remove(name: &str) {
    if let Ok(pids) = process::run("ip", &["netns", "pids", name], COMMAND_LIMIT) {
        for pid in pids.split_whitespace() {
            let _ = process::attempt("kill", &["-9", pid], COMMAND_LIMIT);
        }
    }
    let _ = process::attempt("ip", &["netns", "del", name], COMMAND_LIMIT);
}

/// Whether this process may make namespaces at all.
///
/// # Errors
/// When it may not, with what is missing.
pub fn available() -> Result<()> {
    Namespace::new("probe")
        .map(drop)
        .context("network namespaces need root")
}
