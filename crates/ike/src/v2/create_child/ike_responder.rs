//! The rekey of the IKE SA, started by the peer (RFC 7296 §1.3.2, §2.18).

use crypto::Secret;
use ipsec::IkeSpi;
use wire::ikev2::{ExchangeType, Payload, Proposal};

use super::child_responder::public_value;
use super::collision::Rival;
use super::refusal::No;
use super::succession::{self, successor};
use super::{Aim, Answering};
use crate::v2::algorithm::group_number;
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::{NONCE_LEN, nonce_is_sound};
use crate::v2::keymat::Nonces;
use crate::v2::proposal::select_ike;
use crate::v2::suite::IkeSuite;
use crate::v2::task::{Asked, Exchange, Task};
use crate::v2::{ChildState, IkeSa, Role};
use crate::{Action, Context, Job};

/// An answer that waits for its key exchange.
pub(in crate::v2) struct Pending {
    suite: IkeSuite,
    answer: Proposal<'static>,
    local_spi: IkeSpi,
    peer_spi: IkeSpi,
    peer_nonce: Box<[u8]>,
    nonce: [u8; NONCE_LEN],
}

impl Pending {
    /// Gives back the SPI.
    pub(super) fn release(self, ctx: &mut Context<'_>) {
        ctx.host.release_ike_spi(self.local_spi);
    }
}

/// Judges a request and asks for the key exchange.
pub(super) fn on_request(
    sa: &mut IkeSa,
    message_id: u32,
    contents: &Contents<'_, '_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), No> {
    let (Some(offered), Some(peer_nonce)) = (contents.proposals, contents.nonce) else {
        return Err(No::InvalidSyntax);
    };
    if !nonce_is_sound(peer_nonce) {
        return Err(No::InvalidSyntax);
    }
    refuse_collisions(sa)?;
    let standing = sa.standing().ok_or(No::TemporaryFailure)?;
    let chosen = select_ike(&standing.connection.proposals, offered, 8);
    let chosen = chosen.ok_or(No::ProposalsUnacceptable)?;
    let peer_spi = chosen.peer_spi.try_into().map_or(0, u64::from_be_bytes);
    if peer_spi == 0 {
        return Err(No::InvalidSyntax);
    }
    let suite = chosen.suite;
    let public = public_value(Some(suite.key_exchange), contents)?;
    let (method, public) = public.ok_or(No::InvalidSyntax)?;
    let mut nonce = [0; NONCE_LEN];
    ctx.entropy.fill(&mut nonce);
    let pending = Pending {
        suite,
        answer: chosen.answer(&[]),
        local_spi: ctx.host.allocate_ike_spi().ok_or(No::TemporaryFailure)?,
        peer_spi: IkeSpi(peer_spi),
        peer_nonce: peer_nonce.into(),
        nonce,
    };
    let id = sa.await_answer(message_id, Asked::CreateChild(Answering::Ike(pending)), ctx);
    let job = Job::generate_and_agree(id, method, public, ctx.entropy);
    actions.push(Action::Compute(job));
    Ok(())
}

/// RFC 7296 §2.25: not while we delete the IKE SA, and not while we create, rekey or delete one of
/// its Child SAs: that exchange would be left without a home.
fn refuse_collisions(sa: &IkeSa) -> Result<(), No> {
    let standing = sa.standing().filter(|standing| standing.is_open());
    let standing = standing.ok_or(No::TemporaryFailure)?;
    let creating = sa
        .our_create_child()
        .is_some_and(|ours| ours.aim != Aim::RekeyIke);
    let deleting = matches!(
        sa.task.as_deref(),
        Some(Task::Awaiting {
            exchange: Exchange::DeleteChild { .. } | Exchange::DeleteIke { .. },
            ..
        })
    );
    let closing = standing
        .children
        .iter()
        .any(|c| c.state == ChildState::Deleting);
    if creating || deleting || closing {
        return Err(No::TemporaryFailure);
    }
    Ok(())
}

/// The key exchange is computed; `None` when the peer's value is not valid (RFC 6989 §2).
pub(super) fn on_computed(
    sa: &mut IkeSa,
    message_id: u32,
    pending: Pending,
    computed: Option<(Box<[u8]>, Secret)>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), No> {
    let Some((public, shared)) = computed else {
        pending.release(ctx);
        return Err(No::InvalidSyntax);
    };
    // What was true when the request came may have changed by our own doing.
    if let Err(refusal) = refuse_collisions(sa) {
        pending.release(ctx);
        return Err(refusal);
    }
    let nonces = Nonces {
        initiator: &pending.peer_nonce,
        responder: &pending.nonce,
    };
    let spis = (pending.local_spi, pending.peer_spi);
    let made = successor(
        sa,
        Role::Responder,
        spis,
        pending.suite,
        nonces,
        &shared,
        ctx,
    );
    let Some(made) = made else {
        pending.release(ctx);
        return Err(No::TemporaryFailure);
    };
    let spi = pending.local_spi.0.to_be_bytes();
    let payloads = [
        Payload::SecurityAssociation(vec![Proposal {
            spi: &spi,
            ..pending.answer
        }]),
        Payload::Nonce(&pending.nonce),
        Payload::KeyExchange {
            group: group_number(pending.suite.key_exchange),
            data: &public,
        },
    ];
    sa.cancel_unsent(Aim::RekeyIke, ctx);
    if let Some(ours) = sa.our_create_child_mut() {
        // RFC 7296 §2.25.2: answered as usual; which of the two takes over is settled when our own
        // request is answered.
        ours.rival = Some(Rival::ike(made, [nonces.initiator, nonces.responder]));
    } else {
        succession::hand_over(sa, made, ctx, actions);
    }
    sa.send_response(
        ExchangeType::CREATE_CHILD_SA,
        message_id,
        &payloads,
        actions,
    );
    Ok(())
}
