//! Section `pools`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::Range;

use ipsec::{AddressPool, InnerVrf, PoolName, TrafficSelector};

use crate::keys::POOL;
use crate::settings::VrfSettings;
use crate::table::{Fault, Table, Value};
use crate::value::address;
use crate::vrf;

/// Addresses that one pool hands out at most; of a larger IPv6 prefix the first are used.
const ADDRESSES_MAX: u128 = 1 << 24;

/// The pools that make sense, and the names of all.
pub(crate) struct Pools {
    pub(crate) valid: Vec<AddressPool>,
    /// Each with its inner VRF.
    pub(crate) names: Vec<(PoolName, InnerVrf)>,
}

pub(crate) fn read(root: &Table<'_, '_>, vrfs: &VrfSettings) -> Pools {
    let mut names = Vec::new();
    let mut pools: Vec<(AddressPool, Range<usize>)> = Vec::new();
    for (name, table) in root.named_sections("pools", &POOL) {
        let name: PoolName = name.into();
        let ivrf = vrf::inner_of(&table, "ivrf", vrfs);
        names.push((PoolName::clone(&name), ivrf));
        let Some(addrs) = table.value("addrs") else {
            let fault = Fault::new(format!("pool `{name}` has no addresses"));
            table.fault_at_table(fault.instead("add `addrs = \"10.9.0.0/16\"`"));
            continue;
        };
        let Some((first, last)) = table.read("addrs", range) else {
            continue;
        };
        // The same addresses in another VRF are others.
        let clash =
            |(other, _): &&(AddressPool, _)| other.ivrf == ivrf && overlap(other, first, last);
        if let Some((other, span)) = pools.iter().find(clash) {
            let line = root.report.line_of(span);
            let fault = Fault::new(format!(
                "pool `{name}` overlaps pool `{}` of {line}",
                other.name
            ));
            let instead = format!("leave out {}-{}", other.first, other.last);
            root.report.fault(&addrs.span(), fault.instead(instead));
        }
        let dns = table.read_list("dns", address).unwrap_or_default();
        pools.push((
            AddressPool {
                name,
                first,
                last,
                dns,
                ivrf,
            },
            addrs.span(),
        ));
    }
    Pools {
        valid: pools.into_iter().map(|(pool, _)| pool).collect(),
        names,
    }
}

fn overlap(pool: &AddressPool, first: IpAddr, last: IpAddr) -> bool {
    pool.first.is_ipv4() == first.is_ipv4() && pool.first <= last && first <= pool.last
}

/// The addresses that are handed out: those of a range, or those of a prefix without the network
/// itself and, in IPv4, without the broadcast address.
fn range(value: &Value<'_>) -> Result<(IpAddr, IpAddr), Fault> {
    let text = value.text()?;
    let wrong = || {
        Fault::new(format!("`{text}` is no range of addresses")).instead(
            "write a prefix such as \"10.9.0.0/16\" or a range such as \"10.9.0.10-10.9.0.99\"",
        )
    };
    if text.contains('[') {
        return Err(wrong());
    }
    let selector: TrafficSelector = text.parse().map_err(|_| wrong())?;
    let (first, last) = (number(selector.start), number(selector.end));
    let usable = match (text.contains('/'), selector.start) {
        (true, IpAddr::V4(_)) if last - first > 1 => (first + 1, last - 1),
        (true, IpAddr::V6(_)) if last > first => (first + 1, last),
        _ => (first, last),
    };
    if usable.1 - usable.0 >= ADDRESSES_MAX && selector.start.is_ipv4() {
        return Err(Fault::new(format!(
            "`{text}` holds more than {ADDRESSES_MAX} addresses"
        ))
        .instead("write a prefix of /8 or longer"));
    }
    let last = usable.1.min(usable.0.saturating_add(ADDRESSES_MAX - 1));
    Ok((
        address_of(usable.0, selector.start),
        address_of(last, selector.start),
    ))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address_of(number: u128, family: IpAddr) -> IpAddr {
    match family {
        IpAddr::V4(_) => Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(number).into(),
    }
}
