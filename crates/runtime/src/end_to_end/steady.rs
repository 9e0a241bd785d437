//! What holds while tunnels stand: the kernel gives each worker what is its own, and no packet takes
//! memory from the allocator.

use core::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn strays(service: &Service) -> u64 {
    let reports = service.reports().unwrap();
    reports.iter().map(|r| r.counters.strays).sum()
}

/// How many workers have ESP to open.
fn busy(service: &Service) -> usize {
    let reports = service.reports().unwrap();
    reports.iter().filter(|r| r.counters.esp_in.0 > 0).count()
}

/// Who sends to the responder: so many services of so many workers, each with an address of its own.
#[derive(Clone, Copy)]
struct Crowd {
    services: u8,
    shards: u16,
    peers: usize,
    offload: Offloads,
}

/// Set-up, ESP both ways, probes of the responder and answers.
fn nothing_strays(kind: EngineKind, net: u8, crowd: Crowd) {
    let plan = Plan {
        kind,
        offload: crowd.offload,
        shards: 3,
        peers: crowd.peers,
        elephants: shard::ElephantPolicy::default(),
        net,
    };
    let probing = DpdPolicy {
        mode: Mode::Periodic,
        interval: Duration::from_millis(300),
        retry: Duration::from_millis(500),
        retries: 5,
        allow_fast: true,
        ..DpdPolicy::default()
    };
    let responder = plan.responder(probing);
    assert!(responder.offloads().steering);
    let one = Plan {
        shards: crowd.shards,
        ..plan
    };
    let initiators: Vec<_> = (2..)
        .take(usize::from(crowd.services))
        .map(|host| {
            let (initiator, events) = one.initiator_at(host, &responder, quiet());
            let tunnels = tunnels(&initiator, &events, plan.peers);
            (initiator, tunnels)
        })
        .collect();
    for (initiator, tunnels) in &initiators {
        for round in 0..50 {
            for &(shard, address) in tunnels {
                inject(initiator, shard, ping(address, round));
            }
        }
        wait_for_echoes(initiator, 50 * tunnels.len() as u64);
    }
    let answers = || -> u64 {
        let reports = responder.reports().unwrap();
        let proofs = reports.iter().map(|r| &r.counters.dpd.proofs);
        proofs.map(|p| p[dpd::Proof::Answer.index()]).sum()
    };
    let wanted = answers() + initiators.len() as u64 * crowd.peers as u64;
    let start = Instant::now();
    while answers() < wanted {
        assert!(start.elapsed() < PATIENCE, "probes are answered");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(busy(&responder) > 1, "{kind:?}");
    assert_eq!(strays(&responder), 0, "{kind:?}");
    for (initiator, _) in &initiators {
        assert_eq!(strays(initiator), 0, "{kind:?}");
    }
}

/// The kernel's hash spreads the first messages of several addresses over the workers; from then on SPIs
/// say where everything belongs.
#[test]
fn every_datagram_reaches_the_worker_that_owns_its_sa() {
    for (net, kind) in [(20, EngineKind::Epoll), (21, EngineKind::IoUring)] {
        let crowd = Crowd {
            services: 20,
            shards: 1,
            peers: 1,
            offload: Offloads::ALL,
        };
        nothing_strays(kind, net, crowd);
    }
}

/// Runs are of one sender, not of one SA: peers that share an address and a port are told apart
/// without them only.
#[test]
fn so_it_does_where_peers_share_an_address() {
    let single = Offloads {
        udp_send: false,
        udp_receive: false,
        ..Offloads::ALL
    };
    for (net, kind) in [(30, EngineKind::Epoll), (31, EngineKind::IoUring)] {
        let crowd = Crowd {
            services: 10,
            shards: 2,
            peers: 4,
            offload: single,
        };
        nothing_strays(kind, net, crowd);
    }
}

/// What a worker did in a while of its rounds.
struct Stretch {
    allocations: u64,
    opened: u64,
    sealed: u64,
}

/// Measures a worker's own rounds, on its own thread, until it has moved enough.
fn measure(service: &Service) -> Stretch {
    let rounds = |worker: &mut crate::worker::Worker| {
        let start = Instant::now();
        let before = worker.shard.esp_packets();
        let counted = |worker: &crate::worker::Worker| {
            let counters = worker.shard.counters();
            (counters.esp_in.0, counters.esp_out.0)
        };
        let (opened, sealed) = counted(worker);
        let info = allocation_counter::measure(|| {
            while worker.shard.esp_packets() - before < 1_000
                && start.elapsed() < Duration::from_millis(400)
            {
                worker.round();
            }
        });
        let after = counted(worker);
        Stretch {
            allocations: info.count_total,
            opened: after.0 - opened,
            sealed: after.1 - sealed,
        }
    };
    service.ask(0, rounds).unwrap()
}

#[test]
fn no_packet_takes_memory_between_socket_and_socket() {
    let ways = [EngineKind::Epoll, EngineKind::IoUring]
        .into_iter()
        .flat_map(|kind| [Offloads::ALL, Offloads::NONE].map(|offload| (kind, offload)));
    for ((kind, offload), net) in ways.zip(22..) {
        let plan = Plan {
            kind,
            offload,
            shards: 1,
            peers: 3,
            elephants: shard::ElephantPolicy::default(),
            net,
        };
        let responder = plan.responder(quiet());
        let (initiator, events) = plan.initiator(&responder, quiet());
        let tunnels = tunnels(&initiator, &events, plan.peers);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for &(_, address) in tunnels.iter().cycle().take(60) {
                        let packet = Message::Inner(ipsec::InnerVrf::GLOBAL, ping(address, 7));
                        // Where the worker does not keep up, the box is full.
                        initiator.parts.mailboxes[0].post(packet);
                    }
                    std::thread::sleep(Duration::from_millis(3));
                }
            });
            for service in [&responder, &initiator] {
                measure(service);
                let stretches: Vec<_> = (0..6).map(|_| measure(service)).collect();
                for stretch in &stretches {
                    let moved = stretch.opened.min(stretch.sealed);
                    assert!(moved > 100, "{kind:?}: {moved}");
                }
                // What is kept for reuse may still have to grow once; anything taken for a packet or a
                // batch would be taken hundreds of times.
                let allocations: u64 = stretches.iter().map(|s| s.allocations).sum();
                assert!(allocations <= 3, "{kind:?} {offload}: {allocations}");
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
