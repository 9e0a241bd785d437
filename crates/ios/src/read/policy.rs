//! `crypto isakmp policy`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Policy, Word};
use crate::modes::Mode;
use crate::read::{Reader, find_or_push};

const POLICY: &[Mode] = &[Mode::IsakmpPolicy];
const UNUSED: Unused = Unused::Because("no connection of IKEv1 uses it");
const PROPOSAL: &str = "`proposals` of each IKEv1 connection";

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto isakmp policy", "PRIORITY"),
        "one of `proposals` of each IKEv1 connection, the lowest number first",
        UNUSED,
        open,
    ),
    Command::read(
        POLICY,
        ("encryption", "aes [128|192|256] | 3des"),
        PROPOSAL,
        UNUSED,
        encryption,
    ),
    Command::read(
        POLICY,
        ("encr", "aes [128|192|256] | 3des"),
        PROPOSAL,
        UNUSED,
        encryption,
    ),
    Command::read(
        POLICY,
        ("hash", "sha | sha256 | sha384 | sha512"),
        PROPOSAL,
        UNUSED,
        hash,
    ),
    Command::read(
        POLICY,
        ("authentication", "pre-share"),
        "`auth = \"psk\"`, which is the default",
        UNUSED,
        authentication,
    ),
    Command::read(
        POLICY,
        ("group", "2 | 5 | 14 | 15 | 16 | 19 | 20"),
        PROPOSAL,
        UNUSED,
        group,
    ),
    Command::read(
        POLICY,
        ("lifetime", "SECONDS"),
        "`rekey_time` and `over_time` of each IKEv1 connection; together they are the lifetime",
        UNUSED,
        lifetime,
    ),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let priority = args.number("the priority", 1..=65_535)?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.isakmp.policies,
        |policy| policy.priority == priority,
        || Policy {
            priority,
            line,
            encryption: None,
            hash: None,
            pre_share: None,
            group: None,
            lifetime: None,
        },
    );
    reader.open(Mode::IsakmpPolicy, index);
    Ok(())
}

fn policy<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut Policy, Refusal> {
    let index = reader.index;
    Reader::item(&mut reader.router.isakmp.policies, index)
}

/// Keeps the word, and refuses the line if there is none: the policy as a whole is of no use then.
fn keep(slot: &mut Option<At<Word>>, args: &Args<'_>, word: Word, given: &str) -> Handled {
    *slot = Some(At {
        value: word,
        line: args.line,
    });
    args.end()?;
    match word {
        Some(_) => Ok(()),
        None => Err(Refusal::new(format!(
            "`{given}` is too weak or is not supported; the policy is left out"
        ))),
    }
}

fn encryption(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let given = args.want("a cipher")?;
    let word = match given {
        "3des" => Some("3des"),
        "aes" => match args.next() {
            None | Some("128") => Some("aes128"),
            Some("192") => Some("aes192"),
            Some("256") => Some("aes256"),
            Some(_) => None,
        },
        _ => None,
    };
    keep(&mut policy(reader)?.encryption, args, word, given)
}

fn hash(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let given = args.want("a hash")?;
    let word = match given {
        "sha" | "sha1" => Some("sha1"),
        "sha256" => Some("sha256"),
        "sha384" => Some("sha384"),
        "sha512" => Some("sha512"),
        _ => None,
    };
    keep(&mut policy(reader)?.hash, args, word, given)
}

fn authentication(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let given = args.want("a method")?;
    let value = given == "pre-share";
    policy(reader)?.pre_share = Some(At {
        value,
        line: args.line,
    });
    args.end()?;
    if value {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "`{given}` is not supported: Palisade authenticates with pre-shared keys; the policy is left out"
    )))
}

/// The word for a Diffie-Hellman group by its number (RFC 2409 §6, RFC 3526, RFC 5903).
pub(super) fn group_word(number: &str) -> Word {
    match number {
        "2" => Some("modp1024"),
        "5" => Some("modp1536"),
        "14" => Some("modp2048"),
        "15" => Some("modp3072"),
        "16" => Some("modp4096"),
        "19" => Some("ecp256"),
        "20" => Some("ecp384"),
        _ => None,
    }
}

fn group(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let given = args.want("a group")?;
    let word = group_word(given);
    keep(
        &mut policy(reader)?.group,
        args,
        word,
        &format!("group {given}"),
    )
}

fn lifetime(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.number("the lifetime", 60..=86_400)?;
    args.end()?;
    policy(reader)?.lifetime = Some(At {
        value,
        line: args.line,
    });
    Ok(())
}
