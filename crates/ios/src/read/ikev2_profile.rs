//! `crypto ikev2 profile`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Ikev2Profile, Own};
use crate::modes::Mode;
use crate::read::ikev2::read_dpd;
use crate::read::ikev2_keyring::read_identity;
use crate::read::{Reader, find_or_push};
use crate::secret::Secret;

const PROFILE: &[Mode] = &[Mode::Ikev2Profile];
const UNUSED: Unused = Unused::Because("no crypto map that is imported uses the profile");
const PSK_ONLY: &str =
    "it is about certificates or EAP, and Palisade authenticates with pre-shared keys";

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        &[Mode::Global],
        ("crypto ikev2 profile", "NAME"),
        "settings of the connections of the crypto maps that name it",
        UNUSED,
        open,
    ),
    Command::read(
        PROFILE,
        (
            "match identity remote",
            "address ADDRESS [MASK] | fqdn [domain] NAME | email [domain] NAME | key-id NAME | any",
        ),
        "`remote.id`",
        UNUSED,
        match_remote,
    ),
    Command::read(
        PROFILE,
        (
            "identity local",
            "address ADDRESS | fqdn NAME | email NAME | key-id NAME",
        ),
        "`local.id`",
        UNUSED,
        local,
    ),
    Command::read(
        PROFILE,
        ("authentication local pre-share", "[key [0] KEY]"),
        "`auth = \"psk\"`, which is the default; a key becomes one of `[secrets]`",
        UNUSED,
        local_pre_share,
    ),
    Command::read(
        PROFILE,
        ("authentication remote pre-share", "[key [0] KEY]"),
        "`auth = \"psk\"`, which is the default; a key becomes one of `[secrets]`",
        UNUSED,
        remote_pre_share,
    ),
    Command::read(
        PROFILE,
        ("authentication local", "rsa-sig | ecdsa-sig | eap"),
        "nothing: connections of the profile are left incomplete",
        UNUSED,
        local_other,
    ),
    Command::read(
        PROFILE,
        ("authentication remote", "rsa-sig | ecdsa-sig | eap"),
        "nothing: connections of the profile are left incomplete if no other method remains",
        UNUSED,
        remote_other,
    ),
    Command::read(
        PROFILE,
        ("keyring local", "NAME"),
        "the `[secrets]` of that keyring",
        UNUSED,
        keyring,
    ),
    Command::read(
        PROFILE,
        ("dpd", "SECONDS RETRY periodic | on-demand"),
        "`dpd` of the connection",
        UNUSED,
        dpd,
    ),
    Command::read(
        PROFILE,
        ("lifetime", "SECONDS"),
        "`rekey_time` and `over_time`; together they are the lifetime",
        UNUSED,
        lifetime,
    ),
    Command::read(
        PROFILE,
        ("nat force-encap", ""),
        "`encap = true`",
        UNUSED,
        force_encap,
    ),
    Command::read(
        PROFILE,
        ("ivrf", "NAME"),
        "`ivrf`, and `[ivrf.NAME]`",
        UNUSED,
        vrf,
    ),
    Command::unneeded(
        PROFILE,
        ("match fvrf any", ""),
        "a connection is told by addresses and identities",
    ),
    Command::unneeded(
        PROFILE,
        ("initial-contact force", ""),
        "INITIAL_CONTACT is always obeyed",
    ),
    Command::unneeded(PROFILE, ("description", "TEXT"), "a description"),
    Command::refused(
        PROFILE,
        ("match fvrf", "NAME"),
        "the front-door VRF is that of the interface that has the crypto map",
    ),
    Command::refused(
        PROFILE,
        ("match address local", "…"),
        "the addresses are those of the interfaces that have the crypto map",
    ),
    Command::refused(PROFILE, ("match certificate", "…"), PSK_ONLY),
    Command::refused(PROFILE, ("pki trustpoint", "NAME"), PSK_ONLY),
    Command::refused(PROFILE, ("aaa authentication", "…"), PSK_ONLY),
    Command::refused(
        PROFILE,
        ("keyring aaa", "…"),
        "keys are not asked of a server: write `[secrets]`",
    ),
    Command::refused(
        PROFILE,
        ("aaa authorization", "…"),
        "what a server or a policy gives to clients is not translated: write `pools` and `local_ts`",
    ),
    Command::refused(PROFILE, ("aaa accounting", "…"), "there is no accounting"),
    Command::refused(
        PROFILE,
        ("virtual-template", "NUMBER"),
        "tunnels have no interfaces of their own: traffic passes through the TUN device",
    ),
    Command::refused(
        PROFILE,
        ("config-exchange", "…"),
        "a virtual address is asked for by `vips`",
    ),
    Command::refused(
        PROFILE,
        ("nat keepalive", "SECONDS"),
        "`nat_keepalive` is set for all, in `[headend]`",
    ),
    Command::refused(
        PROFILE,
        ("redirect gateway", "…"),
        "peers are not redirected (RFC 5685)",
    ),
    Command::refused(
        PROFILE,
        ("shutdown", ""),
        "a profile that is switched off: leave its crypto maps out",
    ),
];

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.ikev2.profiles,
        |profile| profile.name == name,
        || Ikev2Profile {
            name: name.clone(),
            line,
            identities: Vec::new(),
            own: None,
            local_pre_share: None,
            remote_pre_share: Vec::new(),
            local_key: None,
            remote_key: None,
            keyring: None,
            dpd: None,
            lifetime: None,
            force_encap: None,
            vrf: None,
        },
    );
    reader.open(Mode::Ikev2Profile, index);
    Ok(())
}

fn profile<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut Ikev2Profile, Refusal> {
    let index = reader.index;
    Reader::item(&mut reader.router.ikev2.profiles, index)
}

fn match_remote(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = read_identity(args)?;
    args.end()?;
    let line = args.line;
    profile(reader)?.identities.push(At { value, line });
    Ok(())
}

fn local(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = read_identity(args)?;
    args.end()?;
    let line = args.line;
    if name.contains(['*', '%', '/']) {
        return Err(Refusal::new("our own identity is a single one"));
    }
    let value = Own::Named(name);
    profile(reader)?.own = Some(At { value, line });
    Ok(())
}

/// `[key [0] KEY]` behind `pre-share`.
fn own_key(args: &mut Args<'_>) -> Result<Option<(usize, Secret)>, Refusal> {
    if !args.keyword("key") {
        return args.end().map(|()| None);
    }
    let secret = args.secret(&[])?;
    args.end()?;
    Ok(Some((args.line, secret)))
}

fn local_pre_share(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let key = own_key(args)?;
    let line = args.line;
    let profile = profile(reader)?;
    profile.local_pre_share = Some(At { value: true, line });
    profile.local_key = key;
    Ok(())
}

fn remote_pre_share(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let key = own_key(args)?;
    let line = args.line;
    let profile = profile(reader)?;
    profile.remote_pre_share.push(At { value: true, line });
    profile.remote_key = key;
    Ok(())
}

fn local_other(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    profile(reader)?.local_pre_share = Some(At { value: false, line });
    Err(Refusal::new(PSK_ONLY))
}

fn remote_other(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let method = At { value: false, line };
    profile(reader)?.remote_pre_share.push(method);
    Err(Refusal::new(PSK_ONLY))
}

fn keyring(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a keyring")?;
    profile(reader)?.keyring = Some(name);
    Ok(())
}

fn dpd(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let dpd = read_dpd(args)?;
    profile(reader)?.dpd = Some(dpd);
    Ok(())
}

fn lifetime(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let value = args.number("the lifetime", 120..=86_400)?;
    args.end()?;
    let line = args.line;
    profile(reader)?.lifetime = Some(At { value, line });
    Ok(())
}

fn force_encap(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    args.end()?;
    let line = args.line;
    profile(reader)?.force_encap = Some(line);
    Ok(())
}

fn vrf(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a VRF")?;
    profile(reader)?.vrf = Some(name);
    Ok(())
}
