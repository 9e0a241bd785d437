use core::net::SocketAddr;

use ipsec::FrontVrf;
use netio::{OuterSend, SocketId};
use shard::Listener;

use crate::sockets::Place;

/// A socket of this worker.
#[derive(Clone, Copy)]
pub(crate) struct Bound {
    pub(crate) id: SocketId,
    pub(crate) place: Place,
}

/// The sockets of this worker: by number for what comes in, by front-door VRF for what goes out.
pub(crate) struct Doors {
    by_id: Vec<Place>,
    by_vrf: Vec<Vec<Bound>>,
}

impl Doors {
    /// `sockets` in the order of their numbers.
    pub(crate) fn new(sockets: Vec<Bound>) -> Self {
        let mut by_vrf: Vec<Vec<Bound>> = Vec::new();
        for socket in &sockets {
            let vrf = socket.place.fvrf.index();
            if by_vrf.len() <= vrf {
                by_vrf.resize_with(vrf + 1, Vec::new);
            }
            if let Some(list) = by_vrf.get_mut(vrf) {
                list.push(*socket);
            }
        }
        Self {
            by_id: sockets.into_iter().map(|socket| socket.place).collect(),
            by_vrf,
        }
    }

    /// All sockets and what they are for.
    pub(crate) fn all(&self) -> impl Iterator<Item = (SocketId, &Place)> {
        (0..).map(SocketId).zip(&self.by_id)
    }

    /// What a socket is for.
    pub(crate) fn place(&self, id: SocketId) -> Option<&Place> {
        self.by_id.get(usize::from(id.0))
    }

    /// The way out from one of our addresses to a peer of a VRF.
    pub(crate) fn describe(
        &self,
        fvrf: FrontVrf,
        listener: Listener,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<OuterSend> {
        let sockets = self.by_vrf.get(fvrf.index())?;
        let socket = sockets.iter().find(|socket| {
            let bound = socket.place.address;
            socket.place.listener == listener
                && (bound.port() == local.port() || listener == Listener::RawEsp)
                && bound.is_ipv4() == local.is_ipv4()
                && (bound.ip() == local.ip() || bound.ip().is_unspecified())
        })?;
        Some(OuterSend {
            socket: socket.id,
            local: Some(local.ip()),
            remote,
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(id: u16, fvrf: u16, address: &str) -> Bound {
        Bound {
            id: SocketId(id),
            place: Place {
                fvrf: FrontVrf(fvrf),
                listener: Listener::Nat,
                address: address.parse().unwrap(),
            },
        }
    }

    #[test]
    fn the_same_peer_is_reached_through_the_sockets_of_its_vrf() {
        let doors = Doors::new(vec![
            bound(0, 0, "0.0.0.0:4500"),
            bound(1, 2, "192.0.2.1:4500"),
            bound(2, 2, "0.0.0.0:4500"),
        ]);
        let through = |fvrf, local: &str| {
            let remote = "198.51.100.7:4500".parse().unwrap();
            let local = local.parse().unwrap();
            let send = doors.describe(FrontVrf(fvrf), Listener::Nat, local, remote)?;
            Some(send.socket)
        };
        assert_eq!(through(0, "192.0.2.1:4500"), Some(SocketId(0)));
        assert_eq!(through(2, "192.0.2.1:4500"), Some(SocketId(1)));
        assert_eq!(through(2, "192.0.2.9:4500"), Some(SocketId(2)));
        assert_eq!(through(1, "192.0.2.1:4500"), None);
        assert_eq!(through(3, "192.0.2.1:4500"), None);
        assert_eq!(through(2, "192.0.2.1:4501"), None);
        assert_eq!(doors.place(SocketId(2)).unwrap().fvrf, FrontVrf(2));
    }
}
