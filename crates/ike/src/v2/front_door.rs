use core::net::IpAddr;
use std::sync::Arc;

use crypto::PrfAlgorithm;
use ipsec::{ConnectionPolicy, IkeSpi, IkeVersion};
use wire::ikev2::{
    ExchangeType, Flags, HEADER_LEN, Header, Message, NotifyType, Payload, Proposal, encode_message,
};

use super::algorithm::group_number;
use super::contents::{Contents, notify, unsupported_critical};
use super::gate::Gate;
use super::ike_sa_init::{Accepted, nonce_is_sound};
use super::proposal::select_ike;
use super::puzzle::{challenge, function_for, solved_bits};
use super::suite::IkeSuite;
use super::tracing::trace_payloads;
use super::{IkeSa, natd};
use crate::half_open::Admission;
use crate::{Action, Context, FrontDoor, HalfOpenKey, InitVerdict, Path, Refusal, Rejection};

/// What a request must contain.
struct Opening<'p, 'a> {
    contents: Contents<'p, 'a>,
    proposals: &'p [Proposal<'a>],
    group: u16,
    public: &'a [u8],
    nonce: &'a [u8],
}

impl FrontDoor {
    /// Judges an IKEv2 message for which [`route`](crate::route) said `FrontDoor`.
    pub fn on_request(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> InitVerdict<IkeSa> {
        match self.judge(bytes, path, ctx, actions) {
            Ok(verdict) => verdict,
            Err(rejection) => InitVerdict::Rejected(rejection),
        }
    }

    fn judge(
        &mut self,
        bytes: &[u8],
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<InitVerdict<IkeSa>, Rejection> {
        let header = Header::parse(bytes).map_err(|_| Rejection::Malformed)?;
        if header.major != 2 {
            return Err(self.refuse_version(&header, path, ctx, actions));
        }
        let message = Message::parse(bytes).map_err(|_| Rejection::Malformed)?;
        check_opening_header(&header)?;
        let key = HalfOpenKey {
            remote: path.remote,
            initiator_spi: IkeSpi(header.initiator_spi),
        };
        if let Some(spi) = self.half_open.find(&key) {
            return Ok(InitVerdict::Known(spi));
        }
        trace_payloads(header.message_id, &message.payloads, ctx, actions);
        let opening = Opening::read(&message)?;
        let proved = match self.gate(bytes, &path, ctx.now, ctx.settings, ctx.entropy) {
            // Who is known has been told apart above.
            Gate::Open | Gate::Known(_) => false,
            Gate::Proved => true,
            Gate::Closed { answer, reason } => {
                actions.extend(answer.map(|octets| Action::Send {
                    path,
                    message: octets.to_vec(),
                }));
                return Err(reason);
            }
        };
        self.admit(&header, &opening, proved, (path, ctx), actions)?;
        let offer = self.negotiate(&header, &message, &opening, path, ctx, actions)?;
        let accepted = Accepted {
            request: bytes,
            path,
            peer_spi: key.initiator_spi,
            nat: natd::detect(&message.payloads, header.initiator_spi, 0, path),
            fragmentation: offer.connection.fragmentation
                && opening
                    .contents
                    .notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)
                    .is_some(),
            connection: offer.connection,
            suite: offer.suite,
            answer: offer.answer,
            nonce: opening.nonce,
            public: opening.public,
        };
        let spi = ctx.host.allocate_ike_spi().ok_or(Rejection::NoSpi)?;
        self.half_open.insert(key, spi);
        let sa = IkeSa::respond(accepted, spi, ctx, actions);
        Ok(InitVerdict::HalfOpen(sa))
    }

    /// RFC 7296 §2.6: above the thresholds, an address must show that it receives what is sent to it before any state or
    /// big-number work is spent on it, which the [gate](Self::gate) sees to; above higher ones it must solve a puzzle, too (RFC 8019 §7.1).
    fn admit(
        &mut self,
        header: &Header,
        opening: &Opening<'_, '_>,
        proved: bool,
        (path, ctx): (Path, &mut Context<'_>),
        actions: &mut Vec<Action>,
    ) -> Result<(), Rejection> {
        let source = path.remote.ip();
        let bits = match self.half_open.admission(source, ctx.settings) {
            Admission::Full(rejection) => return Err(rejection),
            Admission::Free => return Ok(()),
            Admission::CookieNeeded => {
                return proved.then_some(()).ok_or(Rejection::CookieRequired);
            }
            Admission::PuzzleNeeded(bits) => bits,
        };
        // Without a function in common nothing will come of it: the proposals are refused.
        let Some(function) = function_for(opening.proposals) else {
            return Ok(());
        };
        self.cookies
            .rotate(ctx.now, ctx.settings.cookie_lifetime, ctx.entropy);
        let (spi, nonce) = (header.initiator_spi, opening.nonce);
        let returned = opening.contents.notify(NotifyType::COOKIE);
        let given = returned.and_then(|cookie| self.cookies.given(cookie, source, spi, nonce));
        if let Some(given) = given.filter(|bits| *bits > 0) {
            return self.judge_solution(function, given, opening, source, ctx);
        }
        let cookie = self.cookies.bake(source, spi, nonce, bits);
        let puzzle = challenge(function, bits).data();
        let payloads = [
            notify(NotifyType::COOKIE, &cookie),
            notify(NotifyType::PUZZLE, &puzzle),
        ];
        answer(header, &payloads, path, actions);
        Err(Rejection::PuzzleRequired)
    }

    /// RFC 8019 §7.1.4, §7.1.5: who has done the work that was asked comes in; who did none may have never heard of puzzles, and a lot
    /// decides, with a chance that shrinks with the places. It may ask again with the same cookie, and draws another lot.
    fn judge_solution(
        &self,
        function: PrfAlgorithm,
        asked: u8,
        opening: &Opening<'_, '_>,
        source: IpAddr,
        ctx: &mut Context<'_>,
    ) -> Result<(), Rejection> {
        let cookie = opening.contents.notify(NotifyType::COOKIE);
        let solution = opening.contents.puzzle_solution;
        if let (Some(cookie), Some(solution)) = (cookie, solution) {
            let solved = solved_bits(function, cookie, solution);
            let enough = solved.is_some_and(|bits| bits >= u32::from(asked));
            return enough.then_some(()).ok_or(Rejection::PuzzleWrong);
        }
        let mut lot = [0];
        ctx.entropy.fill(&mut lot);
        let chance = self.half_open.unsolved_chance(source, ctx.settings);
        let [lot] = lot;
        (lot < chance)
            .then_some(())
            .ok_or(Rejection::PuzzleUnsolved)
    }

    /// Finds a connection between the two addresses whose proposals meet the peer's. Which one
    /// applies in the end depends on the identity that IKE_AUTH brings.
    fn negotiate(
        &mut self,
        header: &Header,
        message: &Message<'_>,
        opening: &Opening<'_, '_>,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Result<Negotiated, Rejection> {
        let (local, remote) = (
            path.local.ip().to_canonical(),
            path.remote.ip().to_canonical(),
        );
        let mut connections = ctx
            .policy
            .connections
            .between(IkeVersion::V2, path.fvrf, local, remote)
            .peekable();
        if connections.peek().is_none() {
            return Err(Rejection::NoConnection);
        }
        if let Some(unknown) = unsupported_critical(&message.payloads) {
            let kind = NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD;
            let refusal = notify(kind, core::slice::from_ref(&unknown.0));
            let reason = Refusal::UnsupportedCriticalPayload;
            return Err(self.refuse(header, refusal, reason, path, ctx, actions));
        }
        let mut wanted_group = None;
        for connection in connections {
            let Some(chosen) = select_ike(&connection.proposals, opening.proposals, 0) else {
                continue;
            };
            let group = group_number(chosen.suite.key_exchange);
            if group == opening.group {
                return Ok(Negotiated {
                    connection: Arc::clone(connection),
                    suite: chosen.suite,
                    answer: chosen.answer(&[]),
                });
            }
            wanted_group.get_or_insert(group);
        }
        let (refusal, reason);
        let data = wanted_group.map(u16::to_be_bytes);
        if let Some(data) = &data {
            refusal = notify(NotifyType::INVALID_KE_PAYLOAD, data);
            reason = Refusal::InvalidKe;
        } else {
            refusal = notify(NotifyType::NO_PROPOSAL_CHOSEN, &[]);
            reason = Refusal::NoProposalChosen;
        }
        Err(self.refuse(header, refusal, reason, path, ctx, actions))
    }

    /// RFC 7296 §2.5: a newer major version is told ours.
    fn refuse_version(
        &mut self,
        header: &Header,
        path: Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Rejection {
        if header.major < 2 || header.flags.response {
            return Rejection::UnsupportedVersion;
        }
        let refusal = notify(NotifyType::INVALID_MAJOR_VERSION, &[]);
        let reason = Refusal::InvalidMajorVersion;
        match self.refuse(header, refusal, reason, path, ctx, actions) {
            Rejection::Refused => Rejection::UnsupportedVersion,
            limited => limited,
        }
    }

    fn refuse(
        &mut self,
        header: &Header,
        refusal: Payload<'_>,
        reason: Refusal,
        path: Path,
        ctx: &Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Rejection {
        if !self.refusals.take(ctx.now, ctx.settings.refusals_part()) {
            return Rejection::RefusalLimit;
        }
        answer(header, &[refusal], path, actions);
        actions.push(Action::Refused(reason));
        Rejection::Refused
    }
}

/// What a request and a connection agree on.
struct Negotiated {
    connection: Arc<ConnectionPolicy>,
    suite: IkeSuite,
    answer: Proposal<'static>,
}

impl<'p, 'a> Opening<'p, 'a> {
    fn read(message: &'p Message<'a>) -> Result<Self, Rejection> {
        let contents = Contents::of(&message.payloads);
        let proposals = contents.proposals.ok_or(Rejection::Malformed)?;
        let (group, public) = contents.key_exchange.ok_or(Rejection::Malformed)?;
        let nonce = contents.nonce.ok_or(Rejection::Malformed)?;
        if !nonce_is_sound(nonce) {
            return Err(Rejection::BadNonce);
        }
        Ok(Self {
            contents,
            proposals,
            group,
            public,
            nonce,
        })
    }
}

/// RFC 7296 §3.1: from the initiator, message 0, with its SPI and without ours.
pub(super) fn check_opening_header(header: &Header) -> Result<(), Rejection> {
    if header.exchange != ExchangeType::IKE_SA_INIT || header.flags.response {
        return Err(Rejection::UnexpectedExchange);
    }
    if !header.flags.initiator {
        return Err(Rejection::WrongDirection);
    }
    if header.initiator_spi == 0 || header.responder_spi != 0 {
        return Err(Rejection::UnknownSpi);
    }
    if header.message_id != 0 {
        return Err(Rejection::OutsideWindow);
    }
    Ok(())
}

/// Answers without keeping state: the responder's SPI stays zero (RFC 7296 §2.6). Shorter than any
/// request that has what is required, so that nothing is amplified.
fn answer(header: &Header, payloads: &[Payload<'_>], path: Path, actions: &mut Vec<Action>) {
    let message = encode_message(&answer_header(header), payloads);
    debug_assert!(message.len() >= HEADER_LEN, "a message has a header");
    actions.push(Action::Send { path, message });
}

/// The header of such an answer.
pub(super) fn answer_header(header: &Header) -> Header {
    Header {
        initiator_spi: header.initiator_spi,
        responder_spi: header.responder_spi,
        next_payload: 0,
        major: 2,
        minor: 0,
        exchange: header.exchange,
        flags: Flags {
            initiator: false,
            version: false,
            response: true,
        },
        message_id: header.message_id,
        length: 0,
    }
}
