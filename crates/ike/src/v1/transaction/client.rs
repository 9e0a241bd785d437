//! Our side as the client: naming our user, and getting an address.

use core::net::IpAddr;

use ipsec::Xauth;
use wire::ikev1::numbers::transaction::{attribute, xauth};
use wire::ikev1::{Attributes, ConfigurationKind};

use super::attributes::{Owned, has, number, read_given};
use super::{About, Step, answer, configure, send, step};
use crate::v1::IkeSa;
use crate::{Action, CloseReason, Context};

/// Questions for the user that we answer: more mean that our answer is wrong.
const QUESTIONS_MAX: u8 = 3;

/// The server asks for our user.
pub(super) fn on_question(
    sa: &mut IkeSa,
    id: u32,
    request: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let reply = credentials(sa, request);
    // draft-beaulieu-ike-xauth-02 §6.1: who cannot answer says so.
    let reply = reply.unwrap_or_else(|| vec![(xauth::STATUS, Owned::Basic(xauth::STATUS_FAIL))]);
    answer(sa, id, request, &reply, ctx, actions);
    if let Some(standing) = sa.standing_mut()
        && let Some(admission) = &mut standing.admission
        && admission.step == Step::BeAsked
    {
        admission.attempts = admission.attempts.saturating_add(1);
        admission.until = ctx.now + super::PATIENCE;
    }
}

/// Name and password, if these are all that is asked for.
fn credentials(sa: &IkeSa, request: &Attributes<'_>) -> Option<Vec<(u16, Owned)>> {
    let standing = sa.standing()?;
    let attempts = standing
        .admission
        .as_ref()
        .map_or(0, |admission| admission.attempts);
    let Some(Xauth::Client { user, password }) = &standing.connection.v1.xauth else {
        return None;
    };
    let kind = number(request, xauth::TYPE);
    let generic = kind.is_none_or(|kind| kind == u64::from(xauth::TYPE_GENERIC));
    let beyond = [
        xauth::PASSCODE,
        xauth::CHALLENGE,
        xauth::NEXT_PIN,
        xauth::ANSWER,
    ];
    if !generic || attempts >= QUESTIONS_MAX || beyond.iter().any(|kind| has(request, *kind)) {
        return None;
    }
    let mut reply = Vec::with_capacity(3);
    if kind.is_some() {
        reply.push((xauth::TYPE, Owned::Basic(xauth::TYPE_GENERIC)));
    }
    if has(request, xauth::USER_NAME) {
        reply.push((xauth::USER_NAME, Owned::Octets(user.as_bytes().to_vec())));
    }
    if has(request, xauth::USER_PASSWORD) {
        reply.push((xauth::USER_PASSWORD, Owned::Secret(password.clone())));
    }
    Some(reply)
}

/// The server sets something: what came of our user, or our configuration.
pub(super) fn on_set(
    sa: &mut IkeSa,
    id: u32,
    set: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if let Some(status) = number(set, xauth::STATUS) {
        // §6.1: an acknowledgement says nothing more.
        answer(sa, id, set, &[], ctx, actions);
        on_status(sa, status == u64::from(xauth::STATUS_OK), ctx, actions);
        return;
    }
    let accepted = accept(sa, set);
    answer(sa, id, set, &accepted, ctx, actions);
    let given = sa
        .standing()
        .is_some_and(|standing| !standing.addresses.is_empty());
    if given && matches!(step(sa), Some(Step::BeSet | Step::Request)) {
        sa.drop_transactions();
        super::open(sa, ctx, actions);
    }
}

fn on_status(sa: &mut IkeSa, passed: bool, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    if !passed {
        let reason = CloseReason::PeerRejectedAuthentication;
        sa.close(reason, false, ctx, actions);
    } else if step(sa) == Some(Step::BeAsked) {
        configure(sa, ctx, actions);
    }
}

/// Takes addresses, if we want any, and returns what of the SET we accept: types without values
/// (draft-dukes-ike-mode-cfg-02 §2).
fn accept(sa: &mut IkeSa, set: &Attributes<'_>) -> Vec<(u16, Owned)> {
    let wanting = matches!(step(sa), Some(Step::BeSet | Step::Request));
    if wanting {
        take(sa, set);
    }
    let taken = |kind: u16| {
        wanting
            && matches!(
                kind,
                attribute::INTERNAL_IP4_ADDRESS
                    | attribute::INTERNAL_IP4_NETMASK
                    | attribute::INTERNAL_IP4_DNS
                    | attribute::INTERNAL_IP6_ADDRESS
                    | attribute::INTERNAL_IP6_DNS
            )
    };
    let kinds = set.attributes.iter().map(|attribute| attribute.kind);
    kinds
        .filter(|kind| taken(*kind))
        .map(|kind| (kind, Owned::Octets(Vec::new())))
        .collect()
}

fn take(sa: &mut IkeSa, attributes: &Attributes<'_>) {
    let given = read_given(attributes);
    if let Some(standing) = sa.standing_mut() {
        let (v4, v6) = standing.connection.request_virtual;
        let wanted = |address: &core::net::IpAddr| if address.is_ipv4() { v4 } else { v6 };
        standing.addresses = given.addresses;
        standing.addresses.retain(wanted);
        standing.dns = given.dns;
    }
}

/// Requests our configuration.
pub(super) fn request(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing() else {
        return;
    };
    let (v4, v6) = standing.connection.request_virtual;
    let mut kinds = Vec::with_capacity(5);
    if v4 {
        kinds.extend([
            attribute::INTERNAL_IP4_ADDRESS,
            attribute::INTERNAL_IP4_NETMASK,
            attribute::INTERNAL_IP4_DNS,
        ]);
    }
    if v6 {
        kinds.extend([attribute::INTERNAL_IP6_ADDRESS, attribute::INTERNAL_IP6_DNS]);
    }
    let wish = |kind| {
        let octets = sa.wishes.iter().find_map(|address| match (kind, address) {
            (attribute::INTERNAL_IP4_ADDRESS, IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
            (attribute::INTERNAL_IP6_ADDRESS, IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
            _ => None,
        });
        (kind, Owned::Octets(octets.unwrap_or_default()))
    };
    let attributes: Vec<(u16, Owned)> = kinds.into_iter().map(wish).collect();
    let kind = ConfigurationKind::Request;
    send(sa, kind, About::Request, &attributes, ctx, actions);
}

/// The server's answer.
pub(super) fn on_reply(
    sa: &mut IkeSa,
    reply: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if step(sa) != Some(Step::Request) {
        return;
    }
    take(sa, reply);
    let given = sa
        .standing()
        .is_some_and(|standing| !standing.addresses.is_empty());
    if given {
        super::open(sa, ctx, actions);
    } else {
        sa.close(CloseReason::NoVirtualAddress, false, ctx, actions);
    }
}
