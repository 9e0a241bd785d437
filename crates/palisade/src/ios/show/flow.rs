//! Traffic selectors as access lists and as proxy identities.

use control::view::SaView;
use ipsec::TrafficSelector;

/// Every pair of a selector of ours and one of the peer's.
pub(super) fn pairs(sa: &SaView) -> Vec<(Selector, Selector)> {
    let read = |texts: &[String]| -> Vec<Selector> {
        let known = texts.iter().filter_map(|text| text.parse().ok());
        known.map(Selector).collect()
    };
    let (local, remote) = (read(&sa.local_ts), read(&sa.remote_ts));
    let of_one = |ours: &Selector| {
        let ours = *ours;
        remote.iter().map(move |theirs| (ours, *theirs))
    };
    local.iter().flat_map(of_one).collect()
}

/// `permit ip host 10.1.1.1 10.2.0.0/255.255.0.0`
pub(super) fn permit((ours, theirs): (Selector, Selector)) -> String {
    let what = match ours.0.protocol {
        0 if ours.0.start.is_ipv6() => "ipv6".to_owned(),
        0 => "ip".to_owned(),
        number => number.to_string(),
    };
    format!("permit {what} {} {}", ours.in_list(), theirs.in_list())
}

/// One side of a flow.
#[derive(Clone, Copy)]
pub(super) struct Selector(TrafficSelector);

impl Selector {
    /// As in an access list.
    fn in_list(self) -> String {
        let (start, end) = (self.0.start, self.0.end);
        let addresses = match self.prefix() {
            _ if start == end => format!("host {start}"),
            Some(length) if start.is_ipv6() => format!("{start}/{length}"),
            Some(length) => format!("{start}/{}", mask(length)),
            None => format!("range {start} {end}"),
        };
        match self.port() {
            0 => addresses,
            port => format!("{addresses} port {port}"),
        }
    }

    /// As a proxy identity: `10.1.0.0/255.255.0.0/0/0`.
    pub(super) fn identity(self) -> String {
        let (start, end) = (self.0.start, self.0.end);
        let addresses = match self.prefix() {
            Some(length) if start.is_ipv6() => format!("{start}/{length}"),
            Some(length) => format!("{start}/{}", mask(length)),
            None => format!("{start}-{end}"),
        };
        format!("{addresses}/{}/{}", self.0.protocol, self.port())
    }

    /// The one port that is allowed; 0 for all.
    const fn port(self) -> u16 {
        if self.0.start_port == self.0.end_port {
            self.0.start_port
        } else {
            0
        }
    }

    /// The length of the prefix that the addresses are, if they are one.
    fn prefix(self) -> Option<u8> {
        let written = self.0.to_string();
        let addresses = written.split('[').next()?;
        addresses.split_once('/')?.1.parse().ok()
    }
}

fn mask(length: u8) -> std::net::Ipv4Addr {
    let host_bits = 32_u32.saturating_sub(u32::from(length));
    let bits = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    bits.into()
}
