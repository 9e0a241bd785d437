//! What goes out through an elephant.

use core::time::Duration;

use ipsec::RekeyPolicy;
use shard::{Command, EventKind};

use crate::herd::{Herd, elsewhere, read};

const A_WHILE: Duration = Duration::from_millis(600);

fn begun(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Elephant { begins: true, .. })
}

fn ended(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Elephant { begins: false, .. })
}

/// A herd whose one SA has become an elephant.
fn elephant(shards: u8) -> Herd {
    let mut herd = Herd::new(shards, |_| {});
    herd.run(A_WHILE);
    assert_eq!(herd.count(begun), 1);
    let owner = herd.owner();
    assert_eq!(herd.counters(owner).elephants, 1);
    herd
}

fn strays(herd: &Herd) -> u64 {
    (0..herd.shards.len())
        .map(|at| herd.counters(at).strays)
        .sum()
}

#[test]
fn every_shard_seals_what_comes_to_it() {
    for shards in 2..=4 {
        let mut herd = elephant(shards);
        let (before, crossed) = (herd.sealed_by.clone(), strays(&herd));
        herd.run(A_WHILE);
        let own: Vec<_> = (herd.sealed_by.iter().zip(&before))
            .map(|(now, before)| now - before)
            .collect();
        assert!(own.iter().all(|&sealed| sealed == own[0]), "{own:?}");
        assert_eq!(strays(&herd), crossed, "nothing crosses a mailbox");
        let all: u64 = herd.sealed_by.iter().sum();
        let counted: u64 = (0..herd.shards.len())
            .map(|at| herd.counters(at).esp_out.0)
            .sum();
        assert_eq!(all, counted);
        herd.check_complete();
        let (children, guests) = (herd.counters(0).children, herd.counters(1).children);
        assert_eq!(children + guests, 1, "a loan is no Child SA");
    }
}

#[test]
fn what_guests_carry_is_the_owners_to_count() {
    let mut herd = elephant(3);
    herd.run(A_WHILE);
    herd.pass(Duration::from_millis(100), Duration::from_millis(10));
    let owner = herd.owner();
    let rows = herd.rows(owner);
    let sealed: u64 = herd.sealed_by.iter().sum();
    assert_eq!(rows[0].counted_out.packets, sealed);
    assert!(herd.lent() > sealed / 3);
}

#[test]
fn a_rekey_in_the_middle_loses_nothing() {
    let mut herd = elephant(3);
    for round in 0..5 {
        let owner = herd.owner();
        let inbound = herd
            .rows(owner)
            .iter()
            .find(|row| row.active)
            .unwrap()
            .inbound;
        herd.command(owner, Command::RekeyChild { inbound });
        let lent = herd.lent();
        herd.run(Duration::from_millis(100));
        assert!(
            herd.lent() >= lent + 2 * 640,
            "the heir is an elephant at once: {round}"
        );
    }
    herd.check_complete();
    assert_eq!(herd.count(begun), 1);
}

#[test]
fn a_rekey_loses_nothing_while_mail_is_slow() {
    let mut herd = elephant(3);
    let owner = herd.owner();
    let inbound = herd.rows(owner)[0].inbound;
    herd.prompt = false;
    herd.command(owner, Command::RekeyChild { inbound });
    for _ in 0..4 {
        // Guests go on with the old one, which the peer keeps until it has drained.
        herd.send(0, 0, 64);
        herd.send(1, 1, 64);
        herd.send(2, 2, 64);
        herd.settle();
    }
    herd.prompt = true;
    herd.read_all_mail();
    herd.run(A_WHILE);
    let arrived = herd.at_peer.len() as u64;
    let sent: u64 = (0..3).map(|flow| u64::from(herd.sent(flow))).sum();
    // The peer deleted the old SA when it was told to: what came later it could not open.
    assert!(arrived >= sent - 2 * 4 * 64, "{arrived} of {sent}");
}

#[test]
fn a_deleted_sa_is_sealed_with_no_more_whatever_mail_there_is() {
    let mut herd = elephant(4);
    let owner = herd.owner();
    let guest = (owner + 1) % 4;
    herd.prompt = false;
    let inbound = herd.rows(owner)[0].inbound;
    herd.command(owner, Command::TerminateChild { inbound });
    assert!(herd.rows(owner).is_empty(), "the owner has confirmed");
    let before = herd.sealed_by.clone();
    for shard in 0..4 {
        herd.send(shard, shard as u8, 64);
    }
    assert_eq!(herd.sealed_by, before, "not one packet more");
    // The copies of the key are gone, too.
    assert_eq!(herd.shards[guest].spis_taken()[1], 0);
    for shard in 0..4 {
        assert_eq!(herd.counters(shard).loans, 0);
    }
}

#[test]
fn an_idle_guest_gives_a_deleted_sa_back_on_its_next_tick() {
    let mut herd = elephant(2);
    let owner = herd.owner();
    let guest = 1 - owner;
    assert_eq!(herd.counters(guest).loans, 1);
    herd.prompt = false;
    let inbound = herd.rows(owner)[0].inbound;
    herd.command(owner, Command::TerminateChild { inbound });
    herd.tick_shard(guest);
    assert_eq!(herd.counters(guest).loans, 0);
}

#[test]
fn a_quiet_elephant_is_one_no_longer() {
    let mut herd = elephant(3);
    herd.pass(Duration::from_secs(7), Duration::from_millis(10));
    assert_eq!(herd.count(ended), 1);
    let owner = herd.owner();
    assert_eq!(herd.counters(owner).elephants, 0);
    assert!(herd.shards.iter().all(|shard| shard.counters().loans == 0));
    // It goes on as an ordinary SA, with numbers that nobody has used.
    let sealed = herd.lent();
    for shard in 0..3 {
        herd.send(shard, shard as u8, 10);
        herd.settle();
    }
    assert_eq!(herd.lent(), sealed);
    herd.check_complete();
    // And it may become one again.
    herd.run(A_WHILE);
    assert_eq!(herd.count(begun), 2);
    herd.check_complete();
}

#[test]
fn an_elephant_that_falls_to_less_than_half_for_a_moment_stays_one() {
    let mut herd = elephant(2);
    for _ in 0..5 {
        herd.pass(Duration::from_secs(3), Duration::from_millis(10));
        herd.run(A_WHILE);
    }
    assert_eq!((herd.count(begun), herd.count(ended)), (1, 0));
}

#[test]
fn a_limit_counts_what_all_shards_carry() {
    let limit = RekeyPolicy {
        time: None,
        bytes: None,
        packets: Some(20_000),
        hard_time: None,
        jitter_percent: 0,
    };
    let mut herd = Herd::new(4, |estate| {
        estate.headend_lifetimes.child = limit;
    });
    let installed = |kind: &EventKind| matches!(kind, EventKind::ChildInstalled { .. });
    herd.run(Duration::from_millis(700));
    assert_eq!(herd.count(begun), 1);
    let before = herd.count(installed);
    herd.run(Duration::from_millis(900));
    assert!(herd.count(installed) > before, "it was rekeyed in time");
    herd.check_complete();
}

#[test]
fn a_hard_limit_holds_although_the_owner_sleeps() {
    const HARD: u64 = 22_000;
    let limit = RekeyPolicy {
        time: None,
        bytes: None,
        packets: Some(20_000),
        hard_time: None,
        jitter_percent: 0,
    };
    let mut herd = Herd::new(4, |estate| estate.headend_lifetimes.child = limit);
    herd.run(A_WHILE);
    herd.prompt = false;
    let owner = herd.owner();
    let before: u64 = herd.sealed_by.iter().sum();
    assert!(before < 20_000);
    for _ in 0..400 {
        for shard in (0..4).filter(|&shard| shard != owner) {
            herd.send(shard, shard as u8, 64);
        }
    }
    let all: u64 = herd.sealed_by.iter().sum();
    // Each guest finishes its batch; the owner's own packets since it looked last are not known.
    assert!((HARD - 64..=HARD + 5 * 64 + 512).contains(&all), "{all}");
}

#[test]
fn a_peer_that_moved_is_reached_by_all_shards_at_once() {
    let mut herd = elephant(3);
    herd.prompt = false;
    herd.nat = Some(elsewhere());
    herd.send_from_peer(9, 1);
    herd.settle();
    herd.to_peer.clear();
    for shard in 0..3 {
        herd.send(shard, shard as u8, 8);
    }
    assert_eq!(herd.to_peer.len(), 24);
    for datagram in &herd.to_peer {
        assert_eq!(datagram.to, elsewhere());
    }
}

#[test]
fn traffic_through_guests_asks_whether_the_peer_lives() {
    let mut herd = Herd::new(2, |estate| {
        estate.headend_dpd = dpd::DpdPolicy {
            mode: dpd::Mode::OnDemand,
            ..dpd::DpdPolicy::default()
        };
    });
    herd.run(A_WHILE);
    let guest = 1 - herd.owner();
    herd.deaf = true;
    // Only the guest sends, and nothing comes back.
    for _ in 0..4_000 {
        herd.send(guest, 0, 1);
        herd.to_peer.clear();
        herd.pass(Duration::from_millis(50), Duration::from_millis(50));
        if herd.count(|kind| matches!(kind, EventKind::Dead { .. })) > 0 {
            assert!(herd.shards.iter().all(|shard| shard.counters().loans == 0));
            return;
        }
    }
    panic!("nobody asked");
}

#[test]
fn a_peer_whose_window_may_be_narrow_gets_the_packets_of_one_shard() {
    for window in [0, 1023] {
        let mut herd = Herd::with_window(3, window, |_| {});
        herd.run(A_WHILE);
        assert_eq!(herd.count(begun), 0);
        assert_eq!(herd.lent(), 0);
        herd.check_complete();
    }
}

#[test]
fn an_sa_that_need_not_be_one_is_no_elephant() {
    // One shard has nobody to lend to.
    let mut herd = Herd::new(1, |_| {});
    herd.run(A_WHILE);
    assert_eq!(herd.count(begun), 0);
    // Little traffic is none.
    let mut herd = Herd::new(3, |_| {});
    for _ in 0..200 {
        herd.send(0, 0, 1);
        herd.settle();
        herd.pass(Duration::from_millis(20), Duration::from_millis(20));
    }
    assert_eq!(herd.count(begun), 0);
    assert!(herd.at_peer.iter().map(|packet| read(packet).1).eq(0..200));
}
