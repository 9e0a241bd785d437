use core::fmt;

/// What the kernel does for us: packets pass it in runs instead of one by one, and it finds out for
/// whom they are. Either what is wanted, or what is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offloads {
    /// Datagrams of equal length to one peer are sent as one (UDP GSO).
    pub udp_send: bool,
    /// Datagrams of equal length from one peer are received as one (UDP GRO).
    pub udp_receive: bool,
    /// TCP packets of one flow come from the TUN device as one (TSO).
    pub tun_tcp: bool,
    /// UDP packets of one flow come from the TUN device as one (USO).
    pub tun_udp: bool,
    /// Packets of one flow are written to the TUN device as one.
    pub tun_coalescing: bool,
    /// A program places datagrams among the sockets that share a port
    /// ([`OuterSocket::steer`](crate::OuterSocket::steer)).
    pub steering: bool,
    /// Raw datagrams are shared by packet sockets
    /// ([`OuterSocket::fan_out`](crate::OuterSocket::fan_out)).
    pub raw_fan_out: bool,
}

impl Offloads {
    /// All of them.
    pub const ALL: Self = Self {
        udp_send: true,
        udp_receive: true,
        tun_tcp: true,
        tun_udp: true,
        tun_coalescing: true,
        steering: true,
        raw_fan_out: true,
    };
    /// None of them.
    pub const NONE: Self = Self {
        udp_send: false,
        udp_receive: false,
        tun_tcp: false,
        tun_udp: false,
        tun_coalescing: false,
        steering: false,
        raw_fan_out: false,
    };

    /// Whether anything that a TUN device can do is among them.
    pub(crate) const fn any_of_tun(self) -> bool {
        self.tun_tcp || self.tun_udp || self.tun_coalescing
    }
}

impl fmt::Display for Offloads {
    /// The names of those in use, or "none".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.udp_send, "udp-gso"),
            (self.udp_receive, "udp-gro"),
            (self.tun_tcp, "tun-tso"),
            (self.tun_udp, "tun-uso"),
            (self.tun_coalescing, "tun-coalescing"),
            (self.steering, "steering"),
            (self.raw_fan_out, "raw-fanout"),
        ];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(used, _)| *used) {
            write!(f, "{separator}{name}")?;
            separator = " ";
        }
        if separator.is_empty() {
            return f.write_str("none");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_in_use_are_named() {
        let mut offloads = Offloads::NONE;
        assert_eq!(offloads.to_string(), "none");
        offloads.udp_receive = true;
        offloads.tun_tcp = true;
        assert_eq!(offloads.to_string(), "udp-gro tun-tso");
    }
}
