//! `crypto isakmp …` but for its sections.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, IdentityKind, Keepalive, Key, Owner};
use crate::modes::Mode;
use crate::read::Reader;

const GLOBAL: &[Mode] = &[Mode::Global];
const UNUSED: Unused = Unused::Because("no connection uses it");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        (
            "crypto isakmp key",
            "[0] KEY address ADDRESS [MASK] [no-xauth]",
        ),
        "`[secrets.\"ADDRESS/LENGTH\"]`; `no-xauth`: connections to these peers have no `xauth`",
        UNUSED,
        key,
    ),
    Command::read(
        GLOBAL,
        ("crypto isakmp key", "[0] KEY hostname NAME [no-xauth]"),
        "`[secrets.\"NAME\"]`",
        UNUSED,
        key,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto isakmp keepalive",
            "SECONDS [RETRY] [periodic|on-demand]",
        ),
        "`[dpd]`: `mode`, `interval`, `retry` and `retries = 4`; with `periodic` also `suppress_on = \"hello\"`",
        UNUSED,
        keepalive,
    ),
    Command::read(
        GLOBAL,
        ("crypto isakmp identity", "address | hostname"),
        "`local.id` of each IKEv1 connection: with `hostname` the router's name and domain",
        UNUSED,
        identity,
    ),
    Command::read(
        GLOBAL,
        ("crypto isakmp nat keepalive", "SECONDS"),
        "`nat_keepalive` of `[headend]`",
        UNUSED,
        nat_keepalive,
    ),
    Command::read(
        GLOBAL,
        ("crypto isakmp aggressive-mode disable", ""),
        "nothing for connections in main mode, which never accept aggressive mode; groups of clients are left incomplete",
        UNUSED,
        no_aggressive,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto isakmp client configuration address-pool local",
            "POOL",
        ),
        "`pools` of connections whose clients are configured and name no pool",
        UNUSED,
        pool,
    ),
    Command::unneeded(GLOBAL, ("crypto isakmp enable", ""), "IKE is always served"),
    Command::unneeded(
        GLOBAL,
        ("crypto isakmp fragmentation", ""),
        "fragmentation is on in every connection (`fragmentation`)",
    ),
    Command::unneeded(
        GLOBAL,
        ("crypto logging session", ""),
        "the log tells of each tunnel that comes up or goes down, and `palisade events` does",
    ),
    Command::refused(
        GLOBAL,
        ("crypto isakmp invalid-spi-recovery", ""),
        "Palisade sends no INVALID_SPI that could begin an exchange; a peer that has lost its SAs is found by dead peer detection",
    ),
    Command::refused(
        GLOBAL,
        ("crypto isakmp xauth timeout", "SECONDS"),
        "the time for an answer is that of every exchange (`retransmit_timeout`, `retransmit_tries`)",
    ),
    Command::refused(
        GLOBAL,
        ("crypto isakmp peer", "…"),
        "attributes of single peers belong to aggressive mode as initiator: write a connection with `aggressive = true`",
    ),
    Command::refused(
        GLOBAL,
        ("crypto isakmp default policy", ""),
        "the policies that are built into IOS are not imported: name those in use with `crypto isakmp policy`",
    ),
    Command::refused(
        GLOBAL,
        ("crypto isakmp identity dn", ""),
        "it names a certificate, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto pki", "…"),
        "it is about certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ca", "…"),
        "it is about certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto key", "…"),
        "it is about RSA or EC keys, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto gdoi", "…"),
        "group encryption (GET VPN) is another protocol",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ipsec client ezvpn", "…"),
        "the router is a client of Easy VPN here: write a connection with `vips`, `aggressive` and `xauth = { user = … }`",
    ),
    Command::refused(
        GLOBAL,
        ("crypto engine", "…"),
        "it is about the router's hardware",
    ),
    Command::refused(
        GLOBAL,
        ("crypto call admission limit", "…"),
        "limits are set by `half_open_max` and its neighbours in `[headend]`",
    ),
];

/// Length of the prefix that a mask stands for.
pub(super) fn mask_length(mask: Ipv4Addr) -> Result<u8, Refusal> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    if bits.checked_shl(length).unwrap_or(0) != 0 {
        return Err(Refusal::new(format!("`{mask}` is no mask of a prefix")));
    }
    Ok(u8::try_from(length).unwrap_or(32))
}

/// `address A [MASK]`, or `address ipv6 PREFIX`.
pub(super) fn owner_address(args: &mut Args<'_>) -> Result<Owner, Refusal> {
    if args.keyword("ipv6") || args.peek().is_some_and(|word| word.contains(':')) {
        return ipv6_prefix(args.want("a prefix")?);
    }
    let address = args.address()?;
    let length = match args.optional_address() {
        Some(mask) => mask_length(mask)?,
        // IOS writes a key for anybody without its mask, too.
        None if address.is_unspecified() => 0,
        None => 32,
    };
    Ok(Owner::Prefix(IpAddr::V4(network(address, length)), length))
}

/// The first address of a prefix.
pub(super) fn network(address: Ipv4Addr, length: u8) -> Ipv4Addr {
    let free = 32_u32.saturating_sub(u32::from(length));
    Ipv4Addr::from_bits(address.to_bits() & u32::MAX.checked_shl(free).unwrap_or(0))
}

fn ipv6_prefix(text: &str) -> Result<Owner, Refusal> {
    let wrong = || Refusal::new(format!("`{text}` is no IPv6 prefix"));
    let (address, length) = text.split_once('/').unwrap_or((text, "128"));
    let address: Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let length: u8 = length.parse().map_err(|_| wrong())?;
    let free = 128_u32.checked_sub(u32::from(length)).ok_or_else(wrong)?;
    let mask = u128::MAX.checked_shl(free).unwrap_or(0);
    let network = Ipv6Addr::from_bits(address.to_bits() & mask);
    Ok(Owner::Prefix(IpAddr::V6(network), length))
}

fn key(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let secret = args.secret(&["address", "hostname"])?;
    let owner = if args.keyword("address") {
        owner_address(args)?
    } else if args.keyword("hostname") {
        Owner::Host(host(args)?)
    } else {
        return Err(Refusal::new(
            "neither `address` nor `hostname` follows the key",
        ));
    };
    let no_xauth = args.keyword("no-xauth");
    args.end()?;
    reader.router.isakmp.keys.push(Key {
        line: args.line,
        owner,
        secret,
        no_xauth,
    });
    Ok(())
}

/// A host name that can be an identity.
pub(super) fn host(args: &mut Args<'_>) -> Result<String, Refusal> {
    let name = args.name("a name")?;
    identity_text(&name).map(|()| name)
}

/// A host name that can be resolved (RFC 1123 §2.1); the last label has a letter.
pub(super) fn host_name(args: &mut Args<'_>) -> Result<String, Refusal> {
    let name = args.name("a peer")?;
    let inside = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    let letters = last.bytes().any(|octet| octet.is_ascii_alphabetic());
    if name.len() <= 253 && name.split('.').all(is_label) && letters {
        return Ok(name);
    }
    Err(Refusal::new(format!(
        "`{name}` is neither an address nor a host name"
    )))
}

/// What Palisade takes for an identity: printable ASCII without what stands for wildcards, prefixes
/// and other notations.
pub(crate) fn identity_text(name: &str) -> Handled {
    let plain = |octet: u8| octet.is_ascii_graphic() && !b"*/%:".contains(&octet);
    if name.bytes().all(plain) && !name.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(
        "an identity is printable ASCII without `*`, `/`, `%` and `:`",
    ))
}

/// `SECONDS [RETRY] [periodic|on-demand]`.
pub(super) fn liveness(args: &mut Args<'_>) -> Result<Keepalive, Refusal> {
    let interval = args.number("the time between probes", 10..=3_600)?;
    let retry = match args.peek() {
        Some(word) if word.bytes().all(|octet| octet.is_ascii_digit()) => {
            args.number("the time between tries", 2..=60)?
        }
        _ => 2,
    };
    let periodic = args.keyword("periodic");
    if !periodic {
        // The default, which IOS does not show.
        args.keyword("on-demand");
    }
    args.end()?;
    Ok(Keepalive {
        interval,
        retry,
        periodic,
    })
}

fn keepalive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = liveness(args)?;
    reader.router.isakmp.keepalive = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}

fn identity(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let kinds = [
        ("address", IdentityKind::Address),
        ("hostname", IdentityKind::Hostname),
    ];
    let value = args.one_of("an identity", &kinds)?;
    args.end()?;
    reader.router.isakmp.identity = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}

fn nat_keepalive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.number("the time", 5..=3_600)?;
    args.end()?;
    reader.router.isakmp.nat_keepalive = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}

fn no_aggressive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    args.end()?;
    reader.router.isakmp.aggressive_disabled = Some(args.line);
    reader.ledger.unneeded(
        args.line,
        "main mode is all that a connection accepts unless it says `aggressive = true`",
    );
    Ok(())
}

fn pool(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.name("a pool")?;
    args.end()?;
    reader.router.isakmp.pool = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_those_of_prefixes() {
        let length = |text: &str| mask_length(text.parse().expect("a mask")).ok();
        assert_eq!(length("255.255.255.0"), Some(24));
        assert_eq!(length("255.255.255.255"), Some(32));
        assert_eq!(length("0.0.0.0"), Some(0));
        assert_eq!(length("255.0.255.0"), None);
    }
}
