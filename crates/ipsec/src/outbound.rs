use core::net::SocketAddr;

use crypto::{ProtectionSuite, SealingKey};

use crate::ahead::{self, key_lines_unused};
use crate::{
    DfPolicy, EspSpi, FrontVrf, IkeSlot, LifeStage, OutboundCounters, Selectors, SequenceNumbers,
    VolumeLimits,
};

/// What carries the ESP packets (RFC 3948).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encapsulation {
    /// IP protocol 50.
    Raw,
    /// UDP, port 4500.
    Udp,
}

/// How the outer header is made from the inner one (RFC 4301 §5.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OuterHeaderPolicy {
    /// Don't Fragment.
    pub df: DfPolicy,
    /// Whether the outer header carries the inner DSCP; else 0.
    pub copy_dscp: bool,
    /// Greatest TCP maximum segment size let through on SYN segments.
    pub mss_clamp: Option<u16>,
}

/// Where an SA's packets go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspPath {
    /// Our address, and the port when UDP carries the packets.
    pub local: SocketAddr,
    /// The peer's address, and the port when UDP carries the packets.
    pub remote: SocketAddr,
    /// What carries the packets.
    pub encapsulation: Encapsulation,
    /// The biggest outer IP packet that passes, in octets.
    pub mtu: u16,
    /// Whose sockets send the packets.
    pub fvrf: FrontVrf,
}

const IPV4_LEN: u16 = 20;
const IPV6_LEN: u16 = 40;
const UDP_LEN: u16 = 8;

impl EspPath {
    /// Octets of the headers that carry an ESP packet.
    #[must_use]
    pub const fn headers_len(&self) -> u16 {
        let ip = if self.remote.is_ipv4() {
            IPV4_LEN
        } else {
            IPV6_LEN
        };
        match self.encapsulation {
            Encapsulation::Udp => ip + UDP_LEN,
            Encapsulation::Raw => ip,
        }
    }

    const fn room(&self) -> u16 {
        self.mtu.saturating_sub(self.headers_len())
    }
}

/// The sending half of a Child SA.
#[repr(C, align(64))]
pub struct OutboundSa {
    /// The SPI that the peer chose.
    pub spi: EspSpi,
    /// The generation of the slot; part of the handle.
    pub(crate) generation: u32,
    /// What numbers are left.
    pub sequence: SequenceNumbers,
    /// The number of the last batch that reported this SA as used.
    pub used_in_batch: u32,
    /// The highest stage that has been reported to the owner.
    pub stage: LifeStage,
    /// Whether sequence numbers are 64 bits wide.
    pub esn: bool,
    /// Outer header rules.
    pub outer: OuterHeaderPolicy,
    /// Lengths of IV, ICV and block.
    pub suite: ProtectionSuite,
    /// Octets that the path leaves to an ESP packet.
    room: u16,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
    /// Which inner packets may go into it.
    pub selectors: Selectors,
    /// What the SA may carry.
    pub limits: VolumeLimits,
    /// What it has carried.
    pub counters: OutboundCounters,
    /// Where its packets go: of interest to who sends them, no more to who seals them.
    path: EspPath,
    /// The key, inline.
    pub key: SealingKey,
}

/// What an outbound SA is made of.
pub struct OutboundParameters {
    /// The SPI that the peer chose.
    pub spi: EspSpi,
    /// Key and algorithms.
    pub key: SealingKey,
    /// The algorithms of the key.
    pub suite: ProtectionSuite,
    /// Whether extended sequence numbers were negotiated.
    pub esn: bool,
    /// Outer header rules.
    pub outer: OuterHeaderPolicy,
    /// The negotiated traffic selectors.
    pub selectors: Selectors,
    /// Limits by volume.
    pub limits: VolumeLimits,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
    /// Where its packets go.
    pub path: EspPath,
}

impl OutboundSa {
    /// The cache line after the last that decides about a packet.
    const PATH_LINE: usize =
        ahead::line_of(core::mem::offset_of!(Self, counters) + OutboundCounters::HOT_LEN - 1) + 1;
    /// The first cache line of the key.
    const KEY_LINE: usize = ahead::line_of(core::mem::offset_of!(Self, key));
    const LINES: usize = ahead::line_of(size_of::<Self>());

    /// Where its packets go.
    #[inline]
    #[must_use]
    pub const fn path(&self) -> &EspPath {
        &self.path
    }

    /// Sends its packets elsewhere from now on.
    pub fn set_path(&mut self, path: EspPath) {
        self.room = path.room();
        self.path = path;
    }

    /// Octets that the path leaves to an ESP packet, its header, IV and ICV included.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> u16 {
        self.room
    }

    /// Asks for the memory that decides about a packet, but for its beginning: whoever has a
    /// reference has seen that.
    #[inline]
    pub fn fetch_head(&self) {
        ahead::fetch_lines(&self.spi, 1..Self::PATH_LINE);
    }

    /// Asks for the memory that says where packets go.
    #[inline]
    pub fn fetch_path(&self) {
        ahead::fetch_lines(&self.spi, Self::PATH_LINE..Self::KEY_LINE);
    }

    /// Asks for the memory of the key, as far as a packet needs it.
    #[inline]
    pub fn fetch_key(&self) {
        let unused = key_lines_unused(self.suite);
        ahead::fetch_lines(&self.spi, Self::KEY_LINE..Self::LINES - unused);
    }

    /// A copy for another shard that seals for the same SA. Both draw their sequence numbers from one
    /// pool from now on. The copy counts from zero and knows no limits: they are the owner's to judge.
    #[must_use]
    pub fn copy_for_another_shard(&mut self) -> Self {
        Self {
            spi: self.spi,
            generation: 0,
            sequence: SequenceNumbers::pooled(self.sequence.share()),
            used_in_batch: 0,
            stage: self.stage,
            esn: self.esn,
            outer: self.outer,
            suite: self.suite,
            room: self.room,
            owner: self.owner,
            selectors: self.selectors.clone(),
            limits: VolumeLimits::NONE,
            counters: OutboundCounters::default(),
            path: self.path,
            key: self.key.copy_for_another_shard(),
        }
    }

    /// A new SA whose first packet will have number 1.
    #[must_use]
    pub fn new(parameters: OutboundParameters) -> Self {
        let OutboundParameters {
            spi,
            key,
            suite,
            esn,
            outer,
            selectors,
            limits,
            owner,
            path,
        } = parameters;
        Self {
            spi,
            generation: 0,
            owner,
            sequence: SequenceNumbers::new(esn),
            used_in_batch: 0,
            stage: LifeStage::Fresh,
            esn,
            outer,
            limits,
            counters: OutboundCounters::default(),
            room: path.room(),
            path,
            selectors,
            suite,
            key,
        }
    }
}
