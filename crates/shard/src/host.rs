//! What an IKE SA may know and ask of its shard while it handles an input.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crypto::Entropy;
use ike::{Context, Host, Lease, LeaseRequest};
use ipsec::{EspSpi, FrontVrf, Identity, IkeSpi, PolicySnapshot, Sad};
use timer::Instant;

use crate::peers::SpiReserve;
use crate::{Directory, FrontSocket, Policy, Settings};

/// What stands around every IKE SA of a shard, apart from the table of IKE SAs itself, so that both
/// can be borrowed at once.
pub(crate) struct World {
    pub(crate) settings: Settings,
    pub(crate) policy: Policy,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) sad: Sad,
    pub(crate) entropy: Box<dyn Entropy + Send>,
    pub(crate) spi_entropy: Box<dyn Entropy + Send>,
}

impl World {
    /// Makes a call into `ike` with its context.
    pub(crate) fn ask<R>(
        &mut self,
        spis: SpiReserve<'_>,
        now: Instant,
        tracing: bool,
        call: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let mut host = HostView {
            sad: &mut self.sad,
            spis,
            directory: &*self.directory,
            policy: &self.policy.snapshot,
            nat_sockets: &self.settings.nat_sockets,
            entropy: &mut *self.spi_entropy,
        };
        call(&mut Context {
            now,
            entropy: &mut *self.entropy,
            policy: &self.policy.snapshot,
            settings: &self.settings.ike,
            host: &mut host,
            tracing,
        })
    }
}

/// The services that an IKE SA sees.
struct HostView<'a> {
    sad: &'a mut Sad,
    spis: SpiReserve<'a>,
    directory: &'a dyn Directory,
    policy: &'a PolicySnapshot,
    nat_sockets: &'a [FrontSocket],
    entropy: &'a mut dyn Entropy,
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

    fn encapsulating_socket(&self, fvrf: FrontVrf, local: IpAddr) -> Option<SocketAddr> {
        let fits = |socket: &&FrontSocket| {
            let address = socket.address;
            socket.fvrf == fvrf
                && (address.ip() == local
                    || (address.ip().is_unspecified() && address.is_ipv4() == local.is_ipv4()))
        };
        self.nat_sockets
            .iter()
            .find(fits)
            .map(|socket| SocketAddr::new(local, socket.address.port()))
    }
}
