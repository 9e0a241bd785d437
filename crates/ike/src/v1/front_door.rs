//! First messages. IKEv1 has no cookies in the sense of IKEv2: state is kept before the peer's address
//! is proved, so there is little of it, for a short time, and no answer is longer than its question.

use std::sync::Arc;

use ipsec::{ConnectionPolicy, IkeSpi, IkeVersion};
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{
    Body, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload, PayloadType,
    Payloads, Sa, encode_message,
};

use super::IkeSa;
use super::aggressive::{self, Opening};
use super::main_mode::{self, Accepted};
use super::offer::{self, Chosen};
use crate::half_open::Admission;
use crate::{Action, Context, FrontDoor, HalfOpenKey, InitVerdict, Path, Refusal, Rejection};

/// A first message, read.
struct First<'p, 'a> {
    bytes: &'p [u8],
    header: Header,
    payloads: &'p Payloads<'a>,
    offer: &'a [u8],
    sa: &'p Sa<'a>,
    path: Path,
    key: HalfOpenKey,
}

impl FrontDoor {
    /// Judges an IKEv1 message for which [`route`](crate::route) said `FrontDoorV1`.
    pub fn on_v1_request(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> InitVerdict<IkeSa> {
        self.judge_v1(bytes, path, ctx, actions)
            .unwrap_or_else(InitVerdict::Rejected)
    }

    fn judge_v1(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<InitVerdict<IkeSa>, Rejection> {
        let message = Message::parse(bytes).map_err(|_| Rejection::Malformed)?;
        let header = message.header;
        let Body::Clear(payloads) = &message.body else {
            return Err(Rejection::UnexpectedExchange);
        };
        if header.initiator_cookie == 0 || header.responder_cookie != 0 {
            return Err(Rejection::UnknownSpi);
        }
        if header.message_id != 0 {
            return Err(Rejection::UnexpectedExchange);
        }
        let key = HalfOpenKey {
            remote: path.remote,
            initiator_spi: IkeSpi(header.initiator_cookie),
        };
        if let Some(spi) = self.half_open.find(&key) {
            return Ok(InitVerdict::Known(spi));
        }
        // RFC 2409 §5: SA comes first in both modes.
        let Some(Payload::Sa(sa)) = payloads.iter().next() else {
            return Err(Rejection::Malformed);
        };
        let first = First {
            bytes,
            header,
            payloads,
            offer: payloads.body_of(PayloadType::SA).unwrap_or_default(),
            sa,
            path,
            key,
        };
        let opened = match header.exchange {
            ExchangeType::IDENTITY_PROTECTION => self.open_main(&first, ctx, actions),
            ExchangeType::AGGRESSIVE => self.open_aggressive(&first, ctx, actions),
            _ => Err(Rejection::UnexpectedExchange),
        }?;
        self.half_open.insert_unproved(key, opened.local_spi());
        Ok(InitVerdict::HalfOpen(opened))
    }

    fn open_main(
        &mut self,
        first: &First<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Box<IkeSa>, Rejection> {
        let (local, remote) = first.addresses();
        let mut connections = ctx
            .policy
            .connections
            .between(IkeVersion::V1, first.path.fvrf, local, remote)
            .peekable();
        if connections.peek().is_none() {
            return Err(Rejection::NoConnection);
        }
        self.half_open.admit_unproved(remote, ctx.settings)?;
        let agreed = connections.find_map(|connection| {
            let chosen = offer::choose(connection, first.sa, |_| true)?;
            Some((Arc::clone(connection), chosen))
        });
        let Some((connection, chosen)) = agreed else {
            return Err(self.refuse_v1(first, ctx, actions));
        };
        let has_secret = ctx
            .policy
            .secret_by_address(&connection, local, remote)
            .is_some();
        if !has_secret {
            return Err(Rejection::NoSharedSecret);
        }
        let spi = ctx.host.allocate_ike_spi().ok_or(Rejection::NoSpi)?;
        let accepted = first.accepted(connection, &chosen);
        Ok(main_mode::respond(&accepted, spi, ctx, actions))
    }

    fn open_aggressive(
        &mut self,
        first: &First<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Box<IkeSa>, Rejection> {
        let (local, remote) = first.addresses();
        let mut connections = ctx
            .policy
            .connections
            .between(IkeVersion::V1, first.path.fvrf, local, remote)
            .peekable();
        if connections.peek().is_none() {
            return Err(Rejection::NoConnection);
        }
        if !connections.any(|connection| connection.v1.aggressive) {
            return Err(Rejection::AggressiveMode);
        }
        // It costs a key exchange before the address is proved: not while others need cookies.
        match self.half_open.admission(remote, ctx.settings) {
            Admission::Free => self.half_open.admit_unproved(remote, ctx.settings)?,
            Admission::CookieNeeded | Admission::PuzzleNeeded(_) => {
                return Err(Rejection::HalfOpenLimit);
            }
            Admission::Full(rejection) => return Err(rejection),
        }
        let opening = Opening::read(first.payloads)?;
        let identity = opening.claimed.identity.clone();
        let identity = identity.ok_or(Rejection::IdentityUnwanted)?;
        let connection = ctx
            .policy
            .connections
            .of_peer(
                IkeVersion::V1,
                first.path.fvrf,
                (local, remote),
                None,
                &identity,
            )
            .ok_or(Rejection::IdentityUnwanted)?;
        if !connection.v1.aggressive {
            return Err(Rejection::AggressiveMode);
        }
        let connection = Arc::clone(connection);
        let fits = |suite: &super::Suite| suite.key_exchange.public_len() == opening.public.len();
        let Some(chosen) = offer::choose(&connection, first.sa, fits) else {
            return Err(self.refuse_v1(first, ctx, actions));
        };
        let own = connection.local_id.clone().unwrap_or_else(|| local.into());
        let secret = offer::secret(&connection, first.path, (&own, &identity), ctx.policy)
            .ok_or(Rejection::NoSharedSecret)?;
        let hash = chosen.terms.suite.hash;
        if aggressive::answer_len(&opening, &chosen.answer(), hash, &own) > first.bytes.len() {
            return Err(Rejection::WouldAmplify);
        }
        let spi = ctx.host.allocate_ike_spi().ok_or(Rejection::NoSpi)?;
        let accepted = first.accepted(connection, &chosen);
        Ok(aggressive::respond(
            &accepted, opening, identity, secret, spi, ctx, actions,
        ))
    }

    /// Nothing of the peer's is acceptable: it is told so, shorter than what it sent, at a limited
    /// rate.
    fn refuse_v1(
        &mut self,
        first: &First<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Rejection {
        let rate = ctx.settings.refusals_part();
        if !self.refusals.take(ctx.now, rate) {
            return Rejection::RefusalLimit;
        }
        let header = Header {
            next_payload: 0,
            exchange: ExchangeType::INFORMATIONAL,
            flags: Flags::default(),
            message_id: ctx.entropy.next_u32().max(1),
            ..first.header
        };
        let refusal = Payload::Notification(Notification {
            doi: doi::IPSEC,
            protocol: protocol::ISAKMP,
            spi: &[],
            notify_type: NotifyType::NO_PROPOSAL_CHOSEN,
            data: &[],
        });
        let message = encode_message(&header, &[refusal]);
        if message.len() > first.bytes.len() {
            return Rejection::WouldAmplify;
        }
        actions.push(Action::Send {
            path: first.path,
            message,
        });
        actions.push(Action::Refused(Refusal::NoProposalChosen));
        Rejection::Refused
    }
}

impl<'p, 'a> First<'p, 'a> {
    fn addresses(&self) -> (core::net::IpAddr, core::net::IpAddr) {
        (
            self.path.local.ip().to_canonical(),
            self.path.remote.ip().to_canonical(),
        )
    }

    fn accepted(
        &self,
        connection: Arc<ConnectionPolicy>,
        chosen: &Chosen<'_, 'a>,
    ) -> Accepted<'p, 'a> {
        Accepted {
            bytes: self.bytes,
            payloads: self.payloads,
            offer: self.offer,
            path: self.path,
            key: self.key,
            connection,
            terms: chosen.terms,
            answer: chosen.answer(),
        }
    }
}
