//! Sockets, TUN devices and the two engines that move batches of packets through them.
//!
//! This room has never heard of IPsec: it carries octets between buffers and file descriptors. It
//! is the only one that may use `unsafe`; each such block holds one operation and says why that
//! operation is sound.
//!
//! A worker thread builds an [`Engine`], attaches its sockets and TUN queues and then repeats
//! [`Engine::wait`], [`Engine::receive`], its own work, [`Engine::recycle`] and [`Engine::flush`].
#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block
)]

mod address;
mod buffer;
mod cmsg;
mod counters;
mod engine;
mod fan_out;
mod ipv4;
mod namespace;
mod narrow;
mod netlink;
mod offloads;
mod packet;
mod route;
pub mod segmentation;
mod socket;
mod sockopt;
mod steering;
mod thread;
mod tun;
mod tun_steering;
mod waker;

pub use buffer::{Buffer, BufferPool, HEADROOM, TAILROOM};
pub use counters::Counters;
pub use engine::{Engine, EngineKind, EngineSettings, Wakeup};
pub use namespace::in_namespace;
pub use narrow::NarrowPath;
pub use offloads::Offloads;
pub use packet::{Batch, InnerPacket, OuterPacket, OuterSend, Refused, SendError, SocketId, TunId};
pub use route::{AddressGuard, Route, RouteGuard};
pub use socket::{OuterSocket, RawSettings, UdpSettings};
pub use steering::{Condition, Instruction, Program, Rule};
pub use thread::{available_cpus, pin_current_thread, process_cpu_time, thread_cpu_time};
pub use tun::{Tun, TunQueue, TunSettings};
pub use tun_steering::{Lane, TunSteering};
pub use waker::Waker;
