//! `interface`, as far as it is about crypto maps, and who the router is.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Interface, LocalPool};
use crate::modes::Mode;
use crate::read::ipsec::read_df;
use crate::read::{Reader, find_or_push};

const GLOBAL: &[Mode] = &[Mode::Global];
const INTERFACE: &[Mode] = &[Mode::Interface];

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        ("interface", "NAME"),
        "the address and the VRF of the connections of its crypto map",
        Unused::Outside,
        open,
    ),
    Command::read(
        INTERFACE,
        ("ip address", "ADDRESS MASK"),
        "`local_addrs` of the connections of its crypto map",
        Unused::Outside,
        address,
    ),
    Command::read(
        INTERFACE,
        ("crypto map", "NAME"),
        "`local_addrs` of the connections of the crypto map",
        Unused::Because("the crypto map has no entry that is imported"),
        map,
    ),
    Command::read(
        INTERFACE,
        ("vrf forwarding", "NAME"),
        "`fvrf` of the connections of its crypto map and `[fvrf.NAME]`; without a profile that names another also `ivrf`",
        Unused::Outside,
        vrf,
    ),
    Command::read(
        INTERFACE,
        ("ip vrf forwarding", "NAME"),
        "`fvrf` of the connections of its crypto map and `[fvrf.NAME]`; without a profile that names another also `ivrf`",
        Unused::Outside,
        vrf,
    ),
    Command::read(
        INTERFACE,
        ("crypto ipsec df-bit", "clear | set | copy"),
        "`copy_df` of the children of its crypto map",
        Unused::Because("the interface has no crypto map that is imported"),
        df,
    ),
    Command::refused(
        INTERFACE,
        ("tunnel protection", "ipsec profile NAME"),
        "tunnel interfaces are not translated: write a connection whose `remote_ts` are the networks routed into the tunnel",
    ),
    Command::refused(
        INTERFACE,
        ("crypto ipsec client ezvpn", "…"),
        "the router is a client of Easy VPN here: write a connection with `vips`, `aggressive` and `xauth = { user = … }`",
    ),
    Command::read(
        GLOBAL,
        ("hostname", "NAME"),
        "`local.id`, where the router says its name",
        Unused::Outside,
        hostname,
    ),
    Command::read(
        GLOBAL,
        ("ip domain name", "NAME"),
        "`local.id`, where the router says its name",
        Unused::Outside,
        domain,
    ),
    Command::read(
        GLOBAL,
        ("ip domain-name", "NAME"),
        "`local.id`, where the router says its name",
        Unused::Outside,
        domain,
    ),
    Command::read(
        GLOBAL,
        ("ip local pool", "NAME FIRST [LAST]"),
        "`[pools.NAME]`",
        Unused::Because("no connection gives its addresses to clients"),
        pool,
    ),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    // `interface GigabitEthernet 0/0` names the same as `GigabitEthernet0/0`.
    let name: String = args.rest().split(' ').collect();
    if name.is_empty() {
        return Err(Refusal::new("the name of the interface is missing"));
    }
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.interfaces,
        |interface| interface.name == name,
        || Interface {
            name: name.clone(),
            line,
            address: None,
            map: None,
            vrf: None,
            df: None,
        },
    );
    reader.open(Mode::Interface, index);
    Ok(())
}

fn interface<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut Interface, Refusal> {
    let index = reader.index;
    Reader::item(&mut reader.router.interfaces, index)
}

fn address(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    // `dhcp`, `negotiated` and secondary addresses say nothing about where IKE is spoken.
    let Some(value) = args.optional_address() else {
        return Ok(());
    };
    let _mask = args.next();
    if args.keyword("secondary") {
        return Ok(());
    }
    args.end()?;
    interface(reader)?.address = Some(At { value, line });
    Ok(())
}

fn map(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a crypto map")?;
    interface(reader)?.map = Some(name);
    Ok(())
}

fn vrf(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a VRF")?;
    interface(reader)?.vrf = Some(name);
    Ok(())
}

fn df(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let df = read_df(args)?;
    interface(reader)?.df = Some(df);
    Ok(())
}

fn hostname(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.hostname = Some(args.last_name("a name")?);
    Ok(())
}

fn domain(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.domain = Some(args.last_name("a domain")?);
    Ok(())
}

fn pool(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    let first = args.address()?;
    let last = args.optional_address().unwrap_or(first);
    if args.keyword("group") || args.keyword("cache-size") {
        args.next();
    }
    args.end()?;
    if last < first {
        return Err(Refusal::new("the last address is below the first"));
    }
    reader.router.pools.push(LocalPool {
        name,
        line: args.line,
        first,
        last,
    });
    Ok(())
}
