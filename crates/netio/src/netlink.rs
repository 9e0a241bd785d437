//! The few rtnetlink requests that a TUN device needs, encoded here: one blocking exchange each,
//! where a general crate would bring an asynchronous runtime with it.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

use core::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

use crate::Route;

const HEADER_LEN: usize = 16;
const IFA_F_NODAD: u8 = 0x02;

/// A request under construction.
struct Request {
    octets: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: i32) -> Self {
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut octets = vec![0; HEADER_LEN];
        octets[4..6].copy_from_slice(&kind.to_ne_bytes());
        octets[6..8].copy_from_slice(&flags.to_ne_bytes());
        Self { octets }
    }

    fn body(mut self, body: &[u8]) -> Self {
        self.octets.extend_from_slice(body);
        self
    }

    /// Attributes are padded to four octets; their length field does not count the padding.
    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = (4 + value.len()) as u16;
        self.octets.extend_from_slice(&len.to_ne_bytes());
        self.octets.extend_from_slice(&kind.to_ne_bytes());
        self.octets.extend_from_slice(value);
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
        self
    }

    fn address(self, kind: u16, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.attribute(kind, &v4.octets()),
            IpAddr::V6(v6) => self.attribute(kind, &v6.octets()),
        }
    }
}

/// A conversation with the kernel about the devices of the network namespace in which it was opened.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: Mutex<Socket>,
}

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let protocol = Protocol::from(libc::NETLINK_ROUTE);
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol))?;
        Ok(Self {
            socket: Mutex::new(socket),
        })
    }

    fn ask(&self, mut request: Request) -> io::Result<()> {
        let len = request.octets.len() as u32;
        request.octets[..4].copy_from_slice(&len.to_ne_bytes());
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&request.octets)?;
        let mut reply = [0; 4096];
        let len = socket.read(&mut reply)?;
        acknowledged(reply.get(..len).unwrap_or(&[]))
    }

    /// Sets an interface's MTU and brings it up.
    pub(crate) fn set_link_up(&self, index: u32, mtu: u32) -> io::Result<()> {
        let up = (libc::IFF_UP as u32).to_ne_bytes();
        let mut body = [0; 16];
        body[4..8].copy_from_slice(&index.to_ne_bytes());
        body[8..12].copy_from_slice(&up);
        body[12..16].copy_from_slice(&up);
        self.ask(
            Request::new(libc::RTM_NEWLINK, 0)
                .body(&body)
                .attribute(libc::IFLA_MTU, &mtu.to_ne_bytes()),
        )
    }

    /// Gives an interface an address with the length of its on-link prefix.
    pub(crate) fn add_address(&self, index: u32, held: IpAddr, prefix_len: u8) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.ask(address(libc::RTM_NEWADDR, flags, index, held, prefix_len))
    }

    /// Takes an address off an interface.
    pub(crate) fn remove_address(
        &self,
        index: u32,
        held: IpAddr,
        prefix_len: u8,
    ) -> io::Result<()> {
        self.ask(address(libc::RTM_DELADDR, 0, index, held, prefix_len))
    }

    /// Adds a route.
    pub(crate) fn add_route(&self, wanted: Route) -> io::Result<()> {
        let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.ask(route(libc::RTM_NEWROUTE, flags, wanted))
    }

    /// Removes a route.
    pub(crate) fn remove_route(&self, wanted: Route) -> io::Result<()> {
        self.ask(route(libc::RTM_DELROUTE, 0, wanted))
    }
}

/// An acknowledgement is an `nlmsgerr` with error 0.
fn acknowledged(reply: &[u8]) -> io::Result<()> {
    let truncated = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let kind = reply.get(4..).and_then(|r| r.first_chunk());
    let error = reply.get(HEADER_LEN..).and_then(|r| r.first_chunk());
    let kind = u16::from_ne_bytes(*kind.ok_or_else(truncated)?);
    let error = i32::from_ne_bytes(*error.ok_or_else(truncated)?);
    if i32::from(kind) != libc::NLMSG_ERROR {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    if error == 0 {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(-error))
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

fn address(kind: u16, flags: i32, index: u32, address: IpAddr, prefix_len: u8) -> Request {
    // Nobody else can hold an address on a point-to-point device of our own making, and without
    // the flag an IPv6 address is unusable for a second.
    let own = if address.is_ipv6() { IFA_F_NODAD } else { 0 };
    let [i0, i1, i2, i3] = index.to_ne_bytes();
    let body = [family(address), prefix_len, own, 0, i0, i1, i2, i3];
    Request::new(kind, flags)
        .body(&body)
        .address(libc::IFA_LOCAL, address)
        .address(libc::IFA_ADDRESS, address)
}

fn route(kind: u16, flags: i32, route: Route) -> Request {
    let scope = if route.destination.is_ipv4() {
        libc::RT_SCOPE_LINK
    } else {
        libc::RT_SCOPE_UNIVERSE
    };
    let mut body = [0; 12];
    body[0] = family(route.destination);
    body[1] = route.prefix_len;
    // Numbers beyond an octet go into the attribute alone.
    body[4] = u8::try_from(route.table).unwrap_or(libc::RT_TABLE_UNSPEC);
    body[5] = libc::RTPROT_STATIC;
    body[6] = scope;
    body[7] = libc::RTN_UNICAST;
    Request::new(kind, flags)
        .body(&body)
        .address(libc::RTA_DST, route.destination)
        .attribute(libc::RTA_OIF, &route.interface.to_ne_bytes())
        .attribute(libc::RTA_TABLE, &route.table.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_with_suspicion() {
        assert!(acknowledged(&[]).is_err());
        let mut reply = [0; 36];
        reply[4..6].copy_from_slice(&(libc::NLMSG_ERROR as u16).to_ne_bytes());
        assert!(acknowledged(&reply).is_ok());
        reply[16..20].copy_from_slice(&(-libc::EEXIST).to_ne_bytes());
        let error = acknowledged(&reply).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
        reply[4] = 9;
        assert!(acknowledged(&reply).is_err());
    }

    #[test]
    fn an_unknown_interface_is_refused_by_the_kernel() {
        let netlink = Netlink::open().unwrap();
        assert!(netlink.set_link_up(0x7fff_fff0, 1400).is_err());
    }
}
