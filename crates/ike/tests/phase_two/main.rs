//! Stories of what follows phase 1 in IKEv1: two ends in memory, on virtual time, over a link that
//! loses, repeats, delays and meddles as told.
#![forbid(unsafe_code)]

mod collisions;
#[allow(dead_code)] // Not all stories need all of it.
mod end;
mod incidents;
mod informational;
mod liveness;
mod mode_config;
#[allow(dead_code, unused_imports)] // Not all stories need all of it.
mod policy;
mod quick_mode;
mod rekey;
mod world;
mod xauth;
