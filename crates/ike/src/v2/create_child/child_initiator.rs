//! New Child SAs and the rekey of Child SAs, started by us (RFC 7296 §1.3.1, §1.3.3).

use core::net::IpAddr;

use crypto::{KeyExchangeMethod, KeyPair};
use ipsec::{ChildPolicy, Selectors};
use wire::ikev2::numbers::protocol;
use wire::ikev2::{ExchangeType, Notify, NotifyType, Payload};

use super::child_settlement::{complete, fail, failed, postpone_rekey};
use super::{Aim, Ours, Requested, Reserved, Step};
use crate::v2::algorithm::group_number;
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::{NONCE_LEN, nonce_is_sound};
use crate::v2::install::Agreed;
use crate::v2::narrow::{Ends, allowed, to_wire};
use crate::v2::negotiation::check_answer;
use crate::v2::offer::{Pfs, esp_proposals};
use crate::v2::task::{self, Exchange};
use crate::v2::{ChildState, IkeSa};
use crate::{Action, ChildFailure, Context, Job};

/// What the responder agreed to.
pub(in crate::v2) struct Answer {
    pub(super) agreed: Agreed,
    pub(super) nonce: Box<[u8]>,
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
    let lists = policy.proposals.iter().map(|p| p.key_exchange.as_slice());
    match ours.other_method(contents, lists) {
        Some(method) => Verdict::OtherMethod(method),
        None => Verdict::Fail(ChildFailure::InvalidKe),
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
