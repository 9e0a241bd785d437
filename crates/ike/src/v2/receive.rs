//! A message's way from the header to its exchange. What fails before the integrity check leaves no
//! trace; what passes it and is new is proof of life.

use wire::ikev2::{ExchangeType, Message, NotifyType, Payload, parse_payloads};

use super::contents::{notify, unsupported_critical};
use super::open::Inner;
use super::phase::Phase;
use super::task::{Exchange, Task};
use super::tracing::{trace_liveness, trace_payloads};
use super::{IkeSa, Received, Role, create_child};
use crate::trace::{Input, LivenessMessage, Way};
use crate::{Action, CloseReason, Context, Path, Refusal, Rejection};

impl IkeSa {
    /// A message (without the non-ESP marker) came in on `path` for the SPI that we chose.
    pub fn on_message(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Received {
        let from = self.stage();
        let received = self
            .receive(bytes, path, ctx, actions)
            .unwrap_or_else(Received::Rejected);
        self.trace_turn(from, Input::Message, ctx, actions);
        received
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
        self.check_header(&message)?;
        let header = &message.header;
        if header.exchange == ExchangeType::IKE_SA_INIT {
            trace_payloads(header.message_id, &message.payloads, ctx, actions);
            return if header.flags.response {
                self.check_response(&message)?;
                Ok(self.on_init_response(&message, bytes, path, ctx, actions))
            } else {
                Ok(self.on_init_request(bytes, path, actions))
            };
        }
        if self.keys.is_none() {
            return Err(Rejection::UnexpectedExchange);
        }
        if header.flags.response {
            self.on_response(bytes, &message, path, ctx, actions)
        } else {
            self.on_request(bytes, &message, path, ctx, actions)
        }
    }

    /// SPIs and flags must be those of this IKE SA and of the other end (RFC 7296 §3.1).
    fn check_header(&self, message: &Message<'_>) -> Result<(), Rejection> {
        let header = &message.header;
        if header.flags.initiator != (self.role == Role::Responder) {
            return Err(Rejection::WrongDirection);
        }
        let (ours, theirs) = match self.role {
            Role::Initiator => (header.initiator_spi, header.responder_spi),
            Role::Responder => (header.responder_spi, header.initiator_spi),
        };
        // The responder's SPI is not known to either end in the first request, nor to the initiator
        // until the first response.
        let opening = header.exchange == ExchangeType::IKE_SA_INIT;
        let ours_fits = ours == self.local_spi.0 || (opening && ours == 0);
        let theirs_fits = theirs == self.peer_spi.0 || (opening && self.role == Role::Initiator);
        if ours_fits && theirs_fits {
            Ok(())
        } else {
            Err(Rejection::UnknownSpi)
        }
    }

    /// A response must belong to the outstanding request.
    fn check_response(&self, message: &Message<'_>) -> Result<(), Rejection> {
        let Some(Task::Awaiting { request, exchange }) = self.task.as_deref() else {
            return Err(Rejection::UnexpectedResponse);
        };
        if request.message_id != message.header.message_id {
            return Err(Rejection::UnexpectedResponse);
        }
        if exchange.exchange_type() != message.header.exchange {
            return Err(Rejection::UnexpectedExchange);
        }
        Ok(())
    }

    fn on_response(
        &mut self,
        bytes: &[u8],
        message: &Message<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        self.check_response(message)?;
        let opener = self.opener().ok_or(Rejection::UnexpectedExchange)?;
        let Some(inner) = opener.open(bytes, message, ctx.now)? else {
            return Ok(Received::Fragment);
        };
        self.follow(path, actions);
        let Some(task) = self.task.take() else {
            return Err(Rejection::UnexpectedResponse);
        };
        let Task::Awaiting { exchange, .. } = *task else {
            return Err(Rejection::UnexpectedResponse);
        };
        let message_id = message.header.message_id;
        let liveness = matches!(exchange, Exchange::Liveness);
        if liveness {
            let answer = LivenessMessage::CheckAnswer { message_id };
            trace_liveness(Way::Received, answer, ctx, actions);
        }
        self.finish_exchange(exchange, message_id, &inner, ctx, actions);
        self.next_command(ctx, actions);
        Ok(Received::FreshResponse { liveness })
    }

    fn finish_exchange(
        &mut self,
        exchange: Exchange,
        message_id: u32,
        inner: &Inner,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Ok(payloads) = parse_payloads(inner.first, &inner.octets) else {
            // RFC 7296 §2.21.3: the peer holds another view of the exchange than we can have.
            if let Exchange::CreateChild(requested) = exchange {
                create_child::abandon(requested, ctx);
            }
            self.terminate(CloseReason::PeerMisbehaved, ctx, actions);
            return;
        };
        trace_payloads(message_id, &payloads, ctx, actions);
        match exchange {
            // Its responses are not protected and never come here.
            Exchange::Init | Exchange::Liveness => {}
            Exchange::Auth => self.on_auth_response(&payloads, inner, ctx, actions),
            Exchange::DeleteChild { child, reason } => {
                self.on_child_deleted(child, reason, actions);
            }
            Exchange::DeleteIke { reason } => self.terminate(reason, ctx, actions),
            Exchange::CreateChild(requested) => {
                create_child::on_response(self, requested, &payloads, ctx, actions);
            }
        }
    }

    fn on_request(
        &mut self,
        bytes: &[u8],
        message: &Message<'_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let id = message.header.message_id;
        if id.checked_add(1) == Some(self.expected_request) {
            return self.on_repeated_request(bytes, message, path, actions);
        }
        // The last ID is never used: after it the numbers would begin anew under the same keys.
        if id != self.expected_request || id == u32::MAX {
            return Err(Rejection::OutsideWindow);
        }
        if self.answering.is_some() {
            // RFC 7296 §2.3: our window is one request wide, so a peer that keeps to it does not
            // send the next one yet.
            return Err(Rejection::Busy);
        }
        self.check_exchange(message.header.exchange)?;
        let opener = self.opener().ok_or(Rejection::UnexpectedExchange)?;
        let Some(inner) = opener.open(bytes, message, ctx.now)? else {
            return Ok(Received::Fragment);
        };
        self.expected_request = id.saturating_add(1);
        self.last_response = None;
        self.accept_path(path, actions);
        self.reply_path = (path != self.path).then(|| Box::new(path));
        let exchange = message.header.exchange;
        let liveness = self.answer_request(exchange, id, &inner, ctx, actions);
        Ok(Received::FreshRequest { liveness })
    }

    /// RFC 7296 §2.1: the same request gets the same answer, and nothing is done twice.
    fn on_repeated_request(
        &mut self,
        bytes: &[u8],
        message: &Message<'_>,
        path: Path,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        if self.answering.is_some() {
            return Err(Rejection::Busy);
        }
        if self.last_response.is_none() {
            return Err(Rejection::OutsideWindow);
        }
        let opener = self.opener().ok_or(Rejection::UnexpectedExchange)?;
        if !opener.is_authentic(bytes, message) {
            return Err(Rejection::IcvMismatch);
        }
        // RFC 7383 §2.6.1: only the first fragment stands for the whole request.
        let fragment = message.encrypted.and_then(|encrypted| encrypted.fragment);
        if fragment.is_none_or(|(number, _)| number == 1) {
            self.repeat_response(path, actions);
        }
        Ok(Received::Retransmission)
    }

    /// Which exchanges the peer may start now.
    fn check_exchange(&self, exchange: ExchangeType) -> Result<(), Rejection> {
        let expected = match self.phase {
            Phase::AuthResponder(_) => exchange == ExchangeType::IKE_AUTH,
            Phase::Established(_) => {
                exchange == ExchangeType::INFORMATIONAL || exchange == ExchangeType::CREATE_CHILD_SA
            }
            _ => false,
        };
        if expected {
            Ok(())
        } else {
            Err(Rejection::UnexpectedExchange)
        }
    }

    /// An initiator may come from another port after IKE_SA_INIT (RFC 7296 §2.23), NAT or not.
    fn accept_path(&mut self, path: Path, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::AuthResponder(_)) {
            self.path = path;
        } else {
            self.follow(path, actions);
        }
    }

    /// Answers a fresh request; says whether it was a liveness check.
    fn answer_request(
        &mut self,
        exchange: ExchangeType,
        id: u32,
        inner: &Inner,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Ok(payloads) = parse_payloads(inner.first, &inner.octets) else {
            self.refuse_syntax(exchange, id, ctx, actions);
            return false;
        };
        trace_payloads(id, &payloads, ctx, actions);
        if let Some(unknown) = unsupported_critical(&payloads) {
            // RFC 7296 §2.5: the data is the type that we do not know.
            let data = [unknown.0];
            let refusal = [notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &data)];
            self.send_response(exchange, id, &refusal, actions);
            actions.push(Action::Refused(Refusal::UnsupportedCriticalPayload));
            if exchange == ExchangeType::IKE_AUTH {
                self.terminate(CloseReason::PeerMisbehaved, ctx, actions);
            }
            return false;
        }
        let liveness = exchange == ExchangeType::INFORMATIONAL && payloads.is_empty();
        if liveness {
            let check = LivenessMessage::Check { message_id: id };
            trace_liveness(Way::Received, check, ctx, actions);
        }
        match exchange {
            ExchangeType::IKE_AUTH => self.on_auth_request(&payloads, inner, ctx, actions),
            ExchangeType::CREATE_CHILD_SA => {
                create_child::on_request(self, id, &payloads, ctx, actions);
            }
            _ => self.on_informational_request(id, &payloads, ctx, actions),
        }
        if liveness {
            let answer = LivenessMessage::CheckAnswer { message_id: id };
            trace_liveness(Way::Sent, answer, ctx, actions);
        }
        liveness
    }

    /// RFC 7296 §2.21.3: authentic and yet unreadable: the ends do not understand each other.
    fn refuse_syntax(
        &mut self,
        exchange: ExchangeType,
        id: u32,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let refusal: [Payload<'_>; 1] = [notify(NotifyType::INVALID_SYNTAX, &[])];
        self.send_response(exchange, id, &refusal, actions);
        actions.push(Action::Refused(Refusal::InvalidSyntax));
        self.terminate(CloseReason::PeerMisbehaved, ctx, actions);
    }
}
