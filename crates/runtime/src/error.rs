use core::fmt;
use core::net::SocketAddr;
use std::io;

/// Why a service did not start.
#[derive(Debug)]
pub enum StartError {
    /// Nowhere to listen.
    NoListener,
    /// More than 256 shards were asked for: the shard has one octet of an SPI.
    TooManyShards(u16),
    /// A socket could not be opened.
    Bind {
        /// Where.
        address: SocketAddr,
        /// Which protocol, for people.
        protocol: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The TUN device could not be made.
    Tun {
        /// Its name.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// The packet engine could not be built.
    Engine(io::Error),
    /// The operating system gave no thread, no processor or no random octets.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoListener => f.write_str("there is no address to listen on"),
            Self::TooManyShards(count) => {
                write!(f, "{count} shards are more than the 256 possible")
            }
            Self::Bind {
                address,
                protocol,
                source,
            } => write!(f, "cannot serve {protocol} on {address}: {source}"),
            Self::Tun { name, source } => {
                write!(f, "cannot make the TUN device {name}: {source}")
            }
            Self::Engine(source) => write!(f, "cannot build the packet engine: {source}"),
            Self::System(source) => write!(f, "cannot start: {source}"),
        }
    }
}

impl core::error::Error for StartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::NoListener | Self::TooManyShards(_) => None,
            Self::Bind { source, .. }
            | Self::Tun { source, .. }
            | Self::Engine(source)
            | Self::System(source) => Some(source),
        }
    }
}

/// A worker did not answer in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker did not answer in time")
    }
}

impl core::error::Error for Busy {}

/// Why the service does not accept peers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotReady {
    /// It is shutting down.
    Stopping,
    /// A worker's thread has ended.
    ShardEnded(u16),
    /// A worker has not gone round its loop for seconds.
    ShardStuck(u16),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopping => f.write_str("the service is shutting down"),
            Self::ShardEnded(shard) => write!(f, "worker {shard} has ended"),
            Self::ShardStuck(shard) => write!(f, "worker {shard} does not move"),
        }
    }
}

/// As many watch already as may at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyWatchers;

impl fmt::Display for TooManyWatchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = crate::traces::WATCHERS_MAX;
        write!(
            f,
            "{most} watch already, which is as many as may at the same time"
        )
    }
}

impl core::error::Error for TooManyWatchers {}
