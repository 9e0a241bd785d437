//! Which octets of a datagram name the shard that owns it.

use ipsec::EspSpiLayout;
use netio::{Condition, Program, Rule};

/// Octets of an IKE header (RFC 7296 §3.1).
const IKE_HEADER_LEN: u32 = 28;
const RESPONDER_SPI: u32 = 8;
const VERSION: u32 = 17;
/// Of the major version: set from version 2 on.
const SINCE_V2: u8 = 0xe0;
const FLAGS: u32 = 19;
/// Set by the original initiator: then the responder's SPI is ours, else the initiator's.
const FLAG_INITIATOR: u8 = 0x08;
/// RFC 3948 §2.2: four zero octets stand before IKE on the port shared with ESP.
const MARKER_LEN: u32 = 4;
const ESP_HEADER_LEN: u32 = 8;

/// For the sockets of port 500.
pub(crate) fn ike_program() -> Program {
    Program::select(&ike_rules(0, &[]))
}

/// For the sockets of port 4500.
pub(crate) fn nat_program(layout: EspSpiLayout) -> Program {
    let marker = Condition::WordEquals {
        offset: 0,
        value: 0,
    };
    let mut rules = vec![esp_rule(layout)];
    rules.extend(ike_rules(MARKER_LEN, &[marker]));
    Program::select(&rules)
}

/// For raw sockets that share the datagrams of all shards.
pub(crate) fn raw_program(layout: EspSpiLayout) -> Program {
    Program::select_behind_header(&[esp_rule(layout)])
}

/// For the raw socket of one shard, which sees the datagrams of all.
pub(crate) fn raw_filter(layout: EspSpiLayout, shard: u8, ipv6: bool) -> Program {
    Program::accept(&[esp_rule(layout)], shard, !ipv6)
}

fn esp_rule(layout: EspSpiLayout) -> Rule {
    Rule {
        conditions: vec![
            Condition::LengthAtLeast(ESP_HEADER_LEN),
            Condition::WordDiffers {
                offset: 0,
                value: 0,
            },
        ],
        offset: 0,
        shift_right: 8 - layout.shard_bits(),
    }
}

/// An IKE SPI of ours starts with the shard. A first request has no SPI of ours yet: no rule holds
/// for it, and the kernel's hash of the addresses places its repetitions on the same shard.
///
/// Nothing in an IKEv1 header says which end began the SA. The responder's cookie is taken for ours,
/// which most are on a headend; where we began, the shard that gets the message passes it on.
fn ike_rules(base: u32, before: &[Condition]) -> Vec<Rule> {
    let from_initiator = Condition::AnyBitSet {
        offset: base + FLAGS,
        mask: FLAG_INITIATOR,
    };
    let from_responder = Condition::NoBitSet {
        offset: base + FLAGS,
        mask: FLAG_INITIATOR,
    };
    let v2 = Condition::AnyBitSet {
        offset: base + VERSION,
        mask: SINCE_V2,
    };
    let v1 = Condition::NoBitSet {
        offset: base + VERSION,
        mask: SINCE_V2,
    };
    // Either word of a responder's SPI may be zero, but not both.
    let high = Condition::WordDiffers {
        offset: base + RESPONDER_SPI,
        value: 0,
    };
    let low = Condition::WordDiffers {
        offset: base + RESPONDER_SPI + 4,
        value: 0,
    };
    [
        (vec![from_initiator, high], base + RESPONDER_SPI),
        (vec![from_initiator, low], base + RESPONDER_SPI),
        (vec![v2, from_responder], base),
        (vec![v1, high], base + RESPONDER_SPI),
        (vec![v1, low], base + RESPONDER_SPI),
    ]
    .into_iter()
    .map(|(conditions, offset)| {
        let mut all = vec![Condition::LengthAtLeast(base + IKE_HEADER_LEN)];
        all.extend_from_slice(before);
        all.extend(conditions);
        Rule {
            conditions: all,
            offset,
            shift_right: 0,
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::net::{SocketAddr, UdpSocket};

    use ipsec::IkeSpi;
    use netio::{Batch, Engine, EngineSettings, OuterSocket, SocketId, UdpSettings};

    use super::*;

    struct Group {
        engine: Engine,
        address: SocketAddr,
    }

    fn group(program: &Program, sockets: usize) -> Group {
        let mut engine = Engine::new(&EngineSettings::default()).unwrap();
        let first = OuterSocket::udp(&UdpSettings::new("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = first.local();
        first.steer(program).unwrap();
        engine.attach_socket(first).unwrap();
        for _ in 1..sockets {
            let socket = OuterSocket::udp(&UdpSettings::new(address)).unwrap();
            engine.attach_socket(socket).unwrap();
        }
        Group { engine, address }
    }

    impl Group {
        /// Which socket a datagram reaches.
        fn place(&mut self, peer: &UdpSocket, datagram: &[u8]) -> SocketId {
            peer.send_to(datagram, self.address).unwrap();
            let mut batch = Batch::with_capacity(8);
            for _ in 0..50 {
                self.engine.wait(Some(Duration::from_millis(100))).unwrap();
                if self.engine.receive(&mut batch) > 0 {
                    break;
                }
            }
            let socket = batch.outer.first().expect("it arrived").socket;
            self.engine.recycle(&mut batch);
            socket
        }
    }

    fn ike(initiator: u64, responder: u64, version: u8, flags: u8) -> Vec<u8> {
        let mut message = vec![0; 40];
        message[17] = version;
        message[..8].copy_from_slice(&initiator.to_be_bytes());
        message[8..16].copy_from_slice(&responder.to_be_bytes());
        message[19] = flags;
        message
    }

    #[test]
    fn each_message_reaches_the_shard_in_its_spi() {
        let layout = EspSpiLayout::for_shards(3);
        let mut plain = group(&ike_program(), 3);
        let mut nat = group(&nat_program(layout), 3);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        for shard in 0..3_u8 {
            for (slot, nonce) in [(0, 1), (5, 0), (0x00ab_cdef, 0x1234_5678)] {
                let ours = IkeSpi::compose(shard, slot, nonce).0;
                let theirs = 0xfeed_beef_0000_0000;
                let messages = [
                    ike(theirs, ours, 0x20, 0x08),
                    ike(ours, theirs, 0x20, 0x20),
                    ike(theirs, ours, 0x10, 0x01),
                ];
                for message in messages.iter().filter(|_| ours != 0) {
                    let id = SocketId(u16::from(shard));
                    assert_eq!(plain.place(&peer, message), id);
                    let marked = [&[0; 4], message.as_slice()].concat();
                    assert_eq!(nat.place(&peer, &marked), id);
                }
                let spi = layout.compose(shard, slot, nonce as u8).0;
                let packet = [&spi.to_be_bytes()[..], &[0; 40]].concat();
                assert_eq!(nat.place(&peer, &packet), SocketId(u16::from(shard)));
            }
        }
    }

    #[test]
    fn first_requests_of_one_peer_stay_together() {
        let mut plain = group(&ike_program(), 3);
        let mut seen = std::collections::HashSet::new();
        for (version, flags) in [(0x20, 0x08), (0x10, 0)].repeat(15) {
            let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
            let request = ike(0x0102_0304_0506_0708, 0, version, flags);
            let first = plain.place(&peer, &request);
            assert_eq!(plain.place(&peer, &request), first);
            seen.insert(first);
        }
        assert!(seen.len() > 1, "peers are spread over the shards");
    }
}
