//! The crypto room against published vectors, and its providers against each other.

mod certificates;
mod derivation;
mod exchange;
mod messages;
mod packets;
mod project_wycheproof;
mod support;
