//! Whom the operator means.

use core::net::{IpAddr, SocketAddr};

use ipsec::{Identity, IkeSpi};
use shard::Which;

/// What a text may mean, the most likely first: a number (our SPI), an identity, an inner address, an
/// outer address with or without its port.
pub(super) fn meanings(text: &str) -> Vec<Which> {
    let mut meanings = Vec::new();
    if text.len() == 16
        && let Ok(spi) = u64::from_str_radix(text, 16)
    {
        meanings.push(Which::Spi(IkeSpi(spi)));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        meanings.push(Which::Inner(address));
        meanings.push(Which::Outer(SocketAddr::new(address, 0)));
    } else if let Ok(address) = text.parse::<SocketAddr>() {
        meanings.push(Which::Outer(address));
    }
    if let Ok(identity) = text.parse::<Identity>() {
        meanings.push(Which::Identity(identity));
    }
    meanings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_identities_and_addresses_are_told_apart() {
        let spi = Which::Spi(IkeSpi(0x4f00_a1c2_d3e4_f506));
        assert_eq!(meanings("4f00a1c2d3e4f506").first(), Some(&spi));
        let identity = Which::Identity("joe@example.org".parse().expect("an identity"));
        assert_eq!(meanings("joe@example.org"), [identity]);
        let address: IpAddr = "192.0.2.1".parse().expect("an address");
        assert_eq!(
            meanings("192.0.2.1"),
            [
                Which::Inner(address),
                Which::Outer(SocketAddr::new(address, 0)),
                Which::Identity("192.0.2.1".parse().expect("an identity")),
            ]
        );
        let outer = Which::Outer("192.0.2.1:4500".parse().expect("an address"));
        assert_eq!(meanings("192.0.2.1:4500").first(), Some(&outer));
        assert_eq!(meanings(""), []);
    }
}
