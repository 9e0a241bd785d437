//! Super-packets of a TUN device: packets of one flow that pass the kernel as one, taken apart and
//! put together here.

mod checksum;
mod coalesce;
mod header;
mod octets;
mod run;
mod sort;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use coalesce::{Arriving, Coalescer, Leaving, PACKETS_MAX};
pub(crate) use header::{HEADER_LEN, Header};
pub(crate) use run::HEAD_MAX;
pub(crate) use split::{Next, Split};

/// Octets of the longest super-packet: an IPv6 header and the longest payload behind it.
pub(crate) const SUPER_LEN_MAX: usize = 40 + 65_535;
