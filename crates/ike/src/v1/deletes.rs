//! Deletes (RFC 2408 §3.15), the peer's and ours. Nobody answers them.

use ipsec::EspSpi;
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{Delete, Payload, isakmp_spi};

use super::{IkeSa, quick_mode};
use crate::{Action, ChildFailure, ChildState, Context, RemovalReason};

/// SPIs in one Delete payload of ours at most.
const DELETES_MAX: usize = 64;

/// The peer has deleted SAs (RFC 2408 §3.15). It names those on which it received.
pub(super) fn on_delete(
    sa: &mut IkeSa,
    delete: &Delete<'_>,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    match delete.protocol {
        protocol::ISAKMP => {
            let (initiator, responder) = sa.cookies();
            let own = isakmp_spi(initiator, responder);
            if delete.spis.iter().any(|spi| **spi == own) {
                super::rekey::deleted_by_peer(sa, ctx, actions);
            }
        }
        protocol::ESP => {
            let named: Vec<EspSpi> = delete.spis.iter().filter_map(|spi| esp_spi(spi)).collect();
            for outbound in &named {
                child_deleted(sa, *outbound, &named, ctx, actions);
            }
        }
        _ => {}
    }
}

fn child_deleted(
    sa: &mut IkeSa,
    outbound: EspSpi,
    all: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let child = sa
        .standing()
        .and_then(|standing| standing.child_by_outbound(outbound));
    let Some((inbound, replaced_by)) = child.map(|child| (child.inbound, child.replaced_by)) else {
        return;
    };
    // The third message of a rekey may be late; its initiator deletes the old pair all the same.
    let replaced_by = replaced_by.or_else(|| quick_mode::heir(&sa.exchanges, inbound));
    let reason = match replaced_by {
        Some(_) => RemovalReason::Rekeyed,
        None => RemovalReason::PeerDeleted,
    };
    match replaced_by {
        // The initiator of a rekey deletes what it has replaced: it is ready on the new pair.
        Some(successor) => {
            sa.on_child_traffic(successor, actions);
            inherit(sa, inbound, successor);
        }
        None => revive_replaced_by(sa, inbound, all, ctx, actions),
    }
    sa.remove_child(inbound, reason, actions);
}

/// What the one that goes had replaced is replaced by its successor now.
fn inherit(sa: &mut IkeSa, gone: EspSpi, successor: EspSpi) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    for child in &mut standing.children {
        if child.replaced_by == Some(gone) {
            child.replaced_by = Some(successor);
        }
    }
}

/// The peer deletes a pair that we thought had replaced another: both ends rekeyed at once, and it
/// has settled for the other, which is still there.
fn revive_replaced_by(
    sa: &mut IkeSa,
    gone: EspSpi,
    all: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let Some(standing) = sa.standing_mut() else {
        return;
    };
    let replaced = standing.children.iter_mut().rev().find(|child| {
        child.replaced_by == Some(gone)
            && child.state == ChildState::Replaced
            && !all.contains(&child.outbound)
    });
    if let Some(child) = replaced {
        child.state = ChildState::Installed;
        child.replaced_by = None;
        child.outbound_pending = false;
        // It has little of its life left, so it is rekeyed at once.
        child.rekey_at = ctx.now;
        actions.push(Action::OutboundSwitched {
            child: child.inbound,
        });
    }
}

impl IkeSa {
    /// Forgets a Child SA and tells the owner.
    pub(super) fn remove_child(
        &mut self,
        child: EspSpi,
        reason: RemovalReason,
        actions: &mut Vec<Action>,
    ) {
        let Some(standing) = self.standing_mut() else {
            return;
        };
        let before = standing.children.len();
        standing.children.retain(|known| known.inbound != child);
        standing.contested.retain(|known| *known != child);
        if standing.children.len() < before {
            actions.push(Action::ChildRemoved { child, reason });
        }
    }
}

/// The SPI of a Child SA.
pub(super) fn esp_spi(octets: &[u8]) -> Option<EspSpi> {
    octets.try_into().ok().map(u32::from_be_bytes).map(EspSpi)
}

/// Deletes a Child SA, and with it those that it has replaced: they were only kept for what was on
/// its way.
pub(super) fn delete_child(
    sa: &mut IkeSa,
    child: EspSpi,
    reason: RemovalReason,
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) -> Result<(), ChildFailure> {
    let standing = sa.standing().ok_or(ChildFailure::UnknownChild)?;
    standing.child(child).ok_or(ChildFailure::UnknownChild)?;
    let goes = |known: &&crate::ChildSa| known.inbound == child || known.replaced_by == Some(child);
    let gone: Vec<EspSpi> = standing
        .children
        .iter()
        .filter(goes)
        .map(|known| known.inbound)
        .collect();
    send_deletes(sa, &gone, ctx, actions);
    for spi in gone {
        let reason = if spi == child {
            reason
        } else {
            RemovalReason::Rekeyed
        };
        sa.remove_child(spi, reason, actions);
    }
    Ok(())
}

/// Tells the peer that the IKE SA and these Child SAs are gone.
pub(super) fn delete_all(
    sa: &mut IkeSa,
    children: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    send_deletes(sa, children, ctx, actions);
    let (initiator, responder) = sa.cookies();
    let spi = isakmp_spi(initiator, responder);
    let delete = Payload::Delete(Delete {
        doi: doi::IPSEC,
        protocol: protocol::ISAKMP,
        spis: vec![&spi],
    });
    sa.send_informational(&[delete], ctx, actions);
}

/// Tells the peer on which SPIs we do not receive any more.
pub(super) fn send_deletes(
    sa: &mut IkeSa,
    inbound: &[EspSpi],
    ctx: &mut Context<'_>,
    actions: &mut Vec<Action>,
) {
    let spis: Vec<[u8; 4]> = inbound.iter().map(|spi| spi.0.to_be_bytes()).collect();
    for some in spis.chunks(DELETES_MAX) {
        let delete = Payload::Delete(Delete {
            doi: doi::IPSEC,
            protocol: protocol::ESP,
            spis: some.iter().map(<[u8; 4]>::as_slice).collect(),
        });
        sa.send_informational(&[delete], ctx, actions);
    }
}
