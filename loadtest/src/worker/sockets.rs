use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use netio::{Engine, OuterSocket, SocketId, UdpSettings};

use crate::scenario::Scenario;

/// One socket: whatever address a peer has, it sends from here.
struct Port {
    id: SocketId,
    port: u16,
}

/// The sockets of a worker, bound to every address: a few source ports for all of its peers.
pub(super) struct Sockets {
    /// Those that speak to the encapsulation port.
    encapsulated: Vec<Port>,
    /// Those that speak to the IKE port, if there is one.
    plain: Vec<Port>,
}

impl Sockets {
    pub(super) fn open(engine: &mut Engine, scenario: &Scenario, worker: u16) -> Result<Self> {
        let count = scenario.peers.ports;
        let per_worker = if scenario.target.ike_port.is_some() {
            count.saturating_mul(2)
        } else {
            count
        };
        let first = match scenario.peers.first_port {
            0 => 0,
            first => first.saturating_add(worker.saturating_mul(per_worker)),
        };
        let any = match scenario.target.address {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let mut open = |index: u16| {
            let port = if first == 0 {
                0
            } else {
                first.saturating_add(index)
            };
            let settings = UdpSettings {
                reuse_port: false,
                ..UdpSettings::new(SocketAddr::new(any, port))
            };
            let socket = OuterSocket::udp(&settings)
                .with_context(|| format!("cannot open UDP port {port}"))?;
            let port = socket.local().port();
            let id = engine.attach_socket(socket)?;
            Ok::<_, anyhow::Error>(Port { id, port })
        };
        let encapsulated = (0..count).map(&mut open).collect::<Result<_>>()?;
        let plain = (count..per_worker).map(&mut open).collect::<Result<_>>()?;
        Ok(Self {
            encapsulated,
            plain,
        })
    }

    /// Whether datagrams on a socket carry the non-ESP marker or ESP.
    pub(super) fn is_encapsulated(&self, id: SocketId) -> bool {
        self.encapsulated.iter().any(|port| port.id == id)
    }

    /// The port of the `index`th socket towards the encapsulation port.
    pub(super) fn encapsulated_port(&self, index: u16) -> u16 {
        port_at(&self.encapsulated, index)
    }

    /// The port of the `index`th socket towards the IKE port.
    pub(super) fn plain_port(&self, index: u16) -> u16 {
        port_at(&self.plain, index)
    }

    /// The encapsulated port that belongs to the plain port `port`, or `port` itself.
    pub(super) fn sibling(&self, port: u16) -> u16 {
        self.plain
            .iter()
            .zip(&self.encapsulated)
            .find(|(plain, _)| plain.port == port)
            .map_or(port, |(_, encapsulated)| encapsulated.port)
    }

    /// The socket that is bound to a port or, after so many changes of a NAT's mapping, the one
    /// that stands for the port behind which the peer is then.
    pub(super) fn mapped(&self, port: u16, mapping: u16) -> Option<SocketId> {
        let bound_to = |candidate: &Port| candidate.port == port;
        for ports in [&self.encapsulated, &self.plain] {
            if let Some(at) = ports.iter().position(bound_to) {
                let place = (at + usize::from(mapping)) % ports.len();
                return ports.get(place).map(|port| port.id);
            }
        }
        None
    }
}

fn port_at(ports: &[Port], index: u16) -> u16 {
    ports.get(usize::from(index)).map_or(0, |port| port.port)
}
