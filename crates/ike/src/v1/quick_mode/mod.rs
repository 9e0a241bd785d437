//! Quick mode (RFC 2409 §5.5): Child SAs.

use ipsec::EspSpi;

use super::IkeSa;
use super::exchange::{GivenUp, Incoming};
use crate::job::Output;
use crate::{Action, ChildFailure, Context, Received, Rejection};

/// What a quick mode of ours shall bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aim {
    /// A Child SA of this policy.
    NewChild {
        /// Index in the connection's children.
        policy: u16,
    },
    /// One that replaces this.
    RekeyChild {
        /// Inbound SPI.
        old: EspSpi,
    },
}

/// A quick mode under way.
pub(super) struct State {
    /// What we wanted, if we began it.
    pub(super) aim: Option<Aim>,
}

/// Begins a quick mode.
pub(super) fn start(
    _sa: &mut IkeSa,
    _aim: Aim,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    Err(ChildFailure::NoProposalChosen)
}

/// A message of quick mode, its hash not compared yet.
pub(super) fn on_message(
    _sa: &mut IkeSa,
    _incoming: &Incoming<'_>,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    Err(Rejection::UnexpectedExchange)
}

/// The computation for which the exchange waits is done.
pub(super) fn on_computed(
    _sa: &mut IkeSa,
    _message_id: u32,
    _output: Output,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// The exchange is gone; `state` is what it held.
pub(super) fn on_given_up(
    _sa: &mut IkeSa,
    _state: State,
    _why: GivenUp,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}
