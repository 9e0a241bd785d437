//! Why phase 1 fails: what is only suspected, and what is certain.

use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{Notification, NotifyType, Payload, Payloads, isakmp_spi};

use super::IkeSa;
use super::exchange::Incoming;
use crate::{Action, CloseReason, Context, Received, Refusal, Rejection};

impl IkeSa {
    /// Why this will probably fail; the last suspicion counts.
    pub(super) fn suspect(&mut self, reason: CloseReason) {
        if let Some(handshake) = self.handshake_mut() {
            handshake.hint = Some(reason);
        }
    }

    /// The peer knows the secret but is not whom we want: it is told so, and that is the end.
    pub(super) fn reject_peer(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let (initiator, responder) = self.cookies();
        let refusal = Payload::Notification(Notification {
            doi: doi::IPSEC,
            protocol: protocol::ISAKMP,
            spi: &isakmp_spi(initiator, responder),
            notify_type: NotifyType::INVALID_ID_INFORMATION,
            data: &[],
        });
        self.send_informational(&[refusal], ctx, actions);
        actions.push(Action::Refused(Refusal::AuthenticationFailed));
        self.terminate(CloseReason::AuthenticationFailed, ctx, actions);
    }

    /// An informational message in the clear: anybody can send it.
    pub(super) fn on_unprotected(
        &mut self,
        payloads: &Payloads<'_>,
    ) -> Result<Received, Rejection> {
        if self.handshake().is_none() {
            return Err(Rejection::Unprotected);
        }
        if let Some(error) = error_of(payloads) {
            self.suspect(reason_of(error));
        }
        Ok(Received::Unauthenticated)
    }

    /// An authenticated informational message while phase 1 is not done for us: the peer, which
    /// knows the secret, refuses something else.
    pub(super) fn on_early_informational(
        &mut self,
        incoming: &Incoming<'_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Received, Rejection> {
        let error = error_of(incoming.payloads).ok_or(Rejection::UnexpectedExchange)?;
        self.terminate(reason_of(error), ctx, actions);
        Ok(Received::FreshRequest { liveness: false })
    }
}

/// The first error among the notifies of a message.
fn error_of(payloads: &Payloads<'_>) -> Option<NotifyType> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notification(notification) if notification.notify_type.is_error() => {
            Some(notification.notify_type)
        }
        _ => None,
    })
}

fn reason_of(error: NotifyType) -> CloseReason {
    match error {
        NotifyType::NO_PROPOSAL_CHOSEN => CloseReason::NoProposalChosen,
        NotifyType::INVALID_KEY_INFORMATION => CloseReason::InvalidKe,
        NotifyType::AUTHENTICATION_FAILED
        | NotifyType::INVALID_HASH_INFORMATION
        | NotifyType::INVALID_ID_INFORMATION => CloseReason::PeerRejectedAuthentication,
        _ => CloseReason::PeerRefused,
    }
}
