//! Informational exchanges (RFC 2409 §5.7): notifies, deletes, questions after the peer's life.

use ipsec::EspSpi;

use super::IkeSa;
use super::exchange::Incoming;
use crate::{Action, ChildFailure, Context, Probe, Received, Rejection, RemovalReason};

/// An authenticated informational message once phase 1 is done.
pub(super) fn on_message(
    _sa: &mut IkeSa,
    _incoming: &Incoming<'_>,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    Err(Rejection::UnexpectedExchange)
}

/// Sends R-U-THERE.
pub(super) fn probe(
    _sa: &mut IkeSa,
    _sequence: u32,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Probe {
    Probe::NotEstablished
}

/// Sends R-U-THERE-ACK.
pub(super) fn acknowledge(
    _sa: &mut IkeSa,
    _sequence: u32,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) {
}

/// Deletes a Child SA.
pub(super) fn delete_child(
    _sa: &mut IkeSa,
    _child: EspSpi,
    _reason: RemovalReason,
    _ctx: &mut Context<'_>,
    _actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    Err(ChildFailure::UnknownChild)
}

/// Tells the peer that the IKE SA and its Child SAs are gone.
pub(super) fn delete_all(_sa: &mut IkeSa, _ctx: &mut Context<'_>, _actions: &mut Vec<Action>) {}
