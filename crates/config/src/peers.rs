//! `remote_addrs` of a connection: whom it connects to, and where its peers may come from.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipsec::{PeerEndpoint, TrafficSelector};

use crate::keys::PEER;
use crate::table::{Fault, Table, Value};
use crate::value::{flag, number_as};

/// Octets of a host name at most (RFC 1035 §2.3.4), and of one label of it.
const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// What `remote_addrs` adds up to.
#[derive(Default)]
pub(crate) struct Peers {
    /// To whom we connect, in order of preference.
    pub(crate) endpoints: Vec<PeerEndpoint>,
    /// Which of them is tried first again.
    pub(crate) default: Option<u16>,
    /// Where peers may come from; empty for anywhere.
    pub(crate) sources: Vec<(IpAddr, IpAddr)>,
}

/// One item.
enum Item {
    Anywhere,
    /// Where peers may come from.
    Range(IpAddr, IpAddr),
    /// A peer to connect to, which may also come from there.
    Address(IpAddr),
    Name(Arc<str>),
}

/// How a peer is to be treated beyond its address.
#[derive(Default)]
struct Ways {
    dynamic: bool,
    default: bool,
}

/// Single addresses and host names are peers to connect to, in order of preference; single addresses,
/// prefixes and ranges are what a peer may come from.
pub(crate) fn read(table: &Table<'_, '_>) -> Peers {
    let port = table
        .read("remote_port", |value| number_as(value, 1, 65_535))
        .unwrap_or(500);
    let mut peers = Peers::default();
    let mut any = false;
    let Some(items) = table.read("remote_addrs", items) else {
        return peers;
    };
    for value in items {
        let read = match value.value.as_table() {
            Some(_) => peer(table, value),
            None => item(&value).map(|item| (item, Ways::default())),
        };
        match read {
            Ok((Item::Anywhere, _)) => any = true,
            Ok((item, ways)) => {
                if let Err(fault) = peers.add(item, &ways, port) {
                    table.report.fault(&value.span(), fault);
                }
            }
            Err(fault) => table.report.fault(&value.span(), fault),
        }
    }
    if any {
        peers.sources.clear();
    }
    peers
}

/// A list, or a single item without brackets.
fn items<'a>(value: &Value<'a>) -> Result<Vec<Value<'a>>, Fault> {
    if value.value.is_table() {
        return Ok(vec![*value]);
    }
    value.items()
}

/// `{ addr = "gw.example.org", dynamic = true, default = true }`
fn peer(table: &Table<'_, '_>, value: Value<'_>) -> Result<(Item, Ways), Fault> {
    let path = format!("{}.remote_addrs", table.path);
    let span = value.span();
    let wrong = || Fault::new("this peer has no address").instead("add `addr = \"192.0.2.1\"`");
    let opened = Table::open(table.report, &PEER, path, value, span).ok_or_else(wrong)?;
    let ways = Ways {
        dynamic: opened.read("dynamic", flag).unwrap_or(false),
        default: opened.read("default", flag).unwrap_or(false),
    };
    let addr = opened.value("addr").ok_or_else(wrong)?;
    Ok((item(&addr)?, ways))
}

fn item(value: &Value<'_>) -> Result<Item, Fault> {
    let text = value.text()?;
    if text == "%any" {
        return Ok(Item::Anywhere);
    }
    if is_host_name(text) {
        return Ok(Item::Name(text.into()));
    }
    let wrong = || {
        Fault::new(format!(
            "`{text}` is no address, prefix, range or host name"
        ))
        .instead("write it as in \"192.0.2.1\", \"192.0.2.0/24\", \"gw.example.org\" or \"%any\"")
    };
    if text.contains('[') {
        return Err(wrong());
    }
    let selector: TrafficSelector = text.parse().map_err(|_| wrong())?;
    if selector.is_host() && !text.contains(['/', '-']) {
        return Ok(Item::Address(selector.start));
    }
    Ok(Item::Range(selector.start, selector.end))
}

/// RFC 1123 §2.1. The last label has a letter, so that no mistyped address is taken for a name.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let inside = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_MAX
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_MAX
        && name.split('.').all(is_label)
        && last.bytes().any(|octet| octet.is_ascii_alphabetic())
}

impl Peers {
    fn add(&mut self, item: Item, ways: &Ways, port: u16) -> Result<(), Fault> {
        let endpoint = match item {
            Item::Address(_) if ways.dynamic => {
                return Err(Fault::new("`dynamic` stands beside an address")
                    .instead("only host names are resolved: remove it"));
            }
            Item::Anywhere => return Ok(()),
            Item::Range(..) if ways.dynamic || ways.default => {
                return Err(Fault::new("a range is no peer to connect to")
                    .instead("name a single address or a host name"));
            }
            Item::Range(first, last) => {
                self.sources.push((first, last));
                return Ok(());
            }
            Item::Address(address) => {
                self.sources.push((address, address));
                PeerEndpoint::Address(SocketAddr::new(address, port))
            }
            Item::Name(name) => PeerEndpoint::Name {
                name,
                port,
                dynamic: ways.dynamic,
            },
        };
        if ways.default {
            let place = u16::try_from(self.endpoints.len()).ok();
            if self.default.is_some() {
                return Err(Fault::new("there is another default peer")
                    .instead("write `default = true` for one of them"));
            }
            self.default = place;
        }
        self.endpoints.push(endpoint);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn names_and_mistyped_addresses_are_told_apart() {
        for name in [
            "gw",
            "gw.example.org",
            "gw-1.example.org.",
            "1.example.org",
            "a_b.example.org",
        ] {
            assert!(is_host_name(name), "{name}");
        }
        let long = "x".repeat(64);
        for other in [
            "",
            ".",
            "192.0.2.300",
            "192.0.2",
            "gw..org",
            "-gw.org",
            "gw-.org",
            "gw.org/24",
            "::1",
            "10.0.0.1-10.0.0.9",
            "gw example",
            "fe80::1%eth0",
            &long,
            &"a.".repeat(128),
        ] {
            assert!(!is_host_name(other), "{other}");
        }
    }
}
