//! What a datagram on port 4500 carries (RFC 3948 §2).

use crate::ikev2::NON_ESP_MARKER;

/// The contents of a datagram on the encapsulation port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encapsulated<'a> {
    /// One octet `ff`: keeps a NAT mapping open, proves nothing (RFC 3948 §2.3).
    Keepalive,
    /// An IKE message, from its header on, without the marker (RFC 3948 §2.2).
    Ike(&'a [u8]),
    /// An ESP packet: the whole datagram (RFC 3948 §2.1).
    Esp,
    /// Too short for any of these.
    TooShort,
}

/// The one octet of a NAT keepalive.
pub const KEEPALIVE: [u8; 1] = [0xff];

/// Sorts a datagram received on the encapsulation port.
#[must_use]
pub fn classify(datagram: &[u8]) -> Encapsulated<'_> {
    if datagram == KEEPALIVE {
        return Encapsulated::Keepalive;
    }
    match datagram.split_first_chunk::<4>() {
        None => Encapsulated::TooShort,
        Some((&NON_ESP_MARKER, ike)) => Encapsulated::Ike(ike),
        Some(_) => Encapsulated::Esp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_kinds() {
        assert_eq!(classify(&[0xff]), Encapsulated::Keepalive);
        assert_eq!(classify(&[0xff, 0xff]), Encapsulated::TooShort);
        assert_eq!(classify(&[]), Encapsulated::TooShort);
        assert_eq!(classify(&[0]), Encapsulated::TooShort);
        assert_eq!(classify(&[0, 0, 0]), Encapsulated::TooShort);
        assert_eq!(classify(&[0, 0, 0, 0]), Encapsulated::Ike(&[]));
        assert_eq!(classify(&[0, 0, 0, 0, 9]), Encapsulated::Ike(&[9]));
        assert_eq!(classify(&[0, 0, 0, 1]), Encapsulated::Esp);
    }
}
