use std::path::Path;

use anyhow::{Context, Result};
use interop::network::Namespace;
use interop::palisade::Palisade;
use interop::strongswan::{Esp, Settings, StrongSwan};

use crate::options::{Kind, Options};
use crate::proof::Proof;

/// Both probe an idle peer after ten seconds, and give it up ten seconds and five tries later.
const TRIES: u32 = 4;
const GAP_S: u32 = 2;
/// Time from the last sign of life to the verdict at the latest: 10 s, and five gaps of 2 s.
pub(crate) const BOUND_S: f64 = 20.0;

fn palisade(proof: &Proof, ike: &str) -> String {
    let (keys, sections) = proof.palisade();
    format!(
        r#"
[headend]
inner = "echo"
install_routes = false
half_open_max = 100000
half_open_per_prefix_max = 100000
cookie_threshold = 100000
cookie_threshold_per_prefix = 100000

[dpd]
mode = "periodic"
interval = "10s"
retry = "2s"
retries = 4

[dpd.breaker]
enabled = false

[dpd.budgets]
probes_per_second = 1000000
verdicts_per_second = 1000000

[log]
level = "warn"

[connections.peers]
local.id = "headend.example"
remote.id = "*@load.example"
pools = ["peers"]
encap = true
proposals = ["{ike}"]
{keys}
[connections.peers.children.net]
local_ts = ["10.2.0.0/24"]

[pools.peers]
addrs = "10.128.0.0/10"

{sections}"#
    )
}

/// What is filled in: `IKE`, `LOCAL` and `REMOTE`. Braces close on lines of their own: swanctl 5.9 never returns
/// otherwise.
const STRONGSWAN: &str = "\
connections {
  load {
    version = 2
    mobike = no
    encap = yes
    unique = never
    local_addrs = 192.0.2.2
    remote_addrs = %any
    proposals = IKE
    pools = peers
    dpd_delay = 10s
    local {
      LOCAL
      id = headend.example
    }
    remote {
      REMOTE
      id = %any
    }
    children {
      net {
        esp_proposals = aes128gcm16
        local_ts = 10.2.0.0/24
        dpd_action = clear
      }
    }
  }
}
pools {
  peers {
    addrs = 10.128.0.0/10
  }
}
";

/// A running program with its peers.
pub(crate) enum Contestant<'a> {
    Palisade(Palisade<'a>),
    StrongSwan(StrongSwan),
}

impl<'a> Contestant<'a> {
    pub(crate) fn start(
        kind: Kind,
        namespace: &'a Namespace,
        options: &Options,
        proof: &Proof,
    ) -> Result<Self> {
        let settings = |esp| Settings {
            retransmit_tries: Some(TRIES),
            retransmit_every_s: Some(GAP_S),
            esp,
            for_many: true,
            ..Settings::default()
        };
        let swan = |esp| {
            let [local, remote, sections] = proof.strongswan();
            let connections = STRONGSWAN
                .replace("IKE", &options.ike)
                .replace("LOCAL", &local)
                .replace("REMOTE", &remote);
            let text = format!("{connections}{sections}");
            let files = proof.strongswan_files();
            StrongSwan::start_with_files(namespace, settings(esp), &text, &files)
                .map(Self::StrongSwan)
        };
        match kind {
            Kind::Palisade => {
                let program = options.programs.join("palisade");
                let program = std::path::absolute(program)?;
                let text = palisade(proof, &options.ike);
                Palisade::start_with(program, namespace, &text).map(Self::Palisade)
            }
            Kind::Strongswan => swan(Esp::Nowhere),
            Kind::StrongswanLibipsec => swan(Esp::UserSpace),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Palisade(headend) => headend.pid(),
            Self::StrongSwan(swan) => swan.pid(),
        }
    }

    /// How many IKE SAs it says that it has, by its own command.
    pub(crate) fn standing(&self) -> Result<u64> {
        match self {
            Self::Palisade(headend) => {
                let status = headend.query(&["status"])?;
                status["ike_established"].as_u64().context("no count")
            }
            Self::StrongSwan(swan) => {
                let text = swan.control(&["--stats"])?;
                let count = text
                    .split_once("IKE_SAs: ")
                    .and_then(|(_, rest)| rest.split(' ').next());
                Ok(count.context("no count")?.parse()?)
            }
        }
    }

    /// The control socket on which it tells its verdicts, if it does.
    pub(crate) fn events(&self) -> Option<impl AsRef<Path>> {
        match self {
            Self::Palisade(headend) => Some(headend.control_socket()),
            Self::StrongSwan(_) => None,
        }
    }
}
