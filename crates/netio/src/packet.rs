use core::net::{IpAddr, SocketAddr};

use crate::Buffer;

/// A socket attached to an engine, in order of attachment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SocketId(pub u16);

/// A TUN queue attached to an engine, in order of attachment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TunId(pub u16);

/// A datagram received from a socket, or a run of them that agree in all but their payloads.
pub struct OuterPacket {
    /// The socket that received it.
    pub socket: SocketId,
    /// Where it was sent to: the datagram's destination address and the socket's port.
    pub local: SocketAddr,
    /// Where it came from (port 0 on a raw socket).
    pub remote: SocketAddr,
    /// TOS or traffic class octet of its IP header.
    pub tos: u8,
    /// Octets of each segment when the payload is a run of equal segments, else 0.
    pub segment: u16,
    /// Its payload, with room on both sides.
    pub buffer: Buffer,
}

impl OuterPacket {
    /// The payloads of the run's datagrams, in order of arrival; one if it is no run.
    pub fn datagrams_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let payload = self.buffer.bytes_mut();
        let len = match usize::from(self.segment) {
            0 => payload.len(),
            segment => segment,
        };
        // An empty datagram is a datagram, too.
        let empty = payload.is_empty().then_some(Default::default());
        payload.chunks_mut(len.max(1)).chain(empty)
    }
}

/// An IP packet read from a TUN queue.
pub struct InnerPacket {
    /// The queue it was read from.
    pub tun: TunId,
    /// Its octets from the IP header on, with room on both sides.
    pub buffer: Buffer,
}

/// What one call of [`Engine::receive`](crate::Engine::receive) yields.
pub struct Batch {
    /// Datagrams in order of arrival at each socket.
    pub outer: Vec<OuterPacket>,
    /// IP packets in order of arrival at each queue.
    pub inner: Vec<InnerPacket>,
}

impl Batch {
    /// An empty batch that can hold `capacity` packets of either sort without allocating.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            outer: Vec::with_capacity(capacity),
            inner: Vec::with_capacity(capacity),
        }
    }

    /// Packets of both sorts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outer.len() + self.inner.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How a datagram is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterSend {
    /// The socket to send from.
    pub socket: SocketId,
    /// Source address; `None` leaves the choice to the kernel.
    pub local: Option<IpAddr>,
    /// Destination (the port is ignored by a raw socket).
    pub remote: SocketAddr,
    /// TOS or traffic class octet.
    pub tos: u8,
    /// Whether the datagram must not be fragmented on its way. If the kernel knows the path to be too
    /// narrow for it, it leaves in fragments all the same and the path is told
    /// ([`Engine::take_narrow`](crate::Engine::take_narrow)).
    pub dont_fragment: bool,
    /// Octets of each segment when the payload is a run of equal segments to be sent as datagrams
    /// of their own, else 0.
    pub segment: u16,
    /// Names the datagram in [`Engine::take_refused`](crate::Engine::take_refused); 0 if nobody asks
    /// what became of it.
    pub tag: u64,
}

/// A datagram that did not leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// What [`OuterSend::tag`] called it.
    pub tag: u64,
    /// Why.
    pub error: SendError,
}

/// Why a datagram did not leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SendError {
    /// The socket's send buffer was full.
    WouldBlock,
    /// Larger than any path allows.
    TooBig,
    /// No route, or the neighbour or network cannot be reached.
    Unreachable,
    /// A filter of this host refused it.
    Denied,
    /// The engine's own queue or its buffers were used up.
    QueueFull,
    /// Any other error number of the operating system.
    Other(i32),
}

impl SendError {
    pub(crate) fn from_errno(errno: i32) -> Self {
        match errno {
            libc::EAGAIN | libc::ENOBUFS => Self::WouldBlock,
            libc::EMSGSIZE => Self::TooBig,
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::ENETDOWN | libc::EADDRNOTAVAIL => {
                Self::Unreachable
            }
            libc::EPERM | libc::EACCES => Self::Denied,
            other => Self::Other(other),
        }
    }
}
