//! Requests and responses one at a time in each direction (RFC 7296 §2.1-2.3).

use timer::Instant;
use wire::ikev2::{ExchangeType, Flags, Header, Payload};

use super::task::{Exchange, Outstanding, Task};
use super::tracing::trace_liveness;
use super::{IkeSa, Role};
use crate::trace::{LivenessMessage, Way};
use crate::{Action, Context, Path, Settings};

/// The last response that we sent, to be sent again when its request comes again.
pub(super) struct LastResponse {
    /// One message, or its fragments.
    pub(super) datagrams: Box<[Vec<u8>]>,
}

impl IkeSa {
    /// Sends a protected request and remembers it until its response comes. The caller makes sure
    /// that no other is outstanding.
    pub(super) fn send_request(
        &mut self,
        exchange_type: ExchangeType,
        payloads: &[Payload<'_>],
        exchange: Exchange,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let message_id = self.next_request;
        let header = self.header(exchange_type, message_id, false);
        let datagrams = self.seal(&header, payloads);
        self.transmit_request(message_id, datagrams, exchange, ctx, actions);
    }

    /// Sends a finished request and remembers it.
    pub(super) fn transmit_request(
        &mut self,
        message_id: u32,
        datagrams: Vec<Vec<u8>>,
        exchange: Exchange,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if matches!(exchange, Exchange::Liveness) {
            let check = LivenessMessage::Check { message_id };
            trace_liveness(Way::Sent, check, ctx, actions);
        }
        self.next_request = message_id.saturating_add(1);
        send_all(self.path, &datagrams, actions);
        let due = match exchange {
            // The rhythm of liveness checks is a matter of dead peer detection.
            Exchange::Liveness => Instant::MAX,
            _ => ctx.now + ctx.settings.retransmit_first,
        };
        let request = Outstanding {
            message_id,
            datagrams,
            retransmits: 0,
            due,
        };
        self.task = Some(Box::new(Task::Awaiting { request, exchange }));
    }

    /// Answers the request with this ID, and keeps the answer for its retransmissions.
    pub(super) fn send_response(
        &mut self,
        exchange_type: ExchangeType,
        message_id: u32,
        payloads: &[Payload<'_>],
        actions: &mut Vec<Action>,
    ) {
        let header = self.header(exchange_type, message_id, true);
        let datagrams = self.seal(&header, payloads).into_boxed_slice();
        // RFC 7296 §2.11: the answer goes to where the request came from.
        let path = self.reply_path.take().map_or(self.path, |path| *path);
        send_all(path, &datagrams, actions);
        self.last_response = Some(LastResponse { datagrams });
    }

    /// Sends the last response again, for a retransmitted request that came in on `path`.
    pub(super) fn repeat_response(&self, path: Path, actions: &mut Vec<Action>) {
        if let Some(last) = &self.last_response {
            send_all(path, &last.datagrams, actions);
        }
    }

    pub(super) fn header(&self, exchange: ExchangeType, message_id: u32, response: bool) -> Header {
        let (initiator_spi, responder_spi) = match self.role {
            Role::Initiator => (self.local_spi.0, self.peer_spi.0),
            Role::Responder => (self.peer_spi.0, self.local_spi.0),
        };
        Header {
            initiator_spi,
            responder_spi,
            next_payload: 0,
            major: 2,
            minor: 0,
            exchange,
            flags: Flags {
                initiator: self.role == Role::Initiator,
                version: false,
                response,
            },
            message_id,
            length: 0,
        }
    }
}

impl Outstanding {
    /// Sends it once more, bit-identically (RFC 7296 §2.1), and sets the next, longer gap.
    pub(super) fn retransmit(
        &mut self,
        path: Path,
        now: Instant,
        settings: &Settings,
        actions: &mut Vec<Action>,
    ) {
        send_all(path, &self.datagrams, actions);
        self.retransmits = self.retransmits.saturating_add(1);
        if self.due != Instant::MAX {
            self.due = now + settings.retransmit_gap(self.retransmits);
        }
    }
}

pub(super) fn send_all(path: Path, datagrams: &[Vec<u8>], actions: &mut Vec<Action>) {
    actions.extend(datagrams.iter().map(|message| Action::Send {
        path,
        message: message.clone(),
    }));
}
