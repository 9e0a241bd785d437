//! Raw IPv4 datagrams of one protocol, each handed by the kernel to the one socket of several that it
//! is for.
//!
//! A raw socket gets a copy of every datagram of its protocol, so that each further one costs time for
//! all. Packet sockets in a fan-out group share them instead, and a program says which gets what. They
//! see packets before the kernel has judged them: fragments are put together for the group, and what
//! an IP host must check is checked here ([`Ipv4Header`](crate::ipv4::Ipv4Header)).

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::io;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use crate::socket::{Common, OuterSocket, Tap};
use crate::{Program, RawSettings, in_namespace, sockopt};

/// `ETH_P_IP` in the order of the wire, in which the kernel wants it.
const PROTOCOL_IPV4: u16 = (libc::ETH_P_IP as u16).to_be();
/// The members share by program, of whole datagrams.
const BY_PROGRAM: u32 = libc::PACKET_FANOUT_CBPF | libc::PACKET_FANOUT_FLAG_DEFRAG;
/// No datagram comes to this address: a raw socket bound to it sends and costs nothing else.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

impl OuterSocket {
    /// Opens so many sockets that share the datagrams that a raw socket would receive. `program`
    /// ([`Program::select_behind_header`]) says which gets what.
    ///
    /// # Errors
    /// `InvalidInput` for IPv6, whose fragments only a raw socket gets whole, and with a device, of which
    /// a packet socket has another idea than a raw one (VRFs). Else those of the operating system, above
    /// all the lack of `CAP_NET_RAW`.
    pub fn fan_out(
        settings: &RawSettings,
        program: &Program,
        members: usize,
    ) -> io::Result<Vec<Self>> {
        let IpAddr::V4(bind) = settings.bind else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if settings.device.is_some() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        in_namespace(settings.namespace.as_deref(), || {
            let silent = Arc::new(silent(settings)?);
            let mut sockets: Vec<Self> = Vec::with_capacity(members);
            let mut group = None;
            while sockets.len() < members {
                let receiver = open_tap(settings)?;
                group = Some(join(&receiver, group)?);
                if sockets.is_empty() {
                    let (level, name) = (libc::SOL_PACKET, libc::PACKET_FANOUT_DATA);
                    sockopt::attach_program(&receiver, level, name, program.instructions())?;
                }
                let tap = Tap {
                    receiver,
                    _silent: Arc::clone(&silent),
                };
                sockets.push(Self::tapped(sender(settings)?, tap, bind)?);
            }
            let ours = Program::of_protocol(settings.protocol, bind);
            for socket in &sockets {
                socket.filter(&ours)?;
            }
            Ok(sockets)
        })
    }
}

/// A raw socket that sends and never receives.
fn sender(settings: &RawSettings) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(settings.protocol));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    Common::of_raw(settings).apply(&socket)?;
    socket.set_freebind_v4(true)?;
    socket.bind(&SocketAddr::from((NOWHERE, 0)).into())?;
    Ok(socket)
}

/// A packet socket that receives nothing yet.
fn open_tap(settings: &RawSettings) -> io::Result<Socket> {
    // Without a protocol it is deaf until it is bound.
    let tap = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
    tap.set_nonblocking(true)?;
    sockopt::set_int(&tap, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    Common::of_raw(settings).grow_rx(&tap)?;
    let deaf = Program::nothing();
    sockopt::attach_filter(&tap, deaf.instructions())?;
    sockopt::bind_packets(&tap, PROTOCOL_IPV4)?;
    Ok(tap)
}

/// Joins a group, or founds one; returns its number.
fn join(tap: &Socket, group: Option<u16>) -> io::Result<u16> {
    let (number, how) = match group {
        Some(number) => (number, BY_PROGRAM),
        None => (0, BY_PROGRAM | libc::PACKET_FANOUT_FLAG_UNIQUEID),
    };
    let value = u32::from(number) | how << 16;
    sockopt::set_int(
        tap,
        libc::SOL_PACKET,
        libc::PACKET_FANOUT,
        value.cast_signed(),
    )?;
    let joined = sockopt::int(tap, libc::SOL_PACKET, libc::PACKET_FANOUT)?;
    Ok(joined as u16)
}

/// A raw socket that drops everything. Without one the kernel answers each datagram that nobody serves
/// the protocol, and learns no path MTU for it.
fn silent(settings: &RawSettings) -> io::Result<Socket> {
    let protocol = Protocol::from(i32::from(settings.protocol));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    sockopt::attach_filter(&socket, Program::nothing().instructions())?;
    socket.bind(&SocketAddr::new(settings.bind, 0).into())?;
    Ok(socket)
}
