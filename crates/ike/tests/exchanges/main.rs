//! Exchange stories: two ends in memory, on virtual time, over a link that loses, repeats and
//! translates as told.
#![forbid(unsafe_code)]

mod authentication;
mod certificates;
mod collisions;
mod end;
mod explore;
mod first_message;
mod handshake;
mod informational;
mod nat;
mod policy;
mod puzzles;
mod rekey;
mod states;
mod storms;
mod world;
