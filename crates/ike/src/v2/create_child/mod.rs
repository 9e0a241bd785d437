//! CREATE_CHILD_SA (RFC 7296 §1.3): new Child SAs, rekey of Child SAs and of the IKE SA, in both
//! roles, and what happens when both ends begin at once (§2.8.1, §2.8.2, §2.25).

mod child_initiator;
mod child_responder;
mod child_settlement;
mod collision;
mod ike_initiator;
mod ike_responder;
mod ours;
mod patience;
mod refusal;
mod succession;

use core::time::Duration;

use crypto::{KeyExchangeMethod, KeyPair, Secret};
use ipsec::EspSpi;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{NotifyType, Payload};

use super::IkeSa;
use super::contents::Contents;
use super::task;
use crate::job::Output;
use crate::{Action, ChildFailure, CloseReason, Context, Job};
use collision::Rival;
use ours::{Ours, Reserved};
use refusal::No;

/// How long an SA that the peer has to delete is kept for it: longer than the peer repeats its
/// request.
const REPLACED_GRACE: Duration = Duration::from_secs(120);

/// How many deletions of unknown Child SAs are remembered during one exchange.
const DISOWNED_MAX: usize = 8;

/// What we want from the exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// A new Child SA of the connection's child policy with this index.
    NewChild { policy: u16 },
    /// A successor of the Child SA with this inbound SPI.
    RekeyChild { old: EspSpi },
    /// A successor of the IKE SA.
    RekeyIke,
}

/// Ours, while a computation runs: key pair before the request, or agreement after the response.
pub(super) enum Step {
    /// The request is not sent.
    Generating(Box<Ours>),
    /// The response has come.
    Agreeing(Box<Ours>, Box<Answer>),
}

/// Ours, while the request is outstanding.
pub(super) struct Requested {
    ours: Box<Ours>,
    pair: Option<KeyPair>,
}

/// Theirs, while the computation for the response runs.
pub(super) enum Answering {
    /// For a Child SA.
    Child(child_responder::Pending),
    /// For a successor of the IKE SA.
    Ike(ike_responder::Pending),
}

/// A response to our request, while the shared secret is computed.
pub(super) enum Answer {
    Child(child_initiator::Answer),
    Ike(ike_initiator::Answer),
}

/// Starts an exchange of ours: asks for a key pair, or sends the request at once. Nothing happens
/// when it has become pointless or no SPI is free.
pub(super) fn start(sa: &mut IkeSa, aim: Aim, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let prepared = match aim {
        Aim::NewChild { .. } | Aim::RekeyChild { .. } => {
            child_initiator::prepare(sa, aim, ctx, actions)
        }
        Aim::RekeyIke => ike_initiator::prepare(sa, ctx),
    };
    if let Some(ours) = prepared {
        begin(sa, Box::new(ours), ctx, actions);
    }
}

fn begin(sa: &mut IkeSa, ours: Box<Ours>, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(method) = ours.method else {
        send_request(sa, ours, None, ctx, actions);
        return;
    };
    let id = sa.await_computation(task::Step::Child(Step::Generating(ours)), ctx);
    actions.push(Action::Compute(Job::generate(id, method, ctx.entropy)));
}

/// RFC 7296 §1.2: the responder wants another method; everything else stays.
fn begin_again(
    sa: &mut IkeSa,
    mut ours: Box<Ours>,
    method: KeyExchangeMethod,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    ours.method = Some(method);
    ours.retries += 1;
    begin(sa, ours, ctx, actions);
}

fn send_request(
    sa: &mut IkeSa,
    ours: Box<Ours>,
    pair: Option<KeyPair>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match ours.aim {
        Aim::NewChild { .. } | Aim::RekeyChild { .. } => {
            child_initiator::send_request(sa, ours, pair, ctx, actions);
        }
        Aim::RekeyIke => ike_initiator::send_request(sa, ours, pair, ctx, actions),
    }
}

/// A computation of ours is done: sends the request, or completes the exchange.
pub(super) fn on_computed(
    sa: &mut IkeSa,
    step: Step,
    output: Output,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match (step, output) {
        (Step::Generating(ours), Output::Generated(pair)) => {
            send_request(sa, ours, Some(pair), ctx, actions);
        }
        (Step::Agreeing(ours, answer), Output::Agreed(secret)) => {
            complete(sa, *ours, *answer, secret.as_ref(), ctx, actions);
        }
        (Step::Generating(ours) | Step::Agreeing(ours, _), _) => ours.release(ctx),
    }
    sa.next_command(ctx, actions);
}

/// `shared` is `None` when the peer's public value is not valid.
fn complete(
    sa: &mut IkeSa,
    ours: Ours,
    answer: Answer,
    shared: Option<&Secret>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match (answer, shared) {
        (Answer::Child(answer), Some(shared)) => {
            child_settlement::complete(sa, ours, answer, Some(shared), ctx, actions);
        }
        (Answer::Ike(answer), Some(shared)) => {
            ike_initiator::complete(sa, ours, &answer, shared, ctx, actions);
        }
        (Answer::Child(_), None) => {
            let failure = ChildFailure::PeerMisbehaved;
            child_settlement::fail(sa, ours, failure, ctx, actions);
        }
        (Answer::Ike(_), None) => ike_initiator::fail(sa, ours, ctx, actions),
    }
}

/// The response to our request.
pub(super) fn on_response(
    sa: &mut IkeSa,
    requested: Requested,
    payloads: &[Payload<'_>],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let contents = Contents::of(payloads);
    match requested.ours.aim {
        Aim::NewChild { .. } | Aim::RekeyChild { .. } => {
            child_initiator::on_response(sa, requested, &contents, ctx, actions);
        }
        Aim::RekeyIke => ike_initiator::on_response(sa, requested, &contents, ctx, actions),
    }
    sa.next_command(ctx, actions);
}

/// A request of the peer. Either sends the response, or sets `sa.answering` and asks for a
/// computation.
pub(super) fn on_request(
    sa: &mut IkeSa,
    message_id: u32,
    payloads: &[Payload<'_>],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let contents = Contents::of(payloads);
    let proposals = contents.proposals.unwrap_or_default();
    let judged = if proposals.iter().any(|p| p.protocol == protocol::IKE) {
        ike_responder::on_request(sa, message_id, &contents, ctx, actions)
    } else {
        let rekeyed = rekeyed_spi(payloads);
        child_responder::on_request(sa, message_id, &contents, rekeyed, ctx, actions)
    };
    if let Err(refusal) = judged {
        refusal.send(sa, message_id, actions);
    }
    sa.next_command(ctx, actions);
}

/// The SPI, on the peer's side, of the Child SA that it wants to replace (RFC 7296 §1.3.3). A
/// notify that names no SPI of ESP is passed on as an SPI that does not exist.
fn rekeyed_spi(payloads: &[Payload<'_>]) -> Option<EspSpi> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Notify(notify) if notify.kind == NotifyType::REKEY_SA => {
            let octets = notify.spi.try_into().ok();
            let octets = octets.filter(|_| notify.protocol == protocol::ESP);
            Some(EspSpi(octets.map_or(0, u32::from_be_bytes)))
        }
        _ => None,
    })
}

/// The computation for the peer's request is done: sends the response.
pub(super) fn on_answer_computed(
    sa: &mut IkeSa,
    message_id: u32,
    answering: Answering,
    output: Output,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let computed = match output {
        Output::Answered(computed) => computed,
        Output::Generated(_) | Output::Agreed(_) | Output::Authenticated(_) | Output::Solved(_) => {
            None
        }
    };
    let judged = match answering {
        Answering::Child(pending) => {
            child_responder::on_computed(sa, message_id, pending, computed, ctx, actions)
        }
        Answering::Ike(pending) => {
            ike_responder::on_computed(sa, message_id, pending, computed, ctx, actions)
        }
    };
    if let Err(refusal) = judged {
        refusal.send(sa, message_id, actions);
    }
    sa.next_command(ctx, actions);
}

/// The peer deletes the IKE SA. If that is because it has replaced it while our own request to do
/// so is under way, its successor takes over (RFC 7296 §2.8.2, §2.25.2).
pub(super) fn on_peer_deletes_ike(
    sa: &mut IkeSa,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Some(ours) = sa.our_create_child_mut() else {
        return;
    };
    if let Some(successor) = ours.rival.take().and_then(Rival::into_ike) {
        succession::hand_over(sa, successor, ctx, actions);
    }
}

/// The peer deletes a Child SA that we do not know.
pub(super) fn on_peer_deletes_unknown(sa: &mut IkeSa, outbound: EspSpi) {
    if let Some(ours) = sa.our_create_child_mut()
        && ours.disowned.len() < DISOWNED_MAX
    {
        ours.disowned.push(outbound);
    }
}

/// The result of a computation of ours will not come. Before the request nothing has happened yet;
/// after the response the peer holds an SA that we cannot have, and the ends part.
pub(super) fn on_lost(
    sa: &mut IkeSa,
    step: Step,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match step {
        Step::Generating(ours) if ours.aim == Aim::RekeyIke => {
            ike_initiator::fail(sa, *ours, ctx, actions);
        }
        Step::Generating(ours) => {
            child_settlement::fail(sa, *ours, ChildFailure::Exhausted, ctx, actions);
        }
        Step::Agreeing(ours, _) => {
            ours.release(ctx);
            sa.close(CloseReason::Exhausted, false, ctx, actions);
        }
    }
}

/// The result of a computation for the peer's request will not come.
pub(super) fn on_answer_lost(
    sa: &mut IkeSa,
    message_id: u32,
    answering: Answering,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    abandon_answering(answering, ctx);
    No::TemporaryFailure.send(sa, message_id, actions);
}

/// Gives back what an exchange of ours had reserved, because the IKE SA closes.
pub(super) fn abandon(requested: Requested, ctx: &mut Context<'_>) {
    requested.ours.release(ctx);
}

/// As [`abandon`], while a computation runs.
pub(super) fn abandon_step(step: Step, ctx: &mut Context<'_>) {
    match step {
        Step::Generating(ours) | Step::Agreeing(ours, _) => ours.release(ctx),
    }
}

/// As [`abandon`], for an exchange of the peer.
pub(super) fn abandon_answering(answering: Answering, ctx: &mut Context<'_>) {
    match answering {
        Answering::Child(pending) => pending.release(ctx),
        Answering::Ike(pending) => pending.release(ctx),
    }
}
