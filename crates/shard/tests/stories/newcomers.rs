//! First messages while everybody must prove its address, in the middle of a flood of forged ones.

use ike::Rejection;
use shard::{Command, Newcomer};

use crate::allocation::Counted;
use crate::world::{Datagram, End, Terms, World};

/// Where an IKE message has its initiator's SPI, its exchange type, and its first payload's body.
const SPI: usize = 0;
const EXCHANGE: usize = 18;
const FIRST_BODY: usize = 32;
const IKE_SA_INIT: u8 = 34;
const INFORMATIONAL: u8 = 37;

fn cookies() -> Terms {
    Terms {
        cookies: true,
        ..Terms::default()
    }
}

/// Lets the client begin, and keeps what it sends of one kind of exchange.
fn sent_on(world: &mut World, command: Command, exchange: u8) -> Vec<Datagram> {
    world.tape = Some(Vec::new());
    world.command(End::Client, command);
    let tape = world.tape.take().expect("it runs");
    tape.into_iter()
        .filter(|(from, datagram)| *from == End::Client && datagram.octets[EXCHANGE] == exchange)
        .map(|(_, datagram)| datagram)
        .collect()
}

const INITIATE: Command = Command::Initiate {
    connection: 0,
    child: 0,
};

fn flood(message: &Datagram, count: u8) -> Vec<Datagram> {
    let forge = |number: u8| {
        let mut forged = message.clone();
        forged.octets[SPI] ^= number;
        forged.remote.set_ip([203, 0, 113, number].into());
        forged
    };
    (1..=count).map(forge).collect()
}

fn rejected(world: &World, reason: Rejection) -> u64 {
    world.headend.shard.counters().ike_rejected[reason.index()]
}

#[test]
fn a_challenge_allocates_nothing_and_keeps_nothing() {
    let mut world = World::new(&cookies());
    let first = sent_on(&mut world, INITIATE, IKE_SA_INIT).remove(0);
    let before = (
        world.headend.counters(),
        rejected(&world, Rejection::CookieRequired),
    );
    for round in 1..=3 {
        let mut held = flood(&first, 60);
        let mut packets: Vec<_> = held.iter_mut().map(Datagram::packet).collect();
        let mut out = Counted::default();
        let (now, shard) = (world.now, &mut world.headend.shard);
        let challenging = allocation_counter::measure(|| {
            shard.outer_without_newcomers(&mut packets, now, &mut out, |_, _| {
                panic!("nobody waits")
            });
        });
        assert_eq!(out.other, 60, "each is answered at once");
        assert_eq!(
            rejected(&world, Rejection::CookieRequired),
            before.1 + round * 60
        );
        if round > 1 {
            assert_eq!(challenging.count_total, 0);
        }
    }
    let after = world.headend.counters();
    assert_eq!(
        (after.ike_sas, after.half_open),
        (before.0.ike_sas, before.0.half_open)
    );
}

#[test]
fn who_is_in_goes_first_and_who_returns_a_cookie_waits_in_a_line_of_its_own() {
    let mut world = World::new(&cookies());
    let firsts = sent_on(&mut world, INITIATE, IKE_SA_INIT);
    let [plain, returned] = firsts.as_slice() else {
        panic!("asked, and asked again with the cookie");
    };
    let mut forged = returned.clone();
    *forged
        .octets
        .get_mut(FIRST_BODY + 10)
        .expect("in the cookie") ^= 1;
    world.dead = Some(End::Headend);
    let spi = world.client.events[0].peer.spi;
    let delete = sent_on(&mut world, Command::Terminate { spi }, INFORMATIONAL).remove(0);

    world.dead = Some(End::Client);
    world.tape = Some(Vec::new());
    let mut held = flood(plain, 3);
    held.extend([forged, returned.clone(), delete]);
    let mut waiting = Vec::new();
    world.act(End::Headend, |shard, now, out| {
        let mut packets: Vec<_> = held.iter_mut().map(Datagram::packet).collect();
        shard.outer_without_newcomers(&mut packets, now, out, |packet, newcomer| {
            waiting.push((packet.bytes.to_vec(), newcomer));
        });
    });
    assert_eq!(waiting, [(returned.octets.clone(), Newcomer::Returning)]);
    assert_eq!(rejected(&world, Rejection::CookieInvalid), 1);
    let answers = world.tape.take().expect("it runs");
    let kinds: Vec<u8> = answers
        .iter()
        .map(|(_, datagram)| datagram.octets[EXCHANGE])
        .collect();
    let challenge = IKE_SA_INIT;
    assert_eq!(
        kinds,
        [INFORMATIONAL, challenge, challenge, challenge, challenge]
    );
}

#[test]
fn nobody_is_challenged_below_the_threshold() {
    let mut world = World::new(&Terms::default());
    world.dead = Some(End::Headend);
    let first = sent_on(&mut world, INITIATE, IKE_SA_INIT).remove(0);
    let mut held = flood(&first, 5);
    let mut lines = Vec::new();
    world.act(End::Headend, |shard, now, out| {
        let mut packets: Vec<_> = held.iter_mut().map(Datagram::packet).collect();
        shard.outer_without_newcomers(&mut packets, now, out, |_, newcomer| {
            lines.push(newcomer);
        });
    });
    assert_eq!(lines, [Newcomer::Stranger; 5]);
}
