//! The wall between a shard and the world: what goes in, what comes out, what shards share.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use esp::OuterFields;
use ike::{Job, LeaseRequest, Path};
use ipsec::{EspPath, FrontVrf, Identity, IkeSpi, InnerVrf, PoolName, TrafficSelector};

use crate::{Event, Mail, Parcel, Question, TraceRecord};

/// The number of a shard, which is also in every SPI that it chooses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ShardId(pub u8);

/// What kind of socket a datagram came through.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Listener {
    /// UDP 500: IKE without a marker.
    Ike,
    /// UDP 4500: IKE behind a non-ESP marker, ESP, NAT keepalives (RFC 3948).
    Nat,
    /// IP protocol 50.
    RawEsp,
}

/// A datagram from outside. `bytes` is the UDP payload, or the ESP packet of a raw socket.
#[derive(Debug)]
pub struct OuterPacket<'a> {
    /// Which kind of socket took it.
    pub listener: Listener,
    /// Whose socket that is.
    pub fvrf: FrontVrf,
    /// Where it was sent to.
    pub local: SocketAddr,
    /// Where it came from.
    pub remote: SocketAddr,
    /// The outer TOS or traffic class octet.
    pub tos: u8,
    /// The datagram. It is decrypted in place.
    pub bytes: &'a mut [u8],
}

/// A packet from the inner side, in a buffer with room for ESP on both sides of it.
#[derive(Debug)]
pub struct InnerPacket<'a> {
    /// The whole buffer.
    pub buffer: &'a mut [u8],
    /// Where the IP packet starts in `buffer` (at least [`esp::HEADROOM`]).
    pub start: usize,
    /// Octets of the IP packet; at least [`esp::TAILROOM`] octets follow it in `buffer`.
    pub len: usize,
    /// Where it came in.
    pub ivrf: InnerVrf,
}

/// Where IKE messages or encapsulated packets are received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrontSocket {
    /// Whose socket it is.
    pub fvrf: FrontVrf,
    /// Address and port; an unspecified address stands for every one of its family.
    pub address: SocketAddr,
}

/// Names the IKE SA that waits for a computation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ticket {
    /// The shard that asked.
    pub shard: ShardId,
    /// The local SPI of the IKE SA that asked. It may be gone when the result comes.
    pub spi: IkeSpi,
}

/// Whether the socket took a datagram. A probe that was not taken is not a try (see `dpd`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Disposition {
    /// It left, as far as we can know.
    Taken,
    /// The queue was full or the socket refused it.
    Refused,
}

/// A route towards the inner device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RouteChange {
    /// Traffic for these addresses goes to a peer.
    Add(TrafficSelector),
    /// It no longer does.
    Remove(TrafficSelector),
    /// The peer gave us this address (we are its client).
    AddAddress(IpAddr),
    /// That address is gone.
    RemoveAddress(IpAddr),
}

/// Where a shard's actions go. Calls are in order; nothing waits. The octets of a packet that has been
/// handed on, by [`send_esp`](Self::send_esp) or [`deliver_inner`](Self::deliver_inner), are not touched
/// again: it may leave later, from the buffer in which it came.
pub trait Output {
    /// Sends an IKE message of the IKE SA with the SPI `sender` (zero for none). With `encapsulated`
    /// the non-ESP marker is put before it. A message that was taken may be refused when its turn
    /// comes; then [`Shard::refused`](crate::Shard::refused) is told.
    fn send_ike(&mut self, sender: IkeSpi, path: &Path, message: &[u8]) -> Disposition;

    /// Sends an ESP packet over UDP or as IP protocol 50, as the path says.
    fn send_esp(&mut self, path: &EspPath, outer: OuterFields, packet: &[u8]) -> Disposition;

    /// Sends a NAT keepalive, one octet `ff` (RFC 3948 §2.3).
    fn send_keepalive(&mut self, path: &Path) -> Disposition;

    /// Hands an opened packet, or an ICMP answer of ours, to the inner side of a VRF.
    fn deliver_inner(&mut self, ivrf: InnerVrf, packet: &[u8]);

    /// Has slow work done; the result comes back through [`Shard::computed`](crate::Shard::computed).
    fn compute(&mut self, ticket: Ticket, job: Job);

    /// Whether the computations that a new IKE SA needs would be taken. When not, newcomers are turned away before any state is kept for them.
    fn has_room_to_compute(&self) -> bool;

    /// Has a host name resolved; the addresses come back through
    /// [`Shard::resolved`](crate::Shard::resolved).
    fn resolve(&mut self, question: Question, name: &Arc<str>);

    /// Sends a datagram that another shard owns to that shard.
    fn hand_over_outer(&mut self, to: ShardId, packet: &OuterPacket<'_>);

    /// Sends an inner packet that another shard owns to that shard.
    fn hand_over_inner(&mut self, to: ShardId, ivrf: InnerVrf, packet: &[u8]);

    /// Whether packets that several shards hand to one inner device keep the order in which they do so, and
    /// each flow from there comes to one shard.
    fn shares_inside(&self) -> bool;

    /// A shard that has time for a [`Parcel`].
    fn spare_shard(&mut self) -> Option<ShardId>;

    /// Has another shard open a parcel ([`Shard::parcel`](crate::Shard::parcel)).
    ///
    /// # Errors
    /// The parcel comes back if that shard has no time for it.
    fn hand_over_parcel(&mut self, to: ShardId, parcel: Parcel) -> Result<(), Parcel>;

    /// Has everything that was delivered to inner devices arrive there before anything that another
    /// shard delivers from now on.
    fn flush_inner(&mut self);

    /// Sends a message to another shard.
    fn mail(&mut self, to: ShardId, mail: Mail);

    /// Changes what the inner device of a VRF routes to us.
    fn route(&mut self, ivrf: InnerVrf, change: RouteChange);

    /// Tells whoever listens what happened.
    fn event(&mut self, event: Event);

    /// Tells whoever watches what a peer goes through, in every detail. Only called after
    /// [`Command::Watch`](crate::Command::Watch).
    fn trace(&mut self, record: TraceRecord);
}

/// What the shards share. It is asked in the course of exchanges and on a miss of the outbound
/// look-up, never for each packet.
pub trait Directory: Send + Sync {
    /// Leases an address of the first pool that has one of the wanted family: the same as last time
    /// for the same identity, if possible.
    fn lease(&self, request: &LeaseRequest<'_>) -> Option<(PoolName, IpAddr)>;

    /// Gives an address back. The identity keeps a claim on it for its return.
    fn release(&self, pool: &PoolName, identity: &Identity, address: IpAddr);

    /// Records who owns an identity in a front-door VRF and returns the former owner, if there was
    /// another. The same identity in another VRF is another peer.
    fn claim_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket) -> Option<Ticket>;

    /// Forgets an identity if `owner` still owns it.
    fn release_identity(&self, fvrf: FrontVrf, identity: &Identity, owner: Ticket);

    /// The owner of an identity.
    fn owner_of_identity(&self, fvrf: FrontVrf, identity: &Identity) -> Option<Ticket>;

    /// Records that inner addresses of a VRF are reached through a shard.
    fn announce(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId);

    /// Takes that back.
    fn withdraw(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId);

    /// Whether packets to inner addresses of a VRF, announced by a shard, may come to any shard, each
    /// flow to one, instead of to that shard. Ends with the announcement at the latest.
    fn spread(&self, ivrf: InnerVrf, selector: &TrafficSelector, shard: ShardId, spread: bool);

    /// Which shard reaches an inner address of a VRF.
    fn owner_of_address(&self, ivrf: InnerVrf, address: IpAddr) -> Option<ShardId>;
}
