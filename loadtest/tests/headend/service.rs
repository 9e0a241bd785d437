use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dpd::{BreakerPolicy, BudgetPolicy};
use runtime::{InnerDevice, Listen, Service, Settings};
use shard::Policy;

use crate::control::Control;

/// Users that a headend knows, from 0 on.
const USERS: u32 = 20;

/// A headend on loopback whose inner side echoes.
pub(crate) struct Headend {
    service: Service,
    control: Control,
    bound_s: f64,
}

impl Headend {
    /// With a `[dpd]` section and a number of shards.
    pub(crate) fn start(dpd: &str, shards: u16) -> Self {
        let config = config::load(&configuration(dpd), Path::new("test.toml"))
            .unwrap_or_else(|faults| panic!("{faults}"));
        let bound = config.dpd[0].detection_bound().unwrap_or_default();
        let bound_s = bound.as_secs_f64() + 0.5;
        let policy = Policy {
            snapshot: config.policy,
            dpd: config.dpd.into(),
            dpd_exceptions: Arc::default(),
        };
        let limits = shard::Settings {
            ike: ike::Settings::default(),
            peers_max: 10_000,
            children_max: 30_000,
            budgets: BudgetPolicy::default(),
            breaker: BreakerPolicy::default(),
            keepalive: Duration::from_secs(20),
            ike_sockets: Vec::new(),
            nat_sockets: Vec::new(),
            path_mtu: 1_500,
            ..shard::Settings::default()
        };
        let settings = Settings {
            listen: vec![Listen {
                ike_port: 0,
                nat_port: 0,
                ..Listen::new(IpAddr::V4(Ipv4Addr::LOCALHOST))
            }],
            shards,
            inner: InnerDevice::Echo,
            ..Settings::new(limits, policy)
        };
        let service = Service::start(settings).expect("loopback needs no privileges");
        let control = Control::serve(service.subscribe(10_000), service.clock());
        Self {
            service,
            control,
            bound_s,
        }
    }

    /// Where UDP-encapsulated traffic is served.
    pub(crate) fn target(&self) -> SocketAddr {
        let listeners = self.service.listeners();
        let encapsulating = listeners
            .iter()
            .find(|(listener, _)| *listener == shard::Listener::Nat);
        encapsulating.expect("the NAT port is served").1
    }

    pub(crate) fn control(&self) -> &Path {
        self.control.path()
    }

    /// Longest time in which a death must be found: the policy's, and half a second for a machine
    /// that is busy with other tests.
    pub(crate) fn bound_s(&self) -> f64 {
        self.bound_s
    }

    /// The identities that were declared dead, sorted.
    pub(crate) fn declared_dead(&self) -> Vec<String> {
        let mut dead = self.control.dead.lock().expect("not poisoned").clone();
        dead.sort();
        dead
    }

    pub(crate) fn stop(&self, timeout: Duration) {
        assert!(self.service.stop(timeout), "all peers have left");
    }
}

fn configuration(dpd: &str) -> String {
    let mut text = format!(
        r#"
[dpd]
{dpd}

[connections.load]
version = "any"
proposals = ["aes128gcm16-prfsha256-x25519", "aes128-sha256-ecp256", "aes256-sha256-ecp256"]
pools = ["virtual"]
local.id = "gateway.example"
remote.id = "*@load.example"

[connections.load.children.net]
local_ts = ["10.99.0.0/24"]
esp_proposals = ["aes128gcm16", "aes256-sha256"]

[connections.fixed]
proposals = ["aes256-sha256-ecp256"]
local.id = "gateway.example"
remote.id = "*@fixed.example"

[connections.fixed.children.net]
local_ts = ["10.99.0.0/24"]
remote_ts = ["10.50.0.0/16"]
esp_proposals = ["aes256-sha256"]

[connections.users]
version = 1
aggressive = true
xauth = "server"
proposals = ["aes256-sha256-ecp256"]
mode_config = "push"
pools = ["virtual"]
local.id = "gateway.example"
remote.id = "*@users.example"

[connections.users.children.net]
local_ts = ["10.99.0.0/24"]
esp_proposals = ["aes128gcm16"]

[pools.virtual]
addrs = "10.9.0.0/16"

[secrets.all]
secret = "loopback"
"#
    );
    for n in 0..USERS {
        text.push_str(&format!(
            "[users.\"user-{n}\"]\npassword = \"open sesame {n}\"\n"
        ));
    }
    text
}
