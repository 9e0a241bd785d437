//! Whole services against each other over loopback sockets: one asks, the other echoes.

mod rekeys;
mod steady;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crypto::{EncryptionAlgorithm, KeyExchangeMethod, PrfAlgorithm};
use dpd::{DpdPolicy, Mode};
use ike::CloseReason;
use ipsec::{
    AddressPool, AuthPolicy, ChildPolicy, ConnectionPolicy, DfPolicy, EspProposal, Identity,
    IdentityPattern, IkeProposal, PeerEndpoint, PolicySnapshot, PreSharedKey, RekeyPolicy,
    SecretEntry, StartAction, TrafficSelector,
};
use netio::{EngineKind, EngineSettings, Offloads};
use shard::{ElephantPolicy, EventKind, Policy, Which};

use crate::mailbox::Message;
use crate::{Cursor, InnerDevice, Listen, Service, Settings, Subscription};

const PATIENCE: Duration = Duration::from_secs(20);
const NEVER: RekeyPolicy = RekeyPolicy {
    time: None,
    bytes: None,
    packets: None,
    hard_time: None,
    jitter_percent: 0,
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn child(initiator: bool) -> ChildPolicy {
    let everything = TrafficSelector::from_prefix(ip("0.0.0.0"), 0).unwrap();
    let all = vec![everything];
    ChildPolicy {
        name: "net".into(),
        local_ts: if initiator { Vec::new() } else { all.clone() },
        remote_ts: if initiator { all } else { Vec::new() },
        proposals: vec![EspProposal {
            encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
            integrity: Vec::new(),
            key_exchange: Vec::new(),
            esn: vec![true, false],
        }],
        rekey: NEVER,
        // A thread that the machine holds back makes its packets late.
        replay_window: 8192,
        peer_replay_window: 8192,
        df: DfPolicy::Copy,
        copy_dscp: true,
        mss_clamp: None,
        start: if initiator {
            StartAction::Start
        } else {
            StartAction::None
        },
    }
}

fn connection(name: &str, initiator: bool) -> ConnectionPolicy {
    ConnectionPolicy {
        name: name.into(),
        versions: ipsec::Versions::default(),
        v1: ipsec::V1Policy::default(),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: Vec::new(),
        default_peer: None,
        remote_addrs: Vec::new(),
        remote_sources: Vec::new(),
        local_id: None,
        remote_id: IdentityPattern::Any,
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: vec![IkeProposal {
            encryption: vec![EncryptionAlgorithm::Aes128Gcm16],
            integrity: Vec::new(),
            prf: vec![PrfAlgorithm::HmacSha256],
            key_exchange: vec![KeyExchangeMethod::X25519],
        }],
        children: vec![child(initiator)],
        pools: Vec::new(),
        request_virtual: (initiator, false),
        rekey: NEVER,
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1280,
        send_initial_contact: true,
        // To the initiator, all its connections lead to the same identity.
        unique: !initiator,
        // Without a NAT, ESP would go as IP protocol 50, which takes root.
        force_encap: true,
    }
}

fn policy(connections: Vec<ConnectionPolicy>, pools: Vec<AddressPool>, dpd: DpdPolicy) -> Policy {
    let secret = SecretEntry {
        fvrf: None,
        owners: Vec::new(),
        key: PreSharedKey::new(b"a secret for tests".to_vec()),
    };
    Policy {
        snapshot: Arc::new(PolicySnapshot {
            connections: connections.into_iter().map(Arc::new).collect(),
            secrets: vec![secret].into(),
            pools,
            users: ipsec::Users::default(),
        }),
        dpd: Arc::from([dpd]),
        dpd_exceptions: Arc::default(),
    }
}

#[derive(Clone, Copy)]
struct Plan {
    kind: EngineKind,
    offload: Offloads,
    shards: u16,
    peers: usize,
    elephants: ElephantPolicy,
    /// Tells the addresses of one test from those of another.
    net: u8,
}

impl Plan {
    fn settings(self, host: u8, inner: InnerDevice, policy: Policy) -> Settings {
        let shard = shard::Settings {
            ike: ike::Settings::default(),
            peers_max: 1000,
            children_max: 1000,
            budgets: dpd::BudgetPolicy::default(),
            breaker: dpd::BreakerPolicy::default(),
            keepalive: Duration::from_secs(20),
            ike_sockets: Vec::new(),
            nat_sockets: Vec::new(),
            path_mtu: 1500,
            elephants: Some(self.elephants),
            ..shard::Settings::default()
        };
        let mut settings = Settings::new(shard, policy);
        settings.listen = vec![Listen {
            ike_port: 0,
            ..Listen::new(IpAddr::from([127, 77, self.net, host]))
        }];
        settings.shards = self.shards;
        settings.engine = EngineSettings {
            kind: self.kind,
            offload: self.offload,
            ..EngineSettings::default()
        };
        settings.compute_threads = 1;
        settings.inner = inner;
        settings
    }

    fn responder(self, dpd: DpdPolicy) -> Service {
        let mut connection = connection("clients", false);
        connection.local_id = Some(Identity::Fqdn("headend.example.org".into()));
        connection.pools = vec!["pool".into()];
        let pool = AddressPool {
            name: "pool".into(),
            first: ip("10.77.0.1"),
            last: ip("10.77.0.250"),
            dns: Vec::new(),
            ivrf: ipsec::InnerVrf::GLOBAL,
        };
        let policy = policy(vec![connection], vec![pool], dpd);
        Service::start(self.settings(1, InnerDevice::Echo, policy)).unwrap()
    }

    fn initiator(self, responder: &Service, dpd: DpdPolicy) -> (Service, Subscription) {
        self.initiator_at(2, responder, dpd)
    }

    /// One of several initiators, each with peers and an address of its own.
    fn initiator_at(
        self,
        host: u8,
        responder: &Service,
        dpd: DpdPolicy,
    ) -> (Service, Subscription) {
        let name = |number| format!("peer-{host}-{number}");
        let connections = (0..self.peers).map(|number| {
            let mut connection = connection(&name(number), true);
            let identity = format!("{}.example.org", name(number));
            connection.local_id = Some(Identity::Fqdn(identity.into()));
            connection.remote_addrs = vec![PeerEndpoint::Address(address(responder))];
            connection
        });
        let policy = policy(connections.collect(), Vec::new(), dpd);
        let mut settings = self.settings(host, InnerDevice::Discard, policy);
        // Started by hand, after somebody listens to the events.
        let snapshot = Arc::make_mut(&mut settings.policy.snapshot);
        let connections = snapshot.connections.iter().cloned();
        let idle = connections.map(|mut connection| {
            Arc::make_mut(&mut connection).children[0].start = StartAction::None;
            connection
        });
        snapshot.connections = idle.collect();
        let service = Service::start(settings).unwrap();
        let events = service.subscribe(10_000);
        for number in 0..self.peers {
            assert!(service.initiate(&name(number), number as u32, 0).unwrap());
        }
        (service, events)
    }
}

fn address(service: &Service) -> SocketAddr {
    service.listeners()[0].1
}

/// Waits until `wanted` has picked `count` events and returns what it made of them.
fn wait_for<T>(
    events: &Subscription,
    count: usize,
    mut wanted: impl FnMut(&shard::Event) -> Option<T>,
) -> Vec<T> {
    let start = Instant::now();
    let mut found = Vec::new();
    while found.len() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count}", found.len());
        if let Ok(Some(event)) = events.next(Duration::from_millis(100)) {
            found.extend(wanted(&event));
        }
    }
    found
}

/// The inner addresses of the initiator's peers, once their tunnels stand.
fn tunnels(service: &Service, events: &Subscription, count: usize) -> Vec<(u16, IpAddr)> {
    wait_for(events, count, |event| {
        matches!(event.kind, EventKind::ChildInstalled { .. }).then_some(())
    });
    let mut found = Vec::new();
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        let page = service.peers(at, 3).unwrap();
        for row in page.rows {
            found.push((u16::from(row.peer.shard.0), row.addresses[0]));
        }
        cursor = page.next;
    }
    found
}

fn sas(service: &Service) -> usize {
    let mut count = 0;
    let mut cursor = Some(Cursor::default());
    while let Some(at) = cursor {
        let page = service.sas(at, 3).unwrap();
        count += page.rows.len();
        cursor = page.next;
    }
    count
}

fn ping(source: IpAddr, number: u16) -> Box<[u8]> {
    let mut packet = Vec::new();
    let source = SocketAddr::new(source, 4000);
    let destination = SocketAddr::new(ip("192.0.2.1"), number);
    assert!(wire::ip::build_udp(
        source,
        destination,
        &[7; 300],
        &mut packet
    ));
    packet.into()
}

fn inject(service: &Service, shard: u16, packet: Box<[u8]>) {
    assert!(
        service.parts.mailboxes[usize::from(shard)]
            .post(Message::Inner(ipsec::InnerVrf::GLOBAL, packet))
    );
}

/// Waits until as many inner packets came back as were sent.
fn wait_for_echoes(service: &Service, wanted: u64) {
    let start = Instant::now();
    loop {
        let reports = service.reports().unwrap();
        let back: u64 = reports.iter().map(|r| r.inner_drops.discarded).sum();
        if back >= wanted {
            assert_eq!(back, wanted, "nothing comes back twice");
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{back} of {wanted} came back");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn quiet() -> DpdPolicy {
    DpdPolicy {
        mode: Mode::RespondOnly,
        ..DpdPolicy::default()
    }
}

fn traffic_flows(plan: Plan) {
    let responder = plan.responder(quiet());
    assert_eq!(responder.engine(), plan.kind);
    assert_eq!(responder.shards(), plan.shards);
    assert_eq!(responder.readiness(), Ok(()));
    let (initiator, events) = plan.initiator(&responder, quiet());
    let tunnels = tunnels(&initiator, &events, plan.peers);
    let addresses: HashSet<_> = tunnels.iter().map(|(_, address)| *address).collect();
    assert_eq!(addresses.len(), plan.peers);
    let mut sent = 0;
    for round in 0..50 {
        for &(shard, address) in &tunnels {
            inject(&initiator, shard, ping(address, round));
            sent += 1;
        }
    }
    wait_for_echoes(&initiator, sent);
    let reports = responder.reports().unwrap();
    let opened: u64 = reports.iter().map(|r| r.counters.esp_in.0).sum();
    let sealed: u64 = reports.iter().map(|r| r.counters.esp_out.0).sum();
    assert_eq!((opened, sealed), (sent, sent));
    assert_eq!(
        responder.shared_report().addresses_in_use,
        plan.peers as u64
    );
    assert_eq!(sas(&responder), plan.peers);
    let told = responder.subscribe(10_000);
    assert!(
        initiator.stop(Duration::from_secs(5)),
        "every peer answered"
    );
    wait_for(&told, plan.peers, |event| {
        matches!(event.kind, EventKind::Closed { .. }).then_some(())
    });
    assert_eq!(responder.shared_report().addresses_in_use, 0);
    assert!(responder.stop(Duration::from_secs(5)));
    assert!(responder.readiness().is_err());
}

#[test]
fn traffic_flows_with_epoll() {
    traffic_flows(Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 1,
        peers: 5,
        elephants: ElephantPolicy::default(),
        net: 1,
    });
}

#[test]
fn traffic_flows_with_io_uring() {
    traffic_flows(Plan {
        kind: EngineKind::IoUring,
        offload: Offloads::ALL,
        shards: 1,
        peers: 5,
        elephants: ElephantPolicy::default(),
        net: 2,
    });
}

#[test]
fn traffic_flows_without_offloads() {
    for (kind, net) in [(EngineKind::Epoll, 9), (EngineKind::IoUring, 10)] {
        traffic_flows(Plan {
            kind,
            offload: Offloads::NONE,
            shards: 1,
            peers: 5,
            elephants: ElephantPolicy::default(),
            net,
        });
    }
}

#[test]
fn traffic_flows_over_several_shards() {
    traffic_flows(Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 3,
        peers: 20,
        elephants: ElephantPolicy::default(),
        net: 3,
    });
}

#[test]
fn a_packet_on_the_wrong_shard_reaches_the_right_one() {
    let plan = Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 2,
        peers: 4,
        elephants: ElephantPolicy::default(),
        net: 4,
    };
    let responder = plan.responder(quiet());
    let (initiator, events) = plan.initiator(&responder, quiet());
    let tunnels = tunnels(&initiator, &events, plan.peers);
    for &(shard, address) in &tunnels {
        // The initiator's selectors cover everything, so that any shard has an SA for any
        // destination, but only one has the source; the responder's are hosts.
        inject(&initiator, shard, ping(address, 9));
        let mut back = ping(ip("192.0.2.1"), 9).into_vec();
        back.clear();
        let from = SocketAddr::new(ip("192.0.2.1"), 9);
        let to = SocketAddr::new(address, 4000);
        assert!(wire::ip::build_udp(from, to, b"unasked", &mut back));
        for shard in 0..plan.shards {
            inject(&responder, shard, back.clone().into());
        }
    }
    wait_for_echoes(&initiator, plan.peers as u64 * (1 + u64::from(plan.shards)));
    let reports = responder.reports().unwrap();
    let strays: u64 = reports.iter().map(|r| r.counters.strays).sum();
    assert_eq!(strays, plan.peers as u64 * u64::from(plan.shards - 1));
}

/// How many packets workers opened and sealed for each other.
fn lent(service: &Service) -> (u64, u64) {
    let reports = service.reports().unwrap();
    let counters = reports.iter().map(|report| &report.counters);
    counters.fold((0, 0), |(opened, sealed), counters| {
        (
            opened + counters.esp_in_lent,
            sealed + counters.esp_out_lent,
        )
    })
}

#[test]
fn one_sa_is_carried_by_both_workers() {
    let plan = Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 2,
        peers: 1,
        elephants: ElephantPolicy {
            packets_per_second: 200,
        },
        net: 11,
    };
    let responder = plan.responder(quiet());
    let (initiator, events) = plan.initiator(&responder, quiet());
    let (_, address) = tunnels(&initiator, &events, 1)[0];
    let start = Instant::now();
    let mut sent = 0;
    let done = |(opened, sealed)| opened > 1000 && sealed > 1000;
    while !done(lent(&initiator)) || !done(lent(&responder)) {
        assert!(
            start.elapsed() < PATIENCE,
            "{:?} {:?}",
            lent(&initiator),
            lent(&responder)
        );
        for _ in 0..20 {
            for packet in 0..64 {
                inject(&initiator, packet % 2, ping(address, packet));
                sent += 1;
            }
            // However slow the machine is, no more are under way than the relay has room for.
            wait_for_echoes(&initiator, sent);
        }
    }
    for service in [&initiator, &responder] {
        let reports = service.reports().unwrap();
        let of = |count: fn(&shard::Counters) -> u64| -> u64 {
            reports.iter().map(|report| count(&report.counters)).sum()
        };
        assert_eq!(of(|counters| counters.esp_in.0), sent);
        assert_eq!(of(|counters| counters.esp_out.0), sent);
        assert_eq!(of(|counters| counters.esp_in_dropped.iter().sum()), 0);
        assert_eq!(of(|counters| counters.elephants), 1);
        assert_eq!(of(|counters| counters.loans), 1);
    }
    assert!(initiator.stop(Duration::from_secs(5)));
    assert!(responder.stop(Duration::from_secs(5)));
}

#[test]
fn a_dead_peer_is_found_in_time_and_a_living_one_is_kept() {
    let plan = Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 1,
        peers: 3,
        elephants: ElephantPolicy::default(),
        net: 5,
    };
    let dpd = DpdPolicy {
        mode: Mode::Periodic,
        interval: Duration::from_millis(400),
        retry: Duration::from_millis(100),
        retries: 2,
        allow_fast: true,
        ..DpdPolicy::default()
    };
    let bound = dpd.detection_bound().expect("periodic probes are bounded");
    let responder = plan.responder(dpd);
    let told = responder.subscribe(1000);
    let (initiator, events) = plan.initiator(&responder, quiet());
    tunnels(&initiator, &events, plan.peers);
    // Living peers answer for longer than it takes to declare one dead.
    std::thread::sleep(bound * 2);
    let reports = responder.reports().unwrap();
    assert_eq!(reports[0].counters.dpd.verdicts.iter().sum::<u64>(), 0);
    assert!(reports[0].counters.dpd.probes > 0);
    initiator
        .ask(0, |worker| worker.stop_at = Some(timer::Instant::ZERO))
        .unwrap();
    let died = responder.clock().now();
    let dead = wait_for(&told, plan.peers, |event| match &event.kind {
        EventKind::Dead { .. } => Some((event.at, event.peer.identity.clone())),
        _ => None,
    });
    for (at, identity) in dead {
        let slack = Duration::from_millis(50);
        assert!(at - died <= bound + slack, "{:?} > {bound:?}", at - died);
        let which = Which::Identity(identity.unwrap());
        assert_eq!(responder.why_dead(&which).unwrap().len(), 1);
        assert!(responder.peer(&which).unwrap().is_empty());
    }
    assert_eq!(responder.shared_report().addresses_in_use, 0);
}

#[test]
fn a_stopping_headend_tells_its_peers() {
    let plan = Plan {
        kind: EngineKind::IoUring,
        offload: Offloads::ALL,
        shards: 2,
        peers: 4,
        elephants: ElephantPolicy::default(),
        net: 6,
    };
    let responder = plan.responder(quiet());
    let (initiator, events) = plan.initiator(&responder, quiet());
    tunnels(&initiator, &events, plan.peers);
    assert!(responder.stop(Duration::from_secs(5)));
    let reasons = wait_for(&events, plan.peers, |event| match event.kind {
        EventKind::Closed { reason, .. } => Some(reason),
        _ => None,
    });
    assert!(
        reasons.iter().all(|r| *r == CloseReason::PeerDeleted),
        "{reasons:?}"
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let plan = Plan {
        kind: EngineKind::Epoll,
        offload: Offloads::ALL,
        shards: 1,
        peers: 0,
        elephants: ElephantPolicy::default(),
        net: 7,
    };
    let first = plan.responder(quiet());
    let settings = plan.settings(
        1,
        InnerDevice::Discard,
        policy(Vec::new(), Vec::new(), quiet()),
    );
    let error = Service::start(settings).err().expect("the port is taken");
    let text = error.to_string();
    assert!(text.contains("127.77.7.1:4500"), "{text}");
    drop(first);
}

#[test]
fn a_failed_start_leaves_nothing_behind() {
    let plan = Plan {
        kind: EngineKind::IoUring,
        offload: Offloads::ALL,
        shards: 2,
        peers: 0,
        elephants: ElephantPolicy::default(),
        net: 8,
    };
    let empty = || policy(Vec::new(), Vec::new(), quiet());
    let mut settings = plan.settings(1, InnerDevice::Discard, empty());
    settings.engine.batch = 20_000;
    settings.engine.payload_max = 64;
    let error = Service::start(settings)
        .err()
        .expect("no ring is that long");
    assert!(matches!(error, crate::StartError::Engine(_)), "{error}");
    let settings = plan.settings(1, InnerDevice::Discard, empty());
    let service = Service::start(settings).expect("the ports are free again");
    assert!(service.socket_buffer_bytes() > 0);
}
