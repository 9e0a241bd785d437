//! New Child SAs and the rekey of Child SAs, started by the peer (RFC 7296 §1.3.1, §1.3.3).

use core::net::IpAddr;

use crypto::{KeyExchangeMethod, Secret};
use ipsec::{EspSpi, Selectors};
use wire::ikev2::{ExchangeType, Payload, Proposal};

use super::child_settlement::{redirect_deletion, retire};
use super::collision::Rival;
use super::refusal::No;
use super::{Aim, Answering, REPLACED_GRACE, Reserved};
use crate::v2::algorithm::group_number;
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::{NONCE_LEN, nonce_is_sound};
use crate::v2::install::{Agreed, NewChild};
use crate::v2::keymat::Nonces;
use crate::v2::narrow::{Ends, covers, narrow_proposal, to_wire};
use crate::v2::negotiation::{ChildAgreement, ChildOffer, Disagreement, answer_offer};
use crate::v2::offer::Pfs;
use crate::v2::proposal::select_esp;
use crate::v2::task::Asked;
use crate::v2::{ChildState, IkeSa, Role};
use crate::{Action, Context, Job};

/// An answer that waits for its key exchange.
pub(in crate::v2) struct Pending {
    /// The Child SA that is replaced.
    old: Option<EspSpi>,
    agreed: Agreed,
    answer: Proposal<'static>,
    inbound: EspSpi,
    peer_nonce: Box<[u8]>,
    nonce: [u8; NONCE_LEN],
}

impl Pending {
    /// Gives back the SPI.
    pub(super) fn release(self, ctx: &mut Context<'_>) {
        ctx.host.release_inbound_spi(self.inbound);
    }
}

/// Our public value and the shared secret.
type Computed = (Box<[u8]>, Secret);

/// Judges a request; answers it at once when it needs no key exchange.
pub(super) fn on_request(
    sa: &mut IkeSa,
    message_id: u32,
    contents: &Contents<'_, '_>,
    rekeyed: Option<EspSpi>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), No> {
    let (Some(offer), Some(peer_nonce)) = (contents.child_offer(), contents.nonce) else {
        return Err(No::InvalidSyntax);
    };
    if !nonce_is_sound(peer_nonce) {
        return Err(No::InvalidSyntax);
    }
    refuse_collisions(sa)?;
    let old = rekeyed.map(|spi| replaceable(sa, spi)).transpose()?;
    refuse_excess(sa, old, ctx)?;
    let agreement = negotiate(sa, old, offer)?;
    let agreed = Agreed::read(&agreement).ok_or(No::ProposalsUnacceptable)?;
    let public = public_value(agreed.suite.key_exchange, contents)?;
    let inbound = ctx.host.allocate_inbound_spi();
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    let pending = Pending {
        old,
        answer: agreement.chosen.answer(&[]),
        agreed,
        inbound: inbound.ok_or(No::TooManySas)?,
        peer_nonce: peer_nonce.into(),
        nonce,
    };
    let Some((method, public)) = public else {
        return respond(sa, message_id, pending, None, ctx, actions);
    };
    let id = sa.await_answer(
        message_id,
        Asked::CreateChild(Answering::Child(pending)),
        ctx,
    );
    let job = Job::generate_and_agree(id, method, public, ctx.entropy);
    actions.push(Action::Compute(job));
    Ok(())
}

/// The key exchange is computed; `None` when the peer's value is not valid (RFC 6989 §2).
pub(super) fn on_computed(
    sa: &mut IkeSa,
    message_id: u32,
    pending: Pending,
    computed: Option<Computed>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), No> {
    let refused = match (&computed, pending.old) {
        (None, _) => Err(No::InvalidSyntax),
        // What was true when the request came may have changed by our own doing.
        (Some(_), old) => refuse_closed(sa).and_then(|()| still_replaceable(sa, old)),
    };
    if let Err(refusal) = refused {
        pending.release(ctx);
        return Err(refusal);
    }
    respond(sa, message_id, pending, computed, ctx, actions)
}

fn refuse_closed(sa: &IkeSa) -> Result<(), No> {
    let open = sa.standing().is_some_and(|standing| standing.is_open());
    if open {
        Ok(())
    } else {
        Err(No::TemporaryFailure)
    }
}

/// RFC 7296 §2.25.2: no Child SAs under an IKE SA that is being rekeyed or deleted.
fn refuse_collisions(sa: &IkeSa) -> Result<(), No> {
    refuse_closed(sa)?;
    let rekeying = sa
        .our_create_child()
        .is_some_and(|ours| ours.aim == Aim::RekeyIke);
    if rekeying {
        return Err(No::TemporaryFailure);
    }
    Ok(())
}

/// The Child SA to which the peer sends with this SPI, if it may be replaced now.
fn replaceable(sa: &IkeSa, named: EspSpi) -> Result<EspSpi, No> {
    let standing = sa.standing();
    let old = standing.and_then(|standing| standing.child_by_outbound(named));
    let old = old.ok_or_else(|| {
        // It may be the one that we ask for, in an answer that has not arrived yet.
        let asking = sa.our_create_child();
        if asking.is_some_and(|ours| matches!(ours.spi, Reserved::Esp(_))) {
            No::TemporaryFailure
        } else {
            No::ChildSaNotFound(named)
        }
    })?;
    match old.state {
        ChildState::Installed | ChildState::Rekeying => Ok(old.inbound),
        // RFC 7296 §2.25.1: we are trying to close it.
        ChildState::Replaced | ChildState::Deleting => Err(No::TemporaryFailure),
    }
}

fn still_replaceable(sa: &IkeSa, old: Option<EspSpi>) -> Result<(), No> {
    let Some(old) = old else { return Ok(()) };
    let old = sa.standing().and_then(|standing| standing.child(old));
    match old.map(|old| old.state) {
        Some(ChildState::Installed | ChildState::Rekeying) => Ok(()),
        Some(ChildState::Replaced | ChildState::Deleting) | None => Err(No::TemporaryFailure),
    }
}

/// A rekey may go beyond the limit as long as it takes, but a peer that rekeys and never deletes
/// may not pile up SAs.
fn refuse_excess(sa: &IkeSa, old: Option<EspSpi>, ctx: &Context<'_>) -> Result<(), No> {
    let limit = match old {
        None => ctx.settings.children_max,
        Some(_) => ctx.settings.children_max.saturating_mul(2),
    };
    if sa.children().len() >= limit {
        return Err(No::TooManySas);
    }
    Ok(())
}

fn negotiate<'a>(
    sa: &IkeSa,
    old: Option<EspSpi>,
    offer: ChildOffer<'_, 'a>,
) -> Result<ChildAgreement<'a>, No> {
    let standing = sa.standing().ok_or(No::TemporaryFailure)?;
    let Some(old) = old.and_then(|old| standing.child(old)) else {
        let peer: Vec<IpAddr> = sa.peer_addresses();
        let ends = Ends {
            local: &standing.addresses,
            remote: &peer,
        };
        return answer_offer(&standing.connection, Pfs::ByPolicy, offer, ends).map_err(
            |disagreement| match disagreement {
                Disagreement::Proposal => No::ProposalsUnacceptable,
                Disagreement::Selectors => No::TsUnacceptable,
            },
        );
    };
    // RFC 7296 §2.9.2: never narrower than what is in use, and nothing beyond it was ever agreed.
    let narrowed = narrow_proposal(offer.initiator_ts, offer.responder_ts, &old.selectors);
    let selectors = narrowed.filter(|narrowed: &Selectors| covers(narrowed, &old.selectors));
    let policy = standing.connection.children.get(usize::from(old.policy));
    let policy = policy.ok_or(No::ProposalsUnacceptable)?;
    Ok(ChildAgreement {
        policy: old.policy,
        chosen: select_esp(&policy.proposals, Pfs::ByPolicy, offer.proposals)
            .ok_or(No::ProposalsUnacceptable)?,
        selectors: selectors.ok_or(No::TsUnacceptable)?,
    })
}

/// The peer's public value, when the chosen proposal needs one (RFC 7296 §1.3).
pub(super) fn public_value<'a>(
    method: Option<KeyExchangeMethod>,
    contents: &Contents<'_, 'a>,
) -> Result<Option<(KeyExchangeMethod, &'a [u8])>, No> {
    let Some(method) = method else {
        return Ok(None);
    };
    match contents.key_exchange {
        Some((group, public)) if group == group_number(method) => Ok(Some((method, public))),
        _ => Err(No::InvalidKe(method)),
    }
}

fn respond(
    sa: &mut IkeSa,
    message_id: u32,
    pending: Pending,
    computed: Option<Computed>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), No> {
    let (public, shared) = computed.unzip();
    let selectors = pending.agreed.selectors.clone();
    let method = pending.agreed.suite.key_exchange;
    let child = NewChild {
        agreed: pending.agreed,
        inbound: pending.inbound,
        replaces: pending.old,
        // RFC 7296 §2.8: with an old one in use, the peer first has to show that it is ready.
        outbound_ready: pending.old.is_none(),
    };
    let nonces = Nonces {
        initiator: &pending.peer_nonce,
        responder: &pending.nonce,
    };
    sa.install_child(
        child,
        nonces,
        shared.as_ref(),
        Role::Responder,
        ctx,
        actions,
    );
    if let Some(old) = pending.old {
        give_way(sa, old, pending.inbound, nonces, ctx);
    }
    let spi = pending.inbound.0.to_be_bytes();
    let mut payloads = vec![
        Payload::SecurityAssociation(vec![Proposal {
            spi: &spi,
            ..pending.answer
        }]),
        Payload::Nonce(&pending.nonce),
    ];
    payloads.extend(public.as_deref().zip(method).map(|(data, method)| {
        let group = group_number(method);
        Payload::KeyExchange { group, data }
    }));
    payloads.push(Payload::TrafficSelectorsInitiator(to_wire(
        selectors.remote(),
    )));
    payloads.push(Payload::TrafficSelectorsResponder(to_wire(
        selectors.local(),
    )));
    sa.send_response(
        ExchangeType::CREATE_CHILD_SA,
        message_id,
        &payloads,
        actions,
    );
    Ok(())
}

/// The old Child SA waits for the peer to delete it. If our own request to rekey it is on its way,
/// who has to delete what is settled when that is answered (RFC 7296 §2.8.1).
fn give_way(sa: &mut IkeSa, old: EspSpi, new: EspSpi, nonces: Nonces<'_>, ctx: &mut Context<'_>) {
    let aim = Aim::RekeyChild { old };
    redirect_deletion(sa, old, new);
    sa.cancel_unsent(aim, ctx);
    let crossed = sa.our_create_child_mut().filter(|ours| ours.aim == aim);
    if let Some(ours) = crossed {
        ours.rival = Some(Rival::child(new, [nonces.initiator, nonces.responder]));
        if let Some(old) = sa.child_mut(old) {
            old.replaced_by = Some(new);
            old.expires_at = old.expires_at.min(ctx.now + REPLACED_GRACE);
        }
    } else {
        retire(sa, old, Some(new), ctx.now);
    }
}
