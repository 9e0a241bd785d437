//! One SA on several shards, from the day on which it becomes an elephant to its end, on virtual time.

mod herd;
mod inbound;
mod outbound;
