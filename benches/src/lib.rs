//! Benches, one a question (see the `benches` folder beside this one), and what they are made of:
//! databases full of SAs and batches of packets that pass through them.
#![forbid(unsafe_code)]

mod bare;
pub mod generator;
pub mod process;
mod traffic;
mod world;

pub use bare::{Bare, ByLibrary};
pub use traffic::{BATCH, Mix, Traffic};
pub use world::{World, aead, cbc};
