//! Phase 1 in either mode, with and without NAT and fragments, while messages get lost, come twice, come
//! late and are forged. Whatever happens, both ends agree in the end, and nothing is left behind.

use std::time::Duration;

use crate::policy::phase_one;
use crate::storms::Random;
use crate::world::{Side, Translator, World};

/// A world of the weather: aggressive mode, a NAT and fragments as it pleases.
fn world(random: &mut Random) -> World {
    let (aggressive, fragments) = (random.below(2) == 1, random.below(3) == 1);
    let (left, right) = phase_one(|connection| {
        connection.v1.aggressive = aggressive;
        if fragments {
            connection.fragment_size = 200;
        }
    });
    let mut world = World::seeded(1 + random.below(1_000), left, right);
    if random.below(2) == 1 {
        world.nat = Some(Translator {
            address: "203.0.113.9".parse().expect("an address"),
            port_shift: 10_000,
        });
    }
    world
}

const HANDSHAKES: u64 = 150;
/// Octets of a header.
const HEADER: usize = 28;
/// Flags octet of a header, and the flag of encrypted messages.
const FLAGS: usize = 19;
const ENCRYPTED: u8 = 1;

/// Bends the last message and lets one of the ends have it. Who stands on the path can spoil a
/// handshake whose first messages nothing protects; this one does not know the cookies.
fn forge(world: &mut World, random: &mut Random) {
    let side = if random.below(2) == 1 {
        Side::Left
    } else {
        Side::Right
    };
    let Some(mut forged) = world.sent.last().map(|(_, sent)| sent.clone()) else {
        return;
    };
    // Its hash: what stands behind that, NAT-D and padding, no hash of phase 1 covers.
    for _ in 0..=random.below(3) {
        let at = HEADER + usize::try_from(random.below(32)).expect("small");
        let at = at.min(forged.message.len() - 1);
        forged.message[at] ^= 1 << random.below(8);
    }
    if forged.message[FLAGS] & ENCRYPTED == 0 {
        forged.message[usize::try_from(random.below(8)).expect("small")] ^= 0x80;
    }
    let now = world.now;
    world.end(side).receive(&forged, now);
}

#[test]
fn both_ends_agree_in_the_end() {
    let mut made = 0;
    for seed in 0..HANDSHAKES {
        let mut random = Random::new(seed);
        let mut world = world(&mut random);
        world.initiate();
        // Two dozen datagrams of bad weather, then it clears.
        for number in 0..24 {
            match random.below(8) {
                0 | 1 => drop(world.lose.insert(number)),
                2 | 3 => drop(world.repeat.insert(number)),
                4 => drop(world.delay.insert(number)),
                _ => {}
            }
        }
        for _ in 0..40 {
            world.pass(Duration::from_millis(100 + random.below(900)));
            if random.below(3) == 0 {
                forge(&mut world, &mut random);
            }
        }
        world.pass(Duration::from_secs(200));
        let up = |end: &crate::end::End| end.sas.values().filter(|sa| sa.is_established()).count();
        let (left, right) = (up(&world.left), up(&world.right));
        assert_eq!(left, right, "seed {seed}: {:?}", world.left.events);
        assert_eq!(world.right.door.half_open(), 0, "seed {seed}");
        world.assert_consistent();
        if left == 0 {
            // The responder keeps a stranger's first message for ten seconds only.
            continue;
        }
        made += 1;
        let spis = |end: &crate::end::End| {
            let sa = &end.sas[&end.only()];
            (sa.local_spi(), sa.peer_spi(), sa.nat().any())
        };
        let (left, right) = (spis(&world.left), spis(&world.right));
        assert_eq!((left.0, left.2), (right.1, right.2), "seed {seed}");
        assert_eq!(left.1, right.0, "seed {seed}");
    }
    assert!(made >= HANDSHAKES * 9 / 10, "{made}");
}
