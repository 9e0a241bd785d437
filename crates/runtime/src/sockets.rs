//! Opens the sockets of all shards before any of them runs, so that whatever is wrong is said at
//! the start.

use core::net::SocketAddr;
use std::io;

use ipsec::{EspSpiLayout, FrontVrf};
use netio::{Offloads, OuterSocket, Program, RawSettings, UdpSettings};
use shard::{FrontSocket, Listener};

use crate::{Listen, StartError, steering};

/// IP protocol number of ESP.
const ESP: u8 = wire::ip::protocol::ESP;

/// What one socket of each shard is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) fvrf: FrontVrf,
    pub(crate) listener: Listener,
    pub(crate) address: SocketAddr,
}

/// The sockets of every shard, in the same order for each.
pub(crate) struct Sockets {
    /// What each place in the order is.
    pub(crate) places: Vec<Place>,
    /// By shard.
    pub(crate) of_shard: Vec<Vec<OuterSocket>>,
    /// The smallest buffer that one was granted, in octets.
    pub(crate) buffer_bytes: usize,
    /// What of steering and sharing is in use.
    pub(crate) offloads: Offloads,
}

/// What all sockets have in common.
#[derive(Clone, Copy)]
pub(crate) struct Common {
    pub(crate) shards: u16,
    /// Octets of each buffer that are asked for.
    pub(crate) buffer_bytes: usize,
    /// What the operator allows.
    pub(crate) wanted: Offloads,
}

impl Sockets {
    pub(crate) fn open(listen: &[Listen], common: Common) -> Result<Self, StartError> {
        let Common {
            shards,
            buffer_bytes,
            wanted,
        } = common;
        let mut sockets = Self {
            places: Vec::new(),
            of_shard: (0..shards).map(|_| Vec::new()).collect(),
            buffer_bytes: 0,
            offloads: Offloads::NONE,
        };
        let layout = EspSpiLayout::for_shards(shards);
        for entry in listen {
            // The kernel tells two instances on one port apart by their devices, but only if both
            // share it.
            let neighbour =
                |other: &Listen| other.fvrf != entry.fvrf && other.namespace == entry.namespace;
            let udp = Udp {
                entry,
                buffer_bytes,
                steered: shards > 1 && wanted.steering,
                shared: shards > 1 || listen.iter().any(neighbour),
            };
            sockets.add_udp(&udp, Listener::Ike, &steering::ike_program())?;
            sockets.add_udp(&udp, Listener::Nat, &steering::nat_program(layout))?;
            if entry.raw_esp {
                sockets.add_raw(entry, common, layout)?;
            }
        }
        let granted = sockets.of_shard.iter().flatten();
        let granted = granted.filter_map(|socket| socket.buffer_bytes().ok());
        sockets.buffer_bytes = granted.map(|(rx, tx)| rx.min(tx)).min().unwrap_or(0);
        Ok(sockets)
    }

    fn add_udp(
        &mut self,
        udp: &Udp<'_>,
        listener: Listener,
        program: &Program,
    ) -> Result<(), StartError> {
        let (mut port, protocol) = match listener {
            Listener::Nat => (udp.entry.nat_port, "UDP (NAT traversal)"),
            Listener::Ike | Listener::RawEsp => (udp.entry.ike_port, "UDP (IKE)"),
        };
        for (index, list) in self.of_shard.iter_mut().enumerate() {
            let address = SocketAddr::new(udp.entry.address, port);
            let socket = udp.open(address).map_err(|source| StartError::Bind {
                address,
                protocol,
                source,
            })?;
            // Where the kernel takes no program its hash places datagrams, and shards pass them on.
            if udp.steered && index == 0 {
                self.offloads.steering |= socket.steer(program).is_ok();
            }
            port = socket.local().port();
            list.push(socket);
        }
        self.places.push(Place {
            fvrf: udp.entry.fvrf,
            listener,
            address: SocketAddr::new(udp.entry.address, port),
        });
        Ok(())
    }

    fn add_raw(
        &mut self,
        entry: &Listen,
        common: Common,
        layout: EspSpiLayout,
    ) -> Result<(), StartError> {
        let many = common.shards > 1;
        let shared = (many && common.wanted.raw_fan_out)
            .then(|| share_raw(entry, common, layout))
            .flatten();
        self.offloads.raw_fan_out |= shared.is_some();
        let opened = match shared {
            Some(sockets) => Ok(sockets),
            None => filter_raw(entry, common, layout),
        };
        let sockets = opened.map_err(|source| StartError::Bind {
            address: SocketAddr::new(entry.address, 0),
            protocol: "IP protocol 50 (ESP)",
            source,
        })?;
        for (list, socket) in self.of_shard.iter_mut().zip(sockets) {
            list.push(socket);
        }
        self.places.push(Place {
            fvrf: entry.fvrf,
            listener: Listener::RawEsp,
            address: SocketAddr::new(entry.address, 0),
        });
        Ok(())
    }

    /// The addresses of all sockets of one kind.
    pub(crate) fn addresses(&self, wanted: Listener) -> Vec<FrontSocket> {
        let places = self.places.iter().filter(|place| place.listener == wanted);
        places
            .map(|place| FrontSocket {
                fvrf: place.fvrf,
                address: place.address,
            })
            .collect()
    }
}

struct Udp<'a> {
    entry: &'a Listen,
    buffer_bytes: usize,
    /// Whether a program places datagrams among the shards.
    steered: bool,
    shared: bool,
}

impl Udp<'_> {
    /// A port that only one socket needs is not shared: another service on it is an error that
    /// shows, instead of a thief of datagrams.
    fn open(&self, address: SocketAddr) -> io::Result<OuterSocket> {
        OuterSocket::udp(&UdpSettings {
            reuse_port: self.shared,
            rx_buffer_bytes: self.buffer_bytes,
            tx_buffer_bytes: self.buffer_bytes,
            device: self.entry.device.clone(),
            namespace: self.entry.namespace.clone(),
            ..UdpSettings::new(address)
        })
    }
}

/// Sockets that share what comes; `None` where they cannot: IPv6, an instance bound to a device, a
/// system that allows no packet sockets.
fn share_raw(entry: &Listen, common: Common, layout: EspSpiLayout) -> Option<Vec<OuterSocket>> {
    let program = steering::raw_program(layout);
    let members = usize::from(common.shards);
    OuterSocket::fan_out(&raw(entry, common), &program, members).ok()
}

/// Sockets that each see everything and keep what is theirs.
fn filter_raw(
    entry: &Listen,
    common: Common,
    layout: EspSpiLayout,
) -> io::Result<Vec<OuterSocket>> {
    let shards = (0_u8..=u8::MAX).take(usize::from(common.shards));
    shards
        .map(|shard| {
            let socket = OuterSocket::raw(&raw(entry, common))?;
            if common.shards > 1 {
                let ipv6 = entry.address.is_ipv6();
                socket.filter(&steering::raw_filter(layout, shard, ipv6))?;
            }
            Ok(socket)
        })
        .collect()
}

fn raw(entry: &Listen, common: Common) -> RawSettings {
    RawSettings {
        rx_buffer_bytes: common.buffer_bytes,
        tx_buffer_bytes: common.buffer_bytes,
        device: entry.device.clone(),
        namespace: entry.namespace.clone(),
        ..RawSettings::new(entry.address, ESP)
    }
}
