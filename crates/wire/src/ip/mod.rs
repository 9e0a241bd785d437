//! IPv4 and IPv6 headers as a tunnel endpoint sees them: reading inner packets, rewriting the few
//! fields that tunnelling touches, and the ICMP errors that path MTU discovery needs.

mod build;
mod checksum;
mod inner;
mod mss;
mod rewrite;
mod too_big;

pub use build::{UDP_V4_OVERHEAD, UDP_V6_OVERHEAD, build_udp};
pub use checksum::{checksum, transport_checksum, update_checksum};
pub use inner::{EXTENSION_HEADERS_MAX, Fragment, InnerPacket, Upper, protocol};
pub use mss::clamp_mss;
pub use rewrite::{
    decrement_hop_limit, dscp, ecn, set_dont_fragment, set_dscp, set_ecn, set_traffic_class,
};
pub use too_big::{PathMtuError, packet_too_big};
