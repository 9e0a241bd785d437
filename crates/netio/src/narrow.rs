//! Paths that take less than was sent: which they are, and what the kernel knows of them.

use core::net::{IpAddr, SocketAddr};
use std::io;

use socket2::{Domain, Protocol, Socket, Type};

use crate::{Program, SocketId, sockopt};

/// Paths that are remembered until somebody asks.
const REMEMBERED_MAX: usize = 16;

/// A path on which a datagram that must not be fragmented was larger than the path's MTU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NarrowPath {
    /// The socket that sent it.
    pub socket: SocketId,
    /// Where it went.
    pub remote: IpAddr,
    /// Octets of the largest IP packet that passes, as far as the kernel knows: from its interfaces,
    /// its routes and what routers have told it by ICMP.
    pub mtu: u32,
}

/// Paths that were found to be narrow and that nobody has been told of.
#[derive(Default)]
pub(crate) struct NarrowPaths {
    found: Vec<(SocketId, SocketAddr)>,
}

impl NarrowPaths {
    /// Remembers a path once, and no more than a few: whoever still sends too much will be back.
    pub(crate) fn note(&mut self, socket: SocketId, remote: SocketAddr) {
        let known =
            |(id, address): &(SocketId, SocketAddr)| *id == socket && address.ip() == remote.ip();
        if self.found.len() < REMEMBERED_MAX && !self.found.iter().any(known) {
            self.found.push((socket, remote));
        }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (SocketId, SocketAddr)> {
        self.found.drain(..)
    }
}

/// Asks the kernel for the MTU of paths: a socket that is connected to one remote address after the
/// other and never sends or receives. It stands where the socket for which it asks stands.
pub(crate) struct Scout {
    socket: Socket,
}

impl Scout {
    pub(crate) fn new(bind: IpAddr, device: Option<&str>) -> io::Result<Self> {
        let bind = SocketAddr::new(bind, 0);
        let socket = Socket::new(Domain::for_address(bind), Type::DGRAM, Some(Protocol::UDP))?;
        sockopt::attach_filter(&socket, Program::nothing().instructions())?;
        socket.bind_device(device.map(str::as_bytes))?;
        if !bind.ip().is_unspecified() {
            socket.bind(&bind.into())?;
        }
        Ok(Self { socket })
    }

    /// Octets of the largest IP packet that the kernel believes to reach `remote` in one piece.
    pub(crate) fn path_mtu(&self, mut remote: SocketAddr) -> io::Result<u32> {
        // A raw socket's peer has no port, and connecting wants one.
        remote.set_port(remote.port().max(1));
        self.socket.connect(&remote.into())?;
        let (level, name) = match remote {
            SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_MTU),
            SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
        };
        let mtu = sockopt::int(&self.socket, level, name)?;
        u32::try_from(mtu).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_remembered_once_and_only_so_many_are() {
        let mut paths = NarrowPaths::default();
        for host in 0..=255 {
            for port in [4500, 4501] {
                paths.note(SocketId(0), SocketAddr::from(([192, 0, 2, host], port)));
            }
        }
        assert_eq!(paths.drain().count(), REMEMBERED_MAX);
        assert_eq!(paths.drain().count(), 0);
    }

    #[test]
    fn the_kernel_knows_the_path_to_itself() {
        for host in ["127.0.0.1", "::1"] {
            let host: IpAddr = host.parse().unwrap();
            let scout = Scout::new(host, None).unwrap();
            for port in [0, 4500] {
                let mtu = scout.path_mtu(SocketAddr::new(host, port)).unwrap();
                assert!(mtu >= 1280, "{mtu}");
            }
        }
    }
}
