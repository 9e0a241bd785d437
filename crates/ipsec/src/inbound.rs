use crypto::{OpeningKey, ProtectionSuite};

use crate::ahead::{self, key_lines_unused};
use crate::{
    EspSpi, FrontVrf, IkeSlot, InboundCounters, InnerVrf, LifeStage, ReplayWindow, Selectors,
    VolumeLimits,
};

/// The receiving half of a Child SA: everything that a packet needs, and nothing else.
///
/// The fields stand in the order in which a packet meets them: what is read before decryption and
/// written after it comes first and shares cache lines, then the key.
#[repr(C, align(64))]
pub struct InboundSa {
    /// The SPI that we chose and that the peer writes.
    pub spi: EspSpi,
    /// The number of the last batch that reported this SA as heard.
    pub heard_in_batch: u32,
    /// What has been received.
    pub window: ReplayWindow,
    /// The highest stage that has been reported to the owner.
    pub stage: LifeStage,
    /// Whether sequence numbers are 64 bits wide.
    pub esn: bool,
    /// Greatest TCP maximum segment size let through on SYN segments.
    pub mss_clamp: Option<u16>,
    /// Where its packets arrive; elsewhere they are none of its own.
    pub fvrf: FrontVrf,
    /// Where its inner packets go.
    pub ivrf: InnerVrf,
    /// Lengths of IV, ICV and block.
    pub suite: ProtectionSuite,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
    /// What the SA may carry.
    pub limits: VolumeLimits,
    /// What it has carried.
    pub counters: InboundCounters,
    /// Which inner packets may come out of it.
    pub selectors: Selectors,
    /// The key, inline.
    pub key: OpeningKey,
}

/// What an inbound SA is made of.
pub struct InboundParameters {
    /// Key and algorithms.
    pub key: OpeningKey,
    /// The algorithms of the key.
    pub suite: ProtectionSuite,
    /// Whether extended sequence numbers were negotiated.
    pub esn: bool,
    /// Size of the replay window in packets.
    pub replay_window: u32,
    /// The negotiated traffic selectors.
    pub selectors: Selectors,
    /// Limits by volume.
    pub limits: VolumeLimits,
    /// The IKE SA that answers for it.
    pub owner: IkeSlot,
}

impl InboundSa {
    /// The first cache line of the key.
    const KEY_LINE: usize = ahead::line_of(core::mem::offset_of!(Self, key));
    const LINES: usize = ahead::line_of(size_of::<Self>());

    /// Asks for the memory that decides about a packet, but for its beginning: whoever has a
    /// reference has seen that.
    #[inline]
    pub fn fetch_head(&self) {
        ahead::fetch_lines(&self.spi, 1..Self::KEY_LINE);
    }

    /// Asks for the memory of the key, as far as a packet needs it.
    #[inline]
    pub fn fetch_key(&self) {
        let unused = key_lines_unused(self.suite);
        ahead::fetch_lines(&self.spi, Self::KEY_LINE..Self::LINES - unused);
    }

    /// A new SA under an SPI that [`Sad::reserve_inbound`](crate::Sad::reserve_inbound) gave out.
    #[must_use]
    pub fn new(spi: EspSpi, parameters: InboundParameters) -> Self {
        let InboundParameters {
            key,
            suite,
            esn,
            replay_window,
            selectors,
            limits,
            owner,
        } = parameters;
        Self {
            spi,
            heard_in_batch: 0,
            owner,
            fvrf: FrontVrf::GLOBAL,
            ivrf: InnerVrf::GLOBAL,
            window: ReplayWindow::new(replay_window, esn),
            stage: LifeStage::Fresh,
            esn,
            mss_clamp: None,
            limits,
            counters: InboundCounters::default(),
            selectors,
            suite,
            key,
        }
    }

    /// A copy for another shard that opens for the same SA. Both look through one replay window from now
    /// on. The copy counts from zero and knows no limits: they are the owner's to judge.
    #[must_use]
    pub fn copy_for_another_shard(&mut self) -> Self {
        Self {
            spi: self.spi,
            heard_in_batch: 0,
            window: self.window.another_view(),
            stage: self.stage,
            esn: self.esn,
            mss_clamp: self.mss_clamp,
            fvrf: self.fvrf,
            ivrf: self.ivrf,
            suite: self.suite,
            owner: self.owner,
            limits: VolumeLimits::NONE,
            counters: InboundCounters::default(),
            selectors: self.selectors.clone(),
            key: self.key.copy_for_another_shard(),
        }
    }

    /// Ties the SA to the VRFs of its tunnel.
    #[must_use]
    pub const fn with_vrfs(mut self, fvrf: FrontVrf, ivrf: InnerVrf) -> Self {
        self.fvrf = fvrf;
        self.ivrf = ivrf;
        self
    }

    /// Clamps the segment size that the peer's side announces, so that our side's segments fit the
    /// tunnel as well.
    #[must_use]
    pub const fn with_mss_clamp(mut self, mss_clamp: Option<u16>) -> Self {
        self.mss_clamp = mss_clamp;
        self
    }
}
