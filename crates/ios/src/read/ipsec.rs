//! `crypto ipsec …`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Df, Lifetime, TransformSet};
use crate::modes::Mode;
use crate::read::{Reader, find_or_push};

const GLOBAL: &[Mode] = &[Mode::Global];
const TRANSFORM: &[Mode] = &[Mode::TransformSet];
const UNUSED: Unused = Unused::Because("no connection uses it");
const TUNNEL_INTERFACES: &str = "tunnel interfaces are not translated: the selectors of such a tunnel are everything, and routes decide; write a connection whose `remote_ts` are the networks routed into the tunnel";

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        (
            "crypto ipsec transform-set",
            "NAME esp-aes [128|192|256] | esp-3des | esp-gcm [128|192|256] [esp-sha-hmac | esp-sha256-hmac | esp-sha384-hmac | esp-sha512-hmac]",
        ),
        "one of `esp_proposals` of the children of each crypto map that names it",
        UNUSED,
        transform_set,
    ),
    Command::read(
        TRANSFORM,
        ("mode", "tunnel | transport"),
        "nothing: tunnel mode is the only one; of `transport`, which IOS uses between the two gateways only, the report tells",
        UNUSED,
        mode,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto ipsec security-association lifetime",
            "seconds NUMBER | kilobytes NUMBER|disable",
        ),
        "`rekey_time` and `life_time`, `rekey_bytes` of children whose crypto map does not say otherwise",
        UNUSED,
        lifetime,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto ipsec security-association replay window-size",
            "NUMBER",
        ),
        "`replay_window` of each child",
        UNUSED,
        replay,
    ),
    Command::read(
        GLOBAL,
        ("crypto ipsec df-bit", "clear | set | copy"),
        "`copy_df` of each child: false, \"set\" or true",
        UNUSED,
        df,
    ),
    Command::unneeded(
        GLOBAL,
        ("crypto ipsec nat-transparency udp-encapsulation", ""),
        "NAT traversal is always offered",
    ),
    Command::unneeded(
        GLOBAL,
        ("crypto ipsec fragmentation", "…"),
        "a packet that is too large is answered with ICMP before encryption, and fragmented only if it allows that",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ipsec security-association replay disable", ""),
        "replay protection cannot be switched off; write a `replay_window` of up to 8192 where packets overtake each other far",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ipsec security-association idle-time", "SECONDS"),
        "idle tunnels are not taken down",
    ),
    Command::refused(
        GLOBAL,
        ("crypto ipsec security-association dummy", "…"),
        "dummy packets are not sent",
    ),
    Command::refused(GLOBAL, ("crypto ipsec profile", "NAME"), TUNNEL_INTERFACES),
    Command::refused(
        GLOBAL,
        ("crypto ipsec optional", ""),
        "traffic that a tunnel is for never passes in plain text",
    ),
];

fn transform_set(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    let rest = args.rest();
    let words: Vec<&str> = rest.split(' ').filter(|word| !word.is_empty()).collect();
    let line = args.line;
    let proposal = proposal(&words);
    let index = find_or_push(
        &mut reader.router.ipsec.transform_sets,
        |set| set.name == name,
        || TransformSet {
            name: name.clone(),
            line,
            proposal: None,
            modes: Vec::new(),
            transport_only: false,
        },
    );
    reader.open(Mode::TransformSet, index);
    let set = Reader::item(&mut reader.router.ipsec.transform_sets, index)?;
    match proposal {
        Ok(proposal) => {
            set.proposal = Some(proposal);
            Ok(())
        }
        Err(why) => {
            set.proposal = None;
            // The section stays open: a mode may follow.
            reader.ledger.refuse(line, why.0);
            Ok(())
        }
    }
}

/// The transforms as Palisade's proposal.
fn proposal(words: &[&str]) -> Result<String, Refusal> {
    let (mut cipher, mut integrity) = (None, None);
    let mut rest = words.iter().copied().peekable();
    while let Some(word) = rest.next() {
        let is_length = |next: &&str| matches!(*next, "128" | "192" | "256");
        match word {
            "esp-aes" | "esp-gcm" => {
                let bits = rest.next_if(is_length).unwrap_or("128");
                let mode = if word == "esp-gcm" { "gcm16" } else { "" };
                cipher = Some(format!("aes{bits}{mode}"));
            }
            "esp-3des" => cipher = Some("3des".to_owned()),
            "esp-sha-hmac" => integrity = Some("sha1"),
            "esp-sha256-hmac" => integrity = Some("sha256"),
            "esp-sha384-hmac" => integrity = Some("sha384"),
            "esp-sha512-hmac" => integrity = Some("sha512"),
            other => return Err(Refusal::new(refused_transform(other))),
        }
    }
    match (cipher, integrity) {
        (None, _) => Err(Refusal::new("ESP without encryption is not supported")),
        (Some(cipher), _) if cipher.ends_with("192gcm16") => Err(Refusal::new(
            "AES-GCM has 128 or 256 bits in Palisade: use `esp-gcm 256` on both ends",
        )),
        (Some(cipher), None) if cipher.ends_with("gcm16") => Ok(cipher),
        (Some(cipher), Some(_)) if cipher.ends_with("gcm16") => Err(Refusal::new(format!(
            "`{cipher}` authenticates by itself and takes no integrity algorithm"
        ))),
        (Some(_), None) => Err(Refusal::new(
            "ESP without integrity is not supported: add `esp-sha256-hmac` on both ends",
        )),
        (Some(cipher), Some(integrity)) => Ok(format!("{cipher}-{integrity}")),
    }
}

fn refused_transform(word: &str) -> String {
    if word.starts_with("ah-") {
        return format!("`{word}`: AH is not supported; ESP authenticates too");
    }
    match word {
        "esp-des" | "esp-seal" | "esp-md5-hmac" => format!("`{word}` is too weak"),
        "esp-null" | "esp-gmac" => format!("`{word}`: ESP without encryption is not supported"),
        "comp-lzs" => format!("`{word}`: compression is not supported"),
        other => format!("`{other}` is not known as a transform"),
    }
}

fn mode(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let transport = args.one_of("a mode", &[("tunnel", false), ("transport", true)])?;
    let require = transport && args.keyword("require");
    args.end()?;
    let index = reader.index;
    let set = Reader::item(&mut reader.router.ipsec.transform_sets, index)?;
    set.modes.push(args.line);
    set.transport_only |= require;
    if require {
        return Err(Refusal::new(
            "transport mode is not supported, and tunnel mode is ruled out: the transform set is left out",
        ));
    }
    if transport {
        return Err(Refusal::new(
            "transport mode is not supported: the connection uses tunnel mode, as IOS itself does unless the traffic is that of the two gateways",
        ));
    }
    reader
        .ledger
        .unneeded(args.line, "tunnel mode is the only one");
    Ok(())
}

/// `seconds NUMBER` or `kilobytes NUMBER|disable`, into what is known already.
pub(super) fn read_lifetime(args: &mut Args<'_>, lifetime: &mut Lifetime) -> Handled {
    let line = args.line;
    let seconds = args.one_of("a unit", &[("seconds", true), ("kilobytes", false)])?;
    if seconds {
        let value = args.number("the lifetime", 120..=2_592_000)?;
        lifetime.seconds = Some(At { value, line });
    } else if args.keyword("disable") {
        let value = None;
        lifetime.kilobytes = Some(At { value, line });
    } else {
        let value = Some(args.number("the lifetime", 2_560..=u32::MAX)?);
        lifetime.kilobytes = Some(At { value, line });
    }
    args.end()
}

fn lifetime(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    read_lifetime(args, &mut reader.router.ipsec.lifetime)
}

/// A window of replay protection.
pub(super) fn window(args: &mut Args<'_>) -> Result<At<u32>, Refusal> {
    let value = args.number("the window", 64..=8_192)?;
    args.end()?;
    Ok(At {
        value,
        line: args.line,
    })
}

fn replay(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.ipsec.replay = Some(window(args)?);
    Ok(())
}

/// `clear`, `set` or `copy`.
pub(super) fn read_df(args: &mut Args<'_>) -> Result<At<Df>, Refusal> {
    let words = [("clear", Df::Clear), ("set", Df::Set), ("copy", Df::Copy)];
    let value = args.one_of("what becomes of the bit", &words)?;
    args.end()?;
    Ok(At {
        value,
        line: args.line,
    })
}

fn df(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.ipsec.df = Some(read_df(args)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_become_proposals() {
        let read = |text: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            proposal(&words).ok()
        };
        let yes = |text: &str, expected: &str| {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        };
        yes("esp-aes esp-sha-hmac", "aes128-sha1");
        yes("esp-aes 256 esp-sha256-hmac", "aes256-sha256");
        yes("esp-sha512-hmac esp-aes 192", "aes192-sha512");
        yes("esp-3des esp-sha-hmac", "3des-sha1");
        yes("esp-gcm 256", "aes256gcm16");
        yes("esp-gcm", "aes128gcm16");
        for text in [
            "esp-des esp-sha-hmac",
            "esp-aes",
            "esp-aes esp-md5-hmac",
            "ah-sha-hmac esp-aes esp-sha-hmac",
            "esp-gmac 256",
            "esp-null esp-sha-hmac",
            "esp-gcm 192",
            "esp-gcm 256 esp-sha-hmac",
            "esp-aes 256 esp-sha-hmac comp-lzs",
            "esp-sha-hmac",
            "",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
