//! Super-packets of a TUN device: packets of one flow that pass the kernel as one, taken apart and
//! put together here. The engines use it; on its own it needs no device.

mod checksum;
mod coalesce;
mod header;
mod octets;
mod run;
mod sort;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use checksum::Sum;
pub(crate) use coalesce::PACKETS_MAX;
pub use coalesce::{Arriving, Coalescer, Leaving, Source, Write};
pub use header::{HEADER_LEN, Header};
pub(crate) use run::HEAD_MAX;
pub use split::{Next, Split};

/// Octets of the longest super-packet: an IPv6 header and the longest payload behind it.
pub(crate) const SUPER_LEN_MAX: usize = 40 + 65_535;
