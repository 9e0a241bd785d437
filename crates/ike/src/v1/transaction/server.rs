//! Our side as the server: who is the user, and which address does it get.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipsec::Identity;
use wire::ikev1::numbers::transaction::{attribute, unity, xauth};
use wire::ikev1::{Attributes, ConfigurationKind};

use super::attributes::{self, Owned, has, number, octets};
use super::description::{Client, describe};
use super::{About, Step, answer, configure, enter, send, step};
use crate::v1::IkeSa;
use crate::{Action, CloseReason, Context, Lease, LeaseRequest, Refusal};

/// Wrong answers after which a peer is told that it failed.
const ATTEMPTS_MAX: u8 = 3;
/// Octets of a name or a password at most.
const CREDENTIAL_LEN_MAX: usize = 256;

/// Asks for name and password (draft-beaulieu-ike-xauth-02 §5.1).
pub(super) fn ask_user(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let request = [
        (xauth::TYPE, Owned::Basic(xauth::TYPE_GENERIC)),
        (xauth::USER_NAME, Owned::Octets(Vec::new())),
        (xauth::USER_PASSWORD, Owned::Octets(Vec::new())),
    ];
    let kind = ConfigurationKind::Request;
    send(sa, kind, About::User, &request, ctx, actions);
}

/// The client's answer.
pub(super) fn on_user(
    sa: &mut IkeSa,
    reply: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if step(sa) != Some(Step::AskUser) {
        return;
    }
    if let Some(user) = verified(reply, ctx) {
        if let Some(standing) = sa.standing_mut() {
            standing.proof = standing.proof.as_user(user);
        }
        enter(sa, Step::TellUser { passed: true }, ctx, actions);
        return;
    }
    actions.push(Action::Refused(Refusal::AuthenticationFailed));
    // A client that cannot answer says so (§6.1), and asking again would not help.
    let gives_up = has(reply, xauth::STATUS);
    let again = sa.standing_mut().is_some_and(|standing| {
        standing.admission.as_mut().is_some_and(|admission| {
            admission.attempts = admission.attempts.saturating_add(1);
            admission.attempts < ATTEMPTS_MAX
        })
    });
    let next = if again && !gives_up {
        Step::AskUser
    } else {
        Step::TellUser { passed: false }
    };
    enter(sa, next, ctx, actions);
}

/// Who the user is, if the password is right. User names are no identities of IKE: they become key
/// IDs, so that no name can pass for an address or a domain.
fn verified(reply: &Attributes<'_>, ctx: &Context<'_>) -> Option<Identity> {
    let name = octets(reply, xauth::USER_NAME)?;
    let password = octets(reply, xauth::USER_PASSWORD)?;
    let generic = number(reply, xauth::TYPE).is_none_or(|kind| kind == 0);
    let failed = has(reply, xauth::STATUS);
    if !generic || failed || name.len().max(password.len()) > CREDENTIAL_LEN_MAX {
        return None;
    }
    // Some clients end strings with a zero octet.
    let trimmed = name.strip_suffix(&[0]).unwrap_or(name);
    let text = core::str::from_utf8(trimmed).ok()?;
    let passed = !text.is_empty() && ctx.policy.users.verify(text, password);
    passed.then(|| Identity::KeyId(trimmed.into()))
}

/// Tells the client what came of it.
pub(super) fn tell_user(
    sa: &mut IkeSa,
    passed: bool,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let status = if passed {
        xauth::STATUS_OK
    } else {
        xauth::STATUS_FAIL
    };
    let set = [(xauth::STATUS, Owned::Basic(status))];
    send(
        sa,
        ConfigurationKind::Set,
        About::Status,
        &set,
        ctx,
        actions,
    );
}

/// The client knows what came of it.
pub(super) fn on_told(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    match step(sa) {
        Some(Step::TellUser { passed: true }) => configure(sa, ctx, actions),
        Some(Step::TellUser { passed: false }) => {
            // draft-beaulieu-ike-xauth-02 §6: the SA goes at once.
            sa.close(CloseReason::AuthenticationFailed, false, ctx, actions);
        }
        _ => {}
    }
}

/// A client requests its configuration.
pub(super) fn on_request(
    sa: &mut IkeSa,
    id: u32,
    request: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if step(sa) == Some(Step::TellUser { passed: true }) {
        // The client goes on, so it has had the status: its acknowledgement got lost.
        sa.drop_transactions();
        configure(sa, ctx, actions);
    }
    let known = !matches!(
        step(sa),
        Some(Step::AskUser | Step::TellUser { .. } | Step::BeAsked)
    );
    if known && (wants_address(request) || has_lease(sa)) {
        take_leases(sa, request, ctx, actions);
    }
    let reply = if known {
        described(sa, &|kind| has(request, kind), ctx)
    } else {
        Vec::new()
    };
    answer(sa, id, request, &reply, ctx, actions);
    if has_lease(sa) && matches!(step(sa), Some(Step::BeRequested | Step::Set)) {
        sa.drop_transactions();
        super::open(sa, ctx, actions);
    }
}

fn has_lease(sa: &IkeSa) -> bool {
    sa.standing()
        .is_some_and(|standing| !standing.leases.is_empty())
}

fn wants_address(request: &Attributes<'_>) -> bool {
    has(request, attribute::INTERNAL_IP4_ADDRESS) || has(request, attribute::INTERNAL_IP6_ADDRESS)
}

/// Leases what the client asks for and does not have yet.
fn take_leases(
    sa: &mut IkeSa,
    request: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let wish = |kind, read: fn(&[u8]) -> Option<IpAddr>, any: IpAddr| {
        has(request, kind).then(|| octets(request, kind).and_then(read).unwrap_or(any))
    };
    let wishes = [
        wish(
            attribute::INTERNAL_IP4_ADDRESS,
            attributes::ipv4,
            Ipv4Addr::UNSPECIFIED.into(),
        ),
        wish(
            attribute::INTERNAL_IP6_ADDRESS,
            attributes::ipv6,
            Ipv6Addr::UNSPECIFIED.into(),
        ),
    ];
    for wanted in wishes.into_iter().flatten() {
        lease(sa, wanted, ctx);
    }
    if !has_lease(sa) {
        actions.push(Action::Refused(Refusal::InternalAddressFailure));
    }
}

/// Leases an address of the wanted one's family, unless the client has one.
fn lease(sa: &mut IkeSa, wanted: IpAddr, ctx: &mut Context<'_>) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let same_family = |lease: &Lease| lease.address.is_ipv4() == wanted.is_ipv4();
    if standing.leases.iter().any(same_family) {
        return;
    }
    let leased = ctx.host.lease(&LeaseRequest {
        identity: standing.proof.identity(),
        pools: &standing.connection.pools,
        wanted,
        unique: standing.connection.unique,
    });
    standing.leases.extend(leased);
}

/// The configuration of the client, of each kind that `wanted` says.
fn described(sa: &IkeSa, wanted: &dyn Fn(u16) -> bool, ctx: &Context<'_>) -> Vec<(u16, Owned)> {
    let Some(standing) = sa.standing() else {
        return Vec::new();
    };
    let client = Client {
        leases: &standing.leases,
        left: standing.expires_at.saturating_since(ctx.now),
        policy: &standing.connection.v1,
    };
    describe(&client, wanted)
}

/// Sets the client's configuration without being asked.
pub(super) fn set(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    lease(sa, Ipv4Addr::UNSPECIFIED.into(), ctx);
    lease(sa, Ipv6Addr::UNSPECIFIED.into(), ctx);
    if !has_lease(sa) {
        actions.push(Action::Refused(Refusal::InternalAddressFailure));
        sa.close(CloseReason::Exhausted, false, ctx, actions);
        return;
    }
    let unity = sa.announced.unity;
    let wanted = move |kind| match kind {
        attribute::INTERNAL_IP4_NETMASK
        | attribute::INTERNAL_IP4_DNS
        | attribute::INTERNAL_IP6_DNS => true,
        unity::BANNER | unity::DEFAULT_DOMAIN | unity::SPLIT_INCLUDE | unity::SAVE_PASSWORD => {
            unity
        }
        _ => false,
    };
    let configuration = described(sa, &wanted, ctx);
    let kind = ConfigurationKind::Set;
    send(sa, kind, About::Set, &configuration, ctx, actions);
}

/// The client has taken its configuration.
pub(super) fn on_set_done(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    if step(sa) == Some(Step::Set) {
        super::open(sa, ctx, actions);
    }
}
