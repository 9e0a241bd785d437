use std::collections::{BTreeMap, VecDeque};

use crypto::{Entropy, KeyExchangeMethod, KeyPair};
use wire::ikev1::numbers::{identification, phase1, protocol};
use wire::ikev1::{
    Attribute, Body, ExchangeType, Flags, HEADER_LEN, Header, Identification, Message, NatNumbers,
    Payload, PayloadType, Payloads, Proposal, Sa, Transform, Vendor, encode_body, encode_message,
    isakmp_spi, pad_to_block,
};

use super::chains::Known;
use super::keys::{Iv, Keys, hash_of, iv_of};
use super::later::{Answer, Exchange};
use crate::ikev1_policy::Variant;

const SECRET: &[u8] = b"a secret for simulations only";
const NAME: &[u8] = b"peer-0.example";

/// How far phase 1 has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Offered,
    Share,
    Proof,
    Proved,
    Done,
}

/// A peer that knows the secret: it can say everything correctly, and does as long as the input lets it.
pub(super) struct Peer {
    pub(super) variant: Variant,
    aggressive: bool,
    pub(super) cookie: u64,
    pub(super) other: u64,
    pub(super) pair: KeyPair,
    nonce: Vec<u8>,
    their_public: Vec<u8>,
    offer: Vec<u8>,
    step: Step,
    pub(super) keys: Option<Keys>,
    pub(super) chain: Iv,
    pub(super) exchanges: BTreeMap<u32, Exchange>,
    pub(super) message_id: u32,
    pub(super) answers: VecDeque<Answer>,
    pub(super) spis: VecDeque<[u8; 4]>,
    pub(super) identifier: u16,
    /// Configurations that the headend has set.
    pub(super) transactions: usize,
    pub(super) asked: bool,
    /// The address that it gave us.
    pub(super) address: [u8; 4],
    last: Vec<u8>,
}

struct Counted(u64);

impl Entropy for Counted {
    fn fill(&mut self, out: &mut [u8]) {
        for octet in out {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *octet = self.0.to_be_bytes().first().copied().unwrap_or_default();
        }
    }
}

impl Peer {
    /// A new phase 1, number `number` of the run.
    pub(super) fn new(variant: Variant, aggressive: bool, number: u64) -> Self {
        let mut entropy = Counted(number);
        let mut nonce = vec![0; 16];
        entropy.fill(&mut nonce);
        Self {
            variant,
            aggressive,
            cookie: 0x7065_6572_0000_0000 + number,
            other: 0,
            pair: KeyPair::generate(KeyExchangeMethod::EcpP256, &mut entropy),
            nonce,
            their_public: Vec::new(),
            offer: Vec::new(),
            step: Step::Offered,
            keys: None,
            chain: Iv::default(),
            exchanges: BTreeMap::new(),
            message_id: 0,
            answers: VecDeque::new(),
            spis: VecDeque::new(),
            identifier: 7,
            transactions: 0,
            asked: false,
            address: [10, 0, 0, 1],
            last: Vec::new(),
        }
    }

    pub(super) fn known(&self) -> Known {
        Known {
            cookies: isakmp_spi(self.cookie, self.other),
            spis: self.spis.iter().copied().collect(),
            public: self.pair.public_value().to_vec(),
            identifier: self.identifier,
        }
    }

    pub(super) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// What it sent last.
    pub(super) fn last(&self) -> &[u8] {
        &self.last
    }

    /// What an honest peer would say now.
    pub(super) fn advance(&mut self) -> Vec<u8> {
        let message = match self.step {
            Step::Offered if self.last.is_empty() => self.first(),
            Step::Share => self.share(),
            Step::Proof => self.proof(),
            Step::Done => self.later(),
            Step::Offered | Step::Proved => self.last.clone(),
        };
        self.last.clone_from(&message);
        message
    }

    pub(super) fn header(
        &self,
        exchange: ExchangeType,
        message_id: u32,
        encryption: bool,
    ) -> Header {
        Header {
            initiator_cookie: self.cookie,
            responder_cookie: self.other,
            next_payload: 0,
            major: 1,
            minor: 0,
            exchange,
            flags: Flags {
                encryption,
                ..Flags::default()
            },
            message_id,
            length: 0,
        }
    }

    fn mode(&self) -> ExchangeType {
        if self.aggressive {
            ExchangeType::AGGRESSIVE
        } else {
            ExchangeType::IDENTITY_PROTECTION
        }
    }

    fn identity() -> Payload<'static> {
        Payload::Identification(Identification {
            id_type: identification::FQDN,
            protocol: 0,
            port: 0,
            data: NAME,
        })
    }

    fn first(&mut self) -> Vec<u8> {
        let offer = Payload::Sa(phase_one_offer(self.variant.xauth));
        self.offer.clear();
        encode_body(&offer, &mut self.offer);
        let vendors = [
            Vendor::DeadPeerDetection,
            Vendor::NatTraversal,
            Vendor::ExtendedAuthentication,
            Vendor::Unity,
            Vendor::Fragmentation(Some(0xc000_0000)),
        ]
        .map(Vendor::octets);
        let mut payloads = vec![offer];
        if self.aggressive {
            payloads.push(Payload::KeyExchange(self.pair.public_value()));
            payloads.push(Payload::Nonce(&self.nonce));
            payloads.push(Self::identity());
        }
        let announced = if self.variant.brief { 2 } else { vendors.len() };
        let vendors = vendors.iter().take(announced);
        payloads.extend(vendors.map(|body| Payload::VendorId(body)));
        // Room for a longer answer, which may not be longer than the question.
        let filler = [0x5a; 160];
        if !self.variant.brief {
            payloads.push(Payload::VendorId(&filler));
        }
        encode_message(&self.header(self.mode(), 0, false), &payloads)
    }

    fn share(&self) -> Vec<u8> {
        let addresses = [[203, 0, 113, 1, 1, 0xf4], [10, 0, 0, 1, 1, 0xf4]];
        let cookies = isakmp_spi(self.cookie, self.other);
        let [there, here] = addresses.map(|address| hash_of(&[&cookies, &address]));
        let nat = |hash| Payload::NatD {
            numbers: NatNumbers::Rfc3947,
            hash,
        };
        let payloads = [
            Payload::KeyExchange(self.pair.public_value()),
            Payload::Nonce(&self.nonce),
            nat(&there),
            nat(&here),
        ];
        encode_message(&self.header(self.mode(), 0, false), &payloads)
    }

    fn proof(&mut self) -> Vec<u8> {
        let header = self.header(self.mode(), 0, true);
        let Some(keys) = &self.keys else {
            return Vec::new();
        };
        let mut identity = Vec::new();
        encode_body(&Self::identity(), &mut identity);
        let hash = keys.proof(&[
            self.pair.public_value(),
            &self.their_public,
            &self.cookie.to_be_bytes(),
            &self.other.to_be_bytes(),
            &self.offer,
            &identity,
        ]);
        let payloads = [Self::identity(), Payload::Hash(&hash)];
        let payloads = payloads
            .get(usize::from(self.aggressive)..)
            .unwrap_or_default();
        let mut message = encode_message(&header, payloads);
        pad_to_block(&mut message, self.chain.len());
        if let Some(text) = message.get_mut(HEADER_LEN..) {
            keys.encrypt(&mut self.chain, text);
        }
        self.step = if self.aggressive {
            Step::Done
        } else {
            Step::Proved
        };
        message
    }

    /// A message from the headend.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            return;
        };
        let header = message.header;
        if header.initiator_cookie != self.cookie {
            return;
        }
        match (&message.body, self.step) {
            (Body::Clear(payloads), Step::Offered) if header.exchange == self.mode() => {
                self.other = header.responder_cookie;
                self.step = Step::Share;
                if self.aggressive {
                    self.agree(payloads);
                }
            }
            (Body::Clear(payloads), Step::Share) if header.exchange == self.mode() => {
                self.agree(payloads);
            }
            (Body::Encrypted(octets), Step::Proved) if header.message_id == 0 => {
                let read = self
                    .keys
                    .as_ref()
                    .and_then(|keys| keys.decrypt(&mut self.chain, octets));
                if read.is_some() {
                    self.step = Step::Done;
                }
            }
            (Body::Encrypted(octets), Step::Done) if header.message_id != 0 => {
                self.hear_later(&header, octets);
            }
            _ => {}
        }
    }

    /// The headend's share is there: keys.
    fn agree(&mut self, payloads: &Payloads<'_>) {
        let (Some(public), Some(nonce)) = (
            payloads.body_of(PayloadType::KE),
            payloads.body_of(PayloadType::NONCE),
        ) else {
            return;
        };
        let Ok(shared) = self.pair.agree(public) else {
            return;
        };
        let cookies = [self.cookie, self.other];
        self.keys = Some(Keys::derive(SECRET, [&self.nonce, nonce], &shared, cookies));
        self.chain = iv_of(&[self.pair.public_value(), public]);
        self.their_public = public.to_vec();
        self.step = Step::Proof;
    }
}

fn phase_one_offer(xauth: bool) -> Sa<'static> {
    let method = if xauth {
        phase1::authentication::XAUTH_INIT_PRE_SHARED
    } else {
        phase1::authentication::PRE_SHARED_KEY
    };
    let transform = Transform {
        number: 1,
        id: phase1::KEY_IKE,
        attributes: vec![
            Attribute::basic(phase1::attribute::ENCRYPTION, phase1::encryption::AES),
            Attribute::basic(phase1::attribute::KEY_LENGTH, 128),
            Attribute::basic(phase1::attribute::HASH, phase1::hash::SHA1),
            Attribute::basic(phase1::attribute::AUTHENTICATION, method),
            Attribute::basic(phase1::attribute::GROUP, phase1::group::ECP_256),
        ],
    };
    Sa::new(vec![Proposal {
        number: 1,
        protocol: protocol::ISAKMP,
        spi: &[],
        transforms: vec![transform],
    }])
}
