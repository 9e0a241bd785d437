//! Who wins when both ends rekey the same SA at once (RFC 7296 §2.8.1, §2.8.2).

use ipsec::EspSpi;

use crate::v2::IkeSa;

/// What the peer's request made, while our own request for the same is under way.
pub(super) struct Rival {
    /// The lower of the two nonces of the peer's exchange.
    lowest_nonce: Box<[u8]>,
    made: Made,
}

enum Made {
    Child(EspSpi),
    Ike(Box<IkeSa>),
}

impl Rival {
    pub(super) fn child(inbound: EspSpi, nonces: [&[u8]; 2]) -> Self {
        Self {
            lowest_nonce: lowest(nonces).into(),
            made: Made::Child(inbound),
        }
    }

    pub(super) fn ike(sa: Box<IkeSa>, nonces: [&[u8]; 2]) -> Self {
        Self {
            lowest_nonce: lowest(nonces).into(),
            made: Made::Ike(sa),
        }
    }

    /// Whether the peer's exchange prevails over one of ours with these nonces.
    ///
    /// RFC 7296 §2.8.1: the SA created with the lowest of the four nonces is closed by the end that
    /// created it.
    pub(super) fn prevails_over(&self, ours: [&[u8]; 2]) -> bool {
        lowest(ours) < &*self.lowest_nonce
    }

    pub(super) fn into_child(self) -> Option<EspSpi> {
        match self.made {
            Made::Child(inbound) => Some(inbound),
            Made::Ike(_) => None,
        }
    }

    pub(super) fn into_ike(self) -> Option<Box<IkeSa>> {
        match self.made {
            Made::Child(_) => None,
            Made::Ike(sa) => Some(sa),
        }
    }
}

/// RFC 7296 §2.8.1: octet by octet, and a nonce that ends first is the lower one, which is how
/// slices compare.
fn lowest(nonces: [&[u8]; 2]) -> &[u8] {
    let [one, two] = nonces;
    one.min(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rival(nonces: [&[u8]; 2]) -> Rival {
        Rival::child(EspSpi(0x1000), nonces)
    }

    #[test]
    fn the_exchange_with_the_lowest_nonce_loses() {
        // Theirs has 2 and 9; what counts of ours is the lower one, wherever it stands.
        for (ours, theirs_prevails) in [
            ([&[1, 0][..], &[9, 9]], true),
            ([&[9, 9], &[1, 0]], true),
            ([&[3, 0], &[3, 1]], false),
            ([&[2, 1], &[9, 9]], false),
            ([&[1, 255], &[1, 255]], true),
        ] {
            assert_eq!(
                rival([&[2, 0], &[9, 0]]).prevails_over(ours),
                theirs_prevails
            );
        }
    }

    #[test]
    fn a_nonce_that_ends_first_is_lower() {
        assert!(rival([&[5, 5, 5], &[6]]).prevails_over([&[5, 5], &[9]]));
        assert!(!rival([&[5, 5], &[6]]).prevails_over([&[5, 5, 0], &[9]]));
    }

    #[test]
    fn octets_compare_not_numbers() {
        // As large integers the first would be the lower one.
        assert!(!rival([&[1, 0, 0], &[9]]).prevails_over([&[2], &[9]]));
    }

    #[test]
    fn both_ends_agree_on_the_winner() {
        let mine: [&[u8]; 2] = [&[4, 4], &[7]];
        let yours: [&[u8]; 2] = [&[4, 5], &[1]];
        assert_ne!(
            rival(yours).prevails_over(mine),
            rival(mine).prevails_over(yours)
        );
    }
}
