//! Opens the sockets of all shards before any of them runs, so that whatever is wrong is said at
//! the start.

use core::net::{IpAddr, SocketAddr};
use std::io;

use ipsec::{EspSpiLayout, FrontVrf};
use netio::{OuterSocket, Program, RawSettings, UdpSettings};
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
    /// The smallest receive buffer that one was granted, in octets.
    pub(crate) buffer_bytes: usize,
}

impl Sockets {
    pub(crate) fn open(
        listen: &[Listen],
        shards: u16,
        buffer_bytes: usize,
    ) -> Result<Self, StartError> {
        let mut sockets = Self {
            places: Vec::new(),
            of_shard: (0..shards).map(|_| Vec::new()).collect(),
            buffer_bytes: 0,
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
                shared: shards > 1 || listen.iter().any(neighbour),
            };
            sockets.add_udp(&udp, Listener::Ike, &steering::ike_program())?;
            sockets.add_udp(&udp, Listener::Nat, &steering::nat_program(layout))?;
            if entry.raw_esp {
                sockets.add_raw(entry, buffer_bytes, layout)?;
            }
        }
        let granted = sockets.of_shard.iter().flatten();
        let granted = granted.filter_map(|socket| socket.buffer_bytes().ok());
        sockets.buffer_bytes = granted.map(|(rx, _)| rx).min().unwrap_or(0);
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
        let many = self.of_shard.len() > 1;
        for (index, list) in self.of_shard.iter_mut().enumerate() {
            let address = SocketAddr::new(udp.entry.address, port);
            let bound = udp.open(address).and_then(|socket| {
                if many && index == 0 {
                    socket.steer(program)?;
                }
                Ok(socket)
            });
            let socket = bound.map_err(|source| StartError::Bind {
                address,
                protocol,
                source,
            })?;
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
        buffer_bytes: usize,
        layout: EspSpiLayout,
    ) -> Result<(), StartError> {
        let many = self.of_shard.len() > 1;
        for (list, shard) in self.of_shard.iter_mut().zip(0_u8..=u8::MAX) {
            let filter = many.then(|| steering::raw_filter(layout, shard, entry.address.is_ipv6()));
            let socket = open_raw(entry, buffer_bytes, filter.as_ref());
            list.push(socket.map_err(|source| StartError::Bind {
                address: SocketAddr::new(entry.address, 0),
                protocol: "IP protocol 50 (ESP)",
                source,
            })?);
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

fn open_raw(
    entry: &Listen,
    buffer_bytes: usize,
    filter: Option<&Program>,
) -> io::Result<OuterSocket> {
    let address: IpAddr = entry.address;
    let socket = OuterSocket::raw(&RawSettings {
        rx_buffer_bytes: buffer_bytes,
        tx_buffer_bytes: buffer_bytes,
        device: entry.device.clone(),
        namespace: entry.namespace.clone(),
        ..RawSettings::new(address, ESP)
    })?;
    if let Some(filter) = filter {
        socket.filter(filter)?;
    }
    Ok(socket)
}
