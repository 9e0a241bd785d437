//! Every message in every state. A long story is told step by step; after each step every message
//! of the whole story, authentic as it is, is put before both ends, and so are forgeries of every
//! kind. Only the message whose turn it is may have an effect, and the story must end as ever.

use std::net::SocketAddr;

use ike::v2::Received;
use ike::{CloseReason, Rejection, RemovalReason};
use ipsec::EspSpi;

use crate::end::{Datagram, Event};
use crate::world::{Side, World};

/// What the ends are told to do whenever nothing is under way.
const SCRIPT: [fn(&mut World); 10] = [
    |world| {
        world.initiate();
    },
    |world| command(world, Side::Left, "probe"),
    |world| command(world, Side::Right, "probe"),
    |world| command(world, Side::Left, "create"),
    |world| command(world, Side::Right, "rekey child"),
    |world| command(world, Side::Left, "rekey child"),
    |world| command(world, Side::Right, "rekey"),
    |world| command(world, Side::Left, "rekey"),
    |world| command(world, Side::Right, "delete child"),
    |world| command(world, Side::Left, "delete"),
];

fn command(world: &mut World, side: Side, what: &str) {
    let now = world.now;
    let end = world.end(side);
    let spi = end.only();
    let child = end.children.keys().next().copied().map(EspSpi);
    end.with(spi, now, |sa, ctx, actions| match (what, child) {
        ("probe", _) => {
            sa.probe(ctx, actions);
        }
        ("create", _) => sa.create_child(1, ctx, actions).expect("room for one"),
        ("rekey child", Some(child)) => sa.rekey_child(child, ctx, actions).expect("known"),
        ("delete child", Some(child)) => sa
            .delete_child(child, RemovalReason::Deleted, ctx, actions)
            .expect("known"),
        ("rekey", _) => sa.rekey_ike(ctx, actions),
        _ => sa.delete_ike(CloseReason::Deleted, ctx, actions),
    });
}

/// A story that stops after each computation, message and command.
struct Story {
    world: World,
    told: usize,
    /// Messages that were delivered, in order.
    record: Vec<(Side, Datagram)>,
}

impl Story {
    fn new() -> Self {
        Self {
            world: World::new(),
            told: 0,
            record: vec![],
        }
    }

    fn after(steps: usize) -> Self {
        let mut story = Self::new();
        for _ in 0..steps {
            assert!(story.step(), "the story is long enough");
        }
        story
    }

    fn step(&mut self) -> bool {
        let now = self.world.now;
        if self.world.left.compute(now) || self.world.right.compute(now) {
            return true;
        }
        for from in [Side::Left, Side::Right] {
            if !self.world.end(from).outbox.is_empty() {
                let datagram = self.world.end(from).outbox.remove(0);
                self.record.push((from, datagram.clone()));
                self.world.end(from.other()).receive(&datagram, now);
                return true;
            }
        }
        let Some(command) = SCRIPT.get(self.told) else {
            return false;
        };
        command(&mut self.world);
        self.told += 1;
        true
    }

    fn finish(mut self) -> Ending {
        while self.step() {}
        self.world.assert_consistent();
        assert!(self.world.left.sas.is_empty() && self.world.right.sas.is_empty());
        (self.world.left.events, self.world.right.events)
    }

    /// The message whose turn it is, if one is on its way.
    fn in_flight(&self) -> Vec<Datagram> {
        let both = self
            .world
            .left
            .outbox
            .iter()
            .chain(&self.world.right.outbox);
        both.cloned().collect()
    }

    /// Puts a message before an end and says what became of it.
    fn put(&mut self, to: Side, datagram: &Datagram) -> Received {
        let now = self.world.now;
        let end = self.world.end(to);
        end.received.clear();
        end.receive(datagram, now);
        // A first message that was accepted is reported by nobody: it is half-open.
        end.received
            .last()
            .copied()
            .unwrap_or(Received::Unauthenticated)
    }
}

/// What happened at both ends.
type Ending = (Vec<Event>, Vec<Event>);

/// The number of steps, the messages, and how it ends.
fn reference() -> (usize, Vec<(Side, Datagram)>, Ending) {
    let mut story = Story::new();
    let mut steps = 0;
    while story.step() {
        steps += 1;
    }
    let record = story.record.clone();
    (steps, record, story.finish())
}

fn is_response(datagram: &Datagram) -> bool {
    datagram.message[19] & 0x20 != 0
}

fn has_effect(received: Received) -> bool {
    !matches!(received, Received::Rejected(_) | Received::Retransmission)
}

#[test]
fn only_the_message_whose_turn_it_is_has_an_effect() {
    let (steps, record, end) = reference();
    assert!(record.len() >= 24, "{} messages", record.len());
    let exchanges: std::collections::BTreeSet<u8> = record
        .iter()
        .map(|(_, datagram)| datagram.message[18])
        .collect();
    assert_eq!(
        exchanges,
        [34, 35, 36, 37].into(),
        "every exchange is in the story"
    );
    let mut repeated = 0;
    for cut in 0..=steps {
        for (index, (from, datagram)) in record.iter().enumerate() {
            let mut story = Story::after(cut);
            // The next request and the next response of an end under each IKE SA are awaited, be they
            // sent yet or not.
            let told = story.record.len();
            let mut ahead = record.iter().skip(told).zip(told..);
            let awaited = ahead.find(|((next, other), _)| {
                let same_sa = other.message[..16] == datagram.message[..16];
                next == from && same_sa && is_response(other) == is_response(datagram)
            });
            if awaited.is_some_and(|(_, next)| next == index) {
                continue;
            }
            let opens = datagram.message[18] == 34 && datagram.message[19] == 0x08;
            let before = (
                story.world.left.events.len(),
                story.world.right.events.len(),
            );
            let received = story.put(from.other(), datagram);
            if datagram.message[18] == 34 && received == Received::Unauthenticated {
                // A first request is fresh for whoever has no memory of it, and a first answer for
                // whoever waits for one: AUTH will tell.
                assert!(opens || story.world.left.established.is_empty());
                continue;
            }
            assert!(!has_effect(received), "step {cut}: {received:?}");
            let after = (
                story.world.left.events.len(),
                story.world.right.events.len(),
            );
            assert_eq!(before, after, "nothing happened");
            repeated += usize::from(received == Received::Retransmission);
            assert_eq!(story.finish(), end, "step {cut}");
        }
    }
    assert!(repeated > 20, "answers are repeated: {repeated}");
}

#[test]
fn a_reflected_message_has_no_effect() {
    let (steps, record, _) = reference();
    for cut in 0..=steps {
        let mut story = Story::after(cut);
        for (from, datagram) in &record {
            let opens = datagram.message[18] == 34 && datagram.message[19] == 0x08;
            if opens {
                continue;
            }
            let mut reflected = datagram.clone();
            std::mem::swap(&mut reflected.from, &mut reflected.to);
            let received = story.put(*from, &reflected);
            assert!(
                matches!(received, Received::Rejected(_)),
                "step {cut}: {received:?}"
            );
        }
    }
}

#[test]
fn one_wrong_bit_anywhere_has_no_effect() {
    let (steps, _, end) = reference();
    for cut in 0..=steps {
        let mut story = Story::after(cut);
        let Some(datagram) = story.in_flight().first().cloned() else {
            continue;
        };
        if datagram.message[18] == 34 {
            // Nothing protects IKE_SA_INIT by itself; AUTH covers it afterwards.
            continue;
        }
        let to = if story.world.left.outbox.is_empty() {
            Side::Left
        } else {
            Side::Right
        };
        for index in 0..datagram.message.len() {
            let mut garbled = datagram.clone();
            garbled.message[index] ^= 1 << (index % 8);
            let received = story.put(to, &garbled);
            assert!(
                !has_effect(received),
                "step {cut} octet {index}: {received:?}"
            );
        }
        assert_eq!(story.finish(), end);
    }
}

/// Messages that anybody can make who knows the SPIs: each exchange, each direction, each message
/// ID near those in use, each kind of content, in the clear or with an Encrypted payload of noise.
fn forgeries(initiator: u64, responder: u64) -> Vec<Vec<u8>> {
    let bodies: [(u8, &[u8]); 6] = [
        (0, &[]),
        // N(NO_PROPOSAL_CHOSEN), N(AUTHENTICATION_FAILED), N(INVALID_IKE_SPI)
        (41, &[0, 0, 0, 8, 0, 0, 0, 14]),
        (41, &[0, 0, 0, 8, 0, 0, 0, 24]),
        (41, &[0, 0, 0, 8, 0, 0, 0, 4]),
        // D for the IKE SA
        (42, &[0, 0, 0, 8, 1, 0, 0, 0]),
        // SK
        (46, &[0; 64]),
    ];
    let mut forged = vec![];
    for exchange in [35, 36, 37, 38, 43, 240] {
        for flags in [0x00, 0x08, 0x20, 0x28] {
            for id in [0u32, 1, 2, 3, u32::MAX] {
                for (first, body) in bodies {
                    let mut message = initiator.to_be_bytes().to_vec();
                    message.extend(responder.to_be_bytes());
                    message.extend([first, 0x20, exchange, flags]);
                    message.extend(id.to_be_bytes());
                    let length = u32::try_from(28 + body.len()).expect("short");
                    message.extend(length.to_be_bytes());
                    message.extend(body);
                    if first == 46 {
                        message[30..32].copy_from_slice(&64u16.to_be_bytes());
                    }
                    forged.push(message);
                }
            }
        }
    }
    forged
}

#[test]
fn forgeries_have_no_effect_in_any_state() {
    let (steps, _, end) = reference();
    let mut reasons = std::collections::BTreeSet::new();
    for cut in 0..=steps {
        let mut story = Story::after(cut);
        for side in [Side::Left, Side::Right] {
            let sas: Vec<(u64, u64, bool, SocketAddr, SocketAddr)> = story
                .world
                .end(side)
                .sas
                .values()
                .map(|sa| {
                    let initiator = sa.role() == ike::v2::Role::Initiator;
                    let path = sa.path();
                    (
                        sa.local_spi().0,
                        sa.peer_spi().0,
                        initiator,
                        path.remote,
                        path.local,
                    )
                })
                .collect();
            for (ours, theirs, initiator, from, to) in sas {
                let (spi_i, spi_r) = if initiator {
                    (ours, theirs)
                } else {
                    (theirs, ours)
                };
                for message in forgeries(spi_i, spi_r) {
                    let datagram = Datagram {
                        from,
                        to,
                        encapsulated: false,
                        message,
                    };
                    match story.put(side, &datagram) {
                        Received::Rejected(reason) => reasons.insert(reason),
                        effect => panic!("step {cut}: {effect:?}"),
                    };
                }
            }
        }
        assert_eq!(story.finish(), end, "step {cut}");
    }
    for reason in [
        Rejection::Unprotected,
        Rejection::IcvMismatch,
        Rejection::OutsideWindow,
        Rejection::UnexpectedResponse,
        Rejection::UnexpectedExchange,
        Rejection::WrongDirection,
    ] {
        assert!(reasons.contains(&reason), "{reason:?} was never the reason");
    }
}
