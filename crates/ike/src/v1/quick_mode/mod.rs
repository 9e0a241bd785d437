//! Quick mode (RFC 2409 §5.5): Child SAs come to be, in three messages. Several may run at once.

mod client_id;
mod collision;
mod contents;
mod initiator;
mod keymat;
mod life;
mod offer;
mod pairs;
mod queue;
mod responder;
mod settlement;
mod terms;

use crypto::{KeyExchangeMethod, KeyPair};
use ipsec::{EspSpi, Selectors};
use wire::ikev1::{NatNumbers, NotifyType};

use super::exchange::{self, Exchange, GivenUp, Incoming};
use super::hashes::Cover;
use super::{IkeSa, tracing};
use crate::job::Output;
use crate::trace::{ExchangeEnd, Input, Stage};
use crate::{Action, ChildFailure, Context, Received, Rejection};

pub(super) use collision::{heir, is_superseded};
use initiator::Answer;
use life::Life;
use offer::Carriage;
pub(super) use queue::{aims_of_child, enqueue, may_begin, next, withdraw};
use responder::Theirs;
use terms::TunnelMode;

/// Our own quick modes that may run at once; more wait.
const OWN_MAX: usize = 4;
/// The peer's quick modes that may run at once.
const PEER_MAX: usize = 8;
/// Octets of our nonces (RFC 2409 §5: 8 to 256).
const NONCE_LEN: usize = 32;

/// What a quick mode of ours shall bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// A Child SA.
    NewChild {
        /// Index in the connection's children.
        policy: u16,
        /// Which pair of selectors of that child.
        pair: u16,
    },
    /// One that replaces this.
    RekeyChild {
        /// Inbound SPI.
        old: EspSpi,
    },
}

/// How far a quick mode has come.
pub(super) enum State {
    /// Ours: a key pair for the first message is made.
    Generating(Ours),
    /// Ours: the first message is on its way.
    Proposed(Ours, Option<KeyPair>),
    /// Ours: the shared secret is computed from the second message.
    Agreeing(Ours, Answer),
    /// Theirs: the key exchange for the second message is computed.
    Answering(Theirs),
    /// Theirs: the second message is on its way, and what it promised to receive can be received.
    Confirming(Confirming),
}

/// What we want of a quick mode of ours.
pub(super) struct Ours {
    /// Index in the connection's children.
    policy: u16,
    /// The Child SA that is to be rekeyed.
    old: Option<EspSpi>,
    /// The pair of selectors that we propose.
    selectors: Selectors,
    /// Our SPI.
    spi: EspSpi,
    nonce: [u8; NONCE_LEN],
    method: Option<KeyExchangeMethod>,
    life: Life,
    /// The peer has begun a quick mode for the same selectors in the meantime.
    collided: bool,
}

/// A quick mode of the peer that lacks but the third message.
pub(super) struct Confirming {
    /// Our SPI.
    child: EspSpi,
    /// The Child SA that it replaces once it is confirmed.
    replaces: Option<EspSpi>,
    initiator_nonce: Box<[u8]>,
    responder_nonce: [u8; NONCE_LEN],
}

impl State {
    /// What we want, if we began it.
    fn ours(&self) -> Option<&Ours> {
        match self {
            Self::Generating(ours) | Self::Proposed(ours, _) | Self::Agreeing(ours, _) => {
                Some(ours)
            }
            Self::Answering(_) | Self::Confirming(_) => None,
        }
    }

    fn ours_mut(&mut self) -> Option<&mut Ours> {
        match self {
            Self::Generating(ours) | Self::Proposed(ours, _) | Self::Agreeing(ours, _) => {
                Some(ours)
            }
            Self::Answering(_) | Self::Confirming(_) => None,
        }
    }

    /// What the hash of the message that is expected covers; `None` when none is.
    fn expected_cover(&self) -> Option<Cover<'_>> {
        match self {
            Self::Proposed(ours, _) => Some(Cover::Answer {
                initiator_nonce: &ours.nonce,
            }),
            Self::Confirming(confirming) => Some(Cover::Nonces {
                initiator: &confirming.initiator_nonce,
                responder: &confirming.responder_nonce,
            }),
            Self::Generating(_) | Self::Agreeing(..) | Self::Answering(_) => None,
        }
    }

    /// Messages that have been exchanged.
    fn stage(&self) -> Stage {
        match self {
            Self::Generating(_) => Stage::Quick(0),
            Self::Proposed(..) | Self::Answering(_) => Stage::Quick(1),
            Self::Agreeing(..) | Self::Confirming(_) => Stage::Quick(2),
        }
    }
}

/// A message of quick mode, its hash not compared yet.
pub(super) fn on_message(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    let id = incoming.message_id;
    let Some(exchange) = sa.exchange(id) else {
        return on_first(sa, incoming, ctx, actions);
    };
    let exchange::State::QuickMode(state) = &exchange.state else {
        return Err(Rejection::UnexpectedExchange);
    };
    let cover = state.expected_cover().ok_or(Rejection::Busy)?;
    sa.verify(incoming, cover)?;
    sa.confirm_phase_one();
    sa.follow(incoming.path, actions);
    sa.advance(incoming);
    tracing::payloads(id, incoming.payloads, ctx, actions);
    let Some(state) = take(sa, id) else {
        return Err(Rejection::UnexpectedExchange);
    };
    let from = state.stage();
    match state {
        State::Proposed(ours, pair) => {
            let to = Stage::Quick(2);
            tracing::turned(id, Input::Message, from, to, ctx, actions);
            initiator::on_second(sa, id, ours, pair, incoming.payloads, ctx, actions);
        }
        State::Confirming(confirming) => {
            sa.finish_exchange(id, ctx);
            settlement::confirmed(sa, &confirming, ctx, actions);
            complete(id, from, ctx, actions);
        }
        // Nothing was expected, so that nothing was let through.
        State::Generating(_) | State::Agreeing(..) | State::Answering(_) => {}
    }
    next(sa, ctx, actions);
    Ok(Received::FreshResponse { liveness: false })
}

fn on_first(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    sa.authenticate(incoming, Cover::Payloads)?;
    // draft-beaulieu-ike-xauth-02 §6: no other exchange before the user is known.
    if !sa.standing().is_some_and(|standing| standing.is_open()) {
        return Err(Rejection::UnexpectedExchange);
    }
    sa.remember(incoming.message_id, ctx)?;
    sa.follow(incoming.path, actions);
    tracing::begun(incoming.message_id, ctx, actions);
    tracing::payloads(incoming.message_id, incoming.payloads, ctx, actions);
    responder::on_first(sa, incoming, ctx, actions)?;
    Ok(Received::FreshRequest { liveness: false })
}

/// The computation for which the exchange waits is done.
pub(super) fn on_computed(
    sa: &mut IkeSa,
    id: u32,
    output: Output,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match (take(sa, id), output) {
        (Some(State::Generating(ours)), Output::Generated(pair)) => {
            initiator::send_first(sa, id, ours, Some(pair), ctx, actions);
        }
        (Some(State::Agreeing(ours, answer)), Output::Agreed(shared)) => {
            initiator::on_agreed(sa, id, &ours, &answer, shared.as_ref(), ctx, actions);
        }
        (Some(State::Answering(theirs)), Output::Answered(computed)) => {
            responder::on_computed(sa, id, theirs, computed, ctx, actions);
        }
        // A job brings the output that its exchange waits for.
        (Some(state), _) => put(sa, id, state),
        (None, _) => {}
    }
    next(sa, ctx, actions);
}

/// The exchange is gone; `state` is what it held.
pub(super) fn on_given_up(
    sa: &mut IkeSa,
    state: State,
    why: GivenUp,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match state {
        State::Generating(ours) | State::Proposed(ours, _) | State::Agreeing(ours, _) => {
            initiator::given_up(sa, &ours, why, ctx, actions);
        }
        State::Answering(theirs) => theirs.release(ctx),
        State::Confirming(confirming) => {
            if why != GivenUp::Closed {
                settlement::unconfirmed(sa, &confirming, ctx, actions);
            }
        }
    }
    if why != GivenUp::Closed {
        next(sa, ctx, actions);
    }
}

/// The peer refuses, in an informational exchange that names the SPI of our proposal or nothing.
/// Says whether a quick mode of ours was meant.
pub(super) fn on_refused(
    sa: &mut IkeSa,
    spi: &[u8],
    error: NotifyType,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> bool {
    let outstanding = sa
        .exchanges
        .iter()
        .filter_map(|exchange| match &exchange.state {
            exchange::State::QuickMode(state) => match &**state {
                State::Proposed(ours, _) => Some((exchange.message_id, ours.spi)),
                _ => None,
            },
            _ => None,
        });
    let outstanding: Vec<(u32, EspSpi)> = outstanding.collect();
    let named = outstanding
        .iter()
        .find(|(_, own)| own.0.to_be_bytes() == spi);
    let meant = match (named, outstanding.as_slice()) {
        (Some((id, _)), _) => *id,
        // Not every peer names our SPI; with one alone there is no doubt.
        (None, [(id, _)]) => *id,
        _ => return false,
    };
    if let Some(State::Proposed(ours, _)) = take(sa, meant) {
        let reason = match error {
            NotifyType::NO_PROPOSAL_CHOSEN => ChildFailure::NoProposalChosen,
            NotifyType::INVALID_ID_INFORMATION => ChildFailure::TsUnacceptable,
            NotifyType::INVALID_KEY_INFORMATION => ChildFailure::InvalidKe,
            _ => ChildFailure::PeerRefused,
        };
        initiator::fail(sa, meant, &ours, reason, ctx, actions);
    }
    next(sa, ctx, actions);
    true
}

/// Takes the state out of an exchange; whoever takes it puts one back or ends the exchange.
fn take(sa: &mut IkeSa, id: u32) -> Option<State> {
    let exchange = sa.exchange_mut(id)?;
    match core::mem::replace(&mut exchange.state, exchange::State::Over) {
        exchange::State::QuickMode(state) => Some(*state),
        other => {
            exchange.state = other;
            None
        }
    }
}

fn put(sa: &mut IkeSa, id: u32, state: State) {
    if let Some(exchange) = sa.exchange_mut(id) {
        exchange.state = exchange::State::QuickMode(Box::new(state));
    }
}

/// Quick modes under way.
fn quick_modes(exchanges: &[Exchange]) -> impl Iterator<Item = &State> {
    exchanges
        .iter()
        .filter_map(|exchange| match &exchange.state {
            exchange::State::QuickMode(state) => Some(&**state),
            _ => None,
        })
}

/// How ESP can travel: in UDP where a NAT was found or the ends talk on the port for it anyway.
fn carriage(sa: &IkeSa) -> Carriage {
    let udp = match sa.traversal {
        Some(NatNumbers::Drafts) => TunnelMode::UdpDrafts,
        _ => TunnelMode::Udp,
    };
    let needed = sa.nat.any() || sa.path.encapsulated;
    Carriage {
        proposed: if needed { udp } else { TunnelMode::Raw },
        udp: needed,
        raw: !sa.nat.any(),
    }
}

/// Tells whoever watches that a quick mode is complete.
fn complete(id: u32, from: Stage, ctx: &Context<'_>, actions: &mut Vec<Action>) {
    let to = Stage::QuickDone;
    tracing::ended(id, ExchangeEnd::Complete, ctx, actions);
    tracing::turned(id, Input::Message, from, to, ctx, actions);
}
