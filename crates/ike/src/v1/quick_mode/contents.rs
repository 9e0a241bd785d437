//! The payloads of a quick mode message, by what they mean.

use ipsec::TrafficSelector;
use wire::ikev1::{
    Identification, NotifyType, Payload, PayloadType, Payloads, Sa, parse_attributes,
};

use super::client_id;
use super::life::Life;

/// One client identity, as it stood and as it is meant.
#[derive(Clone, Copy)]
pub(super) struct Client<'a> {
    pub(super) id: Identification<'a>,
    /// The octets of its payload, which an answer repeats.
    pub(super) body: &'a [u8],
}

impl Client<'_> {
    /// The packets that it stands for.
    pub(super) fn selector(&self) -> Option<TrafficSelector> {
        client_id::read(&self.id)
    }
}

/// The first of each kind, and the two identities.
pub(super) struct Contents<'a> {
    pub(super) sa: Option<&'a Sa<'a>>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) key_exchange: Option<&'a [u8]>,
    /// IDci and IDcr; `None` when there are none (RFC 2409 §5.5).
    pub(super) clients: Option<(Client<'a>, Client<'a>)>,
    /// There is one SA payload, and there are two identities or none.
    pub(super) sound: bool,
    /// The responder's limits (RFC 2407 §4.6.3.1).
    pub(super) life: Life,
    pub(super) initial_contact: bool,
}

impl<'a> Contents<'a> {
    pub(super) fn of(payloads: &'a Payloads<'a>) -> Self {
        let mut contents = Self {
            sa: None,
            nonce: None,
            key_exchange: None,
            clients: None,
            sound: true,
            life: Life::default(),
            initial_contact: false,
        };
        let mut clients = Vec::new();
        for part in &payloads.parts {
            match &part.payload {
                Payload::Sa(_) if contents.sa.is_some() => contents.sound = false,
                Payload::Sa(sa) => contents.sa = Some(sa),
                Payload::Nonce(nonce) => contents.nonce = Some(nonce),
                Payload::KeyExchange(public) => contents.key_exchange = Some(public),
                Payload::Identification(id) => clients.push(Client {
                    id: *id,
                    body: part.body,
                }),
                Payload::Notification(notification) => match notification.notify_type {
                    NotifyType::INITIAL_CONTACT => contents.initial_contact = true,
                    NotifyType::RESPONDER_LIFETIME => {
                        let told = parse_attributes(notification.data).unwrap_or_default();
                        contents.life = Life::read(&told);
                    }
                    _ => {}
                },
                _ => {}
            }
        }
        match clients.as_slice() {
            [] => {}
            [initiator, responder] => contents.clients = Some((*initiator, *responder)),
            _ => contents.sound = false,
        }
        contents
    }
}

/// An identity payload with the octets that another had.
pub(super) fn repeated_id(body: &[u8]) -> Payload<'_> {
    Payload::Unknown {
        kind: PayloadType::ID,
        data: body,
    }
}
