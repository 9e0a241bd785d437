use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use std::io;

use super::EngineSettings;
use super::lent::{Lent, Octets};
use super::messages::Arrival;
use super::tun::TunEntry;
use crate::cmsg::{self, Control};
use crate::ipv4::{self, Ipv4Header};
use crate::narrow::NarrowPaths;
use crate::segmentation::{Coalescer, HEADER_LEN, SUPER_LEN_MAX};
use crate::socket::SocketKind;
use crate::{
    Buffer, BufferPool, Counters, InnerPacket, Offloads, OuterPacket, OuterSend, OuterSocket,
    Refused, SendError, SocketId, TunId, TunQueue,
};

/// Octets of the longest run that passes the kernel as one: a super-packet behind its header, and one
/// octet more than can come, since a device truncates without a word. A run of datagrams is shorter.
const RUN_LEN_MAX: usize = HEADER_LEN + SUPER_LEN_MAX + 1;
/// Super-packets of a TUN queue that are under way at once.
const SUPERS_AT_ONCE: usize = 2;
/// Refused datagrams that are remembered until somebody asks.
const REFUSED_MAX: usize = 4_096;

/// What both engines share: sockets, queues, buffers and counters.
pub(super) struct Inventory {
    pub(super) pool: BufferPool,
    pub(super) counters: Counters,
    pub(super) offloads: Offloads,
    /// Buffers that hold a run of datagrams or a super-packet; none without the offloads.
    pub(super) runs: BufferPool,
    /// The buffers on which the caller works.
    pub(super) lent: Lent,
    /// IP packets that wait to be written to their queues.
    pub(super) departing: Vec<(TunId, Octets)>,
    pub(super) coalescer: Coalescer,
    /// Datagrams that did not leave and that somebody asks about.
    pub(super) refused: Vec<Refused>,
    pub(super) narrow: NarrowPaths,
    sockets: Vec<SocketEntry>,
    pub(super) tuns: Vec<TunEntry>,
    receives_runs: bool,
}

struct SocketEntry {
    socket: OuterSocket,
    /// The kernel's cumulative number, as last reported.
    drops_seen: u32,
    /// The same since the socket was attached, which does not begin again at zero.
    drops: u64,
    /// DF of an IPv4 socket as it was last switched.
    dont_fragment: Option<bool>,
    send_runs: bool,
    receive_runs: bool,
}

impl Inventory {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        let buffers = settings.buffers.max(settings.batch * 8);
        Self {
            pool: BufferPool::new(buffers, settings.payload_max),
            counters: Counters::default(),
            offloads: Offloads::default(),
            runs: BufferPool::new(0, RUN_LEN_MAX),
            lent: Lent::default(),
            departing: Vec::new(),
            coalescer: Coalescer::new(),
            refused: Vec::new(),
            narrow: NarrowPaths::default(),
            sockets: Vec::new(),
            tuns: Vec::new(),
            receives_runs: false,
        }
    }

    pub(super) fn add_socket(&mut self, socket: OuterSocket) -> io::Result<SocketId> {
        let id = u16::try_from(self.sockets.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.sockets.push(SocketEntry {
            socket,
            drops_seen: 0,
            drops: 0,
            dont_fragment: None,
            send_runs: false,
            receive_runs: false,
        });
        Ok(SocketId(id))
    }

    /// A datagram did not leave.
    pub(super) fn refuse(&mut self, tag: u64, error: SendError) {
        self.counters.send_failed(error);
        if tag != 0 && self.refused.len() < REFUSED_MAX {
            self.refused.push(Refused { tag, error });
        }
    }

    /// A datagram that must not be fragmented is larger than its path's MTU.
    pub(super) fn too_narrow(&mut self, send: &OuterSend, datagrams: usize) {
        self.counters.tx_narrow += datagrams as u64;
        self.narrow.note(send.socket, send.remote);
    }

    /// Has runs of datagrams of a socket pass as one, as is wanted and where the kernel can. `buffers`
    /// runs may be under way at once.
    pub(super) fn use_runs(&mut self, id: SocketId, wanted: Offloads, buffers: usize) {
        let Some(entry) = self.sockets.get_mut(usize::from(id.0)) else {
            return;
        };
        entry.send_runs = wanted.udp_send && entry.socket.can_send_runs();
        entry.receive_runs = wanted.udp_receive && entry.socket.receive_runs();
        self.offloads.udp_send |= entry.send_runs;
        self.offloads.udp_receive |= entry.receive_runs;
        if entry.receive_runs && !self.receives_runs {
            self.receives_runs = true;
            self.runs.extend(buffers);
        }
    }

    pub(super) fn sends_runs(&self, id: SocketId) -> bool {
        let entry = self.sockets.get(usize::from(id.0));
        entry.is_some_and(|entry| entry.send_runs)
    }

    pub(super) fn receives_runs(&self, id: SocketId) -> bool {
        let entry = self.sockets.get(usize::from(id.0));
        entry.is_some_and(|entry| entry.receive_runs)
    }

    /// The route of this socket cannot take runs: its device does not compute checksums.
    pub(super) fn stop_sending_runs(&mut self, id: SocketId) {
        if let Some(entry) = self.sockets.get_mut(usize::from(id.0)) {
            entry.send_runs = false;
        }
    }

    /// Takes a buffer of either size back.
    pub(super) fn give(&mut self, buffer: Buffer) {
        if buffer.payload_max() == self.pool.payload_max() {
            self.pool.give(buffer);
        } else {
            self.runs.give(buffer);
        }
    }

    pub(super) fn add_tun(&mut self, queue: TunQueue) -> io::Result<TunId> {
        let id = u16::try_from(self.tuns.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        if let Some(offload) = queue.offload() {
            self.offloads.tun_tcp |= offload.tcp;
            self.offloads.tun_udp |= offload.udp;
            self.offloads.tun_coalescing |= offload.coalescing;
            self.runs.extend(SUPERS_AT_ONCE);
        }
        self.tuns.push(TunEntry::new(queue));
        Ok(TunId(id))
    }

    pub(super) fn socket(&self, id: SocketId) -> Option<&OuterSocket> {
        self.sockets
            .get(usize::from(id.0))
            .map(|entry| &entry.socket)
    }

    pub(super) fn tun(&self, id: TunId) -> Option<&TunQueue> {
        self.tuns.get(usize::from(id.0)).map(|entry| &entry.queue)
    }

    /// Makes a packet of a received datagram, or counts why not and keeps its buffer.
    pub(super) fn accept(
        &mut self,
        id: SocketId,
        arrival: Arrival,
        buffer: Buffer,
    ) -> Option<OuterPacket> {
        let Arrival {
            told, truncated, ..
        } = &arrival;
        self.note_drops(id, told.drops);
        let datagrams = datagrams(buffer.len(), told.segment);
        let longest = if datagrams > 1 {
            usize::from(told.segment)
        } else {
            buffer.len()
        };
        // A buffer for runs is larger than a datagram may be.
        if *truncated || longest > self.pool.payload_max() {
            self.counters.rx_truncated += datagrams;
            self.give(buffer);
            return None;
        }
        let packet = self.locate(id, &arrival, buffer);
        if let Some(packet) = &packet {
            self.counters.rx_packets += datagrams;
            self.counters.rx_runs += u64::from(datagrams > 1);
            self.counters.rx_bytes += packet.buffer.len() as u64;
        } else {
            self.counters.rx_malformed += 1;
        }
        packet
    }

    fn locate(
        &mut self,
        id: SocketId,
        arrival: &Arrival,
        mut buffer: Buffer,
    ) -> Option<OuterPacket> {
        let socket = self.socket(id)?;
        let bound = socket.local();
        let Some(heading) = Heading::read(socket.kind, arrival, buffer.bytes()) else {
            self.give(buffer);
            return None;
        };
        let start = buffer.range().start;
        buffer.set_range(start + heading.payload.start..start + heading.payload.end);
        let segment = arrival.told.segment;
        let is_run = datagrams(buffer.len(), segment) > 1;
        Some(OuterPacket {
            socket: id,
            local: SocketAddr::new(heading.local.unwrap_or(bound.ip()), bound.port()),
            remote: heading.remote,
            tos: heading.tos,
            segment: if is_run { segment } else { 0 },
            buffer,
        })
    }

    fn note_drops(&mut self, id: SocketId, drops: Option<u32>) {
        let (Some(drops), Some(entry)) = (drops, self.sockets.get_mut(usize::from(id.0))) else {
            return;
        };
        // A datagram tells the number as it was when it arrived: what was asked for since is newer.
        let more = drops.wrapping_sub(entry.drops_seen).cast_signed();
        if more > 0 {
            entry.drops_seen = drops;
            entry.drops += u64::from(more.unsigned_abs());
            self.counters.rx_kernel_drops += u64::from(more.unsigned_abs());
        }
    }

    /// What the kernel is known to have dropped of what came to a socket.
    pub(super) fn drops(&self, id: SocketId) -> u64 {
        let entry = self.sockets.get(usize::from(id.0));
        entry.map_or(0, |entry| entry.drops)
    }

    /// Asks the kernel what each socket has dropped.
    pub(super) fn count_drops(&mut self) {
        for index in 0..self.sockets.len() {
            let id = SocketId(index as u16);
            let drops = self.socket(id).and_then(|socket| socket.drops().ok());
            self.note_drops(id, drops);
        }
    }

    /// Makes a packet of a TUN read that left `len` octets in the buffer.
    pub(super) fn accept_inner(
        &mut self,
        tun: TunId,
        len: usize,
        mut buffer: Buffer,
    ) -> Option<InnerPacket> {
        let start = buffer.range().start;
        // A device truncates without a word: a full buffer cannot be told from one too small.
        if len >= buffer.payload_max() || !buffer.set_range(start..start + len) {
            self.counters.tun_rx_truncated += 1;
            self.pool.give(buffer);
            return None;
        }
        self.counters.tun_rx_packets += 1;
        self.counters.tun_rx_bytes += len as u64;
        Some(InnerPacket { tun, buffer })
    }

    /// Whether an IPv4 socket stands to the other value of DF than `send` wants.
    pub(super) fn must_switch(&self, send: &OuterSend) -> bool {
        self.sockets
            .get(usize::from(send.socket.0))
            .is_some_and(|entry| {
                !entry.socket.is_ipv6() && entry.dont_fragment != Some(send.dont_fragment)
            })
    }

    /// Has a socket stand to the value of DF that `send` wants.
    pub(super) fn adjust(&mut self, send: &OuterSend) {
        if self.must_switch(send) {
            self.switch(send);
        }
    }

    /// Switches DF of an IPv4 socket. What was queued with the other value must have been sent.
    pub(super) fn switch(&mut self, send: &OuterSend) {
        if let Some(entry) = self.sockets.get_mut(usize::from(send.socket.0)) {
            // A failure leaves the kernel's default, and the packet still leaves.
            let _ = entry.socket.set_dont_fragment_v4(send.dont_fragment);
            entry.dont_fragment = Some(send.dont_fragment);
        }
    }

    /// Writes the control messages for `send`; returns their length, or `None` when its socket
    /// does not exist or is of the other family. What the socket does anyway is not said: the kernel
    /// takes a fifth of a microsecond to read it.
    pub(super) fn control(&self, send: &OuterSend, control: &mut Control) -> Option<usize> {
        let socket = self.socket(send.socket)?;
        let ipv6 = socket.is_ipv6();
        if send.remote.is_ipv6() != ipv6 {
            return None;
        }
        let mut writer = cmsg::Writer::new(control);
        if let Some(local) = send.local
            && local.is_ipv6() == ipv6
            && !local.is_unspecified()
            && local != socket.local().ip()
        {
            writer.source(local);
        }
        if send.tos != 0 {
            writer.tos(ipv6, send.tos);
        }
        if ipv6 && send.dont_fragment {
            writer.dont_fragment_v6();
        }
        if send.segment != 0 && socket.is_udp() {
            writer.segment(send.segment);
        }
        Some(writer.len())
    }

    /// Where `send` goes, as its socket wants it said.
    pub(super) fn destination(&self, send: &OuterSend) -> SocketAddr {
        let raw = self.socket(send.socket).is_some_and(|s| !s.is_udp());
        let mut remote = send.remote;
        if raw {
            // raw(7): the port must be 0 or the protocol.
            remote.set_port(0);
        }
        remote
    }
}

/// How many datagrams a payload holds.
fn datagrams(len: usize, segment: u16) -> u64 {
    match usize::from(segment) {
        0 => 1,
        segment => len.div_ceil(segment).max(1) as u64,
    }
}

/// What a datagram's headers said, from wherever that is known.
struct Heading {
    local: Option<IpAddr>,
    remote: SocketAddr,
    tos: u8,
    payload: Range<usize>,
}

impl Heading {
    fn read(kind: SocketKind, arrival: &Arrival, octets: &[u8]) -> Option<Self> {
        if kind == SocketKind::Tap {
            let header = Ipv4Header::read(octets)?;
            return Some(Self {
                local: Some(header.destination.into()),
                remote: SocketAddr::from((header.source, 0)),
                tos: header.tos,
                payload: header.payload,
            });
        }
        let mut remote = arrival.remote?;
        if kind != SocketKind::Udp {
            // A raw socket's address carries the protocol number where a port would be.
            remote.set_port(0);
        }
        let start = match kind {
            SocketKind::RawV4 => ipv4::header_len(octets)?,
            _ => 0,
        };
        Some(Self {
            local: arrival.told.local,
            remote,
            tos: arrival.told.tos,
            payload: start..octets.len(),
        })
    }
}
