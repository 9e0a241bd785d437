use core::net::IpAddr;
use std::io;

use crate::netlink;

/// A route to a prefix through an interface.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Route {
    /// First address of the prefix.
    pub destination: IpAddr,
    /// Bits of the prefix.
    pub prefix_len: u8,
    /// Index of the interface.
    pub interface: u32,
}

impl Route {
    /// Adds the route to the main table; it stays until the guard is dropped.
    ///
    /// # Errors
    /// Those of the operating system: no privilege, a route to the same prefix exists already.
    pub fn add(self) -> io::Result<RouteGuard> {
        netlink::add_route(self.interface, self.destination, self.prefix_len)?;
        Ok(RouteGuard { route: self })
    }
}

/// Removes its route when dropped.
#[derive(Debug)]
pub struct RouteGuard {
    route: Route,
}

impl RouteGuard {
    /// The route that it guards.
    #[must_use]
    pub fn route(&self) -> Route {
        self.route
    }
}

impl Drop for RouteGuard {
    fn drop(&mut self) {
        // It fails only when the route is gone already, with its interface or by hand.
        let Route {
            destination,
            prefix_len,
            interface,
        } = self.route;
        let _ = netlink::remove_route(interface, destination, prefix_len);
    }
}

/// Takes its address off the interface when dropped.
#[derive(Debug)]
pub struct AddressGuard {
    interface: u32,
    address: IpAddr,
    prefix_len: u8,
}

impl AddressGuard {
    pub(crate) fn add(interface: u32, address: IpAddr, prefix_len: u8) -> io::Result<Self> {
        netlink::add_address(interface, address, prefix_len)?;
        Ok(Self {
            interface,
            address,
            prefix_len,
        })
    }
}

impl Drop for AddressGuard {
    fn drop(&mut self) {
        // It fails only when the address is gone already, with its interface or by hand.
        let _ = netlink::remove_address(self.interface, self.address, self.prefix_len);
    }
}
