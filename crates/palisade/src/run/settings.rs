//! From the configuration's words to the settings of the rooms.

use core::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use config::{Config, Engine, FailoverSettings, HeadendSettings};
use netio::EngineKind;
use runtime::{InnerDevice, Listen, Settings};

/// IKE SAs of one worker at most, half-open ones included.
const PEERS_MAX: u32 = 1 << 20;
/// Pairs of Child SAs of one worker at most.
const CHILDREN_MAX: u32 = 1 << 21;

/// The policy of the shards.
pub(super) fn policy(config: &Config) -> shard::Policy {
    shard::Policy {
        snapshot: Arc::new(config.policy.clone()),
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
    };
    let mut settings = Settings::new(shard, policy(config));
    settings.listen = listen(headend);
    settings.pin_threads = headend.pin_workers;
    settings.socket_buffer_bytes =
        usize::try_from(headend.socket_buffer_bytes).unwrap_or(usize::MAX);
    settings.shards = headend.shards.unwrap_or(0);
    settings.engine.kind = match headend.engine {
        Engine::Auto => EngineKind::Auto,
        Engine::IoUring => EngineKind::IoUring,
        Engine::Epoll => EngineKind::Epoll,
    };
    settings.engine.offload = headend.offload;
    settings.inner = inner(headend);
    settings
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
        refusals_per_second: headend.refusals_per_second,
        children_max: usize::from(headend.children_max),
        ..ike::Settings::default()
    }
}

fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn listen(headend: &HeadendSettings) -> Vec<Listen> {
    let by_default = headend.listen == HeadendSettings::default().listen;
    let addresses = headend.listen.iter().filter(|address| {
        let spared = by_default && address.is_ipv6() && !has_ipv6();
        if spared {
            tracing::warn!("this machine has no IPv6; only IPv4 is served");
        }
        !spared
    });
    let listen = |address: &IpAddr| Listen {
        ike_port: headend.ike_port,
        nat_port: headend.nat_port,
        raw_esp: headend.raw_esp,
        ..Listen::new(*address)
    };
    addresses.map(listen).collect()
}

fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok()
}

fn inner(headend: &HeadendSettings) -> InnerDevice {
    match &headend.inner {
        config::InnerDevice::Tun { name, mtu, addrs } => InnerDevice::Tun {
            name: name.clone(),
            mtu: u32::from(*mtu),
            addresses: addrs.clone(),
            install_routes: headend.install_routes,
            namespace: None,
            table: None,
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
    fn limits_that_nobody_configured_are_those_of_ike() {
        assert_eq!(ike(&HeadendSettings::default()), ike::Settings::default());
        let failover = FailoverSettings::default();
        assert_eq!(hold(&failover), shard::HoldLimits::default());
        let shard = shard::Settings::default();
        assert_eq!(failover.peer_timeout, shard.peer_patience);
    }
}
