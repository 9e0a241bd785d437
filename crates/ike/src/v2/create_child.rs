//! CREATE_CHILD_SA (RFC 7296 §1.3): new Child SAs, rekey of Child SAs and of the IKE SA.

use ipsec::EspSpi;
use wire::ikev2::Payload;

use super::IkeSa;
use crate::job::Output;
use crate::{Action, Context};

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
pub(super) struct Step {
    pub(super) aim: Aim,
}

/// Ours, while the request is outstanding.
pub(super) struct Requested {
    pub(super) aim: Aim,
}

/// Theirs, while the computation for the response runs.
pub(super) struct Answering {
    pub(super) aim: Aim,
}

/// Starts an exchange of ours: asks for a key pair, or sends the request at once.
pub(super) fn start(
    _sa: &mut IkeSa,
    _aim: Aim,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// A computation of ours is done: sends the request, or completes the exchange.
pub(super) fn on_computed(
    _sa: &mut IkeSa,
    _step: Step,
    _output: Output,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// The response to our request.
pub(super) fn on_response(
    _sa: &mut IkeSa,
    _requested: Requested,
    _payloads: &[Payload<'_>],
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// A request of the peer. Either sends the response, or sets `sa.answering` and asks for a
/// computation.
pub(super) fn on_request(
    _sa: &mut IkeSa,
    _message_id: u32,
    _payloads: &[Payload<'_>],
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// The computation for the peer's request is done: sends the response.
pub(super) fn on_answer_computed(
    _sa: &mut IkeSa,
    _message_id: u32,
    _answering: Answering,
    _output: Output,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// Gives back what an exchange of ours had reserved, because the IKE SA closes.
pub(super) fn abandon(_requested: Requested, _ctx: &mut Context<'_>) {}

/// As [`abandon`], while a computation runs.
pub(super) fn abandon_step(_step: Step, _ctx: &mut Context<'_>) {}

/// As [`abandon`], for an exchange of the peer.
pub(super) fn abandon_answering(_answering: Answering, _ctx: &mut Context<'_>) {}
