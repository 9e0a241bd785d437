//! What comes in through an elephant.

use core::time::Duration;
use std::collections::{BTreeMap, HashSet};

use ipsec::RekeyPolicy;
use shard::{Command, EventKind, ShardId};
use sim::{Datagram, Dice};

use crate::herd::{Herd, elsewhere, read};

const A_WHILE: Duration = Duration::from_millis(600);

/// The peer sends for so long: 64 packets of four flows every ten milliseconds.
fn run(herd: &mut Herd, time: Duration) {
    let end = herd.now + time;
    while herd.now < end {
        for packet in 0..64 {
            herd.send_from_peer(packet % 4, 1);
        }
        herd.settle();
        herd.pass(Duration::from_millis(10), Duration::from_millis(10));
    }
}

/// A herd whose one SA has become an elephant by what comes in.
fn elephant(shards: u8) -> Herd {
    let mut herd = Herd::new(shards, |_| {});
    run(&mut herd, A_WHILE);
    assert!(herd.count(|kind| matches!(kind, EventKind::Elephant { begins: true, .. })) == 1);
    herd
}

fn helper(herd: &Herd) -> ShardId {
    let helper = (herd.owner() + 1) % herd.shards.len();
    ShardId(helper as u8)
}

fn opened_for_others(herd: &Herd) -> u64 {
    (herd.shards.iter())
        .map(|shard| shard.counters().esp_in_lent)
        .sum()
}

#[test]
fn a_shard_that_has_time_opens_for_the_owner() {
    let mut herd = elephant(3);
    herd.spare = Some(helper(&herd));
    run(&mut herd, A_WHILE);
    assert_eq!(opened_for_others(&herd), 60 * 64);
    herd.check_complete();
    let owner = herd.owner();
    herd.tick_shard(owner);
    let rows = herd.rows(owner);
    assert_eq!(rows[0].counted_in.packets, herd.at_headend.len() as u64);
    assert_eq!(rows[0].counted_in.lost, 0);
}

#[test]
fn what_comes_from_a_peer_with_a_narrow_window_is_opened_by_others_as_well() {
    let mut herd = Herd::with_window(3, 0, |_| {});
    run(&mut herd, A_WHILE);
    herd.spare = Some(helper(&herd));
    run(&mut herd, A_WHILE);
    assert_eq!(opened_for_others(&herd), 60 * 64);
    for shard in 0..3 {
        herd.send(shard, 100 + shard as u8, 20);
        herd.settle();
    }
    assert_eq!(herd.lent(), 0, "one seals");
    herd.pass(Duration::from_secs(12), Duration::from_millis(10));
    assert!(herd.shards.iter().all(|shard| shard.counters().loans == 0));
    run(&mut herd, Duration::from_millis(100));
    herd.check_complete();
}

#[test]
fn what_is_opened_here_waits_for_what_is_opened_elsewhere() {
    let mut herd = elephant(2);
    herd.prompt = false;
    let before = herd.at_headend.len();
    for round in 0..6 {
        // The other has time for the first and the fourth only.
        herd.spare = (round % 3 == 0).then(|| helper(&herd));
        for packet in 0..40 {
            herd.send_from_peer(packet % 4, 1);
        }
        herd.settle();
    }
    assert_eq!(herd.at_headend.len(), before, "nothing overtakes the first");
    herd.read_all_mail();
    assert_eq!(herd.at_headend.len(), before + 240);
    herd.check_complete();
}

#[test]
fn few_packets_are_opened_where_they_are() {
    let mut herd = elephant(2);
    herd.spare = Some(helper(&herd));
    for _ in 0..50 {
        herd.send_from_peer(1, 5);
        herd.settle();
    }
    assert_eq!(opened_for_others(&herd), 0);
    herd.check_complete();
}

#[test]
fn parcels_that_nobody_opens_are_bounded_and_counted() {
    let mut herd = elephant(2);
    herd.spare = Some(helper(&herd));
    herd.prompt = false;
    for _ in 0..540 {
        herd.send_from_peer(1, 32);
        herd.settle();
    }
    let owner = herd.owner();
    let dropped = herd.counters(owner).dropped.iter().sum::<u64>();
    assert_eq!(dropped, 28 * 32);
    herd.read_all_mail();
    herd.tick_shard(owner);
    let arrived = herd.at_headend.iter().filter(|packet| read(packet).0 == 1);
    let numbers: Vec<_> = arrived.map(|packet| read(packet).1).collect();
    assert!(numbers.is_sorted());
    herd.prompt = true;
    run(&mut herd, A_WHILE);
    assert!(herd.at_headend.len() > numbers.len());
}

#[test]
fn a_parcel_that_is_lost_does_not_stop_the_others() {
    let mut herd = elephant(2);
    herd.spare = Some(helper(&herd));
    herd.prompt = false;
    herd.send_from_peer(9, 20);
    herd.settle();
    let before = herd.at_headend.len();
    for posts in &mut herd.posts {
        posts.clear();
    }
    herd.prompt = true;
    herd.send_from_peer(10, 20);
    herd.settle();
    assert_eq!(herd.at_headend.len(), before + 20);
}

#[test]
fn what_others_open_proves_that_the_peer_lives() {
    let mut herd = Herd::new(2, |estate| {
        estate.headend_dpd = dpd::DpdPolicy {
            mode: dpd::Mode::Periodic,
            ..dpd::DpdPolicy::default()
        };
    });
    run(&mut herd, A_WHILE);
    herd.spare = Some(helper(&herd));
    herd.deaf = true;
    for _ in 0..600 {
        run(&mut herd, Duration::from_millis(10));
        herd.pass(Duration::from_millis(190), Duration::from_millis(95));
    }
    assert_eq!(herd.count(|kind| matches!(kind, EventKind::Dead { .. })), 0);
    assert_eq!(
        herd.counters(herd.owner()).dpd.probes,
        0,
        "nobody had to ask"
    );
    assert!(opened_for_others(&herd) > 30_000);
}

#[test]
fn a_peer_that_moved_is_followed_by_what_others_open() {
    let mut herd = elephant(2);
    herd.spare = Some(helper(&herd));
    herd.nat = Some(elsewhere());
    run(&mut herd, Duration::from_millis(10));
    herd.tick();
    herd.send(0, 50, 1);
    herd.send(1, 51, 1);
    assert!(
        herd.to_peer
            .iter()
            .all(|datagram| datagram.to == elsewhere())
    );
}

#[test]
fn an_inbound_limit_counts_what_others_open() {
    let mut herd = Herd::new(2, |estate| {
        estate.headend_lifetimes.child = RekeyPolicy {
            time: None,
            bytes: None,
            packets: Some(6_000),
            hard_time: None,
            jitter_percent: 0,
        };
    });
    run(&mut herd, A_WHILE);
    herd.spare = Some(helper(&herd));
    let installed = |kind: &EventKind| matches!(kind, EventKind::ChildInstalled { .. });
    let before = herd.count(installed);
    run(&mut herd, Duration::from_millis(500));
    assert!(herd.count(installed) > before);
    herd.check_complete();
}

#[test]
fn a_rekey_and_a_return_to_one_shard_lose_nothing() {
    let mut herd = elephant(3);
    herd.spare = Some(helper(&herd));
    for _ in 0..4 {
        let owner = herd.owner();
        let rows = herd.rows(owner);
        let inbound = rows.iter().find(|row| row.active).unwrap().inbound;
        herd.command(owner, Command::RekeyChild { inbound });
        run(&mut herd, Duration::from_millis(200));
    }
    herd.pass(Duration::from_secs(12), Duration::from_millis(10));
    assert!(herd.shards.iter().all(|shard| shard.counters().loans == 0));
    run(&mut herd, Duration::from_secs(1));
    herd.check_complete();
}

/// Parcels and mail are read in any order that can be, datagrams are lost, the SA is rekeyed in between:
/// every packet that arrived comes out once, in the order of its flow.
#[test]
fn in_any_interleaving_each_packet_comes_once_and_in_order() {
    for seed in 0..12 {
        let mut dice = Dice::new(seed);
        interleave(&mut dice, 2 + (seed % 3) as u8, false);
    }
}

/// The same with copies, new and old. Of two copies under way at once the later may be opened first, as if
/// the network had held the packet back; but it comes out once.
#[test]
fn in_any_interleaving_copies_come_out_once() {
    for seed in 12..24 {
        let mut dice = Dice::new(seed);
        interleave(&mut dice, 2 + (seed % 3) as u8, true);
    }
}

fn interleave(dice: &mut Dice, shards: u8, copies: bool) {
    let mut herd = elephant(shards);
    herd.at_peer.clear();
    herd.at_headend.clear();
    let mut heard: Vec<Datagram> = Vec::new();
    herd.prompt = false;
    for _ in 0..400 {
        herd.spare = (dice.below(4) > 0)
            .then(|| ShardId(dice.below(u64::from(shards)) as u8))
            .filter(|to| usize::from(to.0) != herd.owner());
        match dice.below(48) {
            0..16 => {
                for _ in 0..dice.below(64) {
                    herd.send_from_peer(dice.below(4) as u8, 1);
                }
                let sent = herd.to_headend.drain(..).collect();
                let arrived = garble(dice, sent, &mut heard, copies);
                herd.give_headend(arrived);
            }
            16..28 => {
                let shard = dice.below(u64::from(shards)) as usize;
                herd.send(shard, 100 + shard as u8, dice.below(40) as u32);
                while let Some(datagram) = herd.to_peer.pop_front() {
                    herd.give_peer(datagram);
                }
            }
            28..46 => {
                let shard = dice.below(u64::from(shards)) as usize;
                herd.read_mail(shard);
            }
            46 => {
                let owner = herd.owner();
                let active = herd.rows(owner).into_iter().find(|row| row.active);
                if let Some(row) = active {
                    herd.command(
                        owner,
                        Command::RekeyChild {
                            inbound: row.inbound,
                        },
                    );
                    read_messages(&mut herd);
                }
            }
            _ => herd.pass(Duration::from_millis(10), Duration::from_millis(10)),
        }
    }
    herd.read_all_mail();
    herd.tick();
    let opened = if copies {
        let packets: HashSet<_> = herd.at_headend.iter().map(|packet| read(packet)).collect();
        assert_eq!(packets.len(), herd.at_headend.len(), "none twice");
        packets.len() as u64
    } else {
        check(&herd.at_headend, 0..100)
    };
    let dropped = (0..usize::from(shards))
        .map(|shard| herd.counters(shard).dropped.iter().sum::<u64>())
        .sum::<u64>();
    let arrived = heard.len() as u64;
    // Copies may be among what found the relay full.
    let most = if copies { arrived } else { arrived - dropped };
    let expected = arrived.saturating_sub(dropped)..=most;
    assert!(
        expected.contains(&opened),
        "{opened} of {arrived}, {dropped} dropped"
    );
    assert!(opened_for_others(&herd) > 0);
    let sent: u64 = (0..shards)
        .map(|shard| u64::from(herd.sent(100 + shard)))
        .sum();
    assert_eq!(check(&herd.at_peer, 100..200), sent);
}

/// Mail reaches guests before the peer has deleted what it rekeyed.
fn read_messages(herd: &mut Herd) {
    for shard in 0..herd.shards.len() {
        while herd.has_message(shard) {
            herd.read_mail(shard);
        }
    }
}

/// Loses some datagrams, and adds to the others copies of them and of some that were heard earlier.
fn garble(
    dice: &mut Dice,
    sent: Vec<Datagram>,
    heard: &mut Vec<Datagram>,
    copies: bool,
) -> Vec<Datagram> {
    let mut arrived: Vec<_> = sent.into_iter().filter(|_| dice.below(50) > 0).collect();
    heard.extend(arrived.iter().cloned());
    let count = if copies { dice.below(20) } else { 0 };
    for _ in 0..count {
        let old = dice.below(heard.len() as u64 + 1) as usize;
        let recent = arrived.len().saturating_sub(dice.below(40) as usize);
        let copies = [heard.get(old).cloned(), arrived.get(recent).cloned()];
        arrived.extend(copies.into_iter().flatten());
    }
    arrived
}

/// No packet twice and none before its time. Returns how many there are.
fn check(packets: &[Vec<u8>], flows: core::ops::Range<u8>) -> u64 {
    let mut last: BTreeMap<u8, u32> = BTreeMap::new();
    for (flow, number) in packets.iter().map(|packet| read(packet)) {
        assert!(flows.contains(&flow));
        let before = last.insert(flow, number);
        let after = before.is_none_or(|before| before < number);
        assert!(after, "flow {flow}: {number} after {before:?}");
    }
    packets.len() as u64
}
