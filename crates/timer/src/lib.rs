//! Time as a value: an [`Instant`] that nobody can ask for "now", and the hashed timing wheel.
//!
//! Everything that thinks in Palisade receives the time as an argument, so that the service, the
//! simulator and the tests run the same code on a real clock or a virtual one.
//!
//! [`Wheel`] arms, cancels and fires in constant time whatever the number of timers, and fires each
//! timer never before its due time and at most one [`TICK`] after it, provided that
//! [`Wheel::fire`] is called at every tick.
#![forbid(unsafe_code)]

mod instant;
mod level;
mod occupancy;
mod wheel;

pub use instant::Instant;
pub use wheel::{Fired, TICK, TimerKey, Wheel};
