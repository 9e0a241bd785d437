use ipsec::{InnerVrf, OutboundHandle, Selectors, Spd};

/// The outbound look-up of each inner VRF, by its number.
pub(crate) struct Spds {
    by_vrf: Vec<Spd>,
    seed: u64,
}

impl Spds {
    /// `seed` as in [`Spd::new`].
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            by_vrf: vec![Spd::new(seed)],
            seed,
        }
    }

    /// The database of a VRF, if anything of it leads anywhere.
    pub(crate) fn of(&self, ivrf: InnerVrf) -> Option<&Spd> {
        self.by_vrf.get(ivrf.index())
    }

    pub(crate) fn insert(&mut self, ivrf: InnerVrf, handle: OutboundHandle, selectors: &Selectors) {
        if self.by_vrf.len() <= ivrf.index() {
            let seed = self.seed;
            self.by_vrf.resize_with(ivrf.index() + 1, || Spd::new(seed));
        }
        if let Some(spd) = self.by_vrf.get_mut(ivrf.index()) {
            spd.insert(handle, selectors);
        }
    }

    pub(crate) fn remove(&mut self, ivrf: InnerVrf, handle: OutboundHandle, selectors: &Selectors) {
        if let Some(spd) = self.by_vrf.get_mut(ivrf.index()) {
            spd.remove(handle, selectors);
        }
    }
}
