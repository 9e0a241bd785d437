//! `crypto isakmp profile`.

use core::net::IpAddr;

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Clients, Direction, IsakmpProfile, Keepalive, Own, Owner};
use crate::modes::Mode;
use crate::read::isakmp::{identity_text, owner_address};
use crate::read::{Reader, find_or_push};

const PROFILE: &[Mode] = &[Mode::IsakmpProfile];
const UNUSED: Unused = Unused::Because("no crypto map that is imported uses the profile");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto isakmp profile", "NAME"),
        "settings of the connections of the crypto maps that name it",
        UNUSED,
        open,
    ),
    Command::read(
        PROFILE,
        ("keyring", "NAME"),
        "the `[secrets]` of that keyring",
        UNUSED,
        keyring,
    ),
    Command::read(
        PROFILE,
        ("match identity address", "ADDRESS [MASK] [VRF]"),
        "`remote.id`",
        UNUSED,
        match_address,
    ),
    Command::read(
        PROFILE,
        ("match identity host", "NAME | domain DOMAIN"),
        "`remote.id`",
        UNUSED,
        match_host,
    ),
    Command::read(
        PROFILE,
        ("match identity user", "NAME | domain DOMAIN"),
        "`remote.id`",
        UNUSED,
        match_user,
    ),
    Command::read(
        PROFILE,
        ("match identity group", "GROUP"),
        "a connection for the clients of that group",
        UNUSED,
        match_group,
    ),
    Command::read(
        PROFILE,
        ("self-identity", "address | fqdn | NAME | user-fqdn NAME"),
        "`local.id`",
        UNUSED,
        self_identity,
    ),
    Command::read(
        PROFILE,
        ("keepalive", "SECONDS retry SECONDS"),
        "`dpd` of the connection",
        UNUSED,
        keepalive,
    ),
    Command::read(
        PROFILE,
        ("client authentication list", "LIST"),
        "`xauth = \"server\"`",
        UNUSED,
        authentication,
    ),
    Command::read(
        PROFILE,
        ("client configuration address", "respond | initiate"),
        "`mode_config = \"pull\"` or `\"push\"`",
        UNUSED,
        configuration,
    ),
    Command::read(
        PROFILE,
        ("isakmp authorization list", "LIST"),
        "the groups of `crypto isakmp client configuration group`",
        UNUSED,
        authorization,
    ),
    Command::read(
        PROFILE,
        ("initiate mode aggressive", ""),
        "`aggressive = true`",
        UNUSED,
        aggressive,
    ),
    Command::read(
        PROFILE,
        ("vrf", "NAME"),
        "`ivrf`, and `[ivrf.NAME]`",
        UNUSED,
        vrf,
    ),
    Command::refused(
        PROFILE,
        ("virtual-template", "NUMBER"),
        "tunnels have no interfaces of their own: traffic passes through the TUN device",
    ),
    Command::refused(
        PROFILE,
        ("ca trust-point", "NAME"),
        "it is about certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(PROFILE, ("accounting", "LIST"), "there is no accounting"),
    Command::refused(
        PROFILE,
        ("client configuration group", "GROUP"),
        "a client's group is the identity that it sends",
    ),
    Command::refused(
        PROFILE,
        ("local-address", "INTERFACE"),
        "the addresses are those of the interfaces that have the crypto map",
    ),
    Command::unneeded(
        PROFILE,
        ("reverse-route", ""),
        "routes to what is negotiated are installed anyway (`install_routes`)",
    ),
    Command::unneeded(PROFILE, ("description", "TEXT"), "a description"),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.isakmp.profiles,
        |profile| profile.name == name,
        || IsakmpProfile {
            name: name.clone(),
            line,
            keyrings: Vec::new(),
            identities: Vec::new(),
            groups: Vec::new(),
            own: None,
            keepalive: None,
            clients: Clients::default(),
            aggressive: None,
            vrf: None,
        },
    );
    reader.open(Mode::IsakmpProfile, index);
    Ok(())
}

fn profile<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut IsakmpProfile, Refusal> {
    let index = reader.index;
    Reader::item(&mut reader.router.isakmp.profiles, index)
}

fn keyring(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a keyring")?;
    profile(reader)?.keyrings.push(name);
    Ok(())
}

/// A prefix of addresses as Palisade writes it among identities.
pub(super) fn owner_text(owner: &Owner) -> String {
    match owner {
        Owner::Prefix(address, length) if *length == full(address) => address.to_string(),
        Owner::Prefix(address, length) => format!("{address}/{length}"),
        Owner::Host(name) => name.clone(),
    }
}

fn full(address: &IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn identify(reader: &mut Reader<'_>, args: &mut Args<'_>, value: String) -> Handled {
    args.end()?;
    let line = args.line;
    profile(reader)?.identities.push(At { value, line });
    Ok(())
}

fn match_address(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let owner = owner_address(args)?;
    if let Some(vrf) = args.next() {
        let why = format!(
            "the identity holds in the VRF of the interface, whether that is {vrf} or another"
        );
        reader.ledger.remark(args.line, why);
    }
    identify(reader, args, owner_text(&owner))
}

/// `NAME` or `domain DOMAIN`, as a name or a pattern; `before` stands between a wildcard and the
/// domain.
fn name_or_domain(args: &mut Args<'_>, before: &str) -> Result<String, Refusal> {
    let domain = args.keyword("domain");
    let name = args.name("a name")?;
    identity_text(&name)?;
    Ok(if domain {
        format!("*{before}{name}")
    } else {
        name
    })
}

fn match_host(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = name_or_domain(args, ".")?;
    identify(reader, args, name)
}

fn match_user(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = name_or_domain(args, "@")?;
    if !name.contains('@') {
        return Err(Refusal::new("a user's identity holds an `@`"));
    }
    identify(reader, args, name)
}

fn match_group(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a group")?;
    profile(reader)?.groups.push(name);
    Ok(())
}

fn self_identity(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = match args.want("an identity")? {
        "address" => Own::Address,
        "fqdn" => Own::Hostname,
        "user-fqdn" | "user-fqdn:" => Own::Named(args.name("a name")?),
        name => Own::Named(name.to_owned()),
    };
    if let Own::Named(name) = &value {
        identity_text(name)?;
    }
    args.end()?;
    let line = args.line;
    profile(reader)?.own = Some(At { value, line });
    Ok(())
}

fn keepalive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let interval = args.number("the time between probes", 10..=3_600)?;
    let retry = if args.keyword("retry") {
        args.number("the time between tries", 2..=60)?
    } else {
        2
    };
    args.end()?;
    let value = Keepalive {
        interval,
        retry,
        periodic: false,
    };
    let line = args.line;
    profile(reader)?.keepalive = Some(At { value, line });
    Ok(())
}

fn authentication(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let list = args.last_name("a list")?;
    profile(reader)?.clients.authentication = Some(list);
    Ok(())
}

/// `respond` or `initiate`.
pub(super) fn direction(args: &mut Args<'_>) -> Result<At<Direction>, Refusal> {
    let words = [
        ("respond", Direction::Respond),
        ("initiate", Direction::Initiate),
    ];
    let value = args.one_of("who begins", &words)?;
    args.end()?;
    Ok(At {
        value,
        line: args.line,
    })
}

fn configuration(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let direction = direction(args)?;
    profile(reader)?.clients.configuration.push(direction);
    Ok(())
}

fn authorization(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let list = args.last_name("a list")?;
    profile(reader)?.clients.authorization = Some(list);
    Ok(())
}

fn aggressive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    args.end()?;
    let line = args.line;
    profile(reader)?.aggressive = Some(line);
    Ok(())
}

fn vrf(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a VRF")?;
    profile(reader)?.vrf = Some(name);
    Ok(())
}
