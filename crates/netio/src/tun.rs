//! TUN devices: IP packets of this host as reads and writes.

use core::ffi::{CStr, c_short, c_uint, c_ulong};
use core::net::IpAddr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use crate::netlink::Netlink;
use crate::{AddressGuard, Offloads, Route, RouteGuard, in_namespace};

const NAME_LEN: usize = libc::IFNAMSIZ;

/// How a TUN device is made.
#[derive(Clone, Debug)]
pub struct TunSettings {
    /// Interface name of up to 15 octets; `%d` in it stands for the first free number.
    pub name: String,
    /// Queues, one a thread.
    pub queues: usize,
    /// Largest IP packet in octets.
    pub mtu: u32,
    /// Addresses of this host on the device, with the length of the on-link prefix.
    pub addresses: Vec<(IpAddr, u8)>,
    /// The network namespace in which the device is made, `None` for ours.
    pub namespace: Option<String>,
    /// The routing table into which routes through the device go, `None` for the main one.
    pub table: Option<u32>,
    /// Which packets of one flow shall cross the device as one, if the kernel can.
    pub offload: Offloads,
}

/// A TUN device. It exists as long as one of its queues is open; its addresses and routes go with
/// it.
#[derive(Debug)]
pub struct Tun {
    name: String,
    index: u32,
    table: u32,
    netlink: Arc<Netlink>,
}

/// One queue of a TUN device.
pub struct TunQueue {
    file: File,
    offload: Option<TunOffload>,
}

/// What a queue with a header before each packet can do. Without either, the header says nothing.
#[derive(Clone, Copy)]
pub(crate) struct TunOffload {
    pub(crate) tcp: bool,
    pub(crate) udp: bool,
    /// Whether packets are to be written as one.
    pub(crate) coalescing: bool,
}

/// The kernel's `struct ifreq`, of which the name and the flags are used.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; NAME_LEN],
    flags: c_short,
    rest: [u8; 22],
}

impl Tun {
    /// Creates the device, sets its MTU and addresses and brings it up.
    ///
    /// # Errors
    /// Those of the operating system: no privilege (`CAP_NET_ADMIN`, and `CAP_SYS_ADMIN` for another
    /// namespace), no `/dev/net/tun`, name taken.
    pub fn open(settings: &TunSettings) -> io::Result<(Self, Vec<TunQueue>)> {
        in_namespace(settings.namespace.as_deref(), || Self::open_here(settings))
    }

    fn open_here(settings: &TunSettings) -> io::Result<(Self, Vec<TunQueue>)> {
        let multi = settings.queues > 1;
        let (first, name) = TunQueue::open(&settings.name, multi, settings.offload)?;
        let mut queues = vec![first];
        while queues.len() < settings.queues {
            queues.push(TunQueue::open(&name, multi, settings.offload)?.0);
        }
        let index = interface_index(&name)?;
        let netlink = Arc::new(Netlink::open()?);
        netlink.set_link_up(index, settings.mtu)?;
        for &(address, prefix_len) in &settings.addresses {
            netlink.add_address(index, address, prefix_len)?;
        }
        let tun = Self {
            name,
            index,
            table: settings.table.unwrap_or(u32::from(libc::RT_TABLE_MAIN)),
            netlink,
        };
        Ok((tun, queues))
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interface's index.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Gives the device one more address of this host until the guard is dropped.
    ///
    /// # Errors
    /// Those of the operating system: no privilege, the device has the address already.
    pub fn address(&self, address: IpAddr, prefix_len: u8) -> io::Result<AddressGuard> {
        AddressGuard::add(&self.netlink, self.index, address, prefix_len)
    }

    /// Routes a prefix through the device until the guard is dropped.
    ///
    /// # Errors
    /// Those of the operating system: no privilege, a route to the same prefix exists already.
    pub fn route(&self, destination: IpAddr, prefix_len: u8) -> io::Result<RouteGuard> {
        let route = Route {
            destination,
            prefix_len,
            interface: self.index,
            table: self.table,
        };
        RouteGuard::add(&self.netlink, route)
    }
}

impl TunQueue {
    fn open(name: &str, multi: bool, wanted: Offloads) -> io::Result<(Self, String)> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        let multi = if multi { libc::IFF_MULTI_QUEUE } else { 0 };
        let offload = wanted.any_of_tun() && supports_header(&file);
        let header = if offload { libc::IFF_VNET_HDR } else { 0 };
        let mut request = InterfaceRequest {
            name: encode_name(name)?,
            flags: (libc::IFF_TUN | libc::IFF_NO_PI | multi | header) as c_short,
            rest: [0; 22],
        };
        // SAFETY: the request has the layout and size of `struct ifreq`, and the kernel writes
        // nothing beyond it.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let offload = offload.then(|| take_offloads(&file, wanted));
        Ok((Self { file, offload }, decode_name(&request.name)))
    }

    /// What behaves as a queue does that takes super-packets.
    #[cfg(test)]
    pub(crate) fn double(file: File) -> Self {
        let offload = TunOffload {
            tcp: true,
            udp: true,
            coalescing: true,
        };
        Self {
            file,
            offload: Some(offload),
        }
    }

    pub(crate) fn offload(&self) -> Option<TunOffload> {
        self.offload
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Whether queues of this kernel can have a header before each packet.
fn supports_header(file: &File) -> bool {
    let mut features: c_uint = 0;
    // SAFETY: the kernel writes an unsigned int through the pointer, which is valid for it.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNGETFEATURES, &raw mut features) };
    result == 0 && features & libc::IFF_VNET_HDR as c_uint != 0
}

/// Tells the kernel which packets it may leave unfinished: as much as it knows of.
fn take_offloads(file: &File, wanted: Offloads) -> TunOffload {
    let only_if = |wanted, features| if wanted { features } else { 0 };
    let tcp = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    let udp = libc::TUN_F_CSUM | libc::TUN_F_USO4 | libc::TUN_F_USO6;
    let tcp = only_if(wanted.tun_tcp, tcp);
    let takes = |features: c_uint| {
        let features = c_ulong::from(features);
        // SAFETY: the argument is a number.
        let result = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, features) };
        result == 0
    };
    let all = takes(tcp | only_if(wanted.tun_udp, udp));
    TunOffload {
        tcp: wanted.tun_tcp && (all || takes(tcp)),
        udp: wanted.tun_udp && all,
        coalescing: wanted.tun_coalescing,
    }
}

/// The terminating zero must fit, too.
fn encode_name(name: &str) -> io::Result<[u8; NAME_LEN]> {
    let mut out = [0; NAME_LEN];
    if name.len() >= NAME_LEN || name.contains('\0') {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    out[..name.len()].copy_from_slice(name.as_bytes());
    Ok(out)
}

fn decode_name(name: &[u8; NAME_LEN]) -> String {
    CStr::from_bytes_until_nul(name)
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn interface_index(name: &str) -> io::Result<u32> {
    let name = encode_name(name)?;
    // SAFETY: the name ends with a zero, for which `encode_name` leaves room.
    let index = unsafe { libc::if_nametoindex(name.as_ptr().cast()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_must_fit() {
        assert!(encode_name("sixteen-octets-x").is_err());
        let name = encode_name("fifteen-octets-").unwrap();
        assert_eq!(decode_name(&name), "fifteen-octets-");
        assert!(encode_name("a\0b").is_err());
    }
}
