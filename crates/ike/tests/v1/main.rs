//! Stories of IKEv1: two ends in memory, on virtual time, over a link that loses, repeats, delays and
//! translates as told.
#![forbid(unsafe_code)]

mod aggressive;
mod collisions;
mod end;
mod fragments;
mod handshakes_in_storms;
mod incidents;
mod informational;
mod liveness;
mod main_mode;
mod mode_config;
mod nat;
mod policy;
mod proofs;
mod proposals;
mod quick_mode;
mod rekey;
mod storms;
mod strangers;
mod world;
mod xauth;
