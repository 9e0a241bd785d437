use core::net::IpAddr;
use std::io;
use std::sync::Arc;

use crate::netlink::Netlink;

/// A route to a prefix through an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// First address of the prefix.
    pub destination: IpAddr,
    /// Bits of the prefix.
    pub prefix_len: u8,
    /// Index of the interface.
    pub interface: u32,
    /// Number of the routing table.
    pub table: u32,
}

/// Removes its route when dropped.
#[derive(Debug)]
pub struct RouteGuard {
    route: Route,
    netlink: Arc<Netlink>,
}

impl RouteGuard {
    pub(crate) fn add(netlink: &Arc<Netlink>, route: Route) -> io::Result<Self> {
        netlink.add_route(route)?;
        Ok(Self {
            route,
            netlink: Arc::clone(netlink),
        })
    }

    /// The route that it guards.
    #[must_use]
    pub fn route(&self) -> Route {
        self.route
    }
}

impl Drop for RouteGuard {
    fn drop(&mut self) {
        // It fails only when the route is gone already, with its interface or by hand.
        let _ = self.netlink.remove_route(self.route);
    }
}

/// Takes its address off the interface when dropped.
#[derive(Debug)]
pub struct AddressGuard {
    interface: u32,
    address: IpAddr,
    prefix_len: u8,
    netlink: Arc<Netlink>,
}

impl AddressGuard {
    pub(crate) fn add(
        netlink: &Arc<Netlink>,
        interface: u32,
        address: IpAddr,
        prefix_len: u8,
    ) -> io::Result<Self> {
        netlink.add_address(interface, address, prefix_len)?;
        Ok(Self {
            interface,
            address,
            prefix_len,
            netlink: Arc::clone(netlink),
        })
    }
}

impl Drop for AddressGuard {
    fn drop(&mut self) {
        // It fails only when the address is gone already, with its interface or by hand.
        let _ = self
            .netlink
            .remove_address(self.interface, self.address, self.prefix_len);
    }
}
