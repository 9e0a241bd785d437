//! One worker's whole world behind a handful of calls: IKE SAs, security associations, liveness and
//! timers of the peers that this shard owns.
//!
//! A [`Shard`] is pure. It is handed batches of packets, the time, and the results of slow work; it
//! answers through an [`Output`]. The service, the simulator and the tests run the same code.
#![forbid(unsafe_code)]

mod io;

pub use io::{
    Directory, Disposition, InnerPacket, LeaseError, Listener, OuterPacket, Output, RouteChange,
    ShardId, Ticket,
};
