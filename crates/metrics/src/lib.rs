//! Metrics as plain data: the catalogue of everything Palisade exposes, and a [`Scrape`] that
//! merges what the shards report and renders it as text for Prometheus or OpenMetrics.
//!
//! Nothing here is touched by the packet path. Shards count in their own memory; whoever answers a
//! scrape copies those counts out, adds them to a [`Scrape`] under the definitions of
//! [`catalogue`], and renders it. Equal label values add up, which is how shards merge.
#![forbid(unsafe_code)]

mod buckets;
pub mod catalogue;
mod definition;
mod scrape;
mod text;

pub use definition::{Counter, Description, Gauge, Histogram, Kind};
pub use scrape::{SERIES_MAX, Scrape};
pub use text::Format;
