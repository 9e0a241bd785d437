use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, anyhow, bail};
use ipnet::IpNet;

/// Source addresses: a range over which peers are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sources {
    first: IpAddr,
    count: u32,
}

impl Sources {
    /// Reads an address or a prefix. Of a prefix longer than one address, network and broadcast
    /// address are left out.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self {
                first: address,
                count: 1,
            });
        }
        let net: IpNet = text
            .parse()
            .map_err(|_| anyhow!("`{text}` is neither an address nor a prefix"))?;
        let host_bits = net.max_prefix_len() - net.prefix_len();
        if host_bits < 2 {
            bail!("the prefix `{text}` is too small: give one address or at least four");
        }
        let count = 1_u64 << host_bits.min(31);
        Ok(Self {
            first: nth(net.network(), 1),
            count: u32::try_from(count - 2)?,
        })
    }

    /// How many addresses there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// The address of peer `n`.
    #[must_use]
    pub fn address(self, n: u32) -> IpAddr {
        nth(self.first, n % self.count)
    }

    /// Which of several source ports peer `n` uses.
    #[must_use]
    pub fn port_index(self, n: u32, ports: u16) -> u16 {
        u16::try_from(n / self.count % u32::from(ports.max(1))).unwrap_or(0)
    }
}

/// The address `n` after `base`, wrapping at the end of the family's space.
#[must_use]
pub(super) fn nth(base: IpAddr, n: u32) -> IpAddr {
    match base {
        IpAddr::V4(base) => IpAddr::V4(Ipv4Addr::from_bits(base.to_bits().wrapping_add(n))),
        IpAddr::V6(base) => IpAddr::V6(Ipv6Addr::from_bits(
            base.to_bits().wrapping_add(u128::from(n)),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_spread_over_addresses_then_ports() {
        let sources = Sources::parse("127.1.0.0/30").unwrap();
        assert_eq!(sources.count(), 2);
        let place = |n| (sources.address(n).to_string(), sources.port_index(n, 2));
        assert_eq!(place(0), ("127.1.0.1".into(), 0));
        assert_eq!(place(1), ("127.1.0.2".into(), 0));
        assert_eq!(place(2), ("127.1.0.1".into(), 1));
        assert_eq!(place(4), ("127.1.0.1".into(), 0));
    }

    #[test]
    fn one_address_is_enough_and_nonsense_is_not() {
        let one = Sources::parse("2001:db8::7").unwrap();
        assert_eq!(one.address(9), "2001:db8::7".parse::<IpAddr>().unwrap());
        assert!(Sources::parse("10.0.0.0/31").is_err());
        assert!(Sources::parse("here").is_err());
    }
}
