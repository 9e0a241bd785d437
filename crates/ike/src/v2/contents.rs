use wire::ikev2::{
    Configuration, Identification, Notify, NotifyType, Payload, PayloadType, Proposal,
    TrafficSelector,
};

use super::negotiation::ChildOffer;

/// The payloads of one message by what they are for. Of a type that may stand only once, the first
/// counts.
#[derive(Default)]
pub(super) struct Contents<'p, 'a> {
    pub(super) proposals: Option<&'p [Proposal<'a>]>,
    pub(super) key_exchange: Option<(u16, &'a [u8])>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) initiator_id: Option<Identification<'a>>,
    pub(super) responder_id: Option<Identification<'a>>,
    pub(super) authentication: Option<(u8, &'a [u8])>,
    pub(super) initiator_ts: Option<&'p [TrafficSelector]>,
    pub(super) responder_ts: Option<&'p [TrafficSelector]>,
    pub(super) configuration: Option<&'p Configuration<'a>>,
    pub(super) puzzle_solution: Option<&'a [u8]>,
    certificates: Vec<(u8, &'a [u8])>,
    notifies: Vec<Notify<'a>>,
}

impl<'p, 'a> Contents<'p, 'a> {
    pub(super) fn of(payloads: &'p [Payload<'a>]) -> Self {
        let mut contents = Self::default();
        for payload in payloads {
            contents.add(payload);
        }
        contents
    }

    fn add(&mut self, payload: &'p Payload<'a>) {
        match payload {
            Payload::SecurityAssociation(proposals) => {
                self.proposals.get_or_insert(proposals);
            }
            Payload::KeyExchange { group, data } => {
                self.key_exchange.get_or_insert((*group, data));
            }
            Payload::Nonce(nonce) => {
                self.nonce.get_or_insert(nonce);
            }
            Payload::IdentificationInitiator(id) => {
                self.initiator_id.get_or_insert(*id);
            }
            Payload::IdentificationResponder(id) => {
                self.responder_id.get_or_insert(*id);
            }
            Payload::Authentication { method, data } => {
                self.authentication.get_or_insert((*method, data));
            }
            Payload::TrafficSelectorsInitiator(selectors) => {
                self.initiator_ts.get_or_insert(selectors);
            }
            Payload::TrafficSelectorsResponder(selectors) => {
                self.responder_ts.get_or_insert(selectors);
            }
            Payload::Configuration(configuration) => {
                self.configuration.get_or_insert(configuration);
            }
            Payload::Certificate { encoding, data } => self.certificates.push((*encoding, data)),
            Payload::PuzzleSolution(solution) => {
                self.puzzle_solution.get_or_insert(solution);
            }
            Payload::Notify(notify) => self.notifies.push(*notify),
            _ => {}
        }
    }

    /// The data of every CERT payload with this encoding, in order.
    pub(super) fn certificates(&self, encoding: u8) -> impl Iterator<Item = &'a [u8]> {
        let certificates = self.certificates.iter();
        certificates
            .filter(move |(kind, _)| *kind == encoding)
            .map(|(_, data)| *data)
    }

    /// The data of the first notify of this type.
    pub(super) fn notify(&self, kind: NotifyType) -> Option<&'a [u8]> {
        self.notifies(kind).next()
    }

    /// The data of every notify of this type.
    pub(super) fn notifies(&self, kind: NotifyType) -> impl Iterator<Item = &'a [u8]> {
        self.notifies
            .iter()
            .filter(move |notify| notify.kind == kind)
            .map(|notify| notify.data)
    }

    /// What is said about a Child SA, if all of it is there.
    pub(super) fn child_offer(&self) -> Option<ChildOffer<'p, 'a>> {
        Some(ChildOffer {
            proposals: self.proposals?,
            initiator_ts: self.initiator_ts?,
            responder_ts: self.responder_ts?,
        })
    }

    /// The first error that is notified.
    pub(super) fn error(&self) -> Option<NotifyType> {
        self.notifies
            .iter()
            .map(|notify| notify.kind)
            .find(|kind| kind.is_error())
    }
}

/// A payload that we do not know and must not ignore (RFC 7296 §2.5).
pub(super) fn unsupported_critical(payloads: &[Payload<'_>]) -> Option<PayloadType> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Unknown {
            kind,
            critical: true,
            ..
        } if !kind.is_basic() => Some(*kind),
        _ => None,
    })
}

/// A notify about the IKE SA itself or about the whole exchange: it names no SPI.
pub(super) fn notify<'a>(kind: NotifyType, data: &'a [u8]) -> Payload<'a> {
    Payload::Notify(Notify {
        protocol: 0,
        spi: &[],
        kind,
        data,
    })
}
