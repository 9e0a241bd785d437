//! Packets from one end of an SA to the other, in batches, and everything that may befall them.

mod counters;
mod day;
mod drop_reasons;
mod headers;
mod inbound_drops;
mod mixture;
mod outbound_drops;
mod round_trip;
mod support;
