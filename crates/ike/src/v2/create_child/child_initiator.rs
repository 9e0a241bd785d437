//! New Child SAs and the rekey of Child SAs, started by us (RFC 7296 §1.3.1, §1.3.3).

use core::net::IpAddr;

use crypto::{KeyExchangeMethod, KeyPair, Secret};
use ipsec::{ChildPolicy, EspSpi, Selectors};
use timer::Instant;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{ExchangeType, Notify, NotifyType, Payload};

use super::collision::Rival;
use super::{Aim, Ours, REPLACED_GRACE, RETRIES_MAX, Requested, Reserved, Step};
use crate::v2::algorithm::{group_number, method_of_group};
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::{NONCE_LEN, nonce_is_sound};
use crate::v2::install::{Agreed, NewChild};
use crate::v2::keymat::Nonces;
use crate::v2::lifetimes::retry_at;
use crate::v2::narrow::{Ends, allowed, to_wire};
use crate::v2::negotiation::check_answer;
use crate::v2::offer::{Pfs, esp_proposals};
use crate::v2::task::{self, Command, Exchange};
use crate::v2::{ChildState, IkeSa, Role};
use crate::{Action, ChildFailure, Context, Job, RemovalReason};

/// What the responder agreed to.
pub(in crate::v2) struct Answer {
    agreed: Agreed,
    nonce: Box<[u8]>,
}

/// What a response means.
enum Verdict {
    /// Done as it is.
    Complete(Answer),
    /// The shared secret has to be computed from our pair and this value.
    Agree(Answer, Box<[u8]>),
    /// The responder wants another method.
    OtherMethod(KeyExchangeMethod),
    /// It will not be.
    Fail(ChildFailure),
}

/// Reserves what the exchange needs. Says so to the owner when that cannot be had.
pub(super) fn prepare(
    sa: &mut IkeSa,
    aim: Aim,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Option<Ours> {
    let policy = policy_index(sa, aim)?;
    let method = first_method(policy_of(sa, policy)?);
    let Some(spi) = ctx.host.allocate_inbound_spi() else {
        actions.push(failed(policy, aim, ChildFailure::NoSpi));
        postpone_rekey(sa, aim, ctx);
        return None;
    };
    if let Aim::RekeyChild { old } = aim
        && let Some(old) = sa.child_mut(old)
    {
        old.state = ChildState::Rekeying;
    }
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    Some(Ours {
        aim,
        policy,
        spi: Reserved::Esp(spi),
        nonce,
        method,
        proposed: None,
        retries: 0,
        disowned: Vec::new(),
        rival: None,
    })
}

/// Sends the request, unless what it is about is gone since it was prepared.
pub(super) fn send_request(
    sa: &mut IkeSa,
    mut ours: Box<Ours>,
    pair: Option<KeyPair>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let (Reserved::Esp(spi), Some(proposed)) = (ours.spi, proposed(sa, ours.aim)) else {
        ours.release(ctx);
        return;
    };
    let Some(policy) = policy_of(sa, ours.policy) else {
        ours.release(ctx);
        return;
    };
    let spi = spi.0.to_be_bytes();
    let proposals = esp_proposals(&policy.proposals, Pfs::ByPolicy, &spi);
    let nonce = ours.nonce;
    let rekeyed;
    let mut payloads = Vec::with_capacity(6);
    if let Aim::RekeyChild { old } = ours.aim {
        rekeyed = old.0.to_be_bytes();
        payloads.push(Payload::Notify(Notify {
            protocol: protocol::ESP,
            spi: &rekeyed,
            kind: NotifyType::REKEY_SA,
            data: &[],
        }));
    }
    payloads.push(Payload::SecurityAssociation(proposals));
    payloads.push(Payload::Nonce(&nonce));
    let public = pair.as_ref().map(|pair| pair.public_value().to_vec());
    payloads.extend(public.as_deref().zip(ours.method).map(|(data, method)| {
        let group = group_number(method);
        Payload::KeyExchange { group, data }
    }));
    payloads.push(Payload::TrafficSelectorsInitiator(to_wire(
        proposed.local(),
    )));
    payloads.push(Payload::TrafficSelectorsResponder(to_wire(
        proposed.remote(),
    )));
    ours.proposed = Some(proposed);
    let exchange = Exchange::CreateChild(Requested { ours, pair });
    sa.send_request(
        ExchangeType::CREATE_CHILD_SA,
        &payloads,
        exchange,
        ctx,
        actions,
    );
}

/// The response to our request.
pub(super) fn on_response(
    sa: &mut IkeSa,
    requested: Requested,
    contents: &Contents<'_, '_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Requested { ours, pair } = requested;
    match (judge(sa, &ours, contents), pair) {
        (Verdict::Complete(answer), _) => complete(sa, *ours, answer, None, ctx, actions),
        (Verdict::Agree(answer, public), Some(pair)) => {
            let step = Step::Agreeing(ours, Box::new(super::Answer::Child(answer)));
            let id = sa.await_computation(task::Step::Child(step), ctx);
            actions.push(Action::Compute(Job::agree(id, pair, &public)));
        }
        (Verdict::Agree(..), None) => {
            fail(sa, *ours, ChildFailure::PeerMisbehaved, ctx, actions);
        }
        (Verdict::OtherMethod(method), _) => super::begin_again(sa, ours, method, ctx, actions),
        (Verdict::Fail(reason), _) => fail(sa, *ours, reason, ctx, actions),
    }
}

fn judge(sa: &IkeSa, ours: &Ours, contents: &Contents<'_, '_>) -> Verdict {
    let (Some(policy), Some(proposed)) = (policy_of(sa, ours.policy), &ours.proposed) else {
        return Verdict::Fail(ChildFailure::UnknownChild);
    };
    if let Some(error) = contents.error() {
        return judge_error(error, ours, policy, contents);
    }
    let (Some(offer), Some(nonce)) = (contents.child_offer(), contents.nonce) else {
        return Verdict::Fail(ChildFailure::PeerMisbehaved);
    };
    let agreement = check_answer(policy, ours.policy, Pfs::ByPolicy, offer, proposed);
    let agreed = agreement
        .ok()
        .and_then(|agreement| Agreed::read(&agreement));
    let Some(agreed) = agreed.filter(|_| nonce_is_sound(nonce)) else {
        return Verdict::Fail(ChildFailure::PeerMisbehaved);
    };
    let method = agreed.suite.key_exchange;
    let nonce = nonce.into();
    let answer = Answer { agreed, nonce };
    match (method, contents.key_exchange) {
        (None, _) => Verdict::Complete(answer),
        (Some(method), Some((group, public)))
            if ours.method == Some(method) && group_number(method) == group =>
        {
            Verdict::Agree(answer, public.into())
        }
        // RFC 7296 §1.3: the responder must not choose a method that needs another KE payload.
        (Some(_), _) => Verdict::Fail(ChildFailure::PeerMisbehaved),
    }
}

fn judge_error(
    error: NotifyType,
    ours: &Ours,
    policy: &ChildPolicy,
    contents: &Contents<'_, '_>,
) -> Verdict {
    if error != NotifyType::INVALID_KE_PAYLOAD {
        return Verdict::Fail(ChildFailure::of_notify(error));
    }
    let wanted = contents
        .notify(NotifyType::INVALID_KE_PAYLOAD)
        .and_then(|data| data.try_into().ok())
        .and_then(|data| method_of_group(u16::from_be_bytes(data)));
    let offered = |method| {
        let lists = policy.proposals.iter().map(|p| &p.key_exchange);
        lists.flatten().any(|known| *known == method)
    };
    match wanted {
        Some(method)
            if ours.retries < RETRIES_MAX && ours.method != Some(method) && offered(method) =>
        {
            Verdict::OtherMethod(method)
        }
        _ => Verdict::Fail(ChildFailure::InvalidKe),
    }
}

/// Both ends have everything: installs the Child SA and settles what becomes of the old one.
pub(super) fn complete(
    sa: &mut IkeSa,
    ours: Ours,
    answer: Answer,
    shared: Option<&Secret>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Reserved::Esp(inbound) = ours.spi else {
        return;
    };
    let lost = ours
        .rival
        .as_ref()
        .is_some_and(|rival| rival.prevails_over([&ours.nonce, &answer.nonce]));
    let replaces = match ours.aim {
        Aim::RekeyChild { old } => Some(old),
        Aim::NewChild { .. } | Aim::RekeyIke => None,
    };
    let disowned = ours.disowned.contains(&answer.agreed.outbound);
    let child = NewChild {
        agreed: answer.agreed,
        inbound,
        replaces,
        // RFC 7296 §2.8: the responder was ready before it answered.
        outbound_ready: !lost,
    };
    let nonces = Nonces {
        initiator: &ours.nonce,
        responder: &answer.nonce,
    };
    sa.install_child(child, nonces, shared, Role::Initiator, ctx, actions);
    match replaces {
        None => {}
        Some(old) if lost => withdraw(sa, old, inbound, ctx, actions),
        Some(old) => {
            let rival = ours.rival.and_then(Rival::into_child);
            supersede(sa, old, inbound, rival, ctx, actions);
        }
    }
    if disowned {
        sa.remove_child(inbound, RemovalReason::PeerDeleted, actions);
    }
}

/// RFC 7296 §2.8.1: ours is the redundant one, so we delete it; the peer deletes the old one.
fn withdraw(
    sa: &mut IkeSa,
    old: EspSpi,
    ours: EspSpi,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    retire(sa, ours, None, ctx.now);
    if let Some(old) = sa.child_mut(old) {
        old.state = ChildState::Replaced;
    }
    delete_first(sa, ours, RemovalReason::RedundantRekey, ctx, actions);
}

/// Ours stands: we delete the old one, and the peer the one that it made at the same time.
fn supersede(
    sa: &mut IkeSa,
    old: EspSpi,
    ours: EspSpi,
    rival: Option<EspSpi>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    retire(sa, old, Some(ours), ctx.now);
    if let Some(rival) = rival {
        retire(sa, rival, Some(ours), ctx.now);
    }
    delete_first(sa, old, RemovalReason::Rekeyed, ctx, actions);
}

/// Keeps a Child SA for inbound traffic only, until one end deletes it.
pub(super) fn retire(sa: &mut IkeSa, child: EspSpi, successor: Option<EspSpi>, now: Instant) {
    if let Some(child) = sa.child_mut(child) {
        child.state = ChildState::Replaced;
        child.outbound_pending = false;
        child.replaced_by = successor;
        child.rekey_at = Instant::MAX;
        child.expires_at = child.expires_at.min(now + REPLACED_GRACE);
    }
}

/// Deletes before anything else that waits: the peer is kept no longer than needed with two pairs.
fn delete_first(
    sa: &mut IkeSa,
    child: EspSpi,
    reason: RemovalReason,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    sa.queue.retain(
        |waiting| !matches!(waiting, Command::DeleteChild { child: other, .. } if *other == child),
    );
    sa.queue.insert(0, Command::DeleteChild { child, reason });
    sa.next_command(ctx, actions);
}

/// The exchange came to nothing.
pub(super) fn fail(
    sa: &mut IkeSa,
    ours: Ours,
    reason: ChildFailure,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let (aim, policy) = (ours.aim, ours.policy);
    let collided = ours.rival.is_some();
    ours.release(ctx);
    if let Aim::RekeyChild { old } = aim {
        if collided {
            // RFC 7296 §2.8.1, second case: the peer's rekey was done before it saw ours; it
            // deletes the old one.
            retire_in_favour_of_successor(sa, old, ctx.now);
            return;
        }
        if reason == ChildFailure::ChildSaNotFound {
            start_over(sa, old, policy, ctx, actions);
        }
        postpone_rekey(sa, aim, ctx);
    }
    actions.push(failed(policy, aim, reason));
}

fn retire_in_favour_of_successor(sa: &mut IkeSa, old: EspSpi, now: Instant) {
    let successor = sa.child_mut(old).and_then(|child| child.replaced_by);
    retire(sa, old, successor, now);
}

/// RFC 7296 §2.25: what the peer does not know is deleted silently and created from scratch.
fn start_over(
    sa: &mut IkeSa,
    old: EspSpi,
    policy: u16,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if sa.child_mut(old).is_none() {
        // The peer has deleted it in the meantime, and knows why.
        return;
    }
    sa.remove_child(old, RemovalReason::Rejected, actions);
    sa.queue.insert(0, Command::CreateChild { policy });
    sa.next_command(ctx, actions);
}

/// The old one stays in use, and its rekey is tried again later.
fn postpone_rekey(sa: &mut IkeSa, aim: Aim, ctx: &mut Context<'_>) {
    let again = retry_at(ctx);
    if let Aim::RekeyChild { old } = aim
        && let Some(old) = sa.child_mut(old)
        && matches!(old.state, ChildState::Rekeying | ChildState::Installed)
    {
        old.state = ChildState::Installed;
        old.rekey_at = again;
    }
}

fn failed(policy: u16, aim: Aim, reason: ChildFailure) -> Action {
    let replaces = match aim {
        Aim::RekeyChild { old } => Some(old),
        Aim::NewChild { .. } | Aim::RekeyIke => None,
    };
    Action::ChildFailed {
        policy,
        replaces,
        reason,
    }
}

fn policy_index(sa: &IkeSa, aim: Aim) -> Option<u16> {
    match aim {
        Aim::NewChild { policy } => Some(policy),
        Aim::RekeyChild { old } => Some(sa.standing()?.child(old)?.policy),
        Aim::RekeyIke => None,
    }
}

fn policy_of(sa: &IkeSa, index: u16) -> Option<&ChildPolicy> {
    let children = &sa.standing()?.connection.children;
    children.get(usize::from(index))
}

/// The method for which the KE payload is made: the one that the responder most likely takes.
fn first_method(policy: &ChildPolicy) -> Option<KeyExchangeMethod> {
    let lists = policy.proposals.iter().map(|p| &p.key_exchange);
    lists.flatten().next().copied()
}

/// RFC 7296 §2.9.2: a rekey proposes what is in use, a new Child SA what policy allows.
fn proposed(sa: &IkeSa, aim: Aim) -> Option<Selectors> {
    let standing = sa.standing()?;
    if !standing.is_open() {
        return None;
    }
    match aim {
        Aim::NewChild { policy } => {
            let peer: Vec<IpAddr> = sa.peer_addresses();
            let ends = Ends {
                local: &standing.addresses,
                remote: &peer,
            };
            Some(allowed(policy_of(sa, policy)?, ends))
        }
        Aim::RekeyChild { old } => {
            let old = standing.child(old)?;
            (old.state == ChildState::Rekeying).then(|| old.selectors.clone())
        }
        Aim::RekeyIke => None,
    }
}
