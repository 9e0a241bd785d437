use core::net::SocketAddr;

use shard::Listener;

use crate::Dice;

/// What travels between the two sides.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Datagram {
    /// The socket it left by. The port is zero for raw ESP.
    pub from: SocketAddr,
    /// The socket it goes to.
    pub to: SocketAddr,
    /// What kind of socket takes it.
    pub listener: Listener,
    /// The TOS or traffic class octet.
    pub traffic_class: u8,
    /// The payload of UDP, or the ESP packet.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// What an attacker without keys may make of it: octets changed, cut off, repeated or added, or
    /// the whole said to come from elsewhere.
    #[must_use]
    pub fn mangled(&self, dice: &mut Dice) -> Self {
        let mut other = self.clone();
        let len = other.bytes.len() as u64;
        let at = dice.below(len) as usize;
        match dice.below(6) {
            0 => other.bytes.truncate(at),
            1 => {
                let noise = dice.below(64);
                other
                    .bytes
                    .extend((0..noise).map(|_| dice.below(256) as u8));
            }
            2 => {
                let copied = other.bytes[at..].to_vec();
                other.bytes.extend(copied);
            }
            3 => other.from.set_port(dice.below(65_536) as u16),
            _ => {
                for _ in 0..=dice.below(4) {
                    let at = dice.below(len) as usize;
                    if let Some(octet) = other.bytes.get_mut(at) {
                        *octet ^= 1 << dice.below(8);
                    }
                }
            }
        }
        other
    }
}
