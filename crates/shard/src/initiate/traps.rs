//! Traffic that makes us initiate.

use std::collections::HashMap;

use ipsec::{Flow, FlowTable, InnerVrf, TrafficSelector};

/// A child of a connection, by their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ChildNumber {
    pub(crate) connection: u32,
    pub(crate) child: u16,
}

/// What one trap catches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trap {
    pub(crate) ivrf: InnerVrf,
    /// Sources; empty for any.
    pub(crate) local: Vec<TrafficSelector>,
    pub(crate) remote: Vec<TrafficSelector>,
}

impl Trap {
    fn catches(&self, flow: &Flow) -> bool {
        let source =
            |ts: &TrafficSelector| ts.contains(flow.source, flow.protocol, flow.source_port);
        let destination = |ts: &TrafficSelector| {
            ts.contains(flow.destination, flow.protocol, flow.destination_port)
        };
        self.remote.iter().any(destination)
            && (self.local.is_empty() || self.local.iter().any(source))
    }
}

struct Laid {
    trap: Trap,
    /// The configuration wants it, tunnel or not.
    configured: bool,
    /// Child SAs now in use that it outlives, so that their traffic finds it when they are lost.
    users: u32,
}

/// The traps of a shard.
pub(crate) struct Traps {
    laid: HashMap<ChildNumber, Laid>,
    by_flow: HashMap<InnerVrf, FlowTable<ChildNumber>>,
    seed: u64,
}

impl Traps {
    /// `seed` as in [`FlowTable::new`].
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            laid: HashMap::new(),
            by_flow: HashMap::new(),
            seed,
        }
    }

    /// The trap that catches a packet, whose destination finds it in a few steps however many there
    /// are.
    pub(crate) fn catch(&self, ivrf: InnerVrf, flow: &Flow) -> Option<ChildNumber> {
        let table = self.by_flow.get(&ivrf)?;
        let catches = |number| {
            let laid = self.laid.get(&number);
            laid.is_some_and(|laid| laid.trap.catches(flow))
        };
        table.find(flow.destination, catches)
    }

    /// Whether a trap lies for a child.
    pub(crate) fn lies(&self, number: ChildNumber) -> bool {
        self.laid.contains_key(&number)
    }

    /// Lays a trap where none lies for the child.
    pub(crate) fn lay(&mut self, number: ChildNumber, trap: Trap) {
        let seed = self.seed;
        let table = self.by_flow.entry(trap.ivrf);
        table
            .or_insert_with(|| FlowTable::new(seed))
            .insert(number, &trap.remote);
        let laid = Laid {
            trap,
            configured: false,
            users: 0,
        };
        self.laid.insert(number, laid);
    }

    /// The trap stays, whatever becomes of tunnels.
    pub(crate) fn configured(&mut self, number: ChildNumber) {
        if let Some(laid) = self.laid.get_mut(&number) {
            laid.configured = true;
        }
    }

    /// A Child SA stands above the trap.
    pub(crate) fn used(&mut self, number: ChildNumber) {
        if let Some(laid) = self.laid.get_mut(&number) {
            laid.users += 1;
        }
    }

    /// A Child SA above the trap is no longer used.
    pub(crate) fn unused(&mut self, number: ChildNumber) {
        if let Some(laid) = self.laid.get_mut(&number) {
            laid.users = laid.users.saturating_sub(1);
        }
    }

    /// Takes up a trap that neither the configuration nor a Child SA needs.
    pub(crate) fn take_up(&mut self, number: ChildNumber) -> Option<Trap> {
        let needed = |laid: &Laid| laid.configured || laid.users > 0;
        if self.laid.get(&number).is_none_or(needed) {
            return None;
        }
        let trap = self.laid.remove(&number)?.trap;
        if let Some(table) = self.by_flow.get_mut(&trap.ivrf) {
            table.remove(number, &trap.remote);
        }
        Some(trap)
    }

    /// Takes up all of them; with each, how many Child SAs stand above it.
    pub(crate) fn take_all(&mut self) -> Vec<(ChildNumber, Trap, u32)> {
        self.by_flow.clear();
        let all = self.laid.drain();
        all.map(|(number, laid)| (number, laid.trap, laid.users))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(connection: u32) -> ChildNumber {
        ChildNumber {
            connection,
            child: 0,
        }
    }

    fn trap(ivrf: u16, local: &[&str], remote: &str) -> Trap {
        Trap {
            ivrf: InnerVrf(ivrf),
            local: local.iter().map(|text| text.parse().unwrap()).collect(),
            remote: vec![remote.parse().unwrap()],
        }
    }

    fn flow(source: &str, destination: &str) -> Flow {
        Flow {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            protocol: 17,
            source_port: Some(1_000),
            destination_port: Some(53),
        }
    }

    #[test]
    fn the_closest_trap_of_the_vrf_catches() {
        let mut traps = Traps::new(5);
        traps.lay(number(1), trap(0, &[], "10.0.0.0/8"));
        traps.lay(number(2), trap(0, &["10.2.0.0/16"], "10.1.0.0/16"));
        traps.lay(number(3), trap(1, &[], "10.1.0.0/16"));
        let caught = |ivrf, source| traps.catch(InnerVrf(ivrf), &flow(source, "10.1.0.1"));
        assert_eq!(caught(0, "10.2.0.1"), Some(number(2)));
        assert_eq!(caught(0, "10.3.0.1"), Some(number(1)), "another source");
        assert_eq!(caught(1, "10.3.0.1"), Some(number(3)));
        assert_eq!(caught(2, "10.3.0.1"), None);
    }

    #[test]
    fn a_trap_outlives_its_tunnels_only_if_somebody_wants_it() {
        let mut traps = Traps::new(5);
        for connection in [1, 2] {
            traps.lay(number(connection), trap(0, &[], "10.0.0.0/8"));
            traps.used(number(connection));
        }
        traps.configured(number(2));
        assert!(traps.take_up(number(1)).is_none(), "a tunnel stands");
        traps.unused(number(1));
        traps.unused(number(2));
        assert!(traps.take_up(number(1)).is_some());
        assert!(traps.take_up(number(2)).is_none(), "it was configured");
        let left = traps.catch(InnerVrf::GLOBAL, &flow("10.2.0.1", "10.1.0.1"));
        assert_eq!(left, Some(number(2)));
    }
}
