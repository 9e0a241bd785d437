//! What the peer says after phase 1.

use ipsec::ModeConfig;
use wire::ikev1::numbers::{identification, phase1, phase2, protocol, transaction};
use wire::ikev1::{
    Attribute, Attributes, ConfigurationKind, ExchangeType, HEADER_LEN, Header, Identification,
    Notification, NotifyType, Payload, PayloadType, Payloads, Proposal, Sa, Transform,
    encode_message, encode_payloads, hash_range, isakmp_spi, pad_to_block, parse_payloads,
};

use super::keys::{HASH_LEN, Iv, iv_of};
use super::peer::Peer;
use crate::ikev1_policy::{PASSWORD, USER};

/// Exchanges, answers and SPIs that it remembers at most.
const REMEMBERED_MAX: usize = 32;

/// What a hash covers besides the message ID and the payloads after it (RFC 2409 §5.5).
#[derive(Clone, Copy)]
pub(super) enum Cover {
    Payloads,
    InitiatorNonce,
    /// HASH(3): a zero, the message ID, both nonces, and no payloads.
    BothNonces,
}

/// An exchange after phase 1.
pub(super) struct Exchange {
    pub(super) iv: Iv,
    pub(super) own_nonce: Vec<u8>,
    pub(super) their_nonce: Vec<u8>,
}

/// What the peer wants to say next, after phase 1.
pub(super) enum Answer {
    /// The last message of quick mode.
    Confirm(u32),
    /// The second, to a quick mode of the headend's.
    Accept(u32, Box<[u8]>),
    Transaction(u32, ConfigurationKind, u16),
    Alive([u8; 4]),
}

impl Peer {
    pub(super) fn exchange(&mut self, message_id: u32) -> &mut Exchange {
        if self.exchanges.len() >= REMEMBERED_MAX {
            self.exchanges.pop_first();
        }
        let iv = iv_of(&[&self.chain, &message_id.to_be_bytes()]);
        self.exchanges.entry(message_id).or_insert(Exchange {
            iv,
            own_nonce: Vec::new(),
            their_nonce: Vec::new(),
        })
    }

    pub(super) fn hear_later(&mut self, header: &Header, octets: &[u8]) {
        let message_id = header.message_id;
        let mut iv = self.exchange(message_id).iv;
        let Some(text) = self
            .keys
            .as_ref()
            .and_then(|keys| keys.decrypt(&mut iv, octets))
        else {
            return;
        };
        self.exchange(message_id).iv = iv;
        let Ok(payloads) = parse_payloads(PayloadType(header.next_payload), &text) else {
            return;
        };
        if self.answers.len() < REMEMBERED_MAX {
            self.hear_payloads(header, &payloads);
        }
    }

    fn hear_payloads(&mut self, header: &Header, payloads: &Payloads<'_>) {
        let message_id = header.message_id;
        for payload in payloads.iter() {
            match payload {
                Payload::Sa(sa) => {
                    let spis = sa.proposals.iter().filter_map(|one| one.spi.first_chunk());
                    self.spis.extend(spis);
                    while self.spis.len() > REMEMBERED_MAX {
                        self.spis.pop_front();
                    }
                    let ours = self.exchange(message_id).own_nonce.is_empty();
                    self.answers.push_back(if ours {
                        let body = payloads.body_of(PayloadType::SA).unwrap_or_default();
                        Answer::Accept(message_id, body.into())
                    } else {
                        Answer::Confirm(message_id)
                    });
                }
                Payload::Nonce(nonce) => self.exchange(message_id).their_nonce = nonce.to_vec(),
                Payload::Attributes(attributes) => {
                    self.identifier = attributes.identifier;
                    self.hear_attributes(attributes);
                    self.answers.push_back(Answer::Transaction(
                        message_id,
                        attributes.kind,
                        attributes.identifier,
                    ));
                }
                Payload::Notification(notification)
                    if notification.notify_type == NotifyType::R_U_THERE =>
                {
                    let sequence = notification.data.first_chunk().copied();
                    self.answers
                        .push_back(Answer::Alive(sequence.unwrap_or_default()));
                }
                _ => {}
            }
        }
    }

    fn hear_attributes(&mut self, attributes: &Attributes<'_>) {
        self.transactions += usize::from(attributes.kind == ConfigurationKind::Set);
        let given = attributes
            .attributes
            .iter()
            .filter(|one| one.kind == transaction::attribute::INTERNAL_IP4_ADDRESS)
            .find_map(|one| one.value.octets()?.first_chunk());
        if let Some(address) = given {
            self.address = *address;
        }
    }

    /// A message of an exchange after phase 1 that nobody has begun.
    pub(super) fn fresh_id(&mut self) -> u32 {
        self.message_id = self.message_id.wrapping_add(0x0101_0101);
        self.message_id
    }

    /// The exchange that somebody began last, or a new one.
    pub(super) fn latest_id(&mut self) -> u32 {
        match self.exchanges.last_key_value() {
            Some((message_id, _)) => *message_id,
            None => self.fresh_id(),
        }
    }

    pub(super) fn later(&mut self) -> Vec<u8> {
        match self.answers.pop_front() {
            Some(Answer::Confirm(message_id)) => self.protect(
                ExchangeType::QUICK_MODE,
                message_id,
                (PayloadType::NONE, &[]),
                Cover::BothNonces,
            ),
            Some(Answer::Accept(message_id, offer)) => self.accept(message_id, &offer),
            Some(Answer::Transaction(message_id, kind, identifier)) => {
                self.answer_transaction(message_id, kind, identifier)
            }
            Some(Answer::Alive(sequence)) => self.alive(sequence),
            None if self.wants_address() => self.ask_for_address(),
            None => self.quick_offer(),
        }
    }

    /// Whether the user is known, and nobody has given us an address.
    fn wants_address(&self) -> bool {
        let authenticated = !self.variant.xauth || self.transactions > 0;
        self.variant.mode_config == ModeConfig::Pull && authenticated && !self.asked
    }

    fn ask_for_address(&mut self) -> Vec<u8> {
        self.asked = true;
        let request = Payload::Attributes(Attributes {
            kind: ConfigurationKind::Request,
            identifier: 1,
            attributes: vec![
                Attribute::variable(transaction::attribute::INTERNAL_IP4_ADDRESS, &[]),
                Attribute::variable(transaction::attribute::INTERNAL_IP4_DNS, &[]),
                Attribute::variable(transaction::unity::BANNER, &[]),
                Attribute::variable(transaction::unity::SPLIT_INCLUDE, &[]),
            ],
        });
        let message_id = self.fresh_id();
        self.say(
            ExchangeType::TRANSACTION,
            message_id,
            &[request],
            Cover::Payloads,
        )
    }

    fn alive(&mut self, sequence: [u8; 4]) -> Vec<u8> {
        let cookies = isakmp_spi(self.cookie, self.other);
        let alive = Payload::Notification(Notification {
            doi: 1,
            protocol: protocol::ISAKMP,
            spi: &cookies,
            notify_type: NotifyType::R_U_THERE_ACK,
            data: &sequence,
        });
        let message_id = self.fresh_id();
        self.say(
            ExchangeType::INFORMATIONAL,
            message_id,
            &[alive],
            Cover::Payloads,
        )
    }

    fn answer_transaction(
        &mut self,
        message_id: u32,
        kind: ConfigurationKind,
        identifier: u16,
    ) -> Vec<u8> {
        let (kind, attributes) = match kind {
            ConfigurationKind::Request => (
                ConfigurationKind::Reply,
                vec![
                    Attribute::basic(transaction::xauth::TYPE, 0),
                    Attribute::variable(transaction::xauth::USER_NAME, USER.as_bytes()),
                    Attribute::variable(transaction::xauth::USER_PASSWORD, PASSWORD),
                ],
            ),
            ConfigurationKind::Set => (
                ConfigurationKind::Ack,
                vec![Attribute::variable(
                    transaction::attribute::INTERNAL_IP4_ADDRESS,
                    &[],
                )],
            ),
            ConfigurationKind::Reply | ConfigurationKind::Ack => return self.quick_offer(),
        };
        let answer = Payload::Attributes(Attributes {
            kind,
            identifier,
            attributes,
        });
        self.say(
            ExchangeType::TRANSACTION,
            message_id,
            &[answer],
            Cover::Payloads,
        )
    }

    fn quick_offer(&mut self) -> Vec<u8> {
        let message_id = self.fresh_id();
        let nonce = [message_id.to_be_bytes(); 4].concat();
        self.exchange(message_id).own_nonce.clone_from(&nonce);
        let spi = (0x0100_0000 | message_id >> 4).to_be_bytes();
        let subnet = |data| {
            Payload::Identification(Identification {
                id_type: identification::IPV4_ADDR_SUBNET,
                protocol: 0,
                port: 0,
                data,
            })
        };
        let address = self.address;
        // Now and then a public value that is no point of the curve.
        let public = match message_id & 3 {
            3 => vec![0; self.pair.public_value().len()],
            _ => self.pair.public_value().to_vec(),
        };
        let mut payloads = vec![
            Payload::Sa(quick_offer(&spi, self.variant.forward_secrecy)),
            Payload::Nonce(&nonce),
            Payload::Identification(Identification {
                id_type: identification::IPV4_ADDR,
                protocol: 0,
                port: 0,
                data: &address,
            }),
            subnet(&[172, 16, 0, 1, 255, 255, 255, 255]),
        ];
        if self.variant.forward_secrecy {
            payloads.insert(2, Payload::KeyExchange(&public));
        }
        self.say(
            ExchangeType::QUICK_MODE,
            message_id,
            &payloads,
            Cover::Payloads,
        )
    }

    fn accept(&mut self, message_id: u32, offer: &[u8]) -> Vec<u8> {
        let nonce = [9; 16];
        self.exchange(message_id).own_nonce = nonce.to_vec();
        let payloads = [
            Payload::Unknown {
                kind: PayloadType::SA,
                data: offer,
            },
            Payload::Nonce(&nonce),
        ];
        self.say(
            ExchangeType::QUICK_MODE,
            message_id,
            &payloads,
            Cover::InitiatorNonce,
        )
    }

    fn say(
        &mut self,
        exchange: ExchangeType,
        message_id: u32,
        payloads: &[Payload<'_>],
        cover: Cover,
    ) -> Vec<u8> {
        let mut octets = Vec::new();
        let first = encode_payloads(payloads, &mut octets);
        self.protect(exchange, message_id, (first, &octets), cover)
    }

    /// A message with a right hash over any octets; empty before there are keys.
    pub(super) fn protect(
        &mut self,
        exchange: ExchangeType,
        message_id: u32,
        (first, rest): (PayloadType, &[u8]),
        cover: Cover,
    ) -> Vec<u8> {
        let header = self.header(exchange, message_id, true);
        let Exchange {
            mut iv,
            own_nonce,
            their_nonce,
        } = core::mem::replace(
            self.exchange(message_id),
            Exchange {
                iv: Iv::default(),
                own_nonce: Vec::new(),
                their_nonce: Vec::new(),
            },
        );
        let Some(keys) = &self.keys else {
            return Vec::new();
        };
        let id = message_id.to_be_bytes();
        let hash = match cover {
            Cover::Payloads => keys.hash(&[&id, rest]),
            Cover::InitiatorNonce => keys.hash(&[&id, &their_nonce, rest]),
            Cover::BothNonces => keys.hash(&[&[0], &id, &own_nonce, &their_nonce]),
        };
        let mut message = encode_message(&header, &[Payload::Hash(&hash)]);
        if let Some(next) = message.get_mut(HEADER_LEN) {
            *next = first.0;
        }
        debug_assert_eq!(message.len(), hash_range(HASH_LEN).end);
        message.extend_from_slice(rest);
        pad_to_block(&mut message, iv.len());
        if let Some(text) = message.get_mut(HEADER_LEN..) {
            keys.encrypt(&mut iv, text);
        }
        *self.exchange(message_id) = Exchange {
            iv,
            own_nonce,
            their_nonce,
        };
        message
    }
}

fn quick_offer(spi: &[u8], forward_secrecy: bool) -> Sa<'_> {
    let group = Attribute::basic(phase2::attribute::GROUP, phase1::group::ECP_256);
    let transform = Transform {
        number: 1,
        id: phase2::esp::AES_GCM_16,
        attributes: [
            Attribute::basic(
                phase2::attribute::ENCAPSULATION,
                phase2::encapsulation::TUNNEL,
            ),
            Attribute::basic(phase2::attribute::KEY_LENGTH, 128),
        ]
        .into_iter()
        .chain(forward_secrecy.then_some(group))
        .collect(),
    };
    Sa::new(vec![Proposal {
        number: 1,
        protocol: protocol::ESP,
        spi,
        transforms: vec![transform],
    }])
}
