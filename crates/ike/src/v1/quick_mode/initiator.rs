//! Quick modes that we begin.

use crypto::{KeyPair, Secret};
use ipsec::{ChildPolicy, EspSpi, Selectors};
use wire::ikev1::{ExchangeType, Payload, Payloads, Sa};

use super::collision::{heir, is_under_way, sibling};
use super::contents::Contents;
use super::life::{Durations, Life};
use super::offer::{self, Agreed};
use super::settlement::{NewChild, install};
use super::{Aim, NONCE_LEN, Ours, State, client_id, pairs};
use crate::allowed::covers;
use crate::lifetimes::retry_at;
use crate::trace::{ExchangeEnd, Input, Stage};
use crate::v1::exchange::{self, GivenUp};
use crate::v1::hashes::Cover;
use crate::v1::{IkeSa, deletes, tracing};
use crate::{Action, ChildFailure, ChildState, Context, Job, Side};

/// What the peer's message brought.
pub(in crate::v1) struct Answer {
    agreed: Agreed,
    nonce: Box<[u8]>,
    selectors: Selectors,
    life: Life,
}

/// Begins a quick mode, unless what it is about is gone or on its way.
pub(super) fn begin(
    sa: &mut IkeSa,
    aim: Aim,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    let Some((policy, old, selectors)) = wanted(sa, aim)? else {
        return Ok(());
    };
    let terms = policy_of(sa, policy).ok_or(ChildFailure::UnknownChild)?;
    let method = offer::method_of(&terms.proposals);
    let life = Life::of(&terms.rekey);
    if offer::is_empty(&terms.proposals, method) {
        return Err(ChildFailure::NoProposalChosen);
    }
    let spi = ctx.host.allocate_inbound_spi().ok_or(ChildFailure::NoSpi)?;
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    let ours = Ours {
        policy,
        old,
        selectors,
        spi,
        nonce,
        method,
        life,
        collided: false,
    };
    let state = exchange::State::QuickMode(Box::new(State::Generating(ours)));
    let Some(id) = sa.begin_exchange(ExchangeType::QUICK_MODE, state, ctx) else {
        ctx.host.release_inbound_spi(spi);
        return Err(ChildFailure::Limit);
    };
    tracing::begun(id, ctx, actions);
    if let Some(old) = old.and_then(|old| sa.child_mut(old)) {
        old.state = ChildState::Rekeying;
    }
    let Some(method) = method else {
        if let Some(State::Generating(ours)) = super::take(sa, id) {
            send_first(sa, id, ours, None, ctx, actions);
        }
        return Ok(());
    };
    let job = sa.await_computation(id, ctx);
    actions.push(Action::Compute(Job::generate(job, method, ctx.entropy)));
    Ok(())
}

/// Policy, Child SA to be rekeyed and selectors; nothing when there is no need any more.
type Wanted = (u16, Option<EspSpi>, Selectors);

fn wanted(sa: &IkeSa, aim: Aim) -> Result<Option<Wanted>, ChildFailure> {
    let standing = sa.standing().ok_or(ChildFailure::UnknownChild)?;
    match aim {
        Aim::NewChild { policy, pair } => {
            let terms = policy_of(sa, policy).ok_or(ChildFailure::UnknownChild)?;
            let mut all = pairs::pairs_of(sa, terms).into_iter();
            let selectors = all.nth(usize::from(pair));
            let selectors = selectors.ok_or(ChildFailure::TsUnacceptable)?;
            let begun = is_under_way(&sa.exchanges, policy, &selectors);
            Ok((!begun).then_some((policy, None, selectors)))
        }
        Aim::RekeyChild { old } => {
            let Some(child) = standing.child(old) else {
                return Ok(None);
            };
            let due = child.state == ChildState::Installed
                && heir(&sa.exchanges, old).is_none()
                && sibling(standing, child.policy, &child.selectors)
                    .is_some_and(|newest| newest.inbound == old);
            Ok(due.then(|| (child.policy, Some(old), child.selectors.clone())))
        }
    }
}

fn policy_of(sa: &IkeSa, index: u16) -> Option<&ChildPolicy> {
    let children = &sa.standing()?.connection.children;
    children.get(usize::from(index))
}

/// HASH(1), SA, Ni [, KE], IDci, IDcr.
pub(super) fn send_first(
    sa: &mut IkeSa,
    id: u32,
    ours: Ours,
    pair: Option<KeyPair>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Some(policy) = policy_of(sa, ours.policy) else {
        fail(sa, id, &ours, ChildFailure::UnknownChild, ctx, actions);
        return;
    };
    let mode = super::carriage(sa).proposed;
    let offer = offer::terms_of(&policy.proposals, ours.method, mode, ours.life);
    let (Some(local), Some(remote)) = (
        ours.selectors.local().first().and_then(client_id::write),
        ours.selectors.remote().first().and_then(client_id::write),
    ) else {
        fail(sa, id, &ours, ChildFailure::TsUnacceptable, ctx, actions);
        return;
    };
    let spi = ours.spi.0.to_be_bytes();
    let durations = Durations::new(ours.life);
    let nonce = ours.nonce;
    let mut payloads = vec![
        Payload::Sa(Sa::new(offer::write(&offer, &spi, &durations))),
        Payload::Nonce(&nonce),
    ];
    let public = pair.as_ref().map(|pair| pair.public_value().to_vec());
    payloads.extend(public.as_deref().map(Payload::KeyExchange));
    payloads.push(Payload::Identification(local.payload()));
    payloads.push(Payload::Identification(remote.payload()));
    super::put(sa, id, State::Proposed(ours, pair));
    sa.send_in(id, Cover::Payloads, &payloads, true, ctx, actions);
    let (from, to) = (Stage::Quick(0), Stage::Quick(1));
    tracing::turned(id, Input::WantChildSa, from, to, ctx, actions);
}

/// HASH(2), SA, Nr [, KE] [, IDci, IDcr].
pub(super) fn on_second(
    sa: &mut IkeSa,
    id: u32,
    ours: Ours,
    pair: Option<KeyPair>,
    payloads: &Payloads<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let contents = Contents::of(payloads);
    let Some(answer) = read(sa, &ours, &contents) else {
        reject(sa, id, &ours, ctx, actions);
        return;
    };
    match (pair, contents.key_exchange) {
        (None, _) => complete(sa, id, &ours, &answer, None, ctx, actions),
        (Some(pair), Some(public)) => {
            let public = public.to_vec();
            super::put(sa, id, State::Agreeing(ours, answer));
            let job = sa.await_computation(id, ctx);
            actions.push(Action::Compute(Job::agree(job, pair, &public)));
        }
        (Some(_), None) => reject(sa, id, &ours, ctx, actions),
    }
}

/// What the answer agrees to; `None` when it is not an answer to what we proposed.
fn read(sa: &IkeSa, ours: &Ours, contents: &Contents<'_>) -> Option<Answer> {
    let (offered, nonce) = (contents.sa?, contents.nonce?);
    let policy = policy_of(sa, ours.policy)?;
    let carriage = super::carriage(sa);
    let agreed = offer::check_answer(&policy.proposals, offered, ours.method, carriage)?;
    // RFC 2409 §5.5: the responder repeats the identities. Some narrow them, which harms nobody.
    let selectors = match contents.clients {
        None => ours.selectors.clone(),
        Some((own, peer)) => {
            let answered = Selectors::new(&[own.selector()?], &[peer.selector()?]);
            if !covers(&ours.selectors, &answered) {
                return None;
            }
            answered
        }
    };
    contents.sound.then(|| Answer {
        agreed,
        nonce: nonce.into(),
        selectors,
        life: ours.life.shorter(agreed.terms.life).shorter(contents.life),
    })
}

/// The shared secret is computed; `None` when the peer's public value is not valid.
pub(super) fn on_agreed(
    sa: &mut IkeSa,
    id: u32,
    ours: &Ours,
    answer: &Answer,
    shared: Option<&Secret>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if shared.is_some() {
        complete(sa, id, ours, answer, shared, ctx, actions);
    } else {
        reject(sa, id, ours, ctx, actions);
    }
}

/// Installs the pair, then says so in the third message: the responder may send from then on.
fn complete(
    sa: &mut IkeSa,
    id: u32,
    ours: &Ours,
    answer: &Answer,
    shared: Option<&Secret>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if let Some(old) = ours.old.and_then(|old| sa.child_mut(old))
        && old.state == ChildState::Rekeying
    {
        old.state = ChildState::Installed;
    }
    let child = NewChild {
        policy: ours.policy,
        selectors: answer.selectors.clone(),
        agreed: answer.agreed,
        inbound: ours.spi,
        life: answer.life,
        side: Side::Ours,
        collided: ours.collided,
        initiator_nonce: &ours.nonce,
        responder_nonce: &answer.nonce,
        shared,
    };
    install(sa, child, ctx, actions);
    let cover = Cover::Nonces {
        initiator: &ours.nonce,
        responder: &answer.nonce,
    };
    sa.send_in(id, cover, &[], false, ctx, actions);
    sa.finish_exchange(id, ctx);
    super::complete(id, Stage::Quick(2), ctx, actions);
}

/// The answer is none. The responder has a pair that nobody shares: it is told so.
fn reject(sa: &mut IkeSa, id: u32, ours: &Ours, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let spi = ours.spi;
    deletes::send_deletes(sa, &[spi], ctx, actions);
    fail(sa, id, ours, ChildFailure::PeerMisbehaved, ctx, actions);
}

/// Nothing comes of it: gives back what it had, and tells the owner.
pub(super) fn fail(
    sa: &mut IkeSa,
    id: u32,
    ours: &Ours,
    reason: ChildFailure,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    ctx.host.release_inbound_spi(ours.spi);
    sa.drop_exchange(id);
    tracing::ended(id, ExchangeEnd::GivenUp(reason.label()), ctx, actions);
    let again = retry_at(ctx);
    if let Some(old) = ours.old.and_then(|old| sa.child_mut(old))
        && old.state == ChildState::Rekeying
    {
        old.state = ChildState::Installed;
        if old.rekey_at != timer::Instant::MAX {
            old.rekey_at = again;
        }
    }
    actions.push(Action::ChildFailed {
        policy: ours.policy,
        replaces: ours.old,
        reason,
    });
}

/// The exchange was given up.
pub(super) fn given_up(
    sa: &mut IkeSa,
    ours: &Ours,
    why: GivenUp,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let reason = match why {
        // The owner hears of the end of the IKE SA.
        GivenUp::Closed => {
            ctx.host.release_inbound_spi(ours.spi);
            return;
        }
        GivenUp::Unanswered => ChildFailure::Unanswered,
        GivenUp::Exhausted => ChildFailure::Exhausted,
    };
    fail(sa, 0, ours, reason, ctx, actions);
    // A peer that has other pairs is left to its liveness checks; one that has none may be gone for us.
    if why == GivenUp::Unanswered && sa.children().is_empty() {
        actions.push(Action::Unanswered);
    }
}
