use core::net::IpAddr;

use crate::flow_table::FlowTable;
use crate::{Flow, OutboundHandle, Sad, Selectors};

/// The outbound side of a shard's security policy database: which SA an inner packet goes into
/// (RFC 4301 §4.4.1, as a cache over the SAs that exist).
///
/// It is a [`FlowTable`]: among the SAs of one prefix the youngest whose selectors accept the packet
/// is taken, so that a rekeyed SA takes over when it is added.
///
/// Who has several packets asks for what their look-ups need first: [`Spd::fetch`] for each, then
/// [`Sad::fetch_outbound`] of what [`Spd::guess`] says, then [`Spd::lookup`] for each.
pub struct Spd(FlowTable<OutboundHandle>);

impl Spd {
    /// An empty database. `seed` must be unpredictable, see [`FlowTable::new`].
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(FlowTable::new(seed))
    }

    /// Sends what `selectors` mean into an SA, before any older SA of the same prefix.
    pub fn insert(&mut self, handle: OutboundHandle, selectors: &Selectors) {
        self.0.insert(handle, selectors.remote());
    }

    /// Takes an SA out; `selectors` are those with which it was added.
    pub fn remove(&mut self, handle: OutboundHandle, selectors: &Selectors) {
        self.0.remove(handle, selectors.remote());
    }

    /// The SA into which a packet goes.
    #[must_use]
    pub fn lookup(&self, sad: &Sad, flow: &Flow) -> Option<OutboundHandle> {
        self.0.find(flow.destination, |handle| {
            sad.outbound(handle)
                .is_some_and(|sa| sa.selectors.allow_outbound(flow))
        })
    }

    /// Asks for the memory in which a look-up of this destination begins. The answer is for
    /// [`guess`](Self::guess).
    #[inline]
    pub fn fetch(&self, destination: IpAddr) -> usize {
        self.0.fetch(destination)
    }

    /// The SA that a look-up will find, if all goes well: good enough to ask for its memory.
    #[inline]
    #[must_use]
    pub fn guess(&self, destination: IpAddr, fetched: usize) -> OutboundHandle {
        self.0.guess(destination, fetched)
    }

    /// How many addresses and networks lead to an SA.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no address leads anywhere.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
