//! What a first message meets before it is read. A flood of forged ones comes no further while cookies are wanted, so all
//! that happens here is two look-ups and one keyed hash, and nothing is allocated.

use crypto::Entropy;
use ipsec::IkeSpi;
use timer::Instant;
use wire::ikev2::{Glance, Header, NotifyType, encode_message_into};

use super::contents::notify;
use super::front_door::{answer_header, check_opening_header};
use super::ike_sa_init::nonce_is_sound;
use crate::half_open::Admission;
use crate::{FrontDoor, HalfOpenKey, Path, Rejection, Settings};

/// What became of it.
#[derive(PartialEq, Eq, Debug)]
pub enum Gate<'a> {
    /// It has to be read: no cookie is wanted, or what is wanted shows only inside.
    Open,
    /// It brings a cookie that we gave to its address, as a flood of forged ones does not: it may go first.
    Proved,
    /// It repeats one that made this half-open IKE SA, which is to see it.
    Known(IkeSpi),
    /// It does not come in, and nothing is kept for it.
    Closed {
        /// What it is told: a cookie of its own.
        answer: Option<&'a [u8]>,
        /// Why.
        reason: Rejection,
    },
}

impl FrontDoor {
    /// Looks at an IKEv2 message for which [`route`](crate::route) said `FrontDoor`. Who comes through is judged by
    /// [`on_request`](Self::on_request), which begins with the same; to ask here first lets newcomers wait in two lines, and a
    /// flood in none.
    pub fn gate(
        &mut self,
        message: &[u8],
        path: &Path,
        now: Instant,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Gate<'_> {
        let Some(first) = Glance::at(message) else {
            return Gate::Open;
        };
        if check_opening_header(&first.header).is_err() || !nonce_is_sound(first.nonce) {
            return Gate::Open;
        }
        let key = HalfOpenKey {
            remote: path.remote,
            initiator_spi: IkeSpi(first.header.initiator_spi),
        };
        if let Some(spi) = self.half_open.find(&key) {
            return Gate::Known(spi);
        }
        let source = path.remote.ip();
        let wanted = match self.half_open.admission(source, settings) {
            Admission::Full(reason) => {
                return Gate::Closed {
                    answer: None,
                    reason,
                };
            }
            Admission::CookieNeeded => true,
            Admission::Free | Admission::PuzzleNeeded(_) => false,
        };
        if !wanted && first.cookie.is_none() {
            return Gate::Open;
        }
        self.cookies.rotate(now, settings.cookie_lifetime, entropy);
        let (spi, nonce) = (first.header.initiator_spi, first.nonce);
        let returned = first.cookie;
        let given = returned.and_then(|cookie| self.cookies.given(cookie, source, spi, nonce));
        if given.is_some() {
            return Gate::Proved;
        }
        if !wanted {
            return Gate::Open;
        }
        let cookie = self.cookies.bake(source, spi, nonce, 0);
        // RFC 7296 §2.6: a cookie that is not ours counts as none.
        let reason = match returned {
            Some(_) => Rejection::CookieInvalid,
            None => Rejection::CookieRequired,
        };
        Gate::Closed {
            answer: Some(self.challenge(&first.header, &cookie)),
            reason,
        }
    }

    fn challenge(&mut self, header: &Header, cookie: &[u8]) -> &[u8] {
        let payload = notify(NotifyType::COOKIE, cookie);
        encode_message_into(&answer_header(header), &[payload], &mut self.challenge);
        &self.challenge
    }
}
