use core::fmt;

/// What passes the kernel in runs instead of packet by packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offloads {
    /// Datagrams of equal length to one peer are sent as one (UDP GSO).
    pub udp_send: bool,
    /// Datagrams of equal length from one peer are received as one (UDP GRO).
    pub udp_receive: bool,
    /// TCP packets of one flow cross the TUN device as one, in both directions (TSO).
    pub tun_tcp: bool,
    /// UDP packets of one flow cross the TUN device as one, in both directions (USO).
    pub tun_udp: bool,
}

impl fmt::Display for Offloads {
    /// The names of those in use, or "none".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.udp_send, "udp-gso"),
            (self.udp_receive, "udp-gro"),
            (self.tun_tcp, "tun-tso"),
            (self.tun_udp, "tun-uso"),
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
        let mut offloads = Offloads::default();
        assert_eq!(offloads.to_string(), "none");
        offloads.udp_receive = true;
        offloads.tun_tcp = true;
        assert_eq!(offloads.to_string(), "udp-gro tun-tso");
    }
}
