//! The path between a peer and the responder, with whatever the scenario says happens there.

use core::time::Duration;

use ike::Path;
use ipsec::{EspSpi, IkeSpi};
use netio::{Buffer, OuterSend};
use timer::Instant;
use wire::udp_encap::{Encapsulated, classify};

use super::exchange::addressed;
use super::{Token, Worker};
use crate::random::Lots;
use crate::scenario::Network;

/// Datagrams that may be under way at a time, so that a long delay at a high rate does not fill the
/// memory. The next ones are lost, and counted.
pub(super) const UNDER_WAY_MAX: u32 = 1 << 18;

/// Something that arrives later.
pub(super) enum Held {
    /// A datagram on its way to a peer.
    Arriving {
        datagram: Vec<u8>,
        path: Path,
        tos: u8,
    },
    /// A datagram on its way to the responder.
    Leaving { datagram: Vec<u8>, way: OuterSend },
    /// A message that has reached a peer which takes its time.
    Message { message: Vec<u8>, path: Path },
    /// An R-U-THERE that has reached such a peer.
    Acknowledgement { spi: IkeSpi, sequence: u32 },
}

/// What becomes of one datagram: nothing for one that is lost, else a delay for each copy.
struct Fate {
    copies: [Option<Duration>; 2],
    corrupt: bool,
}

impl Fate {
    fn draw(network: &Network, lots: &mut Lots) -> Self {
        let mut happens = |percent: f64| percent > 0.0 && lots.share() * 100.0 < percent;
        let lost = happens(network.loss_percent);
        let twice = happens(network.duplicate_percent);
        let corrupt = happens(network.corrupt_percent);
        let late = happens(network.reorder_percent);
        let mut delay = || {
            let held_ms = if late { network.reorder_ms } else { 0.0 };
            let ms = network.delay_ms + network.jitter_ms * lots.share() + held_ms;
            Duration::from_secs_f64(ms / 1e3)
        };
        let first = (!lost).then(&mut delay);
        let second = (!lost && twice).then(&mut delay);
        Self {
            copies: [first, second],
            corrupt,
        }
    }
}

impl Worker {
    /// The path of a peer, unless it is ideal.
    fn network_of(&self, slot: u32) -> Option<Network> {
        let class = self.peers.get(slot as usize)?.class;
        *self.shared.plan.networks.get(usize::from(class))?
    }

    /// A datagram leaves a peer.
    pub(super) fn depart(&mut self, slot: u32, way: OuterSend, mut buffer: Buffer, now: Instant) {
        if self.outage {
            self.stats.network.lost += 1;
            return self.engine.give(buffer);
        }
        let Some(network) = self.network_of(slot) else {
            return self.engine.send(way, buffer);
        };
        let fate = self.draw_fate(&network);
        if fate.corrupt {
            corrupt(buffer.bytes_mut(), &mut self.losses);
        }
        for delay in fate.copies.into_iter().flatten() {
            let datagram = buffer.bytes_mut().to_vec();
            self.hold(Held::Leaving { datagram, way }, now + delay);
        }
        self.engine.give(buffer);
    }

    /// Whether a datagram that came in goes on to its peer at once; if not it was lost, or arrives
    /// later.
    pub(super) fn arrives(
        &mut self,
        datagram: &mut [u8],
        path: Path,
        tos: u8,
        now: Instant,
    ) -> bool {
        if self.outage {
            self.stats.network.lost += 1;
            return false;
        }
        if self.shared.plan.networks.iter().all(Option::is_none) {
            return true;
        }
        let network = self.peer_of(datagram, path.encapsulated);
        let Some(network) = network.and_then(|slot| self.network_of(slot)) else {
            return true;
        };
        let fate = self.draw_fate(&network);
        if fate.corrupt {
            corrupt(datagram, &mut self.losses);
        }
        for delay in fate.copies.into_iter().flatten() {
            let datagram = datagram.to_vec();
            let held = Held::Arriving {
                datagram,
                path,
                tos,
            };
            self.hold(held, now + delay);
        }
        false
    }

    fn draw_fate(&mut self, network: &Network) -> Fate {
        let fate = Fate::draw(network, &mut self.losses);
        let network = &mut self.stats.network;
        network.lost += u64::from(fate.copies[0].is_none());
        network.duplicated += u64::from(fate.copies[1].is_some());
        network.corrupted += u64::from(fate.corrupt);
        fate
    }

    /// The slot of the peer for whom a datagram is.
    fn peer_of(&self, datagram: &[u8], encapsulated: bool) -> Option<u32> {
        let message = if encapsulated {
            match classify(datagram) {
                Encapsulated::Ike(message) => message,
                Encapsulated::Esp => {
                    let spi = EspSpi(u32::from_be_bytes(*datagram.first_chunk()?));
                    return self.sad.inbound(spi).map(|sa| sa.owner.index);
                }
                Encapsulated::Keepalive | Encapsulated::TooShort => return None,
            }
        } else {
            datagram
        };
        addressed(message).ok().map(IkeSpi::slot)
    }

    pub(super) fn hold(&mut self, held: Held, due: Instant) {
        match self.held.insert_with(|_| held) {
            Some(place) => {
                self.wheel.arm(due, Token::Held(place));
            }
            None => self.stats.network.overflowed += 1,
        }
    }

    /// What was held is due.
    pub(super) fn let_go(&mut self, place: u32, now: Instant) {
        match self.held.remove(place) {
            Some(Held::Message { message, path }) => self.deliver(&message, path, now),
            Some(Held::Leaving { .. } | Held::Arriving { .. }) if self.outage => {
                self.stats.network.lost += 1;
            }
            Some(Held::Acknowledgement { spi, sequence }) => self.acknowledge(spi, sequence, now),
            Some(Held::Leaving { datagram, way }) => self.engine.send_bytes(way, &datagram),
            Some(Held::Arriving {
                mut datagram,
                path,
                tos,
            }) => self.take_one(&mut datagram, path, tos, now),
            None => {}
        }
    }
}

/// Changes one octet.
fn corrupt(datagram: &mut [u8], lots: &mut Lots) {
    let at = lots.below(datagram.len());
    if let Some(octet) = datagram.get_mut(at) {
        *octet ^= 1 << lots.below(8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_in_the_shares_that_were_asked_for() {
        let network = Network {
            loss_percent: 20.0,
            duplicate_percent: 10.0,
            corrupt_percent: 5.0,
            reorder_percent: 30.0,
            reorder_ms: 1_000.0,
            delay_ms: 10.0,
            jitter_ms: 4.0,
        };
        let mut lots = Lots::new(1, 1);
        let (mut lost, mut twice, mut corrupted, mut late) = (0, 0, 0, 0);
        for _ in 0..10_000 {
            let fate = Fate::draw(&network, &mut lots);
            lost += u32::from(fate.copies[0].is_none());
            twice += u32::from(fate.copies[1].is_some());
            corrupted += u32::from(fate.corrupt);
            for delay in fate.copies.into_iter().flatten() {
                let ms = delay.as_secs_f64() * 1e3;
                let held = ms >= 1_000.0;
                late += u32::from(held);
                let own = if held { ms - 1_000.0 } else { ms };
                assert!((10.0..14.001).contains(&own), "{ms}");
            }
        }
        assert!((1_850..2_150).contains(&lost), "{lost}");
        assert!((680..920).contains(&twice), "{twice}");
        assert!((430..570).contains(&corrupted), "{corrupted}");
        assert!((2_450..2_850).contains(&late), "{late}");
    }

    #[test]
    fn one_bit_of_a_corrupt_datagram_differs() {
        let mut lots = Lots::new(1, 1);
        let mut datagram = [0_u8; 64];
        corrupt(&mut datagram, &mut lots);
        assert_eq!(
            datagram.iter().map(|octet| octet.count_ones()).sum::<u32>(),
            1
        );
        corrupt(&mut [], &mut lots);
    }
}
