//! IKEv1 (RFC 2407, RFC 2408, RFC 2409), deprecated by RFC 9395 and kept for peers that cannot move:
//! both roles, pre-shared keys.
//!
//! | question | file |
//! |---|---|
//! | what becomes of a first message | `front_door` |
//! | which exchange does a message belong to | `receive`, `exchange` |
//! | how are messages repeated and repetitions answered | `transmission`, `repetition`, `timing` |
//! | how does an ISAKMP SA begin | `handshake`, `main_mode`, `aggressive`, `proof`, `refusal` |
//! | how do Child SAs begin | `quick_mode` |
//! | who is the user, which address does it get | `transaction` |
//! | how do they end | `deletes`, `closing` |
//! | what do the ends tell each other besides | `informational`, `liveness` |
//! | when are they replaced | `rekey` |
//! | what may the owner ask | `commands` |
//! | how are messages protected | `seal`, `cipher`, `iv`, `hashes`, `keymat` |
//!
//! An ISAKMP SA is called IKE SA here, and the pair of IPsec SAs that quick mode makes a Child SA, as
//! in IKEv2: their owner need not care which version made them.

mod aggressive;
mod algorithm;
mod cipher;
mod closing;
mod commands;
mod deletes;
mod exchange;
mod fragment;
mod front_door;
mod handshake;
mod hashes;
mod identification;
mod informational;
mod iv;
mod keymat;
mod liveness;
mod main_mode;
mod negotiated;
mod offer;
mod phase;
mod proof;
mod quick_mode;
mod receive;
mod refusal;
mod rekey;
mod repetition;
mod sa;
mod seal;
mod seen;
mod stages;
mod standing;
mod suite;
mod timing;
mod tracing;
mod transaction;
mod transmission;
mod traversal;
mod vendor;

pub use sa::IkeSa;
pub use suite::{AuthMethod, Suite};

#[cfg(test)]
mod notice_tests;
