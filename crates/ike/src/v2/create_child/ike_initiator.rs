//! The rekey of the IKE SA, started by us (RFC 7296 §1.3.2, §2.18).

use crypto::{KeyExchangeMethod, KeyPair, Secret};
use ipsec::{IkeProposal, IkeSpi};
use wire::ikev2::{ExchangeType, NotifyType, Payload};

use super::collision::Rival;
use super::succession::{self, successor};
use super::{Aim, Ours, Requested, Reserved, Step, patience};
use crate::lifetimes::retry_at;
use crate::v2::algorithm::group_number;
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::{NONCE_LEN, nonce_is_sound};
use crate::v2::keymat::Nonces;
use crate::v2::offer::ike_proposals;
use crate::v2::proposal::accept_ike;
use crate::v2::suite::IkeSuite;
use crate::v2::task::{self, Command, Exchange};
use crate::v2::{IkeSa, Role};
use crate::{Action, CloseReason, Context, Job};

/// What the responder agreed to.
pub(in crate::v2) struct Answer {
    suite: IkeSuite,
    spi: IkeSpi,
    nonce: Box<[u8]>,
}

enum Verdict {
    Agree(Answer, Box<[u8]>),
    OtherMethod(KeyExchangeMethod),
    Later,
    Fail,
}

/// Reserves what the exchange needs.
pub(super) fn prepare(sa: &mut IkeSa, ctx: &mut Context<'_>) -> Option<Ours> {
    let method = sa.keys.as_ref()?.suite.key_exchange;
    let Some(spi) = ctx.host.allocate_ike_spi() else {
        postpone(sa, ctx);
        return None;
    };
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    Some(Ours {
        aim: Aim::RekeyIke,
        policy: 0,
        spi: Reserved::Ike(spi),
        nonce,
        method: Some(method),
        proposed: None,
        retries: 0,
        disowned: Vec::new(),
        rival: None,
    })
}

/// RFC 7296 §2.8: a rekey should not change the algorithms, so those in use come first.
fn proposals(sa: &IkeSa) -> Option<Vec<IkeProposal>> {
    let suite = sa.keys.as_ref()?.suite;
    let mut proposals = vec![IkeProposal {
        encryption: vec![suite.encryption],
        integrity: suite.integrity.into_iter().collect(),
        prf: vec![suite.prf],
        key_exchange: vec![suite.key_exchange],
    }];
    let policy = &sa.standing()?.connection.proposals;
    proposals.extend(policy.iter().cloned());
    Some(proposals)
}

/// Sends the request, unless the IKE SA is being deleted since it was prepared.
pub(super) fn send_request(
    sa: &mut IkeSa,
    ours: Box<Ours>,
    pair: Option<KeyPair>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let open = sa.standing().is_some_and(|standing| standing.is_open());
    let policy = proposals(sa).filter(|_| open);
    let (Reserved::Ike(spi), Some(method), Some(policy)) = (ours.spi, ours.method, policy) else {
        ours.release(ctx);
        return;
    };
    let Some(public) = pair.as_ref().map(|pair| pair.public_value().to_vec()) else {
        ours.release(ctx);
        return;
    };
    let spi = spi.0.to_be_bytes();
    let nonce = ours.nonce;
    let payloads = [
        Payload::SecurityAssociation(ike_proposals(&policy, &spi)),
        Payload::Nonce(&nonce),
        Payload::KeyExchange {
            group: group_number(method),
            data: &public,
        },
    ];
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
        (Verdict::Agree(answer, public), Some(pair)) => {
            let step = Step::Agreeing(ours, Box::new(super::Answer::Ike(answer)));
            let id = sa.await_computation(task::Step::Child(step), ctx);
            actions.push(Action::Compute(Job::agree(id, pair, &public)));
        }
        (Verdict::OtherMethod(method), _) => super::begin_again(sa, ours, method, ctx, actions),
        (Verdict::Later, _) => {
            let collided = ours.rival.is_some();
            fail(sa, *ours, ctx, actions);
            if !collided {
                patience::refused(sa, ctx, actions);
            }
        }
        (Verdict::Agree(..), None) | (Verdict::Fail, _) => fail(sa, *ours, ctx, actions),
    }
}

fn judge(sa: &IkeSa, ours: &Ours, contents: &Contents<'_, '_>) -> Verdict {
    let Some(policy) = proposals(sa) else {
        return Verdict::Fail;
    };
    if let Some(error) = contents.error() {
        return judge_error(error, ours, &policy, contents);
    }
    let (Some(answer), Some(nonce), Some((group, public))) =
        (contents.proposals, contents.nonce, contents.key_exchange)
    else {
        return Verdict::Fail;
    };
    let Some(chosen) = accept_ike(&policy, answer, 8) else {
        return Verdict::Fail;
    };
    let method = chosen.suite.key_exchange;
    let spi = chosen.peer_spi.try_into().map_or(0, u64::from_be_bytes);
    let fits = ours.method == Some(method) && group == group_number(method);
    if !fits || spi == 0 || !nonce_is_sound(nonce) {
        return Verdict::Fail;
    }
    let answer = Answer {
        suite: chosen.suite,
        spi: IkeSpi(spi),
        nonce: nonce.into(),
    };
    Verdict::Agree(answer, public.into())
}

fn judge_error(
    error: NotifyType,
    ours: &Ours,
    policy: &[IkeProposal],
    contents: &Contents<'_, '_>,
) -> Verdict {
    let lists = policy.iter().map(|p| p.key_exchange.as_slice());
    match error {
        NotifyType::INVALID_KE_PAYLOAD => match ours.other_method(contents, lists) {
            Some(method) => Verdict::OtherMethod(method),
            None => Verdict::Fail,
        },
        NotifyType::TEMPORARY_FAILURE => Verdict::Later,
        _ => Verdict::Fail,
    }
}

/// Both ends have everything: the successor takes over, unless the peer's own prevails.
pub(super) fn complete(
    sa: &mut IkeSa,
    ours: Ours,
    answer: &Answer,
    shared: &Secret,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Reserved::Ike(local_spi) = ours.spi else {
        return;
    };
    let nonces = Nonces {
        initiator: &ours.nonce,
        responder: &answer.nonce,
    };
    let lost = ours
        .rival
        .as_ref()
        .is_some_and(|rival| rival.prevails_over([&ours.nonce, &answer.nonce]));
    let spis = (local_spi, answer.spi);
    let suite = answer.suite;
    let made = successor(sa, Role::Initiator, spis, suite, nonces, shared, ctx);
    let (Some(made), rival) = (made, ours.rival.and_then(Rival::into_ike)) else {
        ctx.host.release_ike_spi(local_spi);
        return;
    };
    match rival {
        None => {
            succession::hand_over(sa, made, ctx, actions);
            delete_old(sa, ctx, actions);
        }
        // RFC 7296 §2.8.2: the redundant one is deleted by the end that made it.
        Some(rival) if lost => {
            succession::hand_over(sa, rival, ctx, actions);
            succession::discard_ours(made, ctx, actions);
        }
        Some(rival) => {
            succession::hand_over(sa, made, ctx, actions);
            succession::await_discard(rival, ctx, actions);
            delete_old(sa, ctx, actions);
        }
    }
}

/// RFC 7296 §2.8: the end that made the successor deletes the old IKE SA, as its last request.
fn delete_old(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let reason = CloseReason::Rekeyed;
    sa.queue.clear();
    sa.queue.push(Command::DeleteIke { reason });
    sa.next_command(ctx, actions);
}

/// The exchange came to nothing: the peer's successor takes over if there is one (RFC 7296 §2.8.2:
/// it had replaced the IKE SA before it saw our request), otherwise it is tried again.
pub(super) fn fail(
    sa: &mut IkeSa,
    mut ours: Ours,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let rival = ours.rival.take().and_then(Rival::into_ike);
    ours.release(ctx);
    match rival {
        Some(successor) => succession::hand_over(sa, successor, ctx, actions),
        None => postpone(sa, ctx),
    }
}

fn postpone(sa: &mut IkeSa, ctx: &mut Context<'_>) {
    let again = retry_at(ctx);
    if let Some(standing) = sa.standing_mut() {
        standing.rekey_at = again;
    }
}
