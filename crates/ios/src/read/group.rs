//! `crypto isakmp client configuration group`: what clients of Easy VPN get.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Group};
use crate::modes::Mode;
use crate::read::isakmp::identity_text;
use crate::read::{Reader, find_or_push};

const GROUP: &[Mode] = &[Mode::ClientGroup];
const UNUSED: Unused =
    Unused::Because("no crypto map that is imported serves clients from this group");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto isakmp client configuration group", "NAME"),
        "a connection for the clients whose identity is `keyid:NAME`, in aggressive mode",
        UNUSED,
        open,
    ),
    Command::read(
        GROUP,
        ("key", "[0] KEY"),
        "`[secrets.\"keyid:NAME\"]`",
        UNUSED,
        key,
    ),
    Command::read(
        GROUP,
        ("dns", "ADDRESS [ADDRESS]"),
        "`dns` of the pool",
        UNUSED,
        dns,
    ),
    Command::read(
        GROUP,
        ("domain", "NAME"),
        "`default_domain`",
        UNUSED,
        domain,
    ),
    Command::read(GROUP, ("pool", "NAME"), "`pools`", UNUSED, pool),
    Command::read(
        GROUP,
        ("acl", "LIST"),
        "`split_include`, and the `local_ts` of a child for each network",
        UNUSED,
        acl,
    ),
    Command::read(
        GROUP,
        ("banner", "DELIMITER TEXT DELIMITER"),
        "`banner`",
        UNUSED,
        banner,
    ),
    Command::unneeded(
        GROUP,
        ("netmask", "MASK"),
        "a client gets a single address, and is told what lies behind us by `split_include`",
    ),
    Command::refused(
        GROUP,
        ("wins", "ADDRESS [ADDRESS]"),
        "NetBIOS name servers are not supported",
    ),
    Command::refused(
        GROUP,
        ("save-password", ""),
        "clients are not told whether they may keep a password",
    ),
    Command::refused(
        GROUP,
        ("include-local-lan", ""),
        "clients are not told about their own network",
    ),
    Command::refused(
        GROUP,
        ("split-dns", "DOMAIN"),
        "clients are told one domain, `default_domain`",
    ),
    Command::refused(
        GROUP,
        ("backup-gateway", "ADDRESS"),
        "clients are not told other gateways",
    ),
    Command::refused(
        GROUP,
        ("max-users", "NUMBER"),
        "groups have no limit but the size of their pool",
    ),
    Command::refused(
        GROUP,
        ("max-logins", "NUMBER"),
        "users may log in any number of times",
    ),
    Command::refused(
        GROUP,
        ("group-lock", ""),
        "a user may log in with the key of any group: keep the groups' keys apart",
    ),
    Command::refused(
        GROUP,
        ("pfs", ""),
        "clients are not told; a child's `esp_proposals` say what is asked",
    ),
    Command::refused(
        GROUP,
        ("firewall", "…"),
        "clients are not asked for a firewall",
    ),
    Command::refused(
        GROUP,
        ("access-restrict", "INTERFACE"),
        "a connection is served on `local_addrs`",
    ),
    Command::refused(
        GROUP,
        ("configuration", "…"),
        "clients are not sent configurations",
    ),
    Command::refused(
        GROUP,
        ("browser-proxy", "NAME"),
        "clients are not told a proxy",
    ),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    identity_text(&name)?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.isakmp.groups,
        |group| group.name == name,
        || Group {
            name: name.clone(),
            line,
            key: None,
            dns: Vec::new(),
            domain: None,
            pool: None,
            list: None,
            banner: None,
        },
    );
    reader.open(Mode::ClientGroup, index);
    Ok(())
}

fn group<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut Group, Refusal> {
    let index = reader.index;
    Reader::item(&mut reader.router.isakmp.groups, index)
}

fn key(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let secret = args.secret(&[])?;
    args.end()?;
    let line = args.line;
    group(reader)?.key = Some((line, secret));
    Ok(())
}

fn dns(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let mut servers = vec![args.address()?];
    servers.extend(args.optional_address());
    args.end()?;
    let servers = servers.into_iter().map(|value| At { value, line });
    group(reader)?.dns.extend(servers);
    Ok(())
}

fn domain(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a domain")?;
    group(reader)?.domain = Some(name);
    Ok(())
}

fn pool(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a pool")?;
    group(reader)?.pool = Some(name);
    Ok(())
}

fn acl(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("an access list")?;
    group(reader)?.list = Some(name);
    Ok(())
}

/// Octets of a banner that clients are told at most.
const BANNER_MAX: usize = 1_024;

fn banner(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let rest = args.rest();
    let (text, mut lines) = reader.delimited(&rest);
    for more in &lines {
        reader.ledger.hold(*more, UNUSED);
    }
    let text = text.trim().to_owned();
    if text.is_empty() || text.len() > BANNER_MAX {
        return Err(Refusal::new(format!(
            "a banner has 1 to {BANNER_MAX} octets"
        )));
    }
    lines.insert(0, line);
    group(reader)?.banner = Some((text, lines));
    Ok(())
}
