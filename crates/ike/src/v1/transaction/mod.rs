//! Transaction exchanges: user authentication (draft-beaulieu-ike-xauth-02) and configuration
//! (draft-dukes-ike-mode-cfg-02). What a connection wants of them comes between phase 1 and the first
//! Child SA.

mod attributes;
mod client;
mod description;
mod server;

use core::time::Duration;

use timer::Instant;
use wire::ikev1::{Attributes, ConfigurationKind, ExchangeType, Payload};

use ipsec::{ModeConfig, Xauth};

use super::exchange::{self, GivenUp, Incoming};
use super::hashes::Cover;
use super::suite::AuthMethod;
use super::{IkeSa, tracing};
use crate::trace::{ExchangeEnd, Input, Stage};
use crate::{Action, CloseReason, Context, Received, Rejection, Trace};

use attributes::Owned;

/// How long we wait for the other end to begin what comes next.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands between phase 1 and the first Child SA.
pub(super) struct Admission {
    step: Step,
    /// When the peer must have begun the next step, where that is up to it.
    pub(super) until: Instant,
    /// Wrong answers so far, or as client questions answered.
    attempts: u8,
    /// Of the transaction that asks for the user (draft-beaulieu-ike-xauth-02 §6).
    identifier: u16,
}

/// What has to happen next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Server: we ask for name and password.
    AskUser,
    /// Server: we tell what came of it.
    TellUser { passed: bool },
    /// Client: the server asks for name and password and tells what came of it.
    BeAsked,
    /// Server: the client requests its configuration.
    BeRequested,
    /// Server: we set the client's configuration.
    Set,
    /// Client: we request our configuration.
    Request,
    /// Client: the server sets our configuration.
    BeSet,
}

impl Step {
    fn stage(self) -> Stage {
        match self {
            Self::AskUser | Self::TellUser { .. } | Self::BeAsked => Stage::Xauth,
            Self::BeRequested | Self::Set | Self::Request | Self::BeSet => Stage::ModeConfig,
        }
    }
}

/// A transaction that we began.
pub(super) struct State {
    about: About,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum About {
    /// REQUEST for name and password.
    User,
    /// SET of the status.
    Status,
    /// REQUEST for a configuration.
    Request,
    /// SET of a configuration.
    Set,
}

/// Phase 1 is done: does what the connection wants before Child SAs may exist, then announces the
/// IKE SA and, as initiator, begins its first Child SA.
pub(super) fn begin(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    match user_step(sa) {
        Some(step) => enter(sa, step, ctx, actions),
        None => configure(sa, ctx, actions),
    }
}

/// Whether a user comes first, and who asks for it.
fn user_step(sa: &IkeSa) -> Option<Step> {
    let xauth = sa.standing()?.connection.v1.xauth.as_ref()?;
    match xauth {
        Xauth::Server => Some(Step::AskUser),
        // Without the method that announces it, the server may ask at any time or not at all.
        Xauth::Client { .. } => {
            let announced = sa.suite()?.method != AuthMethod::PreSharedKey;
            announced.then_some(Step::BeAsked)
        }
    }
}

/// The user is known or not wanted: on to the configuration, if there shall be one.
fn configure(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    match configuration_step(sa) {
        Some(step) => enter(sa, step, ctx, actions),
        None => open(sa, ctx, actions),
    }
}

fn configuration_step(sa: &IkeSa) -> Option<Step> {
    let connection = &sa.standing()?.connection;
    let client = connection.request_virtual != (false, false);
    let server = !connection.pools.is_empty();
    match connection.v1.mode_config {
        ModeConfig::Pull if client => Some(Step::Request),
        ModeConfig::Push if client => Some(Step::BeSet),
        ModeConfig::Pull if server => Some(Step::BeRequested),
        ModeConfig::Push if server => Some(Step::Set),
        _ => None,
    }
}

fn enter(sa: &mut IkeSa, step: Step, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let until = match step {
        Step::BeAsked | Step::BeRequested | Step::BeSet => ctx.now + PATIENCE,
        // Ends with the last retransmission.
        Step::AskUser | Step::TellUser { .. } | Step::Set | Step::Request => Instant::MAX,
    };
    let [high, low] = fresh_identifier(ctx);
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let admission = standing.admission.get_or_insert_with(|| {
        Box::new(Admission {
            step,
            until,
            attempts: 0,
            identifier: u16::from_be_bytes([high, low]),
        })
    });
    let from = admission.step.stage();
    admission.step = step;
    admission.until = until;
    ctx.trace(actions, || Trace::Turned {
        exchange: None,
        input: Input::Process,
        from,
        to: step.stage(),
    });
    match step {
        Step::AskUser => server::ask_user(sa, ctx, actions),
        Step::TellUser { passed } => server::tell_user(sa, passed, ctx, actions),
        Step::Set => server::set(sa, ctx, actions),
        Step::Request => client::request(sa, ctx, actions),
        Step::BeAsked | Step::BeRequested | Step::BeSet => {}
    }
}

fn fresh_identifier(ctx: &mut Context<'_>) -> [u8; 2] {
    let mut octets = [0; 2];
    ctx.entropy.fill(&mut octets);
    octets
}

/// Nothing stands between any more.
fn open(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let from = standing
        .admission
        .take()
        .map(|admission| admission.step.stage());
    let contact = core::mem::take(&mut standing.initial_contact_held);
    if let Some(from) = from {
        ctx.trace(actions, || Trace::Turned {
            exchange: None,
            input: Input::Complete,
            from,
            to: Stage::Established,
        });
    }
    // The owner has to know before it takes the IKE SA for a renewal of another.
    if contact && let Some(standing) = sa.standing() {
        actions.push(Action::PeerInitialContact {
            identity: standing.proof.identity().clone(),
        });
    }
    sa.announce(actions);
    begin_first_child(sa, ctx, actions);
}

/// Begins the first Child SA of an initiator.
fn begin_first_child(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let first = sa
        .standing_mut()
        .and_then(|standing| standing.first_child.take());
    let Some(policy) = first else {
        return;
    };
    if let Err(reason) = sa.create_child(policy, ctx, actions) {
        actions.push(Action::ChildFailed {
            policy,
            replaces: None,
            reason,
        });
    }
}

/// How far the admission has come, while there is one.
pub(super) fn stage(sa: &IkeSa) -> Option<Stage> {
    step(sa).map(Step::stage)
}

fn step(sa: &IkeSa) -> Option<Step> {
    let admission = sa.standing()?.admission.as_ref()?;
    Some(admission.step)
}

/// An authenticated message of a transaction.
pub(super) fn on_message(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    if sa.standing().is_none() {
        return Err(Rejection::UnexpectedExchange);
    }
    let attributes = incoming.payloads.iter().find_map(|payload| match payload {
        Payload::Attributes(attributes) => Some(attributes),
        _ => None,
    });
    let attributes = attributes.ok_or(Rejection::Malformed)?;
    let opens = matches!(
        attributes.kind,
        ConfigurationKind::Request | ConfigurationKind::Set
    );
    if sa.exchange(incoming.message_id).is_some() {
        if opens {
            return Err(Rejection::UnexpectedExchange);
        }
        return on_answer(sa, incoming, attributes, ctx, actions);
    }
    if !opens {
        return Err(Rejection::UnexpectedResponse);
    }
    sa.remember(incoming.message_id, ctx)?;
    sa.admit_exchange(incoming, exchange::State::Over, ctx)?;
    sa.follow(incoming.path, actions);
    let id = incoming.message_id;
    tracing::begun(id, ctx, actions);
    tracing::payloads(id, incoming.payloads, ctx, actions);
    match attributes.kind {
        ConfigurationKind::Set => client::on_set(sa, id, attributes, ctx, actions),
        _ if attributes::is_about_user(attributes) => {
            client::on_question(sa, id, attributes, ctx, actions);
        }
        _ => server::on_request(sa, id, attributes, ctx, actions),
    }
    sa.finish_exchange(id, ctx);
    tracing::ended(id, ExchangeEnd::Complete, ctx, actions);
    Ok(Received::FreshRequest { liveness: false })
}

/// REPLY or ACK to what we began.
fn on_answer(
    sa: &mut IkeSa,
    incoming: &Incoming<'_>,
    attributes: &Attributes<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    let id = incoming.message_id;
    let about = sa.exchange(id).and_then(|exchange| match &exchange.state {
        exchange::State::Transaction(state) => Some(state.about),
        _ => None,
    });
    let about = about.ok_or(Rejection::UnexpectedResponse)?;
    let expected = match about {
        About::User | About::Request => ConfigurationKind::Reply,
        About::Status | About::Set => ConfigurationKind::Ack,
    };
    // The message ID says to what it belongs. The identifier should say the same
    // (draft-dukes-ike-mode-cfg-02 §2), but some answer with zero.
    if attributes.kind != expected {
        return Err(Rejection::UnexpectedResponse);
    }
    sa.follow(incoming.path, actions);
    sa.advance(incoming);
    tracing::payloads(id, incoming.payloads, ctx, actions);
    sa.finish_exchange(id, ctx);
    tracing::ended(id, ExchangeEnd::Complete, ctx, actions);
    match about {
        About::User => server::on_user(sa, attributes, ctx, actions),
        About::Status => server::on_told(sa, ctx, actions),
        About::Request => client::on_reply(sa, attributes, ctx, actions),
        About::Set => server::on_set_done(sa, ctx, actions),
    }
    Ok(Received::FreshResponse { liveness: false })
}

/// Begins a transaction of ours.
fn send(
    sa: &mut IkeSa,
    kind: ConfigurationKind,
    about: About,
    attributes: &[(u16, Owned)],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let identifier = match about {
        About::User | About::Status => sa
            .standing()
            .and_then(|standing| standing.admission.as_ref())
            .map_or(0, |admission| admission.identifier),
        About::Request | About::Set => u16::from_be_bytes(fresh_identifier(ctx)),
    };
    let state = exchange::State::Transaction(Box::new(State { about }));
    let Some(id) = sa.begin_exchange(ExchangeType::TRANSACTION, state, ctx) else {
        sa.close(CloseReason::Exhausted, false, ctx, actions);
        return;
    };
    tracing::begun(id, ctx, actions);
    let payload = attributes::payload(kind, identifier, attributes);
    sa.send_in(id, Cover::Payloads, &[payload], true, ctx, actions);
}

/// Answers a transaction of the peer.
fn answer(
    sa: &mut IkeSa,
    id: u32,
    request: &Attributes<'_>,
    attributes: &[(u16, Owned)],
    ctx: &Context<'_>,
    actions: &mut Vec<Action>,
) {
    let kind = match request.kind {
        ConfigurationKind::Set => ConfigurationKind::Ack,
        _ => ConfigurationKind::Reply,
    };
    let payload = attributes::payload(kind, request.identifier, attributes);
    sa.send_in(id, Cover::Payloads, &[payload], false, ctx, actions);
}

/// The exchange is gone; `state` is what it held.
pub(super) fn on_given_up(
    sa: &mut IkeSa,
    state: &State,
    why: GivenUp,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    if why == GivenUp::Closed || sa.is_established() {
        return;
    }
    let failed = step(sa) == Some(Step::TellUser { passed: false });
    let reason = match state.about {
        About::Status if failed => CloseReason::AuthenticationFailed,
        _ => CloseReason::Unresponsive,
    };
    sa.close(reason, false, ctx, actions);
}

/// The peer did not begin what was up to it.
pub(super) fn out_of_patience(sa: &mut IkeSa, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
    let reason = match step(sa) {
        Some(Step::BeSet) => CloseReason::NoVirtualAddress,
        _ => CloseReason::HalfOpenTimeout,
    };
    sa.close(reason, false, ctx, actions);
}
