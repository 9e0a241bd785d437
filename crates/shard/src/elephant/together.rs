use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ipsec::{EspPath, EspSpi, InboundSa, InnerVrf, OutboundSa, VolumeLimits};

use super::Relay;
use crate::ShardId;

/// What the owner of an SA and its guests have in common. Flags and sums: what a guest must not miss
/// stands here, and mail only makes it look.
pub(crate) struct Together {
    /// Grows when a guest has to look at what follows. Guests read it once a batch.
    changes: AtomicU32,
    recalled: AtomicBool,
    /// The turn that the relay of the owner gave next when the copies were asked back.
    recalled_at: AtomicU64,
    path: Mutex<EspPath>,
    /// What the owner itself has sealed, when it looked last.
    by_owner: Sum,
    /// Written by the guests, once a batch.
    by_guests: Written,
}

/// Apart from what is only read, so that reading it costs nothing.
#[repr(align(128))]
struct Written {
    sum: Sum,
    /// Whether a guest has carried anything since the owner looked.
    noted: AtomicBool,
}

#[derive(Default)]
struct Sum {
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// Packets, and octets of inner packets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Carried {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Carried {
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(before.packets),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

impl Sum {
    fn get(&self) -> Carried {
        Carried {
            packets: self.packets.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    fn set(&self, carried: Carried) {
        self.packets.store(carried.packets, Ordering::Relaxed);
        self.bytes.store(carried.bytes, Ordering::Relaxed);
    }

    fn add(&self, more: Carried) {
        self.packets.fetch_add(more.packets, Ordering::Relaxed);
        self.bytes.fetch_add(more.bytes, Ordering::Relaxed);
    }
}

impl Together {
    pub(crate) fn new(path: EspPath) -> Self {
        Self {
            changes: AtomicU32::new(0),
            recalled: AtomicBool::new(false),
            recalled_at: AtomicU64::new(0),
            path: Mutex::new(path),
            by_owner: Sum::default(),
            by_guests: Written {
                sum: Sum::default(),
                noted: AtomicBool::new(false),
            },
        }
    }

    /// How often something changed.
    #[inline]
    pub(crate) fn changes(&self) -> u32 {
        self.changes.load(Ordering::Acquire)
    }

    /// Asks for the copies back: at once those that seal, those that open when the batches before this turn are opened.
    pub(crate) fn recall(&self, turn: u64) {
        self.recalled_at.store(turn, Ordering::Relaxed);
        self.recalled.store(true, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn is_recalled(&self) -> bool {
        self.recalled.load(Ordering::Relaxed)
    }

    pub(crate) fn recalled_at(&self) -> u64 {
        self.recalled_at.load(Ordering::Relaxed)
    }

    /// The peer is reached elsewhere from now on.
    pub(crate) fn set_path(&self, path: EspPath) {
        *self.path.lock().unwrap_or_else(PoisonError::into_inner) = path;
        self.changes.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn path(&self) -> EspPath {
        *self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A guest has carried so much more. Returns all that the SA has carried as far as is known, and
    /// whether this is the first since the owner looked.
    pub(crate) fn carry(&self, more: Carried) -> (Carried, bool) {
        let Written { sum, noted } = &self.by_guests;
        sum.add(more);
        let (guests, owner) = (sum.get(), self.by_owner.get());
        let all = Carried {
            packets: guests.packets.saturating_add(owner.packets),
            bytes: guests.bytes.saturating_add(owner.bytes),
        };
        // Read before it is written: most batches find it set.
        let first = !noted.load(Ordering::Relaxed) && !noted.swap(true, Ordering::Relaxed);
        (all, first)
    }

    /// The owner looks: all that guests have carried so far.
    pub(crate) fn look(&self) -> Carried {
        self.by_guests.noted.store(false, Ordering::Relaxed);
        self.by_guests.sum.get()
    }

    /// Tells the guests what the owner itself has carried.
    pub(crate) fn tell(&self, by_owner: Carried) {
        self.by_owner.set(by_owner);
    }
}

/// A Child SA for another shard to open with, and to seal with.
pub struct Loan {
    pub(crate) owner: ShardId,
    /// Our SPI of the Child SA, which names it.
    pub(crate) inbound: EspSpi,
    pub(crate) ivrf: InnerVrf,
    pub(crate) limits: VolumeLimits,
    /// If the peer takes what several shards seal.
    pub(crate) sealing: Option<OutboundSa>,
    pub(crate) opening: InboundSa,
    pub(crate) relay: Arc<Relay>,
    pub(crate) together: Arc<Together>,
}

/// The keys stay unseen.
impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan")
            .field("owner", &self.owner)
            .field("inbound", &self.inbound)
            .finish_non_exhaustive()
    }
}
