//! `crypto keyring`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{Key, Keyring, Owner};
use crate::modes::Mode;
use crate::read::isakmp::{host, owner_address};
use crate::read::{Reader, find_or_push};

const KEYRING: &[Mode] = &[Mode::Keyring];
const UNUSED: Unused = Unused::Because("no connection uses it");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto keyring", "NAME [vrf VRF]"),
        "the `[secrets]` that its keys become",
        UNUSED,
        open,
    ),
    Command::read(
        KEYRING,
        ("pre-shared-key address", "ADDRESS [MASK] key [0] KEY"),
        "`[secrets.\"ADDRESS/LENGTH\"]`",
        UNUSED,
        by_address,
    ),
    Command::read(
        KEYRING,
        ("pre-shared-key hostname", "NAME key [0] KEY"),
        "`[secrets.\"NAME\"]`",
        UNUSED,
        by_host,
    ),
    Command::refused(
        KEYRING,
        ("rsa-pubkey", "…"),
        "it is an RSA key, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        KEYRING,
        ("local-address", "…"),
        "a secret holds for all of our addresses",
    ),
    Command::unneeded(KEYRING, ("description", "TEXT"), "a description"),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    let vrf = match args.keyword("vrf") {
        true => Some(args.name("a VRF")?),
        false => None,
    };
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.isakmp.keyrings,
        |keyring| keyring.name == name,
        || Keyring {
            name: name.clone(),
            line,
            vrf,
            keys: Vec::new(),
        },
    );
    reader.open(Mode::Keyring, index);
    Ok(())
}

fn by_address(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let owner = owner_address(args)?;
    push(reader, args, owner)
}

fn by_host(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let owner = Owner::Host(host(args)?);
    push(reader, args, owner)
}

fn push(reader: &mut Reader<'_>, args: &mut Args<'_>, owner: Owner) -> Handled {
    if !args.keyword("key") {
        return Err(Refusal::new("`key` is missing"));
    }
    let secret = args.secret(&[])?;
    args.end()?;
    let key = Key {
        line: args.line,
        owner,
        secret,
        no_xauth: false,
    };
    let index = reader.index;
    let keyring = Reader::item(&mut reader.router.isakmp.keyrings, index)?;
    keyring.keys.push(key);
    Ok(())
}
