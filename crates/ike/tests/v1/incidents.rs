//! Stories told once as they should go, then with each of their messages lost, repeated or late.

use std::time::Duration;

use crate::world::{Side, World};

pub(crate) const SIDES: [Side; 2] = [Side::Left, Side::Right];

/// Long enough for everything that is repeated to come to its end.
pub(crate) const A_WHILE: Duration = Duration::from_secs(20);

/// What happens to one message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incident {
    Nothing,
    Lost(usize),
    Repeated(usize),
    Late(usize),
}

/// Tells the story once, then with each of its messages lost, then repeated, then overtaken by what is
/// sent after it.
pub(crate) fn with_every_incident(
    make: impl Fn() -> World,
    begin: impl Fn(&mut World),
    check: impl Fn(&mut World, Incident),
) {
    let mut calm = make();
    begin(&mut calm);
    calm.pass(A_WHILE);
    let messages = calm.sent.len();
    assert!(messages > 0, "a story has messages");
    check(&mut calm, Incident::Nothing);
    for number in 0..messages {
        for incident in [
            Incident::Lost(number),
            Incident::Repeated(number),
            Incident::Late(number),
        ] {
            let mut world = make();
            match incident {
                Incident::Nothing => {}
                Incident::Lost(number) => drop(world.lose.insert(number)),
                Incident::Repeated(number) => drop(world.repeat.insert(number)),
                Incident::Late(number) => drop(world.delay.insert(number)),
            }
            begin(&mut world);
            world.pass(A_WHILE);
            check(&mut world, incident);
        }
    }
}
