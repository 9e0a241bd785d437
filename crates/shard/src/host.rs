//! What an IKE SA may ask of its shard while it handles an input.

use core::net::{IpAddr, SocketAddr};

use crypto::Entropy;
use ike::{Host, Lease, LeaseRequest};
use ipsec::{EspSpi, Identity, IkeSpi, PolicySnapshot, Sad};

use crate::Directory;
use crate::peers::SpiReserve;

/// The parts of a shard that answer an IKE SA.
pub(crate) struct HostView<'a> {
    pub(crate) sad: &'a mut Sad,
    pub(crate) spis: SpiReserve<'a>,
    pub(crate) directory: &'a dyn Directory,
    pub(crate) policy: &'a PolicySnapshot,
    pub(crate) nat_sockets: &'a [SocketAddr],
    pub(crate) entropy: &'a mut dyn Entropy,
}

impl Host for HostView<'_> {
    fn allocate_inbound_spi(&mut self) -> Option<EspSpi> {
        self.sad.reserve_inbound(self.entropy)
    }

    fn release_inbound_spi(&mut self, spi: EspSpi) {
        self.sad.remove_inbound(spi);
    }

    fn allocate_ike_spi(&mut self) -> Option<IkeSpi> {
        self.spis.allocate(self.entropy)
    }

    fn release_ike_spi(&mut self, spi: IkeSpi) {
        self.spis.release(spi);
    }

    fn lease(&mut self, request: &LeaseRequest<'_>) -> Option<Lease> {
        let (pool, address) = self.directory.lease(request)?;
        let dns = self
            .policy
            .pools
            .iter()
            .find(|candidate| candidate.name == pool)
            .map(|pool| pool.dns.clone())
            .unwrap_or_default();
        Some(Lease { pool, address, dns })
    }

    fn release_lease(&mut self, identity: &Identity, lease: &Lease) {
        self.directory.release(&lease.pool, identity, lease.address);
    }

    fn encapsulating_socket(&self, local: IpAddr) -> Option<SocketAddr> {
        let fits = |socket: &&SocketAddr| {
            socket.ip() == local
                || (socket.ip().is_unspecified() && socket.is_ipv4() == local.is_ipv4())
        };
        self.nat_sockets
            .iter()
            .find(fits)
            .map(|socket| SocketAddr::new(local, socket.port()))
    }
}
