use core::net::IpAddr;
use core::time::Duration;

use ipsec::FrontVrf;
use netio::EngineSettings;
use shard::Policy;

/// One address on which peers are served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// The address; unspecified for all of its family.
    pub address: IpAddr,
    /// UDP port of IKE, 500 by assignment. 0 lets the system choose.
    pub ike_port: u16,
    /// UDP port of IKE and ESP behind NAT, 4500 by assignment. 0 lets the system choose.
    pub nat_port: u16,
    /// Whether ESP is also served as IP protocol 50, which takes `CAP_NET_RAW`.
    pub raw_esp: bool,
    /// Only this interface.
    pub device: Option<String>,
    /// The network namespace in which the sockets are opened, `None` for that of the process.
    pub namespace: Option<String>,
    /// The front-door VRF whose peers come here.
    pub fvrf: FrontVrf,
}

impl Listen {
    /// The assigned ports, without raw ESP.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            ike_port: 500,
            nat_port: 4500,
            raw_esp: false,
            device: None,
            namespace: None,
            fvrf: FrontVrf::GLOBAL,
        }
    }
}

/// Where inner packets go and come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InnerDevice {
    /// A TUN device of this host, which takes `CAP_NET_ADMIN`.
    Tun {
        /// Interface name; `%d` in it stands for the first free number.
        name: String,
        /// Largest inner packet in octets.
        mtu: u32,
        /// Addresses of this host on it, with the length of the on-link prefix.
        addresses: Vec<(IpAddr, u8)>,
        /// Whether routes to what peers negotiate are installed.
        install_routes: bool,
        /// The network namespace in which the device is made, `None` for that of the process.
        namespace: Option<String>,
        /// The routing table into which routes go, `None` for the main one.
        table: Option<u32>,
    },
    /// No device: UDP packets and ICMP echo requests go back to where they came from. For
    /// demonstrations and load tests without privileges.
    Echo,
    /// No device: inner packets are counted and dropped.
    Discard,
}

impl InnerDevice {
    /// Whether routes to what peers negotiate lead to it.
    pub(crate) const fn installs_routes(&self) -> bool {
        matches!(
            self,
            Self::Tun {
                install_routes: true,
                ..
            }
        )
    }

    /// The device's name for people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Tun { name, mtu, .. } => format!("{name} (MTU {mtu})"),
            Self::Echo => "echo".to_owned(),
            Self::Discard => "none".to_owned(),
        }
    }
}

/// Everything that a [`Service`](crate::Service) needs to start.
#[derive(Clone)]
pub struct Settings {
    /// Where peers are served.
    pub listen: Vec<Listen>,
    /// Worker threads, each with its own peers; 0 for one per processor.
    pub shards: u16,
    /// Whether each worker stays on one processor.
    pub pin_threads: bool,
    /// How packets are moved.
    pub engine: EngineSettings,
    /// Octets of receive and of send buffer asked for on each socket.
    pub socket_buffer_bytes: usize,
    /// Where inner packets of the global VRF go.
    pub inner: InnerDevice,
    /// Where those of the other inner VRFs go, by their numbers from 1 on.
    pub inner_vrfs: Vec<InnerDevice>,
    /// Threads for key exchanges; 0 for one per processor.
    pub compute_threads: usize,
    /// Key exchanges that may wait for a thread.
    pub compute_queue_max: usize,
    /// Messages that may wait in a worker's mailbox.
    pub mailbox_max: usize,
    /// Limits and times of the shards. The runtime fills in the sockets.
    pub shard: shard::Settings,
    /// What the operator allows.
    pub policy: Policy,
}

impl Settings {
    /// Settings that serve nobody yet: add addresses to `listen`.
    #[must_use]
    pub fn new(shard: shard::Settings, policy: Policy) -> Self {
        Self {
            listen: Vec::new(),
            shards: 0,
            pin_threads: false,
            engine: EngineSettings::default(),
            socket_buffer_bytes: 4 << 20,
            inner: InnerDevice::Discard,
            inner_vrfs: Vec::new(),
            compute_threads: 0,
            compute_queue_max: 8_192,
            mailbox_max: 8_192,
            shard,
            policy,
        }
    }
}

/// How long questions to the workers may take before the asker is told that they are busy.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(1);
