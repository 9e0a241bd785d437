//! An exchange of ours, at whatever stage it is.

use crypto::KeyExchangeMethod;
use ipsec::{EspSpi, IkeSpi, Selectors};
use wire::ikev2::NotifyType;

use super::collision::Rival;
use super::{Aim, Answering, Step, abandon_step};
use crate::Context;
use crate::v2::IkeSa;
use crate::v2::algorithm::method_of_group;
use crate::v2::contents::Contents;
use crate::v2::ike_sa_init::NONCE_LEN;
use crate::v2::task::{self, Asked, Exchange, Task};

/// How often a responder may ask for another key exchange method.
const RETRIES_MAX: u8 = 2;

/// An exchange of ours.
pub(in crate::v2) struct Ours {
    pub(super) aim: Aim,
    /// Index of the child policy, for a Child SA.
    pub(super) policy: u16,
    pub(super) spi: Reserved,
    pub(super) nonce: [u8; NONCE_LEN],
    /// Of the key exchange, if there is to be one.
    pub(super) method: Option<KeyExchangeMethod>,
    /// What we proposed, for a Child SA.
    pub(super) proposed: Option<Selectors>,
    pub(super) retries: u8,
    /// SPIs unknown to us that the peer deleted meanwhile: it may know the Child SA that we ask for
    /// before we do, when its answer is slow or gets lost.
    pub(super) disowned: Vec<EspSpi>,
    /// What the peer made of its own request for the same, which crossed ours.
    pub(super) rival: Option<Rival>,
}

/// The SPI that the SA to be will have on our side.
#[derive(Clone, Copy)]
pub(super) enum Reserved {
    Esp(EspSpi),
    Ike(IkeSpi),
}

impl Ours {
    /// The method that INVALID_KE_PAYLOAD asks for (RFC 7296 §1.3), if it is another than before
    /// and one of ours.
    pub(super) fn other_method<'o>(
        &self,
        contents: &Contents<'_, '_>,
        mut offered: impl Iterator<Item = &'o [KeyExchangeMethod]>,
    ) -> Option<KeyExchangeMethod> {
        let data = contents.notify(NotifyType::INVALID_KE_PAYLOAD)?;
        let wanted = method_of_group(u16::from_be_bytes(data.try_into().ok()?))?;
        let fits = self.retries < RETRIES_MAX
            && self.method != Some(wanted)
            && offered.any(|methods| methods.contains(&wanted));
        fits.then_some(wanted)
    }

    /// Gives back the SPI, and that of a rival that was not handed over.
    pub(super) fn release(self, ctx: &mut Context<'_>) {
        match self.spi {
            Reserved::Esp(spi) => ctx.host.release_inbound_spi(spi),
            Reserved::Ike(spi) => ctx.host.release_ike_spi(spi),
        }
        if let Some(rival) = self.rival.and_then(Rival::into_ike) {
            ctx.host.release_ike_spi(rival.local_spi());
        }
    }
}

impl IkeSa {
    /// Our CREATE_CHILD_SA exchange, at whatever stage it is.
    pub(super) fn our_create_child(&self) -> Option<&Ours> {
        match self.task.as_deref()? {
            Task::Computing {
                step: task::Step::Child(Step::Generating(ours) | Step::Agreeing(ours, _)),
                ..
            } => Some(ours),
            Task::Awaiting {
                exchange: Exchange::CreateChild(requested),
                ..
            } => Some(&requested.ours),
            _ => None,
        }
    }

    /// As [`our_create_child`](Self::our_create_child), once the request was sent: the peer may
    /// know of it.
    pub(super) fn our_create_child_mut(&mut self) -> Option<&mut Ours> {
        match self.task.as_deref_mut()? {
            Task::Computing {
                step: task::Step::Child(Step::Agreeing(ours, _)),
                ..
            } => Some(ours),
            Task::Awaiting {
                exchange: Exchange::CreateChild(requested),
                ..
            } => Some(&mut requested.ours),
            _ => None,
        }
    }

    /// The peer's rekey of the IKE SA is being answered: what we begin now would be left without a
    /// home, so it waits for the successor.
    pub(in crate::v2) fn is_being_succeeded(&self) -> bool {
        let answering = self.answering.as_deref();
        answering.is_some_and(|answering| {
            matches!(answering.state, Asked::CreateChild(Answering::Ike(_)))
        })
    }

    /// Drops our exchange if its request was not sent yet and it has this aim.
    pub(super) fn cancel_unsent(&mut self, aim: Aim, ctx: &mut Context<'_>) {
        let unsent = matches!(
            self.task.as_deref(),
            Some(Task::Computing {
                step: task::Step::Child(Step::Generating(ours)),
                ..
            }) if ours.aim == aim
        );
        if unsent
            && let Some(Task::Computing {
                step: task::Step::Child(step),
                ..
            }) = self.task.take().map(|task| *task)
        {
            abandon_step(step, ctx);
        }
    }
}
