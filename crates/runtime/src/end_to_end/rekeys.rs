//! Rekeys from either side while as much traffic flows as the path takes.

use core::sync::atomic::{AtomicU64, Ordering};

use shard::Command;

use super::*;

/// Packets that are under way at once.
const UNDER_WAY: u64 = 300;
/// Rekeys that each side asks for, of Child SAs and of IKE SAs.
const REKEYS: u64 = 12;

/// Has a service rekey every Child SA and then every IKE SA that it has, and says how many those were.
/// One that is just being rekeyed, or deleted after it, is not asked for.
fn rekey_all(service: &Service) -> u64 {
    let cursor = || Cursor::default();
    let children = service.sas(cursor(), 100).unwrap().rows;
    let peers = service.peers(cursor(), 100).unwrap().rows;
    let mut asked = 0;
    for row in children.iter().filter(|row| row.active) {
        let inbound = row.inbound;
        let shard = u16::from(row.peer.shard.0);
        asked += u64::from(
            service
                .command(shard, Command::RekeyChild { inbound })
                .unwrap(),
        );
    }
    std::thread::sleep(Duration::from_millis(30));
    for row in peers.iter().filter(|row| row.established) {
        let spi = row.peer.spi;
        let shard = u16::from(row.peer.shard.0);
        asked += u64::from(service.command(shard, Command::RekeyIke { spi }).unwrap());
    }
    std::thread::sleep(Duration::from_millis(30));
    asked
}

fn no_packet_is_lost(kind: EngineKind, offload: Offloads, net: u8) {
    let plan = Plan {
        kind,
        offload,
        shards: 2,
        peers: 3,
        elephants: shard::ElephantPolicy::default(),
        net,
    };
    let responder = plan.responder(quiet());
    let (initiator, events) = plan.initiator(&responder, quiet());
    let tunnels = tunnels(&initiator, &events, plan.peers);
    let rekeys = AtomicU64::new(0);
    let mut sent = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while rekeys.load(Ordering::Relaxed) < REKEYS * 2 {
                // In turn, and then both at once.
                let mut asked = rekey_all(&responder);
                asked += rekey_all(&initiator);
                asked += std::thread::scope(|both| {
                    let other = both.spawn(|| rekey_all(&responder));
                    rekey_all(&initiator) + other.join().unwrap()
                });
                rekeys.fetch_add(asked.max(1), Ordering::Relaxed);
            }
        });
        while rekeys.load(Ordering::Relaxed) < REKEYS * 2 {
            for &(shard, address) in tunnels.iter().cycle().take(UNDER_WAY as usize) {
                inject(&initiator, shard, ping(address, 5));
                sent += 1;
            }
            wait_for_echoes(&initiator, sent);
        }
    });
    wait_for_echoes(&initiator, sent);
    for service in [&responder, &initiator] {
        let reports = service.reports().unwrap();
        let sum = |count: fn(&shard::Counters) -> u64| -> u64 {
            reports.iter().map(|r| count(&r.counters)).sum()
        };
        assert!(sum(|c| c.ike_rekeyed) >= plan.peers as u64, "{kind:?}");
        let children = sum(|c| c.children_installed);
        assert!(children >= 3 * plan.peers as u64, "{kind:?}: {children}");
        assert_eq!(sum(|c| c.esp_in.0), sent, "{kind:?}");
        assert_eq!(sum(|c| c.esp_out.0), sent, "{kind:?}");
        assert_eq!(sum(|c| c.esp_in_dropped.iter().sum()), 0, "{kind:?}");
        for reason in CloseReason::ALL {
            let replaced = [CloseReason::Rekeyed, CloseReason::RedundantRekey].contains(reason);
            let closed: u64 = reports
                .iter()
                .map(|r| r.counters.closed[reason.index()])
                .sum();
            assert!(replaced || closed == 0, "{kind:?}: {}", reason.label());
        }
    }
}

#[test]
fn no_packet_is_lost_to_rekeys_under_full_load() {
    let ways = [EngineKind::Epoll, EngineKind::IoUring]
        .into_iter()
        .flat_map(|kind| [Offloads::ALL, Offloads::NONE].map(|offload| (kind, offload)));
    for ((kind, offload), net) in ways.zip(40..) {
        no_packet_is_lost(kind, offload, net);
    }
}
