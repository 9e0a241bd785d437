//! Control messages (RFC 3542 §4) as octets: what a datagram's header said, what it shall say.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Octets that hold every control message we ask for or send at once.
pub(crate) const CONTROL_LEN: usize = 144;

/// A control buffer, aligned as the kernel's `CMSG_ALIGN` supposes.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(crate) struct Control(pub(crate) [u8; CONTROL_LEN]);

const WORD: usize = size_of::<usize>();
/// `cmsghdr`: a `size_t` and two `int`.
const HEADER_LEN: usize = WORD + 8;

const fn align(len: usize) -> usize {
    (len + WORD - 1) & !(WORD - 1)
}

/// What the control messages of a received datagram said.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) local: Option<IpAddr>,
    pub(crate) tos: u8,
    pub(crate) segment: u16,
    /// Cumulative drops of the socket.
    pub(crate) drops: Option<u32>,
}

/// Reads the control messages that we asked for and skips the others.
pub(crate) fn decode(mut control: &[u8]) -> Received {
    let mut received = Received::default();
    while let Some((level, kind, data, rest)) = next(control) {
        received.note(level, kind, data);
        control = rest;
    }
    received
}

fn next(control: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let len = usize::from_ne_bytes(*control.first_chunk()?);
    let level = i32::from_ne_bytes(*control.get(WORD..)?.first_chunk()?);
    let kind = i32::from_ne_bytes(*control.get(WORD + 4..)?.first_chunk()?);
    let data = control.get(HEADER_LEN..len)?;
    let rest = control.get(align(len)..).unwrap_or(&[]);
    Some((level, kind, data, rest))
}

impl Received {
    fn note(&mut self, level: i32, kind: i32, data: &[u8]) {
        match (level, kind) {
            // in_pktinfo: interface index, local address, header destination.
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let octets = data.get(8..).and_then(|d| d.first_chunk::<4>());
                self.local = octets.map(|o| Ipv4Addr::from(*o).into()).or(self.local);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let octets = data.first_chunk::<16>();
                self.local = octets.map(|o| Ipv6Addr::from(*o).into()).or(self.local);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => self.tos = data.first().copied().unwrap_or(0),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => self.tos = int(data).unwrap_or(0) as u8,
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => self.drops = int(data).map(|n| n as u32),
            (libc::SOL_UDP, libc::UDP_GRO) => {
                self.segment = int(data).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
            }
            _ => {}
        }
    }
}

fn int(data: &[u8]) -> Option<i32> {
    Some(i32::from_ne_bytes(*data.first_chunk()?))
}

/// Writes control messages one after the other.
pub(crate) struct Writer<'a> {
    control: &'a mut Control,
    len: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(control: &'a mut Control) -> Self {
        Self { control, len: 0 }
    }

    /// Octets written, or 0 when there was nothing to say.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn source(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => {
                let mut info = [0; 12];
                // `ipi_spec_dst` selects the source.
                info[4..8].copy_from_slice(&v4.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(v6) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&v6.octets());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    pub(crate) fn tos(&mut self, ipv6: bool, tos: u8) {
        let value = i32::from(tos).to_ne_bytes();
        if ipv6 {
            self.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &value);
        } else {
            self.push(libc::IPPROTO_IP, libc::IP_TOS, &value);
        }
    }

    /// IPv6 only: IPv4 has no control message for DF.
    pub(crate) fn dont_fragment_v6(&mut self) {
        let value = 1_i32.to_ne_bytes();
        self.push(libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, &value);
    }

    pub(crate) fn segment(&mut self, octets: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &octets.to_ne_bytes());
    }

    /// Our messages are few and of fixed sizes, and `CONTROL_LEN` holds all of them at once.
    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let len = HEADER_LEN + data.len();
        let space = align(len);
        let out = &mut self.control.0[self.len..self.len + space];
        out.fill(0);
        out[..WORD].copy_from_slice(&len.to_ne_bytes());
        out[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        out[WORD + 4..HEADER_LEN].copy_from_slice(&kind.to_ne_bytes());
        out[HEADER_LEN..len].copy_from_slice(data);
        self.len += space;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_we_send_fits_and_reads_back() {
        let mut control = Control([0; CONTROL_LEN]);
        let mut writer = Writer::new(&mut control);
        let address: Ipv6Addr = "2001:db8::5".parse().unwrap();
        writer.source(address.into());
        writer.tos(true, 0xb8);
        writer.dont_fragment_v6();
        writer.segment(1400);
        let len = writer.len();
        let received = decode(&control.0[..len]);
        assert_eq!(received.local, Some(address.into()));
        assert_eq!(received.tos, 0xb8);
    }

    #[test]
    fn nonsense_ends_the_walk() {
        for len in [0_usize, 1, HEADER_LEN - 1, 4096, usize::MAX] {
            let mut control = [0_u8; 64];
            control[..WORD].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(decode(&control), Received::default());
        }
        assert_eq!(decode(&[1, 2, 3]), Received::default());
    }
}
