//! One thing that is measured in each round.

use std::time::Duration;

use crypto::ProtectionSuite;
use palisade_benches::{BATCH, Bare, ByLibrary, Mix, Traffic, World};

/// Nanoseconds a packet in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) seal: f64,
    pub(crate) open: f64,
    /// Calls of the allocator for each packet, both ways together.
    pub(crate) allocations: f64,
}

/// Packets through the ESP of a world.
pub(crate) struct EspPass {
    world: World,
    traffic: Traffic,
    batches: u32,
}

impl EspPass {
    pub(crate) fn new(suite: ProtectionSuite, peers: u32, mix: Mix, batches: u32) -> Self {
        Self {
            world: World::new(suite, peers),
            traffic: Traffic::new(mix),
            batches,
        }
    }

    pub(crate) fn round(&mut self) -> Times {
        through(&mut self.world, &mut self.traffic, self.batches)
    }
}

/// Batches of one mix through a world.
pub(crate) fn through(world: &mut World, traffic: &mut Traffic, batches: u32) -> Times {
    let (mut seal, mut open) = (Duration::ZERO, Duration::ZERO);
    let mut allocations = 0;
    for _ in 0..batches {
        traffic.address(world);
        let taken = allocation_counter::measure(|| {
            seal += traffic.seal(world);
            open += traffic.open(world);
        });
        allocations += taken.count_total;
    }
    assert_eq!(world.drops(), 0, "every packet passes");
    Times {
        allocations: allocations as f64 / packets(batches),
        ..times(seal, open, batches)
    }
}

/// Packets through the protection alone.
pub(crate) struct BarePass {
    bare: Bare,
    batches: u32,
}

impl BarePass {
    pub(crate) fn new(suite: ProtectionSuite, mix: Mix, batches: u32) -> Self {
        Self {
            bare: Bare::new(suite, mix),
            batches,
        }
    }

    pub(crate) fn round(&mut self) -> Times {
        let (mut seal, mut open) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..self.batches {
            seal += self.bare.seal();
            open += self.bare.open();
        }
        times(seal, open, self.batches)
    }
}

/// Texts through AWS-LC.
pub(crate) struct LibraryPass {
    aws_lc: ByLibrary,
    batches: u32,
}

impl LibraryPass {
    pub(crate) fn new(mix: Mix, batches: u32) -> Self {
        Self {
            aws_lc: ByLibrary::new(mix),
            batches,
        }
    }

    pub(crate) fn round(&mut self) -> f64 {
        let taken: Duration = (0..self.batches).map(|_| self.aws_lc.seal()).sum();
        times(taken, taken, self.batches).seal
    }
}

fn times(seal: Duration, open: Duration, batches: u32) -> Times {
    let packets = packets(batches);
    Times {
        seal: seal.as_nanos() as f64 / packets,
        open: open.as_nanos() as f64 / packets,
        allocations: 0.0,
    }
}

fn packets(batches: u32) -> f64 {
    f64::from(batches) * BATCH as f64
}
