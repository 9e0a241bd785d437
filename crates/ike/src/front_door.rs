use crypto::Entropy;
use ipsec::IkeSpi;
use timer::Instant;

use crate::half_open::HalfOpenTable;
use crate::rate::Rate;
use crate::v2::cookie::CookieSecrets;
use crate::{HalfOpenKey, Rejection};

/// What became of the first message of an IKE SA; `S` is the IKE SA of its version.
pub enum InitVerdict<S> {
    /// A new half-open IKE SA; route its SPI to it from now on.
    HalfOpen(Box<S>),
    /// The message repeats one that made this half-open IKE SA: hand the message to it.
    Known(IkeSpi),
    /// No state was kept. A cookie or a refusal may have been pushed as an action.
    Rejected(Rejection),
}

/// Where a shard meets strangers: bounds half-open IKE SAs of both versions together, asks for
/// cookies, refuses what cannot work, and keeps no state for an IKEv2 peer whose address has not
/// been shown to receive (RFC 7296 §2.6, RFC 8019 §4).
pub struct FrontDoor {
    pub(crate) half_open: HalfOpenTable,
    pub(crate) cookies: CookieSecrets,
    pub(crate) refusals: Rate,
    /// Where a challenge is put together, the next in place of the last.
    pub(crate) challenge: Vec<u8>,
}

impl FrontDoor {
    /// A front door with fresh cookie secrets.
    #[must_use]
    pub fn new(now: Instant, entropy: &mut dyn Entropy) -> Self {
        Self {
            half_open: HalfOpenTable::default(),
            cookies: CookieSecrets::new(now, entropy),
            refusals: Rate::new(now),
            challenge: Vec::new(),
        }
    }

    /// The peer of a half-open IKE SA has returned our cookie
    /// ([`Action::AddressProved`](crate::Action)).
    pub fn address_proved(&mut self, key: HalfOpenKey) {
        self.half_open.prove(&key);
    }

    /// A half-open IKE SA is established or closed ([`Action::HalfOpenEnded`](crate::Action)).
    pub fn half_open_ended(&mut self, key: HalfOpenKey) {
        self.half_open.remove(&key);
    }

    /// Half-open IKE SAs now.
    #[must_use]
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }
}
