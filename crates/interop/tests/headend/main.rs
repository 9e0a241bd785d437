//! Palisade against real peers. Every case asserts on traffic through the tunnel; the wire between
//! the namespaces refuses plain text, so what arrives has been through ESP.

mod addresses;
mod algorithms;
mod certificates;
mod deletion;
mod elephants;
mod failover;
mod hostile;
mod ike_scan;
mod ikev1;
mod imported;
mod laboratory;
mod liveness;
mod nat;
mod path_mtu;
mod raw_esp;
mod rekeying;
mod setup;
mod stage;
mod throughput;
mod vrfs;
