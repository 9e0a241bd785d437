//! Aggressive mode (RFC 2409 §5.4): three messages, of which the first two show to everybody who the
//! ends are and a hash from which a weak secret can be guessed. Only where a connection allows it.
//!
//! | message | sender | |
//! |---|---|---|
//! | 1 | initiator | SA, KE, Ni, ID |
//! | 2 | responder | SA, KE, Nr, ID, HASH_R, NAT-D |
//! | 3 | initiator | HASH_I, NAT-D, usually encrypted |

mod initiator;
mod responder;

use wire::ikev1::{Body, Message, Payload, PayloadType, Payloads, Sa, parse_payloads};

use super::IkeSa;
use super::handshake::Awaits;
use super::identification::{Claimed, claimed};
use crate::job::Output;
use crate::{Action, CloseReason, Context, Path, Received, Rejection, Role};

pub(super) use initiator::initiate;
pub(super) use responder::{answer_len, respond};

/// A message of aggressive mode; phase 1 does not wait for a computation.
pub(super) fn on_message(
    sa: &mut IkeSa,
    message: &Message<'_>,
    path: Path,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<Received, Rejection> {
    let handshake = sa.handshake().ok_or(Rejection::UnexpectedExchange)?;
    match (sa.role, handshake.awaits, &message.body) {
        (Role::Initiator, Awaits::Choice, Body::Clear(payloads)) => {
            sa.on_aggressive_answer(&message.header, payloads, path, ctx, actions)
        }
        (Role::Responder, Awaits::Proof, Body::Clear(payloads)) => {
            sa.on_aggressive_proof(payloads, None, path, ctx, actions)
        }
        (Role::Responder, Awaits::Proof, Body::Encrypted(ciphertext)) => {
            let (text, next_iv) = sa.open_phase_one(ciphertext)?;
            match parse_payloads(PayloadType(message.header.next_payload), &text) {
                Ok(payloads) => {
                    sa.on_aggressive_proof(&payloads, Some(next_iv), path, ctx, actions)
                }
                Err(_) => {
                    sa.suspect(CloseReason::AuthenticationFailed);
                    Err(Rejection::Undecipherable)
                }
            }
        }
        _ => Err(Rejection::UnexpectedExchange),
    }
}

/// A computation of aggressive mode is done.
pub(super) fn on_computed(
    sa: &mut IkeSa,
    output: Output,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match output {
        Output::Generated(pair) => sa.send_aggressive_offer(pair, ctx, actions),
        Output::Agreed(Some(shared)) => sa.send_aggressive_proof(&shared, ctx, actions),
        Output::Answered(Some((public, shared))) => {
            sa.send_aggressive_answer(public, &shared, ctx, actions);
        }
        Output::Agreed(None)
        | Output::Answered(None)
        | Output::Authenticated(_)
        | Output::Solved(_) => {
            sa.terminate(CloseReason::InvalidKe, ctx, actions);
        }
    }
}

/// What message 1 and 2 have in common.
pub(super) struct Opening<'p, 'a> {
    pub(super) sa: &'p Sa<'a>,
    pub(super) public: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) claimed: Claimed<'a>,
}

impl<'p, 'a> Opening<'p, 'a> {
    pub(super) fn read(payloads: &'p Payloads<'a>) -> Result<Self, Rejection> {
        let (mut sa, mut public, mut nonce) = (None, None, None);
        for payload in payloads.iter() {
            match payload {
                Payload::Sa(body) => sa = Some(body),
                Payload::KeyExchange(data) => public = Some(*data),
                Payload::Nonce(data) => nonce = Some(*data),
                _ => {}
            }
        }
        Ok(Self {
            sa: sa.ok_or(Rejection::Malformed)?,
            public: public.ok_or(Rejection::Malformed)?,
            nonce: nonce.ok_or(Rejection::Malformed)?,
            claimed: claimed(payloads).ok_or(Rejection::Malformed)?,
        })
    }
}

/// The value of the HASH payload.
fn hash_of<'a>(payloads: &Payloads<'a>) -> Option<&'a [u8]> {
    payloads.iter().find_map(|payload| match payload {
        Payload::Hash(hash) => Some(*hash),
        _ => None,
    })
}
