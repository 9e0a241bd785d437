//! Cookies that need no state for each peer (RFC 7296 §2.6).

use core::net::IpAddr;
use core::time::Duration;

use crypto::{Entropy, PrfAlgorithm, PrfKey, Secret, equal};
use timer::Instant;

/// Octets of a cookie: which secret, the zero bits of the puzzle that went with it (0 for none), then a MAC.
pub(crate) const COOKIE_LEN: usize = 2 + MAC_LEN;
const MAC_LEN: usize = 16;
const SECRET_LEN: usize = 32;

/// The secrets behind cookies: the current one, and the one before, so that a cookie given out just
/// before a change is still good.
pub(crate) struct CookieSecrets {
    current: PrfKey,
    previous: Option<PrfKey>,
    /// Tells the two apart on the wire.
    version: u8,
    changed_at: Instant,
}

impl CookieSecrets {
    pub(crate) fn new(now: Instant, entropy: &mut dyn Entropy) -> Self {
        Self {
            current: draw(entropy),
            previous: None,
            version: 0,
            changed_at: now,
        }
    }

    /// Changes the secret when it has been in use for `lifetime`. After two lifetimes without a
    /// call the previous one is too old as well.
    pub(crate) fn rotate(&mut self, now: Instant, lifetime: Duration, entropy: &mut dyn Entropy) {
        let age = now - self.changed_at;
        if age < lifetime {
            return;
        }
        let retired = core::mem::replace(&mut self.current, draw(entropy));
        self.previous = (age < lifetime.saturating_mul(2)).then_some(retired);
        self.version = self.version.wrapping_add(1);
        self.changed_at = now;
    }

    /// The cookie for a request from `remote` with this SPI and nonce, to which a puzzle of so many zero bits is given, or none (0).
    /// It is good for this request alone, so that the work for one is worth nothing for another (RFC 8019 §7.1.1.3).
    pub(crate) fn bake(
        &self,
        remote: IpAddr,
        initiator_spi: u64,
        nonce: &[u8],
        bits: u8,
    ) -> [u8; COOKIE_LEN] {
        let mut cookie = [0; COOKIE_LEN];
        let [version, puzzle, mac @ ..] = &mut cookie;
        (*version, *puzzle) = (self.version, bits);
        mac.copy_from_slice(&mac_of(&self.current, remote, initiator_spi, nonce, bits));
        cookie
    }

    /// If the cookie is one that we gave to `remote` for this SPI and nonce, not long ago: the zero bits of the puzzle that
    /// went with it.
    pub(crate) fn given(
        &self,
        cookie: &[u8],
        remote: IpAddr,
        initiator_spi: u64,
        nonce: &[u8],
    ) -> Option<u8> {
        let [version, bits, received @ ..] = cookie else {
            return None;
        };
        let secret = if *version == self.version {
            Some(&self.current)
        } else if *version == self.version.wrapping_sub(1) {
            self.previous.as_ref()
        } else {
            None
        };
        let expected = mac_of(secret?, remote, initiator_spi, nonce, *bits);
        equal(&expected, received).then_some(*bits)
    }
}

/// RFC 7296 §2.6 suggests Hash(Ni | IPi | SPIi | secret); the nonce, whose length varies, stands
/// last here so that no two inputs read the same.
fn mac_of(
    secret: &PrfKey,
    remote: IpAddr,
    initiator_spi: u64,
    nonce: &[u8],
    bits: u8,
) -> [u8; MAC_LEN] {
    let address = match remote {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let spi = initiator_spi.to_be_bytes();
    let mut mac = [0; MAC_LEN];
    secret.compute(&[&address, &spi, &[bits], nonce], &mut mac);
    mac
}

fn draw(entropy: &mut dyn Entropy) -> PrfKey {
    let mut secret = Secret::zeroed(SECRET_LEN);
    entropy.fill(secret.expose_mut());
    PrfKey::new(PrfAlgorithm::HmacSha256, secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(60);
    const NONCE: &[u8] = &[7; 32];

    struct Count(u8);

    impl Entropy for Count {
        fn fill(&mut self, out: &mut [u8]) {
            self.0 = self.0.wrapping_add(1);
            out.fill(self.0);
        }
    }

    fn remote() -> IpAddr {
        "192.0.2.7".parse().unwrap()
    }

    #[test]
    fn a_cookie_is_good_for_its_request_only() {
        let secrets = CookieSecrets::new(Instant::ZERO, &mut Count(0));
        let cookie = secrets.bake(remote(), 1, NONCE, 0);
        assert_eq!(cookie.len(), COOKIE_LEN);
        assert_eq!(secrets.given(&cookie, remote(), 1, NONCE), Some(0));
        assert_eq!(
            secrets.given(&cookie, "192.0.2.8".parse().unwrap(), 1, NONCE),
            None
        );
        assert_eq!(secrets.given(&cookie, remote(), 2, NONCE), None);
        assert_eq!(secrets.given(&cookie, remote(), 1, &[7; 31]), None);
        for index in 0..COOKIE_LEN {
            let mut forged = cookie;
            forged[index] ^= 1;
            assert_eq!(
                secrets.given(&forged, remote(), 1, NONCE),
                None,
                "octet {index}"
            );
        }
        assert_eq!(secrets.given(&[], remote(), 1, NONCE), None);
        assert_eq!(
            secrets.given(&cookie[..COOKIE_LEN - 1], remote(), 1, NONCE),
            None
        );
        assert_eq!(
            secrets.given(&[&cookie[..], &[0]].concat(), remote(), 1, NONCE),
            None
        );
    }

    #[test]
    fn a_cookie_remembers_the_puzzle_that_went_with_it() {
        let secrets = CookieSecrets::new(Instant::ZERO, &mut Count(0));
        let cookie = secrets.bake(remote(), 1, NONCE, 18);
        assert_eq!(secrets.given(&cookie, remote(), 1, NONCE), Some(18));
    }

    #[test]
    fn a_cookie_outlives_one_change_of_the_secret_but_not_two() {
        let mut entropy = Count(0);
        let mut secrets = CookieSecrets::new(Instant::ZERO, &mut entropy);
        let cookie = secrets.bake(remote(), 1, NONCE, 0);
        secrets.rotate(Instant::from_secs(59), LIFETIME, &mut entropy);
        assert_eq!(
            secrets.bake(remote(), 1, NONCE, 0),
            cookie,
            "too early to change"
        );
        secrets.rotate(Instant::from_secs(60), LIFETIME, &mut entropy);
        assert_ne!(secrets.bake(remote(), 1, NONCE, 0), cookie);
        assert_eq!(secrets.given(&cookie, remote(), 1, NONCE), Some(0));
        secrets.rotate(Instant::from_secs(120), LIFETIME, &mut entropy);
        assert_eq!(secrets.given(&cookie, remote(), 1, NONCE), None);
    }

    #[test]
    fn a_long_pause_retires_both_secrets() {
        let mut entropy = Count(0);
        let mut secrets = CookieSecrets::new(Instant::ZERO, &mut entropy);
        let cookie = secrets.bake(remote(), 1, NONCE, 0);
        secrets.rotate(Instant::from_secs(3_600), LIFETIME, &mut entropy);
        assert_eq!(secrets.given(&cookie, remote(), 1, NONCE), None);
    }
}
