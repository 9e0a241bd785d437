//! A laboratory of network namespaces in which Palisade meets other implementations.
//!
//! Each test builds its own network out of uniquely named namespaces, runs daemons in them, sends
//! traffic through their tunnels and takes everything down again, whether it passed or not. The
//! tests themselves stand behind the features `namespaces` and `libreswan`, which `cargo xtask test` turns
//! on where it can.
#![forbid(unsafe_code)]

pub mod capture;
mod esp_accepted;
pub mod ike_scan;
pub mod iperf3;
pub mod libreswan;
pub mod network;
pub mod palisade;
pub mod process;
pub mod scratch;
pub mod strongswan;
pub mod traffic;
pub mod tunnel;
pub mod wait;
pub mod wireguard;
