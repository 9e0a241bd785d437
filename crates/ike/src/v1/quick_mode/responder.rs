//! Quick modes that the peer begins.

use crypto::{KeyExchangeMethod, Secret};
use ipsec::{EspSpi, Selectors, TrafficSelector};
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{
    Notification, NotifyType, Payload, PayloadType, Proposal, Sa, encode_attributes, encode_body,
};

use super::contents::{Contents, repeated_id};
use super::life::{Durations, Life};
use super::offer::{self, Agreed};
use super::settlement::{NewChild, install};
use super::{Confirming, NONCE_LEN, PEER_MAX, State, collision, pairs, quick_modes};
use crate::trace::{ExchangeEnd, Input, Stage};
use crate::v1::exchange::{self, Incoming};
use crate::v1::hashes::Cover;
use crate::v1::{IkeSa, informational, tracing};
use crate::{Action, Context, Job, Refusal, Rejection, Side};

/// What goes into the second message, while a key exchange is computed for it.
pub(in crate::v1) struct Theirs {
    policy: u16,
    selectors: Selectors,
    agreed: Agreed,
    inbound: EspSpi,
    /// The shorter of the lifetimes of both ends.
    life: Life,
    /// What the peer has to be told of ours.
    told: Life,
    collided: bool,
    peer_nonce: Box<[u8]>,
    nonce: [u8; NONCE_LEN],
    /// The body of our SA payload.
    sa_body: Vec<u8>,
    /// The bodies of the peer's ID payloads, which are repeated.
    clients: Option<(Vec<u8>, Vec<u8>)>,
}

impl Theirs {
    /// Gives back the SPI.
    pub(super) fn release(&self, ctx: &mut Context<'_>) {
        ctx.host.release_inbound_spi(self.inbound);
    }
}

/// A refusal: what the peer is told, and what is counted.
struct No(NotifyType, Refusal);

const NO_PROPOSAL: No = No(NotifyType::NO_PROPOSAL_CHOSEN, Refusal::NoProposalChosen);
const BAD_IDENTITIES: No = No(NotifyType::INVALID_ID_INFORMATION, Refusal::TsUnacceptable);
const BAD_KEY_EXCHANGE: No = No(NotifyType::INVALID_KEY_INFORMATION, Refusal::InvalidKe);
const MALFORMED: No = No(NotifyType::PAYLOAD_MALFORMED, Refusal::InvalidSyntax);
const TOO_MANY: No = No(NotifyType::NO_PROPOSAL_CHOSEN, Refusal::NoAdditionalSas);

/// HASH(1), SA, Ni [, KE] [, IDci, IDcr]; the hash fits.
pub(super) fn on_first(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), Rejection> {
    let under_way = quick_modes(&sa.exchanges).filter(|state| state.ours().is_none());
    if under_way.count() >= PEER_MAX {
        return Err(Rejection::ExchangeLimit);
    }
    let contents = Contents::of(incoming.payloads);
    if contents.initial_contact {
        informational::hear_initial_contact(sa, actions);
    }
    let (theirs, public) = match judge(sa, &contents, ctx) {
        Ok(judged) => judged,
        Err(refusal) => {
            refuse(sa, &contents, &refusal, ctx, actions);
            let end = ExchangeEnd::GivenUp(refusal.1.label());
            tracing::ended(incoming.message_id, end, ctx, actions);
            return Ok(());
        }
    };
    let id = incoming.message_id;
    let inbound = theirs.inbound;
    let state = exchange::State::QuickMode(Box::new(State::Answering(theirs)));
    if let Err(rejection) = sa.admit_exchange(incoming, state, ctx) {
        ctx.host.release_inbound_spi(inbound);
        return Err(rejection);
    }
    let Some((method, public)) = public else {
        if let Some(State::Answering(theirs)) = super::take(sa, id) {
            respond(sa, id, theirs, None, ctx, actions);
        }
        return Ok(());
    };
    let job = sa.await_computation(id, ctx);
    let job = Job::generate_and_agree(job, method, &public, ctx.entropy);
    actions.push(Action::Compute(job));
    Ok(())
}

/// The peer's public value, when a key exchange is to be computed.
type Public = Option<(KeyExchangeMethod, Vec<u8>)>;

fn judge(
    sa: &mut IkeSa,
    contents: &Contents<'_>,
    ctx: &mut Context<'_>,
) -> Result<(Theirs, Public), No> {
    let (Some(offered), Some(peer_nonce), true) = (contents.sa, contents.nonce, contents.sound)
    else {
        return Err(MALFORMED);
    };
    let standing = sa.standing().ok_or(TOO_MANY)?;
    // A rekey may go beyond the limit as long as it takes, but a peer that rekeys and never deletes
    // may not pile up SAs.
    if standing.children.len() >= ctx.settings.children_max.saturating_mul(2) {
        return Err(TOO_MANY);
    }
    let (remote, local) = proposed(sa, contents)?;
    let choice = choose(sa, offered, local, remote)?;
    let public = match (choice.agreed.terms.group, contents.key_exchange) {
        (None, None) => None,
        (Some(method), Some(public)) if public.len() == method.public_len() => {
            Some((method, public.to_vec()))
        }
        _ => return Err(BAD_KEY_EXCHANGE),
    };
    let known = collision::sibling(standing, choice.policy, &choice.selectors);
    if known.is_none() && standing.children.len() >= ctx.settings.children_max {
        return Err(TOO_MANY);
    }
    let inbound = ctx.host.allocate_inbound_spi().ok_or(TOO_MANY)?;
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    let mut sa_body = Vec::new();
    let answer = Proposal {
        spi: &inbound.0.to_be_bytes(),
        ..choice.proposal
    };
    encode_body(&Payload::Sa(Sa::new(vec![answer])), &mut sa_body);
    let clients = contents
        .clients
        .map(|(own, peer)| (own.body.to_vec(), peer.body.to_vec()));
    let offered_life = choice.agreed.terms.life;
    let theirs = Theirs {
        collided: collision::meet(&mut sa.exchanges, choice.policy, &choice.selectors),
        policy: choice.policy,
        selectors: choice.selectors,
        agreed: choice.agreed,
        inbound,
        life: choice.life.shorter(offered_life),
        told: choice.life.to_be_told(offered_life),
        peer_nonce: peer_nonce.into(),
        nonce,
        sa_body,
        clients,
    };
    Ok((theirs, public))
}

/// The selectors that the peer names, its own first. Without identities the ends speak for
/// themselves (RFC 2409 §5.5).
fn proposed(sa: &IkeSa, contents: &Contents<'_>) -> Result<(TrafficSelector, TrafficSelector), No> {
    let Some((peer, own)) = contents.clients else {
        let host =
            |address: core::net::SocketAddr| TrafficSelector::host(address.ip().to_canonical());
        return Ok((host(sa.path.remote), host(sa.path.local)));
    };
    match (peer.selector(), own.selector()) {
        (Some(peer), Some(own)) => Ok((peer, own)),
        _ => Err(BAD_IDENTITIES),
    }
}

/// A child whose policy allows what the peer proposes.
struct Choice<'a> {
    policy: u16,
    selectors: Selectors,
    agreed: Agreed,
    proposal: Proposal<'a>,
    life: Life,
}

fn choose<'a>(
    sa: &IkeSa,
    offered: &'a Sa<'a>,
    local: TrafficSelector,
    remote: TrafficSelector,
) -> Result<Choice<'a>, No> {
    let standing = sa.standing().ok_or(TOO_MANY)?;
    let carriage = super::carriage(sa);
    let mut refusal = BAD_IDENTITIES;
    for (policy, child) in (0..=u16::MAX).zip(&standing.connection.children) {
        let Some(selectors) = pairs::accept(sa, child, local, remote) else {
            continue;
        };
        if let Some((agreed, proposal)) = offer::select(&child.proposals, offered, carriage) {
            return Ok(Choice {
                policy,
                selectors,
                agreed,
                proposal,
                life: Life::of(&child.rekey),
            });
        }
        refusal = NO_PROPOSAL;
    }
    Err(refusal)
}

/// Tells the peer why not, in an informational exchange (RFC 2409 §5.7).
fn refuse(
    sa: &mut IkeSa,
    contents: &Contents<'_>,
    refusal: &No,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let No(notify_type, counted) = *refusal;
    let proposal = contents.sa.and_then(|sa| sa.proposals.first());
    // The SPI of its proposal tells the peer which quick mode is meant.
    let notification = Payload::Notification(Notification {
        doi: doi::IPSEC,
        protocol: protocol::ESP,
        spi: proposal.map_or(&[], |proposal| proposal.spi),
        notify_type,
        data: &[],
    });
    sa.send_informational(&[notification], ctx, actions);
    actions.push(Action::Refused(counted));
}

/// The key exchange is computed: our public value and the secret, or nothing when the peer's value
/// is not valid (RFC 6989 §2).
pub(super) fn on_computed(
    sa: &mut IkeSa,
    id: u32,
    theirs: Theirs,
    computed: Option<(Box<[u8]>, Secret)>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if let Some(computed) = computed {
        respond(sa, id, theirs, Some(computed), ctx, actions);
        return;
    }
    theirs.release(ctx);
    sa.finish_exchange(id, ctx);
    actions.push(Action::Refused(Refusal::InvalidKe));
}

/// Installs the pair, then sends HASH(2), SA, Nr [, KE] [, IDci, IDcr] [, N].
fn respond(
    sa: &mut IkeSa,
    id: u32,
    theirs: Theirs,
    computed: Option<(Box<[u8]>, Secret)>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let (public, shared) = computed.unzip();
    let child = NewChild {
        policy: theirs.policy,
        selectors: theirs.selectors,
        agreed: theirs.agreed,
        inbound: theirs.inbound,
        life: theirs.life,
        side: Side::Theirs,
        collided: theirs.collided,
        initiator_nonce: &theirs.peer_nonce,
        responder_nonce: &theirs.nonce,
        shared: shared.as_ref(),
    };
    let replaces = install(sa, child, ctx, actions);
    let mut payloads = vec![
        Payload::Unknown {
            kind: PayloadType::SA,
            data: &theirs.sa_body,
        },
        Payload::Nonce(&theirs.nonce),
    ];
    payloads.extend(public.as_deref().map(Payload::KeyExchange));
    if let Some((peer, own)) = &theirs.clients {
        payloads.extend([repeated_id(peer), repeated_id(own)]);
    }
    let spi = theirs.inbound.0.to_be_bytes();
    let durations = Durations::new(theirs.told);
    let mut told = Vec::new();
    encode_attributes(&durations.attributes(), &mut told);
    if !theirs.told.is_empty() {
        payloads.push(Payload::Notification(Notification {
            doi: doi::IPSEC,
            protocol: protocol::ESP,
            spi: &spi,
            notify_type: NotifyType::RESPONDER_LIFETIME,
            data: &told,
        }));
    }
    let cover = Cover::Answer {
        initiator_nonce: &theirs.peer_nonce,
    };
    let confirming = Confirming {
        child: theirs.inbound,
        replaces,
        initiator_nonce: theirs.peer_nonce.clone(),
        responder_nonce: theirs.nonce,
    };
    super::put(sa, id, State::Confirming(confirming));
    sa.send_in(id, cover, &payloads, true, ctx, actions);
    let (from, to) = (Stage::Quick(0), Stage::Quick(2));
    tracing::turned(id, Input::Message, from, to, ctx, actions);
}
