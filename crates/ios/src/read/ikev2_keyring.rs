//! `crypto ikev2 keyring`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Ikev2Keyring, Ikev2Peer};
use crate::modes::Mode;
use crate::read::isakmp::{host, identity_text, owner_address};
use crate::read::profile::owner_text;
use crate::read::{Reader, find_or_push};

const KEYRING: &[Mode] = &[Mode::Ikev2Keyring];
const PEER: &[Mode] = &[Mode::Ikev2Peer];
const UNUSED: Unused = Unused::Because("no connection of IKEv2 uses the keyring");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto ikev2 keyring", "NAME"),
        "the `[secrets]` that its peers become",
        UNUSED,
        open,
    ),
    Command::read(
        KEYRING,
        ("peer", "NAME"),
        "`[secrets.KEYRING-PEER]`",
        UNUSED,
        peer,
    ),
    Command::read(
        PEER,
        ("address", "ADDRESS [MASK]"),
        "`id` of the secret",
        UNUSED,
        address,
    ),
    Command::read(
        PEER,
        ("hostname", "NAME"),
        "`id` of the secret",
        UNUSED,
        hostname,
    ),
    Command::read(
        PEER,
        (
            "identity",
            "address ADDRESS | fqdn NAME | email NAME | key-id NAME",
        ),
        "`id` of the secret",
        UNUSED,
        identity,
    ),
    Command::read(
        PEER,
        ("pre-shared-key", "[local|remote] [0] KEY"),
        "the secret; `local` and `remote` must be the same",
        UNUSED,
        key,
    ),
    Command::unneeded(PEER, ("description", "TEXT"), "a description"),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.ikev2.keyrings,
        |keyring| keyring.name == name,
        || Ikev2Keyring {
            name: name.clone(),
            line,
            peers: Vec::new(),
        },
    );
    reader.open(Mode::Ikev2Keyring, index);
    Ok(())
}

fn peer(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let (line, index) = (args.line, reader.index);
    let keyring = Reader::item(&mut reader.router.ikev2.keyrings, index)?;
    keyring.peers.push(Ikev2Peer {
        name,
        line,
        address: None,
        host: None,
        identity: None,
        local: None,
        remote: None,
    });
    reader.open(Mode::Ikev2Peer, index);
    Ok(())
}

/// The peer that is being written is the last of its keyring.
fn current<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut Ikev2Peer, Refusal> {
    let index = reader.index;
    let keyring = Reader::item(&mut reader.router.ikev2.keyrings, index)?;
    let peer = keyring.peers.last_mut();
    peer.ok_or_else(|| Refusal::new("its section could not be read"))
}

fn address(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = owner_address(args)?;
    args.end()?;
    let line = args.line;
    current(reader)?.address = Some(At { value, line });
    Ok(())
}

fn hostname(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = host(args)?;
    args.end()?;
    let line = args.line;
    current(reader)?.host = Some(At { value, line });
    Ok(())
}

/// `address A [MASK]`, `fqdn [domain] N`, `email [domain] N`, `key-id N`, in Palisade's words.
pub(super) fn read_identity(args: &mut Args<'_>) -> Result<String, Refusal> {
    match args.want("an identity")? {
        "address" => Ok(owner_text(&owner_address(args)?)),
        "fqdn" => named(args, "*."),
        "email" => {
            let name = named(args, "*@")?;
            if name.contains('@') {
                return Ok(name);
            }
            Err(Refusal::new("an e-mail address holds an `@`"))
        }
        "key-id" => {
            let name = args.name("a name")?;
            identity_text(&name)?;
            // Palisade takes `0x` for hexadecimal; IOS takes it as it stands.
            if name.starts_with("0x") {
                let hex: String = name.bytes().map(|octet| format!("{octet:02x}")).collect();
                return Ok(format!("keyid:0x{hex}"));
            }
            Ok(format!("keyid:{name}"))
        }
        "any" => Ok("%any".to_owned()),
        other => Err(Refusal::new(format!(
            "an identity of kind `{other}` is not supported"
        ))),
    }
}

fn named(args: &mut Args<'_>, wildcard: &str) -> Result<String, Refusal> {
    let before = if args.keyword("domain") { wildcard } else { "" };
    let name = args.name("a name")?;
    identity_text(&name)?;
    Ok(format!("{before}{name}"))
}

fn identity(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = read_identity(args)?;
    args.end()?;
    let line = args.line;
    current(reader)?.identity = Some(At { value, line });
    Ok(())
}

fn key(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let local = args.keyword("local");
    let remote = !local && args.keyword("remote");
    if args.peek() == Some("hex") {
        args.next();
        let _hidden = args.secret(&[]);
        return Err(Refusal::new(
            "keys in hexadecimal are not imported: write `secret = \"0x…\"`",
        ));
    }
    let secret = args.secret(&[])?;
    args.end()?;
    let peer = current(reader)?;
    match (local, remote) {
        (true, _) => peer.local = Some((line, secret)),
        // Without a side the key is for both.
        _ => peer.remote = Some((line, secret)),
    }
    Ok(())
}
