//! Which queue of a TUN device a packet of this host comes to: a map from destinations to queues, and
//! an eBPF program that looks there.
//!
//! The kernel's own choice follows the queue into which the flow's last packet was written, and for other flows a hash. It
//! neither knows which thread serves a destination nor leaves a flow alone that several threads write.

mod program;

use core::ffi::{c_int, c_long, c_uint};
use core::net::IpAddr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::TunQueue;

/// Octets of a key: the length of the prefix, and an IPv6 address.
const KEY_LEN: usize = 20;
/// Stands in the map for "by the flow". Queues are counted below it.
const FROM_FLOW: u32 = 1 << 16;
/// Bits before an IPv4 address in a key.
const V4_PREFIX_LEN: u32 = 96;

// From <linux/bpf.h> and <linux/if_tun.h>.
const MAP_CREATE: c_int = 0;
const MAP_UPDATE: c_int = 2;
const MAP_DELETE: c_int = 3;
const PROGRAM_LOAD: c_int = 5;
const MAP_OF_PREFIXES: u32 = 11;
const ALLOCATE_LATER: u32 = 1;
const SOCKET_FILTER: u32 = 1;
const TUN_SET_STEERING: libc::c_ulong = 0x8004_54e0;

/// Where packets to a destination go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// To this queue, counted in the order in which they were opened.
    Queue(u16),
    /// Each flow to a queue, by its addresses and ports.
    ByFlow,
}

/// Steers the packets of a TUN device by destination. Packets to a destination that it does not know
/// are spread by flow.
#[derive(Debug)]
pub struct TunSteering {
    map: OwnedFd,
}

#[repr(C)]
struct MapAttributes {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
struct ElementAttributes {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct ProgramAttributes {
    kind: u32,
    instructions: u32,
    first: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
}

#[repr(C)]
struct Key {
    prefix_len: u32,
    address: [u8; 16],
}

impl TunSteering {
    /// Steers the device of a queue by as many prefixes as `capacity` says.
    ///
    /// # Errors
    /// Those of the operating system: no privilege (`CAP_BPF`), or no such map or program.
    pub fn attach(queue: &TunQueue, capacity: u32) -> io::Result<Self> {
        let map = make(
            MAP_CREATE,
            &MapAttributes {
                kind: MAP_OF_PREFIXES,
                key_size: KEY_LEN as u32,
                value_size: 4,
                max_entries: capacity,
                flags: ALLOCATE_LATER,
            },
        )?;
        let instructions = program::program(map.as_raw_fd());
        let program = make(
            PROGRAM_LOAD,
            &ProgramAttributes {
                kind: SOCKET_FILTER,
                instructions: instructions.len() as u32,
                first: instructions.as_ptr() as u64,
                license: c"Dual MIT/GPL".as_ptr() as u64,
                log_level: 0,
                log_size: 0,
                log: 0,
            },
        )?;
        let descriptor: c_int = program.as_raw_fd();
        // SAFETY: the kernel reads an int through the pointer, which is valid for it.
        let result = unsafe { libc::ioctl(queue.fd(), TUN_SET_STEERING, &raw const descriptor) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // The device holds the program, the program the map.
        Ok(Self { map })
    }

    /// From now on packets to a prefix go there; a longer prefix within goes before.
    ///
    /// # Errors
    /// Those of the operating system: the map is full.
    pub fn lead(&self, network: IpAddr, prefix_len: u8, lane: Lane) -> io::Result<()> {
        let value = match lane {
            Lane::Queue(queue) => u32::from(queue),
            Lane::ByFlow => FROM_FLOW,
        };
        self.change(MAP_UPDATE, &key(network, prefix_len), Some(&value))
    }

    /// Forgets a prefix.
    ///
    /// # Errors
    /// Those of the operating system: the prefix is not known.
    pub fn forget(&self, network: IpAddr, prefix_len: u8) -> io::Result<()> {
        self.change(MAP_DELETE, &key(network, prefix_len), None)
    }

    /// The kernel refuses a command to which a field says something that does not belong to it.
    fn change(&self, command: c_int, key: &Key, value: Option<&u32>) -> io::Result<()> {
        let attributes = ElementAttributes {
            map: self.map.as_raw_fd().cast_unsigned(),
            padding: 0,
            key: (&raw const *key) as u64,
            value: value.map_or(0, |value| &raw const *value as u64),
            flags: 0,
        };
        bpf(command, &attributes).map(|_| ())
    }
}

fn key(network: IpAddr, prefix_len: u8) -> Key {
    let (address, before) = match network {
        IpAddr::V4(address) => (address.to_ipv6_mapped(), V4_PREFIX_LEN),
        IpAddr::V6(address) => (address, 0),
    };
    Key {
        prefix_len: before + u32::from(prefix_len),
        address: address.octets(),
    }
}

/// A map or a program.
fn make<A>(command: c_int, attributes: &A) -> io::Result<OwnedFd> {
    let descriptor = bpf(command, attributes)?;
    let descriptor = c_int::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn bpf<A>(command: c_int, attributes: &A) -> io::Result<c_long> {
    let size = size_of::<A>() as c_uint;
    // SAFETY: the attributes are those of the command, and the memory to which they point outlives the
    // call; what they leave out the kernel takes for zeros.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            core::ptr::from_ref(attributes),
            size,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
