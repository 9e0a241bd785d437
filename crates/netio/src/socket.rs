//! Outer sockets: UDP, and raw ones for one IP protocol.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::narrow::Scout;
use crate::{Program, in_namespace, sockopt};

/// How a UDP socket is made.
#[derive(Clone, Debug)]
pub struct UdpSettings {
    /// Address and port.
    pub bind: SocketAddr,
    /// Whether other sockets of this user may bind the same, to share the load.
    pub reuse_port: bool,
    /// Octets of receive buffer asked for.
    pub rx_buffer_bytes: usize,
    /// Octets of send buffer asked for.
    pub tx_buffer_bytes: usize,
    /// Only this interface (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// The network namespace in which it is opened, `None` for ours.
    pub namespace: Option<String>,
}

impl UdpSettings {
    /// Sensible settings for `bind`: shared port, buffers of 4 MiB.
    #[must_use]
    pub fn new(bind: SocketAddr) -> Self {
        Self {
            bind,
            reuse_port: true,
            rx_buffer_bytes: 4 << 20,
            tx_buffer_bytes: 4 << 20,
            device: None,
            namespace: None,
        }
    }
}

/// How a raw socket is made. It needs the capability `CAP_NET_RAW`.
#[derive(Clone, Debug)]
pub struct RawSettings {
    /// Address.
    pub bind: IpAddr,
    /// IP protocol number that it carries.
    pub protocol: u8,
    /// Octets of receive buffer asked for.
    pub rx_buffer_bytes: usize,
    /// Octets of send buffer asked for.
    pub tx_buffer_bytes: usize,
    /// Only this interface (`SO_BINDTODEVICE`).
    pub device: Option<String>,
    /// The network namespace in which it is opened, `None` for ours.
    pub namespace: Option<String>,
}

impl RawSettings {
    /// Sensible settings for `bind`: buffers of 4 MiB.
    #[must_use]
    pub fn new(bind: IpAddr, protocol: u8) -> Self {
        Self {
            bind,
            protocol,
            rx_buffer_bytes: 4 << 20,
            tx_buffer_bytes: 4 << 20,
            device: None,
            namespace: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SocketKind {
    Udp,
    /// IPv4 raw sockets deliver the IP header, IPv6 ones do not (RFC 3542 §3).
    RawV4,
    RawV6,
    /// Packet sockets deliver the IP header, and all that is known stands in it.
    Tap,
}

/// A socket ready to be attached to an engine.
pub struct OuterSocket {
    /// Sends, and receives if there is no tap.
    socket: Socket,
    tap: Option<Tap>,
    pub(crate) kind: SocketKind,
    local: SocketAddr,
    scout: Scout,
}

impl OuterSocket {
    /// Opens and binds a UDP socket that reports each datagram's destination address and TOS.
    ///
    /// # Errors
    /// Those of the operating system: address in use or not ours, port below 1024 without the
    /// capability, no such device.
    pub fn udp(settings: &UdpSettings) -> io::Result<Self> {
        in_namespace(settings.namespace.as_deref(), || Self::udp_here(settings))
    }

    fn udp_here(settings: &UdpSettings) -> io::Result<Self> {
        let domain = Domain::for_address(settings.bind);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        if settings.reuse_port {
            socket.set_reuse_port(true)?;
        }
        let common = Common {
            bind: settings.bind.ip(),
            rx_buffer_bytes: settings.rx_buffer_bytes,
            tx_buffer_bytes: settings.tx_buffer_bytes,
            device: settings.device.as_deref(),
        };
        common.apply(&socket)?;
        socket.bind(&settings.bind.into())?;
        let local = socket.local_addr()?.as_socket().unwrap_or(settings.bind);
        Ok(Self {
            socket,
            tap: None,
            kind: SocketKind::Udp,
            local,
            scout: Scout::new(local.ip(), settings.device.as_deref())?,
        })
    }

    /// Opens and binds a raw socket; its packets are the payloads behind the IP header.
    ///
    /// # Errors
    /// Those of the operating system, above all the lack of `CAP_NET_RAW`.
    pub fn raw(settings: &RawSettings) -> io::Result<Self> {
        in_namespace(settings.namespace.as_deref(), || Self::raw_here(settings))
    }

    fn raw_here(settings: &RawSettings) -> io::Result<Self> {
        let bind = SocketAddr::new(settings.bind, 0);
        let protocol = Protocol::from(i32::from(settings.protocol));
        let socket = Socket::new(Domain::for_address(bind), Type::RAW, Some(protocol))?;
        Common::of_raw(settings).apply(&socket)?;
        socket.bind(&bind.into())?;
        let kind = if bind.is_ipv6() {
            SocketKind::RawV6
        } else {
            SocketKind::RawV4
        };
        Ok(Self {
            socket,
            tap: None,
            kind,
            local: bind,
            scout: Scout::new(settings.bind, settings.device.as_deref())?,
        })
    }

    /// A raw socket that sends, and a tap that receives for it.
    pub(crate) fn tapped(socket: Socket, tap: Tap, bind: Ipv4Addr) -> io::Result<Self> {
        Ok(Self {
            socket,
            tap: Some(tap),
            kind: SocketKind::Tap,
            local: SocketAddr::from((bind, 0)),
            scout: Scout::new(bind.into(), None)?,
        })
    }

    fn receiver(&self) -> &Socket {
        self.tap.as_ref().map_or(&self.socket, |tap| &tap.receiver)
    }

    /// The address and port it is bound to.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Octets of receive and of send buffer that the kernel granted (its bookkeeping included).
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn buffer_bytes(&self) -> io::Result<(usize, usize)> {
        Ok((
            self.receiver().recv_buffer_size()?,
            self.socket.send_buffer_size()?,
        ))
    }

    /// Lets `program` choose among the sockets bound to the same address and port with
    /// `reuse_port`. One of the group suffices; the program stays when that socket closes.
    ///
    /// # Errors
    /// The kernel refuses an invalid program.
    pub fn steer(&self, program: &Program) -> io::Result<()> {
        sockopt::attach_program(
            &self.socket,
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            program.instructions(),
        )
    }

    /// Lets `program` decide which datagrams this socket receives.
    ///
    /// # Errors
    /// The kernel refuses an invalid program.
    pub fn filter(&self, program: &Program) -> io::Result<()> {
        sockopt::attach_filter(self.receiver(), program.instructions())
    }

    /// Octets of the largest IP packet that the kernel believes to reach `remote` from here in one
    /// piece.
    pub(crate) fn path_mtu(&self, remote: SocketAddr) -> io::Result<u32> {
        self.scout.path_mtu(remote)
    }

    /// How many datagrams the kernel has dropped instead of handing them over.
    pub(crate) fn drops(&self) -> io::Result<u32> {
        sockopt::drops(self.receiver())
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.local.is_ipv6()
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.kind == SocketKind::Udp
    }

    /// IPv4 has no control message for DF, so that the socket itself is switched between runs of
    /// datagrams that differ in it.
    pub(crate) fn set_dont_fragment_v4(&self, dont_fragment: bool) -> io::Result<()> {
        let value = if dont_fragment {
            libc::IP_PMTUDISC_DO
        } else {
            libc::IP_PMTUDISC_DONT
        };
        sockopt::set_int(&self.socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value)
    }

    /// Whether the kernel can take a run of datagrams of this socket as one.
    pub(crate) fn can_send_runs(&self) -> bool {
        // 0 leaves it to each datagram's control message.
        self.is_udp() && sockopt::set_int(&self.socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
    }

    /// Asks for runs of datagrams of one sender as one; `false` if the kernel has none to give.
    pub(crate) fn receive_runs(&self) -> bool {
        self.is_udp() && sockopt::set_int(&self.socket, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok()
    }

    pub(crate) fn receive_fd(&self) -> RawFd {
        self.receiver().as_raw_fd()
    }

    pub(crate) fn send_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// What receives in place of a raw socket.
pub(crate) struct Tap {
    pub(crate) receiver: Socket,
    /// Stands for the protocol in the eyes of the kernel as long as one of the group lives.
    pub(crate) _silent: Arc<Socket>,
}

pub(crate) struct Common<'a> {
    bind: IpAddr,
    rx_buffer_bytes: usize,
    tx_buffer_bytes: usize,
    device: Option<&'a str>,
}

impl<'a> Common<'a> {
    pub(crate) fn of_raw(settings: &'a RawSettings) -> Self {
        Self {
            bind: settings.bind,
            rx_buffer_bytes: settings.rx_buffer_bytes,
            tx_buffer_bytes: settings.tx_buffer_bytes,
            device: settings.device.as_deref(),
        }
    }
}

impl Common<'_> {
    pub(crate) fn apply(&self, socket: &Socket) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        let destination = if self.bind.is_ipv6() {
            socket.set_only_v6(true).or_else(raw_has_no_v6only)?;
            socket.set_recv_tclass_v6(true)?;
            (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)
        } else {
            socket.set_recv_tos_v4(true)?;
            (libc::IPPROTO_IP, libc::IP_PKTINFO)
        };
        // Whatever comes to a socket of one address was sent to that address.
        if self.bind.is_unspecified() {
            sockopt::set_int(socket, destination.0, destination.1, 1)?;
        }
        sockopt::set_int(socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        if let Some(device) = self.device {
            let bound = socket.bind_device(Some(device.as_bytes()));
            bound.map_err(|error| {
                io::Error::new(error.kind(), format!("device `{device}`: {error}"))
            })?;
        }
        self.grow_rx(socket)?;
        grow(socket, libc::SO_SNDBUFFORCE, self.tx_buffer_bytes)
            .or_else(|_| socket.set_send_buffer_size(self.tx_buffer_bytes))
    }

    pub(crate) fn grow_rx(&self, socket: &Socket) -> io::Result<()> {
        grow(socket, libc::SO_RCVBUFFORCE, self.rx_buffer_bytes)
            .or_else(|_| socket.set_recv_buffer_size(self.rx_buffer_bytes))
    }
}

fn raw_has_no_v6only(error: io::Error) -> io::Result<()> {
    if error.raw_os_error() == Some(libc::EINVAL) {
        return Ok(());
    }
    Err(error)
}

/// The forced options go past the system's limit, with `CAP_NET_ADMIN`.
fn grow(socket: &Socket, option: i32, octets: usize) -> io::Result<()> {
    let octets = i32::try_from(octets).unwrap_or(i32::MAX);
    sockopt::set_int(socket, libc::SOL_SOCKET, option, octets)
}
