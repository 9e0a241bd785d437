use core::net::{IpAddr, SocketAddr};

use crypto::Entropy;
use ipsec::{EspSpi, FrontVrf, Identity, IkeSpi, PolicySnapshot, PoolName};
use timer::Instant;

use crate::Settings;

/// What a state machine may know and ask while it handles one input.
pub struct Context<'a> {
    /// The time of the input.
    pub now: Instant,
    /// The source of nonces, SPIs of half-open SAs and seeds of key pairs.
    pub entropy: &'a mut dyn Entropy,
    /// What the operator allows.
    pub policy: &'a PolicySnapshot,
    /// Limits and times.
    pub settings: &'a Settings,
    /// The owner of the IKE SA.
    pub host: &'a mut dyn Host,
    /// Somebody watches this IKE SA: see [`Context::trace`].
    pub tracing: bool,
}

/// What a peer asks for when it wants a virtual address (RFC 7296 §3.15).
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest<'a> {
    /// Who asks; leases are sticky by identity.
    pub identity: &'a Identity,
    /// Pools from which the address may come, in order of preference.
    pub pools: &'a [PoolName],
    /// The unspecified address of the wanted family, or the address that the peer would like.
    pub wanted: IpAddr,
    /// The identity has one IKE SA at a time, so that a peer which comes back before its former
    /// IKE SA is gone gets the address which that one holds.
    pub unique: bool,
}

/// A virtual address that the host handed out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The pool that it came from.
    pub pool: PoolName,
    /// The address.
    pub address: IpAddr,
    /// DNS servers to be told along with it.
    pub dns: Vec<IpAddr>,
}

/// Services of the shard that owns an IKE SA. They answer at once.
pub trait Host {
    /// Reserves an inbound ESP SPI that is not in use, or `None` when the shard is full.
    fn allocate_inbound_spi(&mut self) -> Option<EspSpi>;

    /// Gives back an inbound ESP SPI for which no [`Action::ChildInstalled`](crate::Action) was
    /// pushed. (The SPI of an installed Child SA is freed by the host at `ChildRemoved`.)
    fn release_inbound_spi(&mut self, spi: EspSpi);

    /// Reserves an SPI for an IKE SA that we initiate, answer or rekey to, or `None` when the
    /// shard is full.
    fn allocate_ike_spi(&mut self) -> Option<IkeSpi>;

    /// Gives back an IKE SPI for which no [`IkeSa`](crate::v2::IkeSa) was handed over.
    fn release_ike_spi(&mut self, spi: IkeSpi);

    /// Takes a virtual address from the first of the pools that has one of the wanted family.
    fn lease(&mut self, request: &LeaseRequest<'_>) -> Option<Lease>;

    /// Gives a virtual address back.
    fn release_lease(&mut self, identity: &Identity, lease: &Lease);

    /// The socket with a non-ESP marker (port 4500) of the given local address in a front-door VRF,
    /// if there is one.
    fn encapsulating_socket(&self, fvrf: FrontVrf, local: IpAddr) -> Option<SocketAddr>;
}
