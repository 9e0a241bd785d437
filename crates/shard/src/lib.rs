//! One worker's whole world behind a handful of calls: IKE SAs, security associations, liveness and
//! timers of the peers that this shard owns.
//!
//! A [`Shard`] is pure. It is handed batches of packets, the time, and the results of slow work; it
//! answers through an [`Output`]. The service, the simulator and the tests run the same code.
#![forbid(unsafe_code)]

mod adoption;
mod children;
mod command;
mod counters;
mod elephant;
mod esp_side;
mod event;
mod host;
mod ike_side;
mod initiate;
mod io;
mod liveness;
mod meter;
mod obituary;
mod orders;
mod path_mtu;
mod peers;
mod renewal;
mod report;
mod rut;
mod sessions;
mod shard;
mod spds;
mod strangers;
mod too_big;
mod trace;
mod watchers;

pub use command::{Command, DpdException, Mail, Policy};
pub use counters::{Counters, ShardDrop};
pub use elephant::{ElephantPolicy, Loan, Parcel};
pub use event::{Event, EventKind, PeerRef};
pub use initiate::{HoldLimits, Question, home};
pub use io::{
    Directory, Disposition, FrontSocket, InnerPacket, Listener, OuterPacket, Output, RouteChange,
    ShardId, Ticket,
};
pub use obituary::Obituary;
pub use report::{LivenessRow, PeerRow, SaRow, Which};
pub use sessions::{Endpoint, SessionFilter, SessionRow};
pub use shard::{Settings, Setup, Shard};
pub use strangers::Newcomer;
pub use trace::{ChildStep, DpdStep, Topics, TraceFilter, TraceRecord, TraceStep, Watched};
