//! Stories of IKEv1: two ends in memory, on virtual time, over a link that loses, repeats and
//! translates as told.
#![forbid(unsafe_code)]

mod aggressive;
mod end;
mod fragments;
mod main_mode;
mod nat;
mod policy;
mod proofs;
mod proposals;
mod strangers;
#[path = "../exchanges/world.rs"]
mod world;
