use crypto::KeyExchangeMethod;
use ipsec::{EspSpi, Selectors};
use timer::Instant;

/// What stands between a Child SA and ordinary use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChildState {
    /// In use.
    Installed,
    /// We are rekeying it.
    Rekeying,
    /// Replaced: kept for inbound traffic until its deletion is done.
    Replaced,
    /// We asked the peer to delete it.
    Deleting,
}

/// What an IKE SA remembers of a Child SA.
#[derive(Clone, Debug)]
pub struct ChildSa {
    /// Our SPI, which names the Child SA.
    pub inbound: EspSpi,
    /// The peer's SPI.
    pub outbound: EspSpi,
    /// Index in the connection's children.
    pub policy: u16,
    /// What may be done with it.
    pub state: ChildState,
    /// The inbound SPI of the one that replaces it.
    pub replaced_by: Option<EspSpi>,
    /// Outbound traffic does not use it yet: the peer has not shown that it is ready.
    pub outbound_pending: bool,
    /// When it should be rekeyed; [`Instant::MAX`] for never.
    pub rekey_at: Instant,
    /// When it must be gone; [`Instant::MAX`] for never.
    pub expires_at: Instant,
    /// The method of its own key exchange, with perfect forward secrecy.
    pub pfs: Option<KeyExchangeMethod>,
    /// What may pass.
    pub selectors: Selectors,
}
