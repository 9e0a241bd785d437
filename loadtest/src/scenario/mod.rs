//! What a run is: a TOML file whose every key has a default.

mod addresses;
mod class;
mod expect;
mod layers;
mod network;
mod suite;
mod trouble;
mod tunnel;
mod validate;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use addresses::Sources;
pub use class::{Class, DpdBehaviour, Stall};
pub use expect::Expect;
pub use network::Network;
pub use suite::{EspSuite, IkeSuite};
pub use trouble::{Flood, Trouble, TroubleKind};
pub use tunnel::{CertificateKey, ModeConfig, Tunnel, Version};

/// A whole run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Seed of everything that is drawn by lot: arrivals, classes, deaths, payloads.
    pub seed: u64,
    /// Seconds that the run lasts, from the first arrival.
    pub duration_s: f64,
    /// Threads among which the peers are divided.
    pub threads: u16,
    /// What living peers do at the end.
    pub leave: Leave,
    /// The responder.
    pub target: Target,
    /// Who comes.
    pub peers: Peers,
    /// When they come.
    pub arrival: Arrival,
    /// What they propose.
    pub tunnel: Tunnel,
    /// What they send.
    pub traffic: Traffic,
    /// How they rekey.
    pub rekey: Rekey,
    /// Who dies, and when.
    pub deaths: Deaths,
    /// What happens to datagrams on their way.
    pub network: Network,
    /// What goes wrong for a while.
    #[serde(rename = "trouble")]
    pub troubles: Vec<Trouble>,
    /// Who knocks and does not mean it.
    pub flood: Flood,
    /// How it must come out.
    pub expect: Expect,
    /// What is laid over the configuration of a headend that is started for the run.
    pub headend: toml::Table,
    /// Kinds of peers; without any, all are alike and answer every probe at once.
    #[serde(rename = "class")]
    pub classes: Vec<Class>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            duration_s: 30.0,
            threads: 1,
            leave: Leave::default(),
            target: Target::default(),
            peers: Peers::default(),
            arrival: Arrival::default(),
            tunnel: Tunnel::default(),
            traffic: Traffic::default(),
            rekey: Rekey::default(),
            deaths: Deaths::default(),
            network: Network::default(),
            troubles: Vec::new(),
            flood: Flood::default(),
            expect: Expect::default(),
            headend: toml::Table::new(),
            classes: Vec::new(),
        }
    }
}

/// What living peers do when the run ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// They send DELETE.
    #[default]
    Delete,
    /// They vanish without a word.
    Silent,
}

/// The responder.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// Address and UDP-encapsulation port.
    pub address: SocketAddr,
    /// Port for IKE_SA_INIT without encapsulation. Without it the peers start at the encapsulation
    /// port, as RFC 7296 §2.23 allows.
    pub ike_port: Option<u16>,
    /// Identity that the responder must prove; any if absent.
    pub identity: Option<String>,
}

impl Default for Target {
    fn default() -> Self {
        Self {
            address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4500),
            ike_port: None,
            identity: None,
        }
    }
}

/// Who comes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// How many.
    pub count: u32,
    /// One address, or a prefix over which they are spread. Addresses of 127.0.0.0/8 need nothing;
    /// others must be local (`ip route add local PREFIX dev lo` makes a whole prefix so).
    pub source: String,
    /// Source ports over which peers that share an address are spread.
    pub ports: u16,
    /// First source port; 0 lets the system choose.
    pub first_port: u16,
    /// Identity: an e-mail address, a domain name or an address; `{n}` stands for the number.
    pub identity: String,
    /// Pre-shared key; `{n}` stands for the number, so that each peer can have its own.
    pub psk: Psk,
}

impl Default for Peers {
    fn default() -> Self {
        Self {
            count: 1_000,
            source: "127.1.0.0/16".into(),
            ports: 1,
            first_port: 0,
            identity: "peer-{n}@load.example".into(),
            psk: "".into(),
        }
    }
}

/// A pattern for pre-shared keys and passwords. It is never shown.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(from = "String")]
pub struct Psk(zeroize::Zeroizing<String>);

impl Psk {
    /// The key of peer `n`.
    #[must_use]
    pub fn for_peer(&self, n: u32) -> Vec<u8> {
        numbered(&self.0, n).into_bytes()
    }

    /// Whether every peer has a key of its own.
    #[must_use]
    pub fn is_individual(&self) -> bool {
        self.0.contains("{n}")
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Psk {
    fn from(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }
}

impl From<&str> for Psk {
    fn from(text: &str) -> Self {
        Self(zeroize::Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

impl Serialize for Psk {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(not shown)")
    }
}

/// `pattern` with the number of a peer in it.
#[must_use]
pub fn numbered(pattern: &str, n: u32) -> String {
    pattern.replace("{n}", &n.to_string())
}

/// When peers come.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Arrival {
    /// Peers per second on average, whether the responder keeps up or not.
    pub rate_per_second: f64,
    /// How the gaps between them are distributed.
    pub distribution: Distribution,
    /// How the rate changes in the course of the run.
    pub shape: Shape,
    /// Seconds of the shape: until a ramp is at its full rate, of a sine's wave, between two bursts.
    pub period_s: f64,
}

impl Default for Arrival {
    fn default() -> Self {
        Self {
            rate_per_second: 500.0,
            distribution: Distribution::default(),
            shape: Shape::default(),
            period_s: 10.0,
        }
    }
}

/// The course of an arrival rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// The full rate from the first moment on.
    #[default]
    Step,
    /// From nothing up to the full rate, evenly, within the period.
    Ramp,
    /// Waves between nothing and twice the rate.
    Sine,
    /// A whole period's peers at its beginning, then none until the next.
    Burst,
    /// Everybody at once.
    Storm,
}

/// Gaps between arrivals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Exponential gaps: arrivals that know nothing of each other.
    #[default]
    Poisson,
    /// Equal gaps.
    Uniform,
}

/// What the peers send through their tunnels: UDP packets that somebody behind the responder must
/// send back unchanged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traffic {
    /// Packets per second and peer; 0 for none.
    pub packets_per_second: f64,
    /// Octets of UDP payload, at least 24.
    pub payload_bytes: u16,
    /// Where they go.
    pub destination: SocketAddr,
    /// Source port.
    pub source_port: u16,
}

impl Default for Traffic {
    fn default() -> Self {
        Self {
            packets_per_second: 1.0,
            payload_bytes: 64,
            destination: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)), 7),
            source_port: 40_000,
        }
    }
}

/// How the peers rekey. 0 means never.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rekey {
    /// Seconds between rekeys of a Child SA.
    pub child_s: f64,
    /// Seconds between rekeys of an IKE SA.
    pub ike_s: f64,
}

/// Who dies: from one moment to the next a dead peer neither sends nor answers anything.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deaths {
    /// How many of the established peers, drawn by lot.
    pub count: u32,
    /// Seconds from the moment when every peer is up or has failed to the first death.
    pub delay_s: f64,
    /// Seconds over which they are spread evenly; 0 for all at once.
    pub spread_s: f64,
}

impl Default for Deaths {
    fn default() -> Self {
        Self {
            count: 0,
            delay_s: 3.0,
            spread_s: 0.0,
        }
    }
}

impl Scenario {
    /// The patterns of the names by which a headend may know the peers.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let user = self.tunnel.xauth_user.as_deref();
        core::iter::once(self.peers.identity.as_str())
            .chain(user)
            .collect()
    }

    /// The inner address of peer `n`, unless it asks for a virtual one.
    #[must_use]
    pub fn inner_address(&self, n: u32) -> Option<IpAddr> {
        self.tunnel.inner_base.map(|base| addresses::nth(base, n))
    }
}
