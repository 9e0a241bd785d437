//! A message's way from the header to its exchange. What fails before the hash is compared leaves no
//! trace; what passes it and was not seen before is proof of life.

use wire::ikev1::{Body, ExchangeType, Header, Message, Payload, PayloadType, parse_payloads};
use zeroize::Zeroizing;

use super::exchange::Incoming;
use super::hashes::{Cover, exchange_hash};
use super::phase::Phase;
use super::transmission::digest;
use super::{IkeSa, informational, quick_mode, transaction};
use crate::{Action, Context, Path, Received, Rejection, Role};

impl IkeSa {
    /// A message (without the non-ESP marker) came in on `path` for the cookie that we chose.
    pub fn on_message(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Received {
        self.receive(bytes, path, ctx, actions)
            .unwrap_or_else(Received::Rejected)
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let message = Message::parse(bytes).map_err(|_| Rejection::Malformed)?;
        if matches!(self.phase, Phase::Closed(_)) {
            return Err(Rejection::Closed);
        }
        self.check_cookies(&message.header)?;
        let Some(fragment) = fragment_of(&message) else {
            return self.receive_whole(bytes, &message, path, ctx, actions);
        };
        let Some(whole) = self.join(fragment, ctx)? else {
            return Ok(Received::Fragment);
        };
        let message = Message::parse(&whole).map_err(|_| Rejection::Malformed)?;
        if fragment_of(&message).is_some() {
            return Err(Rejection::FragmentInvalid);
        }
        self.check_cookies(&message.header)?;
        self.receive_whole(&whole, &message, path, ctx, actions)
    }

    /// RFC 2408 §3.1: both cookies name the SA. The responder's is not known to the initiator until
    /// the first answer, and not in repetitions of the first message.
    fn check_cookies(&self, header: &Header) -> Result<(), Rejection> {
        let (initiator, responder) = self.cookies();
        let opening = match self.role {
            Role::Initiator => responder == 0,
            Role::Responder => header.responder_cookie == 0 && is_phase_one(header.exchange),
        };
        if header.initiator_cookie == initiator && (opening || header.responder_cookie == responder)
        {
            Ok(())
        } else {
            Err(Rejection::UnknownSpi)
        }
    }

    fn receive_whole(
        &mut self,
        bytes: &[u8],
        message: &Message<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        match (message.header.exchange, &message.body) {
            (exchange, _) if is_phase_one(exchange) => {
                self.on_phase_one(bytes, message, path, ctx, actions)
            }
            (ExchangeType::INFORMATIONAL, Body::Clear(payloads)) => self.on_unprotected(payloads),
            (
                ExchangeType::INFORMATIONAL | ExchangeType::TRANSACTION | ExchangeType::QUICK_MODE,
                Body::Encrypted(ciphertext),
            ) => self.on_protected(bytes, &message.header, ciphertext, path, ctx, actions),
            (ExchangeType::TRANSACTION | ExchangeType::QUICK_MODE, Body::Clear(_)) => {
                Err(Rejection::Unprotected)
            }
            _ => Err(Rejection::UnexpectedExchange),
        }
    }

    /// A message of an exchange after phase 1.
    fn on_protected(
        &mut self,
        bytes: &[u8],
        header: &Header,
        ciphertext: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let message_id = header.message_id;
        if message_id == 0 {
            return Err(Rejection::UnexpectedExchange);
        }
        let digest = digest(bytes);
        let current = self.path;
        if let Some(known) = self.exchange_mut(message_id) {
            if known.kind != header.exchange {
                return Err(Rejection::UnexpectedExchange);
            }
            if known.has_handled(&digest) {
                if let Some(sent) = known.sent_mut() {
                    sent.repeat(current, ctx.now, actions);
                }
                return Ok(Received::Retransmission);
            }
            if known.is_computing() {
                return Err(Rejection::Busy);
            }
        } else if self.seen.contains(message_id) {
            return Err(Rejection::MessageIdReused);
        }
        let keys = self.keys.as_ref().ok_or(Rejection::UnexpectedExchange)?;
        let iv = self.exchange(message_id).map_or_else(
            || keys.exchange_iv(message_id),
            super::exchange::Exchange::iv,
        );
        // It may hold a password.
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let next_iv = keys.cipher.decrypt(&iv, &mut text)?;
        let payloads = parse_payloads(PayloadType(header.next_payload), &text)
            .map_err(|_| Rejection::Undecipherable)?;
        let (hash, hashed) = payloads.hashed().ok_or(Rejection::Undecipherable)?;
        let incoming = Incoming {
            exchange: header.exchange,
            message_id,
            payloads: &payloads,
            hash,
            hashed,
            path,
            next_iv,
            digest,
        };
        self.dispatch(&incoming, ctx, actions)
    }

    fn dispatch(
        &mut self,
        incoming: &Incoming<'_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        match incoming.exchange {
            // What its hash covers depends on which of its messages this is.
            ExchangeType::QUICK_MODE => quick_mode::on_message(self, incoming, ctx, actions),
            ExchangeType::TRANSACTION => {
                self.authenticate(incoming, Cover::Payloads)?;
                transaction::on_message(self, incoming, ctx, actions)
            }
            _ => {
                self.authenticate(incoming, Cover::Payloads)?;
                if self.handshake().is_some() {
                    return self.on_early_informational(incoming, ctx, actions);
                }
                informational::on_message(self, incoming, ctx, actions)
            }
        }
    }

    /// Compares the HASH payload of the first message of an exchange with what it should be.
    pub(super) fn authenticate(
        &mut self,
        incoming: &Incoming<'_>,
        cover: Cover<'_>,
    ) -> Result<(), Rejection> {
        self.verify(incoming, cover)?;
        self.confirm_phase_one();
        Ok(())
    }

    /// Compares the HASH payload with what it should be.
    pub(super) fn verify(
        &self,
        incoming: &Incoming<'_>,
        cover: Cover<'_>,
    ) -> Result<(), Rejection> {
        let keys = self.keys.as_ref().ok_or(Rejection::UnexpectedExchange)?;
        let expected = exchange_hash(
            keys.suite.hash,
            &keys.authentication,
            incoming.message_id,
            cover,
            incoming.hashed,
        );
        if crypto::equal(expected.expose(), incoming.hash) {
            Ok(())
        } else {
            Err(Rejection::HashMismatch)
        }
    }
}

fn is_phase_one(exchange: ExchangeType) -> bool {
    exchange == ExchangeType::IDENTITY_PROTECTION || exchange == ExchangeType::AGGRESSIVE
}

fn fragment_of<'a, 'm>(message: &'a Message<'m>) -> Option<&'a wire::ikev1::Fragment<'m>> {
    let Body::Clear(payloads) = &message.body else {
        return None;
    };
    match payloads.iter().next() {
        Some(Payload::Fragment(fragment)) => Some(fragment),
        _ => None,
    }
}
