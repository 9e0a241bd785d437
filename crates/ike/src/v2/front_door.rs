use crypto::Entropy;
use ipsec::IkeSpi;
use timer::Instant;

use super::IkeSa;
use crate::{Action, Context, HalfOpenKey, Path, Rejection};

/// What became of an IKE_SA_INIT request.
pub enum InitVerdict {
    /// A new half-open IKE SA; route its SPI to it from now on.
    HalfOpen(Box<IkeSa>),
    /// The request repeats one that made this half-open IKE SA: hand the message to it.
    Known(IkeSpi),
    /// No state was kept. A cookie or a refusal may have been pushed as an action.
    Rejected(Rejection),
}

/// Where a shard meets strangers: bounds half-open IKE SAs, asks for cookies, refuses what cannot
/// work, and keeps no state for an address that has not been shown to receive (RFC 7296 §2.6,
/// RFC 8019 §4).
pub struct FrontDoor {}

impl FrontDoor {
    /// A front door with fresh cookie secrets.
    #[must_use]
    pub fn new(_now: Instant, _entropy: &mut dyn Entropy) -> Self {
        Self {}
    }

    /// Judges a message for which [`route`](super::route) said `FrontDoor`.
    pub fn on_request(
        &mut self,
        _message: &[u8],
        _path: Path,
        _ctx: &mut Context<'_>,
        _actions: &mut Vec<Action>,
    ) -> InitVerdict {
        InitVerdict::Rejected(Rejection::NoConnection)
    }

    /// A half-open IKE SA is established or closed ([`Action::HalfOpenEnded`]).
    pub fn half_open_ended(&mut self, _key: HalfOpenKey) {}

    /// Half-open IKE SAs now.
    #[must_use]
    pub fn half_open(&self) -> usize {
        0
    }
}
