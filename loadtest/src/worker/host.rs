use core::net::{IpAddr, SocketAddr};

use crypto::Entropy;
use ike::{Host, Lease, LeaseRequest};
use ipsec::{EspSpi, Identity, IkeSpi, Sad};

use crate::random::Unpredictable;

/// What a worker does for the IKE SAs of one peer.
pub(super) struct PeerHost<'a> {
    pub(super) slot: u32,
    pub(super) sad: &'a mut Sad,
    pub(super) entropy: &'a mut Unpredictable,
    /// The port of the peer's socket towards the encapsulation port.
    pub(super) encapsulated_port: u16,
}

impl Host for PeerHost<'_> {
    fn allocate_inbound_spi(&mut self) -> Option<EspSpi> {
        self.sad.reserve_inbound(self.entropy)
    }

    fn release_inbound_spi(&mut self, spi: EspSpi) {
        self.sad.remove_inbound(spi);
    }

    /// The SPI carries the slot of the peer; who holds the slot compares the whole.
    fn allocate_ike_spi(&mut self) -> Option<IkeSpi> {
        // The top octet keeps the SPI of peer 0 from being zero.
        Some(IkeSpi::compose(1, self.slot, self.entropy.next_u32()))
    }

    fn release_ike_spi(&mut self, _spi: IkeSpi) {}

    /// An initiator hands out no addresses.
    fn lease(&mut self, _request: &LeaseRequest<'_>) -> Option<Lease> {
        None
    }

    fn release_lease(&mut self, _identity: &Identity, _lease: &Lease) {}

    fn encapsulating_socket(&self, _fvrf: ipsec::FrontVrf, local: IpAddr) -> Option<SocketAddr> {
        Some(SocketAddr::new(local, self.encapsulated_port))
    }
}
