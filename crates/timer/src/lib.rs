//! Time as a value: an [`Instant`] that nobody can ask for "now", and the hashed timing wheel.
//!
//! Everything that thinks in Palisade receives the time as an argument, so that the service, the
//! simulator and the tests run the same code on a real clock or a virtual one.
#![forbid(unsafe_code)]

mod instant;

pub use instant::Instant;
