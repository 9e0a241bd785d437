//! ESP (RFC 4303) in tunnel mode: opens and seals packets in place, in batches, on plain slices.
//!
//! The caller owns buffers and sockets. [`open_batch`] takes ESP packets as they stand after the
//! UDP header or the outer IP header and leaves inner packets in them; [`seal_batch`] takes inner
//! packets with room around them and leaves ESP packets. Nothing is allocated for a packet. What
//! became of a packet stands in it; what concerns its SA stands in the report of the batch.
#![forbid(unsafe_code)]

mod ecn;
mod flow;
mod inbound;
mod outbound;
mod overhead;
mod reason;
mod report;
mod trailer;
mod turns;
#[cfg(test)]
mod vectors;

pub use flow::flow;
pub use inbound::{InboundPacket, InboundSas, Opened, open_batch};
pub use ipsec::ReplayWindow;
pub use outbound::{HEADROOM, OutboundPacket, OuterFields, Sealed, TAILROOM, find_sas, seal_batch};
pub use overhead::{inner_mtu, overhead};
pub use reason::{InboundDrop, OutboundDrop};
pub use report::{Aged, InboundReport, OutboundReport, Touched};
pub use turns::{Turn, Turns};
