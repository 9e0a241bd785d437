//! From the configuration's words to the settings of the rooms.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::BTreeSet;
use std::sync::Arc;

use config::{Config, Engine, FailoverSettings, FrontVrfSettings, HeadendSettings, Offload};
use ipsec::{FrontVrf, GLOBAL_VRF};
use netio::{EngineKind, Offloads};
use runtime::{InnerDevice, Listen, Settings};

/// IKE SAs of one worker at most, half-open ones included.
const PEERS_MAX: u32 = 1 << 20;
/// Pairs of Child SAs of one worker at most.
const CHILDREN_MAX: u32 = 1 << 21;

/// The policy of the shards.
pub(super) fn policy(config: &Config) -> shard::Policy {
    shard::Policy {
        snapshot: Arc::clone(&config.policy),
        dpd: config.dpd.clone().into(),
        dpd_exceptions: config.dpd_peers.iter().map(exception).collect(),
    }
}

/// Everything that the service is started with.
pub(super) fn of(config: &Config) -> Settings {
    let headend = &config.headend;
    let shard = shard::Settings {
        ike: ike(headend),
        peers_max: PEERS_MAX,
        children_max: CHILDREN_MAX,
        budgets: config.budgets.clone(),
        breaker: config.breaker.clone(),
        keepalive: headend.nat_keepalive,
        ike_sockets: Vec::new(),
        nat_sockets: Vec::new(),
        path_mtu: headend.path_mtu,
        hold: hold(&config.failover),
        peer_patience: config.failover.peer_timeout,
        elephants: elephants(headend),
    };
    let mut settings = Settings::new(shard, policy(config));
    settings.listen = listen(config);
    settings.pin_threads = headend.pin_workers;
    settings.socket_buffer_bytes =
        usize::try_from(headend.socket_buffer_bytes).unwrap_or(usize::MAX);
    settings.shards = headend.shards.unwrap_or(0);
    settings.engine.kind = match headend.engine {
        Engine::Auto => EngineKind::Auto,
        Engine::IoUring => EngineKind::IoUring,
        Engine::Epoll => EngineKind::Epoll,
    };
    settings.engine.offload = offloads(&headend.offload);
    let routes = headend.install_routes;
    settings.inner = inner(&headend.inner, routes, None, None);
    let vrfs = config.vrfs.inner.iter();
    settings.inner_vrfs = vrfs
        .map(|vrf| inner(&vrf.device, routes, vrf.namespace.as_ref(), vrf.table))
        .collect();
    settings
}

fn offloads(wanted: &BTreeSet<Offload>) -> Offloads {
    let mut offloads = Offloads::NONE;
    for offload in wanted {
        *match offload {
            Offload::UdpGso => &mut offloads.udp_send,
            Offload::UdpGro => &mut offloads.udp_receive,
            Offload::TunTso => &mut offloads.tun_tcp,
            Offload::TunUso => &mut offloads.tun_udp,
            Offload::TunCoalescing => &mut offloads.tun_coalescing,
            Offload::Steering => &mut offloads.steering,
            Offload::RawFanOut => &mut offloads.raw_fan_out,
        } = true;
    }
    offloads
}

fn hold(failover: &FailoverSettings) -> shard::HoldLimits {
    let octets = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    shard::HoldLimits {
        packets: size(failover.hold_packets),
        octets: octets(failover.hold_bytes),
        packets_all: size(failover.hold_packets_all),
        octets_all: octets(failover.hold_bytes_all),
        time: failover.hold_time,
    }
}

fn elephants(headend: &HeadendSettings) -> Option<shard::ElephantPolicy> {
    headend.elephants.then_some(shard::ElephantPolicy {
        packets_per_second: headend.elephant_packets,
    })
}

fn exception(peer: &config::PeerDpd) -> shard::DpdException {
    shard::DpdException {
        connection: Arc::clone(&peer.connection),
        identity: peer.identity.clone(),
        dpd: peer.dpd,
    }
}

fn ike(headend: &HeadendSettings) -> ike::Settings {
    ike::Settings {
        retransmit_first: headend.retransmit_timeout,
        retransmit_growth_percent: headend.retransmit_base_percent,
        retransmit_gap_max: headend.retransmit_limit,
        retransmits_max: headend.retransmit_tries,
        half_open_timeout: headend.half_open_timeout,
        half_open_max: size(headend.half_open_max),
        half_open_prefix_max: size(headend.half_open_per_prefix_max),
        cookie_threshold: size(headend.cookie_threshold),
        cookie_threshold_prefix: size(headend.cookie_threshold_per_prefix),
        puzzle_threshold: size(headend.puzzle_threshold),
        puzzle_threshold_prefix: size(headend.puzzle_threshold_per_prefix),
        puzzle_bits: headend.puzzle_bits,
        puzzle_bits_max: headend.puzzle_bits_max,
        puzzle_bits_accepted: headend.puzzle_bits_accepted,
        refusals_per_second: headend.refusals_per_second,
        children_max: usize::from(headend.children_max),
        ..ike::Settings::default()
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Where peers are served: the global instance, then the other front-door VRFs.
fn listen(config: &Config) -> Vec<Listen> {
    let headend = &config.headend;
    let global = FrontVrfSettings {
        name: GLOBAL_VRF.into(),
        listen: headend.listen.clone(),
        ike_port: headend.ike_port,
        nat_port: headend.nat_port,
        device: None,
        namespace: None,
    };
    let all = core::iter::once(&global).chain(&config.vrfs.front);
    let numbered = all.zip((0..).map(FrontVrf));
    numbered
        .flat_map(|(vrf, number)| listen_in(vrf, number, headend.raw_esp))
        .collect()
}

fn listen_in(vrf: &FrontVrfSettings, number: FrontVrf, raw_esp: bool) -> Vec<Listen> {
    let by_default = vrf.listen == HeadendSettings::default().listen;
    let addresses = vrf.listen.iter().filter(|address| {
        let spared = by_default && address.is_ipv6() && !has_ipv6(vrf.namespace.as_deref());
        if spared {
            tracing::warn!(fvrf = &*vrf.name, "there is no IPv6; only IPv4 is served");
        }
        !spared
    });
    let listen = |address: &IpAddr| Listen {
        ike_port: vrf.ike_port,
        nat_port: vrf.nat_port,
        raw_esp,
        device: vrf.device.clone(),
        namespace: vrf.namespace.clone(),
        fvrf: number,
        ..Listen::new(*address)
    };
    addresses.map(listen).collect()
}

fn has_ipv6(namespace: Option<&str>) -> bool {
    let bound = || std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    netio::in_namespace(namespace, bound).is_ok()
}

fn inner(
    device: &config::InnerDevice,
    install_routes: bool,
    namespace: Option<&String>,
    table: Option<u32>,
) -> InnerDevice {
    match device {
        config::InnerDevice::Tun { name, mtu, addrs } => InnerDevice::Tun {
            name: name.clone(),
            mtu: u32::from(*mtu),
            addresses: addrs.clone(),
            install_routes,
            namespace: namespace.cloned(),
            table,
        },
        config::InnerDevice::Echo => InnerDevice::Echo,
        config::InnerDevice::None => InnerDevice::Discard,
    }
}

/// The engine's word in the configuration.
pub(super) fn engine_name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Auto => "auto",
        EngineKind::IoUring => "io_uring",
        EngineKind::Epoll => "epoll",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offloads_are_logged_by_the_names_that_the_file_has() {
        for (name, offload) in Offload::ALL {
            let only = offloads(&BTreeSet::from([*offload]));
            assert_eq!(only.to_string(), *name);
        }
        let all = HeadendSettings::default().offload;
        assert_eq!(offloads(&all), Offloads::ALL);
    }

    #[test]
    fn limits_that_nobody_configured_are_those_of_ike() {
        assert_eq!(ike(&HeadendSettings::default()), ike::Settings::default());
        let failover = FailoverSettings::default();
        assert_eq!(hold(&failover), shard::HoldLimits::default());
        let shard = shard::Settings::default();
        assert_eq!(failover.peer_timeout, shard.peer_patience);
        assert_eq!(elephants(&HeadendSettings::default()), shard.elephants);
    }
}
