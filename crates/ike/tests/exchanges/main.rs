//! Exchange stories: two ends in memory, on virtual time, over a link that loses, repeats and
//! translates as told.
#![forbid(unsafe_code)]

mod end;
mod handshake;
mod policy;
mod world;
