//! A network between the outer sockets.

use proptest::prelude::*;

/// What it does to a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Arrives,
    /// It arrives so many frames later.
    Late(usize),
    Twice,
    Lost,
}

pub(crate) fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        16 => Just(Fate::Arrives),
        1 => (1_usize..30).prop_map(Fate::Late),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Lost),
    ]
}

/// The order in which frames arrive, by their place when sent.
pub(crate) fn arrivals(fates: &[Fate], count: usize) -> Vec<usize> {
    let mut moments: Vec<(usize, usize)> = Vec::new();
    for (sent, fate) in (0..count).zip(fates.iter().cycle()) {
        match fate {
            Fate::Arrives => moments.push((sent, sent)),
            Fate::Late(by) => moments.push((sent + by, sent)),
            Fate::Twice => moments.extend([(sent, sent), (sent + 3, sent)]),
            Fate::Lost => {}
        }
    }
    moments.sort_by_key(|(moment, _)| *moment);
    moments.into_iter().map(|(_, sent)| sent).collect()
}

/// What comes out of the tunnel: each packet when its frame arrives for the first time.
pub(crate) fn first_arrivals(order: &[usize], packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut seen = vec![false; packets.len()];
    let first = order
        .iter()
        .filter(|sent| !std::mem::replace(&mut seen[**sent], true));
    first.map(|sent| packets[*sent].clone()).collect()
}
