//! `crypto ikev2 …` but for keyrings and profiles.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Ikev2Policy, Ikev2Proposal, Keepalive};
use crate::modes::Mode;
use crate::read::isakmp::liveness;
use crate::read::policy::group_word;
use crate::read::{Reader, find_or_push};

const GLOBAL: &[Mode] = &[Mode::Global];
const PROPOSAL: &[Mode] = &[Mode::Ikev2Proposal];
const POLICY: &[Mode] = &[Mode::Ikev2Policy];
const UNUSED: Unused = Unused::Because("no connection of IKEv2 uses it");
const BECOMES: &str = "`proposals` of each IKEv2 connection";

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        ("crypto ikev2 proposal", "NAME"),
        BECOMES,
        UNUSED,
        open_proposal,
    ),
    Command::read(
        PROPOSAL,
        (
            "encryption",
            "aes-cbc-128|aes-cbc-192|aes-cbc-256|aes-gcm-128|aes-gcm-256|3des …",
        ),
        BECOMES,
        UNUSED,
        encryption,
    ),
    Command::read(
        PROPOSAL,
        ("integrity", "sha1|sha256|sha384|sha512 …"),
        BECOMES,
        UNUSED,
        integrity,
    ),
    Command::read(
        PROPOSAL,
        ("prf", "sha1|sha256|sha384|sha512 …"),
        BECOMES,
        UNUSED,
        prf,
    ),
    Command::read(
        PROPOSAL,
        ("group", "2|5|14|15|16|19|20 …"),
        BECOMES,
        UNUSED,
        group,
    ),
    Command::read(
        GLOBAL,
        ("crypto ikev2 policy", "NAME"),
        "the order of `proposals` of each IKEv2 connection",
        UNUSED,
        open_policy,
    ),
    Command::read(
        POLICY,
        ("proposal", "NAME"),
        BECOMES,
        UNUSED,
        policy_proposal,
    ),
    Command::unneeded(
        POLICY,
        ("match fvrf any", ""),
        "proposals hold in every VRF",
    ),
    Command::refused(
        POLICY,
        ("match fvrf", "NAME"),
        "a policy for one VRF is not told apart: its proposals are those of every IKEv2 connection",
    ),
    Command::refused(
        POLICY,
        ("match address local", "ADDRESS"),
        "a policy for one address is not told apart: its proposals are those of every IKEv2 connection",
    ),
    Command::read(
        GLOBAL,
        ("crypto ikev2 dpd", "SECONDS RETRY periodic | on-demand"),
        "`dpd` of each IKEv2 connection whose profile does not say otherwise",
        UNUSED,
        dpd,
    ),
    Command::read(
        GLOBAL,
        ("crypto ikev2 cookie-challenge", "NUMBER"),
        "`cookie_threshold` of `[headend]`",
        UNUSED,
        cookie_challenge,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto ikev2 limit max-in-negotiation-sa",
            "NUMBER [incoming]",
        ),
        "`half_open_max` of `[headend]`",
        UNUSED,
        half_open_max,
    ),
    Command::read(
        GLOBAL,
        ("crypto ikev2 nat keepalive", "SECONDS"),
        "`nat_keepalive` of `[headend]`",
        UNUSED,
        nat_keepalive,
    ),
    Command::read(
        GLOBAL,
        ("crypto ikev2 fragmentation", "[mtu OCTETS]"),
        "`fragmentation`, which is on anyway, and `fragment_size`",
        UNUSED,
        fragmentation,
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 limit max-sa", "NUMBER"),
        "the number of established IKE SAs has no limit",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 authorization policy", "NAME"),
        "what it gives to clients of FlexVPN is not translated: write `[pools]` and a connection with `pools`",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 client flexvpn", "NAME"),
        "the router is a client of FlexVPN here: write a connection with `remote_addrs` and `vips`",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 name-mangler", "NAME"),
        "identities are taken as they are",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 redirect", "…"),
        "peers are not redirected (RFC 5685)",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 cluster", "…"),
        "peers are not redirected (RFC 5685)",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 window", "NUMBER"),
        "one request is outstanding at a time",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 http-url", "…"),
        "it is about certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 certificate-cache", "NUMBER"),
        "it is about certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 diagnose", "…"),
        "errors are counted and logged in any case",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ikev2 reconnect", "…"),
        "a client that comes back sets up a new tunnel",
    ),
];

fn open_proposal(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.ikev2.proposals,
        |proposal| proposal.name == name,
        || Ikev2Proposal {
            name: name.clone(),
            encryption: Vec::new(),
            integrity: Vec::new(),
            prf: Vec::new(),
            groups: Vec::new(),
            lines: vec![line],
        },
    );
    reader.open(Mode::Ikev2Proposal, index);
    Ok(())
}

/// Adds the words that are known to one of the lists of a proposal, and remarks on the others.
fn add(
    reader: &mut Reader<'_>,
    args: &mut Args<'_>,
    word: fn(&str) -> Option<&'static str>,
    list: fn(&mut Ikev2Proposal) -> &mut Vec<&'static str>,
) -> Handled {
    let mut unknown = Vec::new();
    let mut known = Vec::new();
    while let Some(given) = args.next() {
        match word(given) {
            Some(word) => known.push(word),
            None => unknown.push(given),
        }
    }
    if known.is_empty() {
        return Err(Refusal::new("none of these is supported"));
    }
    let index = reader.index;
    let proposal = Reader::item(&mut reader.router.ikev2.proposals, index)?;
    proposal.lines.push(args.line);
    let list = list(proposal);
    for word in known {
        if !list.contains(&word) {
            list.push(word);
        }
    }
    for given in unknown {
        let why = format!("`{given}` is too weak or is not supported, and is left out");
        reader.ledger.remark(args.line, why);
    }
    Ok(())
}

fn encryption(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let word = |given: &str| match given {
        "aes-cbc-128" => Some("aes128"),
        "aes-cbc-192" => Some("aes192"),
        "aes-cbc-256" => Some("aes256"),
        "aes-gcm-128" => Some("aes128gcm16"),
        "aes-gcm-256" => Some("aes256gcm16"),
        "3des" => Some("3des"),
        _ => None,
    };
    add(reader, args, word, |proposal| &mut proposal.encryption)
}

fn integrity(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let word = |given: &str| match given {
        "sha1" | "sha" => Some("sha1"),
        "sha256" => Some("sha256"),
        "sha384" => Some("sha384"),
        "sha512" => Some("sha512"),
        _ => None,
    };
    add(reader, args, word, |proposal| &mut proposal.integrity)
}

fn prf(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let word = |given: &str| match given {
        "sha1" | "sha" => Some("prfsha1"),
        "sha256" => Some("prfsha256"),
        "sha384" => Some("prfsha384"),
        "sha512" => Some("prfsha512"),
        _ => None,
    };
    add(reader, args, word, |proposal| &mut proposal.prf)
}

fn group(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    add(reader, args, group_word, |proposal| &mut proposal.groups)
}

fn open_policy(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let _name = args.name("a name")?;
    args.end()?;
    reader.router.ikev2.policies.push(Ikev2Policy {
        line: args.line,
        proposals: Vec::new(),
    });
    let index = reader.router.ikev2.policies.len().saturating_sub(1);
    reader.open(Mode::Ikev2Policy, index);
    Ok(())
}

fn policy_proposal(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.name("a proposal")?;
    args.end()?;
    let index = reader.index;
    let policy = Reader::item(&mut reader.router.ikev2.policies, index)?;
    policy.proposals.push(At {
        value,
        line: args.line,
    });
    Ok(())
}

/// `SECONDS RETRY periodic|on-demand`.
pub(super) fn read_dpd(args: &mut Args<'_>) -> Result<At<Keepalive>, Refusal> {
    Ok(At {
        value: liveness(args)?,
        line: args.line,
    })
}

fn dpd(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.ikev2.dpd = Some(read_dpd(args)?);
    Ok(())
}

fn number(args: &mut Args<'_>, what: &str, most: u32) -> Result<At<u32>, Refusal> {
    let value = args.number(what, 1..=most)?;
    Ok(At {
        value,
        line: args.line,
    })
}

fn cookie_challenge(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let number = number(args, "the number", 1_000)?;
    args.end()?;
    reader.router.ikev2.cookie_challenge = Some(number);
    Ok(())
}

fn half_open_max(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let number = number(args, "the number", 100_000)?;
    if args.keyword("outgoing") {
        return Err(Refusal::new("only what peers begin is limited"));
    }
    args.keyword("incoming");
    args.end()?;
    reader.router.ikev2.half_open_max = Some(number);
    Ok(())
}

fn nat_keepalive(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.number("the time", 5..=3_600)?;
    args.end()?;
    reader.router.ikev2.nat_keepalive = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}

fn fragmentation(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let value = match args.keyword("mtu") {
        true => Some(args.number("the size", 576..=9_000)?),
        false => None,
    };
    args.end()?;
    reader.router.ikev2.fragmentation = Some(At { value, line });
    if value.is_none() {
        let why = "fragmentation is on in every connection (`fragmentation`)";
        reader.ledger.unneeded(line, why);
    }
    Ok(())
}
