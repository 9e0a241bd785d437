//! Socket addresses as the octets that the kernel reads and writes.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Octets of the larger of `sockaddr_in` and `sockaddr_in6`.
pub(crate) const NAME_LEN: usize = 28;
const NAME_LEN_V4: usize = 16;

/// Writes `address` as a `sockaddr_in` or `sockaddr_in6`; returns its length.
pub(crate) fn encode(address: SocketAddr, out: &mut [u8; NAME_LEN]) -> u32 {
    out.fill(0);
    match address {
        SocketAddr::V4(v4) => {
            out[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
            out[2..4].copy_from_slice(&v4.port().to_be_bytes());
            out[4..8].copy_from_slice(&v4.ip().octets());
            NAME_LEN_V4 as u32
        }
        SocketAddr::V6(v6) => {
            out[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            out[2..4].copy_from_slice(&v6.port().to_be_bytes());
            out[8..24].copy_from_slice(&v6.ip().octets());
            out[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
            NAME_LEN as u32
        }
    }
}

/// Reads a `sockaddr_in` or `sockaddr_in6`.
pub(crate) fn decode(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(*name.first_chunk()?);
    let port = u16::from_be_bytes(*name.get(2..)?.first_chunk()?);
    match i32::from(family) {
        libc::AF_INET => {
            let octets: [u8; 4] = *name.get(4..)?.first_chunk()?;
            Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into())
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = *name.get(8..)?.first_chunk()?;
            let scope = u32::from_ne_bytes(*name.get(24..)?.first_chunk()?);
            Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_kernel_form() {
        for text in ["192.0.2.1:4500", "[2001:db8::1]:500", "[fe80::1%7]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            let mut name = [0xff; NAME_LEN];
            let len = encode(address, &mut name) as usize;
            assert_eq!(decode(&name[..len]), Some(address));
            assert_eq!(decode(&name[..len - 13]), None);
        }
        assert_eq!(decode(&[]), None);
        assert_eq!(decode(&[0; NAME_LEN]), None);
    }
}
