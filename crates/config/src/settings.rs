//! What a configuration means, apart from policy: settings of the process.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use crypto::UnixTime;
use dpd::{BreakerPolicy, BudgetPolicy, DpdPolicy};
use ipsec::{FrontVrf, GLOBAL_VRF, Identity, IdentityPattern, InnerVrf, PolicySnapshot};

use crate::{Diagnostic, OwnCertificate};

/// A whole, valid configuration.
#[derive(Clone)]
pub struct Config {
    /// Name of the file that it was read from.
    pub file: String,
    /// The service: sockets, workers, limits.
    pub headend: HeadendSettings,
    /// VRFs beside the global one.
    pub vrfs: VrfSettings,
    /// What waits, and for how long, while a peer is sought.
    pub failover: FailoverSettings,
    /// Where metrics, health and the status page are served.
    pub metrics: MetricsSettings,
    /// Logging.
    pub log: LogSettings,
    /// The unix socket of the control interface.
    pub control: ControlSettings,
    /// Who may connect, and how.
    pub policy: Arc<PolicySnapshot>,
    /// Dead peer detection; [`ipsec::ConnectionPolicy::dpd`] and [`PeerDpd::dpd`] are indices. The
    /// first is the global default.
    pub dpd: Vec<DpdPolicy>,
    /// Exceptions for peers with certain identities; the first that matches wins.
    pub dpd_peers: Vec<PeerDpd>,
    /// When a mass death is suspected to be our own fault.
    pub breaker: BreakerPolicy,
    /// How many probes, verdicts and initiations a worker may start in a second.
    pub budgets: BudgetPolicy,
    /// Our certificates.
    pub certificates: Vec<OwnCertificate>,
    /// What works and deserves a look, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

impl Config {
    /// What is to be said at a time about certificates of ours that are not valid then.
    pub fn invalid_certificates(&self, now: UnixTime) -> impl Iterator<Item = &Diagnostic> {
        let invalid = move |one: &&OwnCertificate| !one.validity.covers(now);
        self.certificates
            .iter()
            .filter(invalid)
            .map(|one| &one.warning)
    }

    /// Index of the policy for dead peer detection that holds for a peer: the first exception that
    /// matches its identity, or else its connection's.
    #[must_use]
    pub fn dpd_for(&self, connection: &ipsec::ConnectionPolicy, identity: &Identity) -> u16 {
        let concerned =
            |one: &&PeerDpd| one.connection == connection.name && one.identity.matches(identity);
        self.dpd_peers
            .iter()
            .find(concerned)
            .map_or(connection.dpd, |one| one.dpd)
    }
}

/// An exception from a connection's dead peer detection.
#[derive(Clone, Debug)]
pub struct PeerDpd {
    /// Connection under which the peer is accepted.
    pub connection: Arc<str>,
    /// The peers it is about.
    pub identity: IdentityPattern,
    /// Index into [`Config::dpd`].
    pub dpd: u16,
}

/// Section `headend`.
#[derive(Clone, PartialEq, Debug)]
pub struct HeadendSettings {
    /// Addresses on which IKE and ESP are served.
    pub listen: Vec<IpAddr>,
    /// UDP port of IKE.
    pub ike_port: u16,
    /// UDP port of IKE and ESP behind a NAT.
    pub nat_port: u16,
    /// Worker threads; `None` for one per core.
    pub shards: Option<u16>,
    /// How sockets are driven.
    pub engine: Engine,
    /// What the kernel shall do for us, where it can.
    pub offload: BTreeSet<Offload>,
    /// Whether workers help each other with an SA that is too much for one.
    pub elephants: bool,
    /// From how many packets a second in one direction on it may be too much.
    pub elephant_packets: u32,
    /// Where inner packets go.
    pub inner: InnerDevice,
    /// Whether ESP is also served as IP protocol 50.
    pub raw_esp: bool,
    /// Whether routes to what peers negotiate are installed.
    pub install_routes: bool,
    /// Half-open IKE SAs at most.
    pub half_open_max: u32,
    /// Half-open IKE SAs at most from one source prefix (IPv4 /24, IPv6 /64).
    pub half_open_per_prefix_max: u32,
    /// Time in which a peer must have authenticated.
    pub half_open_timeout: Duration,
    /// Half-open IKE SAs above which every source must return a cookie.
    pub cookie_threshold: u32,
    /// Half-open IKE SAs from one source prefix above which that prefix must return a cookie.
    pub cookie_threshold_per_prefix: u32,
    /// Half-open IKE SAs above which every source must solve a puzzle (RFC 8019).
    pub puzzle_threshold: u32,
    /// Half-open IKE SAs from one source prefix above which that prefix must solve a puzzle.
    pub puzzle_threshold_per_prefix: u32,
    /// Zero bits of a puzzle at the threshold.
    pub puzzle_bits: u8,
    /// Zero bits of a puzzle when the last place is nearly taken.
    pub puzzle_bits_max: u8,
    /// Zero bits of the hardest puzzle that we solve as initiator; 0 to solve none.
    pub puzzle_bits_accepted: u8,
    /// Time until a request is sent for the second time.
    pub retransmit_timeout: Duration,
    /// Each gap between transmissions is this many percent of the gap before.
    pub retransmit_base_percent: u32,
    /// The longest gap between two transmissions of one request.
    pub retransmit_limit: Duration,
    /// Transmissions of one request after the first.
    pub retransmit_tries: u8,
    /// Unprotected refusals sent per second at most.
    pub refusals_per_second: u32,
    /// Child SAs of one IKE SA at most.
    pub children_max: u16,
    /// Octets that an outer IP packet may have.
    pub path_mtu: u16,
    /// Time between NAT keepalives if we are behind a NAT.
    pub nat_keepalive: Duration,
    /// Octets of receive and of send buffer that are asked for on each socket.
    pub socket_buffer_bytes: u64,
    /// Whether each worker stays on one processor.
    pub pin_workers: bool,
    /// Time in which peers are told goodbye when the service ends.
    pub shutdown_time: Duration,
}

impl Default for HeadendSettings {
    fn default() -> Self {
        Self {
            listen: vec![
                IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            ],
            ike_port: 500,
            nat_port: 4_500,
            shards: None,
            engine: Engine::Auto,
            offload: Offload::ALL.iter().map(|(_, offload)| *offload).collect(),
            elephants: false,
            elephant_packets: 50_000,
            inner: InnerDevice::default(),
            raw_esp: false,
            install_routes: true,
            half_open_max: 20_000,
            half_open_per_prefix_max: 2_000,
            half_open_timeout: Duration::from_secs(30),
            cookie_threshold: 2_000,
            cookie_threshold_per_prefix: 200,
            puzzle_threshold: 10_000,
            puzzle_threshold_per_prefix: 1_000,
            puzzle_bits: 16,
            puzzle_bits_max: 20,
            puzzle_bits_accepted: 20,
            retransmit_timeout: Duration::from_millis(500),
            retransmit_base_percent: 200,
            retransmit_limit: Duration::from_secs(32),
            retransmit_tries: 7,
            refusals_per_second: 200,
            children_max: 64,
            path_mtu: 1_500,
            nat_keepalive: Duration::from_secs(20),
            socket_buffer_bytes: 4 << 20,
            pin_workers: false,
            shutdown_time: Duration::from_secs(5),
        }
    }
}

/// Something that the kernel can do for us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Offload {
    /// Datagrams to one peer are sent as one.
    UdpGso,
    /// Datagrams from one peer are received as one.
    UdpGro,
    /// TCP packets come from the TUN device as one.
    TunTso,
    /// UDP packets come from the TUN device as one.
    TunUso,
    /// Packets are written to the TUN device as one.
    TunCoalescing,
    /// Datagrams are placed among the workers by the SPI in them.
    Steering,
    /// Packets of IP protocol 50 are placed among the workers by the SPI in them.
    RawFanOut,
}

impl Offload {
    /// All of them, with their names in the file.
    pub const ALL: &[(&str, Self)] = &[
        ("udp-gso", Self::UdpGso),
        ("udp-gro", Self::UdpGro),
        ("tun-tso", Self::TunTso),
        ("tun-uso", Self::TunUso),
        ("tun-coalescing", Self::TunCoalescing),
        ("steering", Self::Steering),
        ("raw-fanout", Self::RawFanOut),
    ];
}

/// How sockets are driven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Engine {
    /// io_uring where the kernel has what is needed, epoll otherwise.
    #[default]
    Auto,
    /// io_uring or nothing.
    IoUring,
    /// epoll.
    Epoll,
}

/// Where inner packets go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InnerDevice {
    /// A TUN device.
    Tun {
        /// Its name; the kernel replaces `%d` by a number.
        name: String,
        /// Largest inner packet in octets.
        mtu: u16,
        /// Addresses that the device gets, each with its prefix length.
        addrs: Vec<(IpAddr, u8)>,
    },
    /// Each inner packet goes back to where it came from: demonstrations and load tests.
    Echo,
    /// Inner packets are counted and dropped.
    None,
}

impl Default for InnerDevice {
    fn default() -> Self {
        Self::Tun {
            name: "palisade0".to_owned(),
            mtu: 1_400,
            addrs: Vec::new(),
        }
    }
}

/// Sections `fvrf` and `ivrf`: the VRFs beside the global one, which is what `headend` says. The
/// number of each is its place in the list, from 1 on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VrfSettings {
    /// Listening instances.
    pub front: Vec<FrontVrfSettings>,
    /// Inner devices.
    pub inner: Vec<InnerVrfSettings>,
}

/// One section `fvrf.<name>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrontVrfSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Addresses on which IKE and ESP are served.
    pub listen: Vec<IpAddr>,
    /// UDP port of IKE.
    pub ike_port: u16,
    /// UDP port of IKE and ESP behind a NAT.
    pub nat_port: u16,
    /// Only this interface.
    pub device: Option<String>,
    /// The network namespace of its sockets.
    pub namespace: Option<String>,
}

/// One section `ivrf.<name>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InnerVrfSettings {
    /// Its name.
    pub name: Arc<str>,
    /// Where its inner packets go.
    pub device: InnerDevice,
    /// The network namespace of its device.
    pub namespace: Option<String>,
    /// The routing table into which its routes go; `None` for the main one.
    pub table: Option<u32>,
}

impl VrfSettings {
    /// The name of a front-door VRF.
    #[must_use]
    pub fn front_name(&self, vrf: FrontVrf) -> &str {
        let place = vrf.index().checked_sub(1);
        let known = place.and_then(|place| self.front.get(place));
        known.map_or(GLOBAL_VRF, |vrf| &vrf.name)
    }

    /// The name of an inner VRF.
    #[must_use]
    pub fn inner_name(&self, vrf: InnerVrf) -> &str {
        let place = vrf.index().checked_sub(1);
        let known = place.and_then(|place| self.inner.get(place));
        known.map_or(GLOBAL_VRF, |vrf| &vrf.name)
    }

    /// The front-door VRF of that name.
    #[must_use]
    pub fn front_named(&self, name: &str) -> Option<FrontVrf> {
        number(self.front.iter().map(|vrf| &*vrf.name), name).map(FrontVrf)
    }

    /// The inner VRF of that name.
    #[must_use]
    pub fn inner_named(&self, name: &str) -> Option<InnerVrf> {
        number(self.inner.iter().map(|vrf| &*vrf.name), name).map(InnerVrf)
    }

    /// Whether the same names have the same numbers.
    #[must_use]
    pub fn numbers_as(&self, other: &Self) -> bool {
        let front = |vrfs: &Self| {
            vrfs.front
                .iter()
                .map(|vrf| vrf.name.clone())
                .collect::<Vec<_>>()
        };
        let inner = |vrfs: &Self| {
            vrfs.inner
                .iter()
                .map(|vrf| vrf.name.clone())
                .collect::<Vec<_>>()
        };
        front(self) == front(other) && inner(self) == inner(other)
    }
}

fn number<'n>(names: impl Iterator<Item = &'n str>, name: &str) -> Option<u16> {
    let mut names = core::iter::once(GLOBAL_VRF).chain(names);
    u16::try_from(names.position(|known| known == name)?).ok()
}

/// Section `failover`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailoverSettings {
    /// How long one of several peers is tried before the next.
    pub peer_timeout: Duration,
    /// Packets of one connection that may wait for its tunnel.
    pub hold_packets: u32,
    /// Octets of one connection that may wait.
    pub hold_bytes: u64,
    /// Packets of all connections of a worker that may wait.
    pub hold_packets_all: u32,
    /// Octets of all connections of a worker that may wait.
    pub hold_bytes_all: u64,
    /// How long a packet may wait.
    pub hold_time: Duration,
}

impl Default for FailoverSettings {
    fn default() -> Self {
        Self {
            peer_timeout: Duration::from_secs(10),
            hold_packets: 64,
            hold_bytes: 128 << 10,
            hold_packets_all: 4_096,
            hold_bytes_all: 8 << 20,
            hold_time: Duration::from_secs(30),
        }
    }
}

/// Section `metrics`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetricsSettings {
    /// Address of the HTTP server; `None` when it is off.
    pub listen: Option<SocketAddr>,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 9_477))),
        }
    }
}

/// Section `log`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LogSettings {
    /// How a line is written.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// How a log line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Severity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LogLevel {
    /// Something does not work.
    Error,
    /// Something deserves a look.
    Warn,
    /// Peers come and go.
    #[default]
    Info,
    /// Exchanges.
    Debug,
    /// Messages.
    Trace,
}

impl LogLevel {
    /// The word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Section `control`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ControlSettings {
    /// Path of the unix socket; `None` for `control.sock` in the run directory.
    pub socket: Option<PathBuf>,
}
