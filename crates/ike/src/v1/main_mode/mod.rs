//! Main mode (RFC 2409 §5.4): six messages, of which the last two are encrypted and say who the ends
//! are.
//!
//! | message | initiator | responder |
//! |---|---|---|
//! | 1, 2 | SA with its transforms | SA with the chosen one |
//! | 3, 4 | KE, Ni, NAT-D | KE, Nr, NAT-D |
//! | 5, 6 | ID, HASH_I | ID, HASH_R |

mod initiator;
mod responder;

use wire::ikev1::{Body, Message, Payload, PayloadType, Payloads, parse_payloads};

use super::IkeSa;
use super::handshake::Awaits;
use super::identification::{Claimed, claimed};
use super::iv::Iv;
use crate::job::Output;
use crate::{Action, CloseReason, Context, Path, Received, Rejection, Role};

pub(super) use initiator::initiate;
pub(super) use responder::{Accepted, respond};

/// A message of main mode; phase 1 does not wait for a computation.
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
            sa.on_choice(&message.header, payloads, ctx, actions)
        }
        (Role::Initiator, Awaits::KeyExchange, Body::Clear(payloads)) => {
            sa.on_responder_share(payloads, path, ctx, actions)
        }
        (Role::Responder, Awaits::KeyExchange, Body::Clear(payloads)) => {
            sa.on_initiator_share(payloads, path, ctx, actions)
        }
        (role, Awaits::Proof, Body::Encrypted(ciphertext)) => {
            let (text, next_iv) = sa.open_phase_one(ciphertext)?;
            let first = PayloadType(message.header.next_payload);
            let opened = Opened::read(first, &text, next_iv);
            let Some(opened) = opened else {
                // The usual cause: another secret (RFC 2409 §5.4 has it in the keys).
                sa.suspect(CloseReason::AuthenticationFailed);
                return Err(Rejection::Undecipherable);
            };
            match role {
                Role::Initiator => sa.on_responder_proof(&opened, path, ctx, actions),
                Role::Responder => sa.on_initiator_proof(&opened, path, ctx, actions),
            }
        }
        (_, Awaits::Proof, Body::Clear(_)) => Err(Rejection::Unprotected),
        _ => Err(Rejection::UnexpectedExchange),
    }
}

/// A computation of main mode is done.
pub(super) fn on_computed(
    sa: &mut IkeSa,
    output: Output,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match output {
        Output::Generated(pair) => sa.send_initiator_share(pair, ctx, actions),
        Output::Agreed(Some(shared)) => sa.send_initiator_proof(&shared, ctx, actions),
        Output::Answered(Some((public, shared))) => {
            sa.send_responder_share(public, &shared, ctx, actions);
        }
        Output::Agreed(None)
        | Output::Answered(None)
        | Output::Authenticated(_)
        | Output::Solved(_) => {
            sa.terminate(CloseReason::InvalidKe, ctx, actions);
        }
    }
}

/// The inside of message 5 or 6.
struct Opened<'t> {
    payloads: Payloads<'t>,
    claimed: Claimed<'t>,
    hash: &'t [u8],
    next_iv: Iv,
}

impl<'t> Opened<'t> {
    fn read(first: PayloadType, text: &'t [u8], next_iv: Iv) -> Option<Self> {
        let payloads = parse_payloads(first, text).ok()?;
        let claimed = claimed(&payloads)?;
        let hash = payloads.iter().find_map(|payload| match payload {
            Payload::Hash(hash) => Some(*hash),
            _ => None,
        })?;
        Some(Self {
            claimed,
            hash,
            next_iv,
            payloads,
        })
    }
}

/// The public value and the nonce of message 3 or 4.
fn share_of<'a>(
    payloads: &Payloads<'a>,
    public_len: usize,
) -> Result<(&'a [u8], &'a [u8]), Rejection> {
    let (mut public, mut nonce) = (None, None);
    for payload in payloads.iter() {
        match payload {
            Payload::KeyExchange(data) => public = Some(*data),
            Payload::Nonce(data) => nonce = Some(*data),
            _ => {}
        }
    }
    let (public, nonce) = public.zip(nonce).ok_or(Rejection::Malformed)?;
    // RFC 2409 §5: padded with zeros to the length of the group.
    if public.len() != public_len {
        return Err(Rejection::Malformed);
    }
    Ok((public, nonce))
}
