//! Palisade against real peers.

mod laboratory;
