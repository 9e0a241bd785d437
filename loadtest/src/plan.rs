use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipsec::{
    AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, Identity, IdentityPattern, PeerEndpoint,
    PolicySnapshot, PreSharedKey, RekeyPolicy, SecretEntry, Secrets, StartAction, TrafficSelector,
    V1Policy, Versions, Xauth,
};

use crate::certificates::Certified;
use crate::random::{self, Lots};
use crate::scenario::{Class, ModeConfig, Network, Scenario, Sources, Version, numbered};

/// Purposes of lots.
pub(crate) mod purpose {
    pub(crate) const ARRIVALS: u64 = 1;
    pub(crate) const DEATHS: u64 = 2;
    pub(crate) const LOSSES: u64 = 3;
    pub(crate) const PACKETS: u64 = 4;
    pub(crate) const PROBES: u64 = 5;
    pub(crate) const MOVES: u64 = 6;
}

/// A scenario made ready to run: what all peers share.
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) sources: Sources,
    pub(crate) classes: Vec<Class>,
    /// The paths of the classes, where they are not ideal.
    pub(crate) networks: Vec<Option<Network>>,
    /// Upper ends of the classes' shares, from 0 to 1.
    class_ends: Vec<f64>,
    /// The connections of peers that have nothing of their own in it, of IKEv1 and of IKEv2.
    connections: [Arc<ConnectionPolicy>; 2],
    /// What all peers may, with the key that they share, if they do.
    pub(crate) policy: PolicySnapshot,
    pub(crate) ike: ike::Settings,
    /// Who certifies the peers of IKEv2, if they have certificates.
    certified: Option<Arc<Certified>>,
}

impl Plan {
    pub(crate) fn new(scenario: Scenario, certified: Option<Arc<Certified>>) -> Result<Self> {
        ensure!(
            certified.is_some() == scenario.tunnel.certificate.is_some(),
            "tunnel.certificate needs a headend that is started for the run, --headend, or tunnel.authority"
        );
        let sources = Sources::parse(&scenario.peers.source)?;
        let classes = if scenario.classes.is_empty() {
            vec![Class::default()]
        } else {
            scenario.classes.clone()
        };
        let connections = [
            Arc::new(connection(&scenario, Version::V1, Vec::new())?),
            Arc::new(connection(&scenario, Version::V2, Vec::new())?),
        ];
        let policy = if scenario.peers.psk.is_individual() {
            PolicySnapshot::default()
        } else {
            snapshot(scenario.peers.psk.for_peer(0))
        };
        let network_of = |class: &Class| class.network.unwrap_or(scenario.network);
        let networks = classes.iter().map(network_of);
        let networks = networks.map(|network| (!network.is_ideal()).then_some(network));
        Ok(Self {
            class_ends: class_ends(&classes),
            networks: networks.collect(),
            sources,
            classes,
            connections,
            policy,
            ike: ike::Settings::default(),
            certified,
            scenario,
        })
    }

    /// The identity of peer `n`.
    pub(crate) fn identity(&self, n: u32) -> Result<Identity> {
        let text = numbered(&self.scenario.peers.identity, n);
        text.parse()
            .with_context(|| format!("`{text}` is not an identity"))
    }

    /// The version of IKE that peer `n` speaks.
    pub(crate) fn version(&self, n: u32) -> Version {
        let class = self.classes.get(usize::from(self.class(n)));
        let own = class.and_then(|class| class.version);
        own.unwrap_or(self.scenario.tunnel.version)
    }

    /// The connection of peer `n`: one for all, unless each has an inner address, a certificate
    /// or, in IKEv1, a user of its own.
    pub(crate) fn connection(&self, n: u32) -> Result<Arc<ConnectionPolicy>> {
        let tunnel = &self.scenario.tunnel;
        let version = self.version(n);
        let inner = self.scenario.inner_address(n);
        let user = tunnel.xauth_user.as_ref();
        let user = user.filter(|_| version == Version::V1);
        let certified = self.certified.as_ref();
        let certified = certified.filter(|_| version == Version::V2);
        if inner.is_none() && user.is_none() && certified.is_none() {
            let [v1, v2] = &self.connections;
            return Ok(Arc::clone(match version {
                Version::V1 => v1,
                Version::V2 => v2,
            }));
        }
        let local = inner.map(TrafficSelector::host).into_iter().collect();
        let mut own = connection(&self.scenario, version, local)?;
        own.v1.xauth = user.map(|user| Xauth::Client {
            user: numbered(user, n).into(),
            password: PreSharedKey::new(tunnel.xauth_password.for_peer(n)),
        });
        if let Some(certified) = certified {
            let credential = certified.credential(&self.identity(n)?)?;
            own.local_auth = AuthPolicy::Certificate(Arc::new(credential));
            own.remote_auth = AuthPolicy::Certificate(Arc::clone(certified.anchors()));
        }
        Ok(Arc::new(own))
    }

    /// A policy with the key of peer `n`, when each has its own.
    pub(crate) fn individual_policy(&self, n: u32) -> Option<PolicySnapshot> {
        let psk = &self.scenario.peers.psk;
        psk.is_individual().then(|| snapshot(psk.for_peer(n)))
    }

    /// The class of peer `n`: classes are mixed evenly over the numbers, by the golden ratio.
    pub(crate) fn class(&self, n: u32) -> u8 {
        let place = (f64::from(n) * 0.618_033_988_749_895).fract();
        let index = self.class_ends.iter().position(|end| place < *end);
        u8::try_from(index.unwrap_or(self.classes.len() - 1)).unwrap_or(u8::MAX)
    }

    /// Where in a period of its own peer `n` begins, from 0 to 1: peers that came up together do not
    /// act together.
    pub(crate) fn phase(&self, purpose: u64, n: u32) -> f64 {
        random::place(self.scenario.seed, purpose, n)
    }

    pub(crate) fn lots(&self, purpose: u64) -> Lots {
        Lots::new(self.scenario.seed, purpose)
    }
}

fn class_ends(classes: &[Class]) -> Vec<f64> {
    let whole: f64 = classes.iter().map(|class| class.share).sum();
    let mut end = 0.0;
    let ends = classes.iter().map(|class| {
        end += class.share / whole;
        end
    });
    ends.collect()
}

fn snapshot(key: Vec<u8>) -> PolicySnapshot {
    PolicySnapshot {
        secrets: Secrets::from(vec![SecretEntry {
            fvrf: None,
            owners: Vec::new(),
            key: PreSharedKey::new(key),
        }]),
        ..PolicySnapshot::default()
    }
}

fn rekey(seconds: f64, version: Version) -> RekeyPolicy {
    let time = (seconds > 0.0).then(|| Duration::from_secs_f64(seconds));
    // IKEv1 tells the responder when the SA ends (RFC 2407 §4.5): after its rekey, then.
    let ends = |time: Duration| time * 2 + Duration::from_secs(10);
    RekeyPolicy {
        time,
        bytes: None,
        packets: None,
        hard_time: time.filter(|_| version == Version::V1).map(ends),
        jitter_percent: 20,
    }
}

fn v1_policy(scenario: &Scenario, wants_virtual: bool) -> V1Policy {
    V1Policy {
        aggressive: scenario.tunnel.aggressive,
        mode_config: match scenario.tunnel.mode_config {
            _ if !wants_virtual => ipsec::ModeConfig::None,
            ModeConfig::Pull => ipsec::ModeConfig::Pull,
            ModeConfig::Push => ipsec::ModeConfig::Push,
        },
        ..V1Policy::default()
    }
}

fn connection(
    scenario: &Scenario,
    version: Version,
    local_ts: Vec<TrafficSelector>,
) -> Result<ConnectionPolicy> {
    let tunnel = &scenario.tunnel;
    let remote_ts = tunnel
        .remote_ts
        .iter()
        .filter_map(|net| TrafficSelector::from_prefix(net.network(), net.prefix_len()))
        .collect();
    let remote_id = match &scenario.target.identity {
        None => IdentityPattern::Any,
        Some(text) => text
            .parse()
            .with_context(|| format!("`{text}` is not an identity"))?,
    };
    let wants_v4 = scenario.traffic.destination.is_ipv4();
    let wants_virtual = local_ts.is_empty();
    let (versions, ike) = match version {
        Version::V1 => (Versions::V1, &tunnel.ike_v1),
        Version::V2 => (Versions::V2, &tunnel.ike),
    };
    let child = ChildPolicy {
        name: "load".into(),
        local_ts,
        remote_ts,
        proposals: vec![tunnel.esp.proposal().clone()],
        rekey: rekey(scenario.rekey.child_s, version),
        replay_window: tunnel.replay_window,
        peer_replay_window: 0,
        df: DfPolicy::Clear,
        copy_dscp: false,
        mss_clamp: None,
        start: StartAction::None,
    };
    Ok(ConnectionPolicy {
        name: "load".into(),
        versions,
        v1: v1_policy(scenario, wants_virtual),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: Vec::new(),
        default_peer: None,
        remote_addrs: vec![PeerEndpoint::Address(scenario.target.address)],
        remote_sources: Vec::new(),
        local_id: None,
        remote_id,
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: vec![ike.proposal().clone()],
        children: vec![child],
        pools: Vec::new(),
        request_virtual: (wants_virtual && wants_v4, wants_virtual && !wants_v4),
        rekey: rekey(scenario.rekey.ike_s, version),
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1280,
        send_initial_contact: true,
        unique: false,
        force_encap: tunnel.force_encap,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shares: &[f64]) -> Plan {
        let class = |share: &f64| Class {
            share: *share,
            ..Class::default()
        };
        let mut scenario = Scenario {
            classes: shares.iter().map(class).collect(),
            ..Scenario::default()
        };
        scenario.peers.psk = "secret".into();
        Plan::new(scenario, None).unwrap()
    }

    #[test]
    fn classes_get_their_shares_in_any_stretch_of_numbers() {
        let plan = plan(&[3.0, 1.0]);
        for start in [0, 1_000, 999_000] {
            let second = (start..start + 1_000)
                .filter(|n| plan.class(*n) == 1)
                .count();
            assert!((240..=260).contains(&second), "{second}");
        }
    }

    #[test]
    fn a_peer_with_a_key_of_its_own_finds_it() {
        let mut scenario = Scenario::default();
        scenario.peers.psk = "secret-{n}".into();
        let plan = Plan::new(scenario, None).unwrap();
        let policy = plan.individual_policy(12).expect("individual");
        let (us, them) = (plan.identity(12).unwrap(), "gw.example".parse().unwrap());
        let key = policy
            .secret_for(ipsec::FrontVrf::GLOBAL, &us, &them)
            .expect("found");
        assert_eq!(key.expose(), b"secret-12");
    }
}
