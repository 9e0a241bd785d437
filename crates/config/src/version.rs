//! Which version of IKE a connection speaks, and the keys that mean something in IKEv1 only.

use core::net::Ipv4Addr;
use core::ops::Range;
use std::path::Path;
use std::sync::Arc;

use ipsec::{
    ConnectionPolicy, Identity, IdentityPattern, ModeConfig, SecretEntry, V1Policy, Versions, Xauth,
};

use crate::keys::XAUTH;
use crate::secret::{self, Keys};
use crate::table::{Fault, Table, Value};
use crate::value::{flag, word};

/// Keys of a connection that change nothing in IKEv2.
const V1_KEYS: &[&str] = &[
    "aggressive",
    "xauth",
    "mode_config",
    "split_include",
    "default_domain",
    "banner",
    "ios_keepalive",
];

const MODE_CONFIGS: &[(&str, ModeConfig)] = &[
    ("none", ModeConfig::None),
    ("pull", ModeConfig::Pull),
    ("push", ModeConfig::Push),
];

/// Octets of a text that a client is told: what an attribute of mode-config can be trusted to carry
/// through clients of the time.
const TEXT_MAX: usize = 1_024;
/// Prefixes in `split_include` at most.
const SPLIT_INCLUDE_MAX: usize = 64;

/// `version`: 2 unless it is named. IKEv1 draws a warning wherever it is allowed (RFC 9395).
pub(crate) fn versions(table: &Table<'_, '_>) -> Versions {
    let versions = table.read("version", version).unwrap_or_default();
    if let (true, Some(value)) = (versions.v1, table.value("version")) {
        let warning = Fault::new("IKEv1 is deprecated (RFC 9395)");
        let instead = "write `version = 2` as soon as the peer speaks it";
        table
            .report
            .warning(&value.span(), warning.instead(instead));
    }
    versions
}

fn version(value: &Value<'_>) -> Result<Versions, Fault> {
    let text = match value.value {
        toml::de::DeValue::Integer(integer) => integer.as_str(),
        _ => value.text()?,
    };
    match text {
        "1" | "ikev1" => Ok(Versions::V1),
        "2" | "ikev2" => Ok(Versions::V2),
        "any" | "0" => Ok(Versions::ANY),
        other => Err(Fault::new(format!("there is no IKE version `{other}`"))
            .instead("write `version = 2`, `version = 1` or `version = \"any\"`")),
    }
}

/// The keys of IKEv1. Where the connection speaks IKEv2 only, each of them is a fault.
pub(crate) fn v1(
    table: &Table<'_, '_>,
    versions: Versions,
    configures: bool,
    directory: &Path,
) -> V1Policy {
    if !versions.v1 {
        for key in V1_KEYS {
            if let Some((span, _)) = table.entry(key) {
                let fault = Fault::new(format!("`{key}` belongs to IKEv1"));
                let instead = "remove it, or write `version = 1` beside it";
                table.report.fault(&span, fault.instead(instead));
            }
        }
        return V1Policy::default();
    }
    let mode_config = table
        .read("mode_config", |value| word(value, MODE_CONFIGS))
        .unwrap_or(if configures {
            ModeConfig::Pull
        } else {
            ModeConfig::None
        });
    V1Policy {
        aggressive: aggressive(table),
        xauth: xauth(table, directory),
        mode_config,
        ios_keepalive: table.read("ios_keepalive", flag).unwrap_or(false),
        split_include: split_include(table),
        default_domain: table.read("default_domain", text),
        banner: table.read("banner", text),
    }
}

fn aggressive(table: &Table<'_, '_>) -> bool {
    let aggressive = table.read("aggressive", flag).unwrap_or(false);
    if let (true, Some((span, _))) = (aggressive, table.entry("aggressive")) {
        let warning = Fault::new(
            "aggressive mode shows the identities, and a hash from which a weak secret can be \
             guessed, to everybody",
        );
        let instead = "use main mode, or a secret of at least 20 random characters";
        table.report.warning(&span, warning.instead(instead));
    }
    aggressive
}

/// `xauth = "server"`, or a section with what a client answers.
fn xauth(table: &Table<'_, '_>, directory: &Path) -> Option<Xauth> {
    let value = table.value("xauth")?;
    if value.value.as_table().is_none() {
        return table
            .read("xauth", |value| word(value, &[("server", ())]))
            .map(|()| Xauth::Server);
    }
    let client = table.section("xauth", &XAUTH)?;
    let user = client.read("user", text);
    if client.value("user").is_none() {
        let fault = Fault::new("a client of XAUTH needs a name");
        client.fault_at_table(fault.instead("add `user` to `xauth`"));
    }
    let password = secret::read_key(&client, "xauth", &PASSWORD, directory)?;
    Some(Xauth::Client {
        user: user?.as_ref().into(),
        password,
    })
}

/// The keys of a password.
pub(crate) const PASSWORD: Keys = Keys {
    noun: "password",
    inline: "password",
    file: "password_file",
};

fn split_include(table: &Table<'_, '_>) -> Vec<(Ipv4Addr, u8)> {
    let prefixes = table.read_list("split_include", prefix).unwrap_or_default();
    if let (true, Some(value)) = (
        prefixes.len() > SPLIT_INCLUDE_MAX,
        table.value("split_include"),
    ) {
        let fault = Fault::new(format!("more than {SPLIT_INCLUDE_MAX} prefixes"));
        let instead = "join them to larger ones";
        table.report.fault(&value.span(), fault.instead(instead));
    }
    prefixes
}

fn prefix(value: &Value<'_>) -> Result<(Ipv4Addr, u8), Fault> {
    let text = value.text()?;
    let wrong = || {
        Fault::new(format!("`{text}` is no IPv4 prefix"))
            .instead("write it as in \"10.1.0.0/16\"; clients of IKEv1 are told IPv4 prefixes only")
    };
    let (network, length) = text.split_once('/').unwrap_or((text, "32"));
    let network: Ipv4Addr = network.parse().map_err(|_| wrong())?;
    let length: u8 = length.parse().map_err(|_| wrong())?;
    let free = 32_u32.checked_sub(length.into()).ok_or_else(wrong)?;
    let mask = u32::MAX.checked_shl(free).unwrap_or(0);
    Ok((Ipv4Addr::from_bits(network.to_bits() & mask), length))
}

fn text(value: &Value<'_>) -> Result<Arc<str>, Fault> {
    let text = value.text()?;
    match text.len() {
        0 => Err(Fault::new("this text is empty").instead("leave the key out")),
        length if length > TEXT_MAX => Err(Fault::new(format!(
            "this text is longer than {TEXT_MAX} octets"
        ))),
        _ => Ok(text.into()),
    }
}

/// A connection that was read, and where it stands, for what can be judged only when all of the file
/// is known.
pub(crate) struct Placed {
    pub(crate) policy: Arc<ConnectionPolicy>,
    pub(crate) span: Range<usize>,
}

/// What a connection of IKEv1 asks of the rest of the file.
pub(crate) fn check_v1(
    root: &Table<'_, '_>,
    connections: &[Placed],
    secrets: &[SecretEntry],
    users: bool,
) {
    for Placed { policy, span } in connections.iter().filter(|one| one.policy.versions.v1) {
        if matches!(policy.v1.xauth, Some(Xauth::Server)) && !users {
            let fault = Fault::new(format!(
                "connection `{}` asks users for passwords, and there are no users",
                policy.name
            ));
            let instead = "add `[users.NAME]` with `password` or `password_file`";
            root.report.fault(span, fault.instead(instead));
        }
        check_algorithms(root, policy, span);
        let known = matches!(policy.remote_id, IdentityPattern::Exact(_));
        if !policy.v1.aggressive && !known && !secrets.iter().any(by_address) {
            let warning = Fault::new(format!(
                "connection `{}` finds no secret in IKEv1: main mode needs it before the peer can \
                 say who it is",
                policy.name
            ));
            let instead = "write a secret whose `id` is the peer's address or prefix, or nobody, \
                           or a single `remote.id`";
            root.report.warning(span, warning.instead(instead));
        }
    }
}

/// IKEv1 knows no AEAD in phase 1, and no X25519.
fn check_algorithms(root: &Table<'_, '_>, policy: &ConnectionPolicy, span: &Range<usize>) {
    let usable = |one: &ipsec::IkeProposal| {
        one.encryption.iter().any(|cipher| !cipher.is_aead())
            && one
                .key_exchange
                .iter()
                .any(|method| *method != ipsec::KeyExchangeMethod::X25519)
    };
    if !policy.proposals.iter().any(usable) {
        let fault = Fault::new(format!(
            "no proposal of connection `{}` can be used in IKEv1",
            policy.name
        ));
        let instead =
            "IKEv1 has neither AEAD ciphers nor x25519: add one such as \"aes256-sha256-modp2048\"";
        root.report.fault(span, fault.instead(instead));
    }
}

/// Whether a secret can be found by an address.
fn by_address(entry: &SecretEntry) -> bool {
    let address = |owner: &IdentityPattern| {
        matches!(
            owner,
            IdentityPattern::Any
                | IdentityPattern::Ipv4Prefix(..)
                | IdentityPattern::Ipv6Prefix(..)
                | IdentityPattern::Exact(Identity::Ipv4(_) | Identity::Ipv6(_))
        )
    };
    entry.owners.is_empty() || entry.owners.iter().any(address)
}

/// Whether a connection of IKEv1 configures a client, unless it says otherwise.
pub(crate) fn configures(pools: bool, vips: (bool, bool)) -> bool {
    pools || vips.0 || vips.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_an_address_or_of_anybody_serves_main_mode() {
        let entry = |owners: &[&str]| SecretEntry {
            fvrf: None,
            owners: owners.iter().map(|owner| owner.parse().unwrap()).collect(),
            key: ipsec::PreSharedKey::new(b"x".to_vec()),
        };
        for owners in [&[][..], &["%any"], &["10.2.80.209"], &["a.org", "::/0"]] {
            assert!(by_address(&entry(owners)), "{owners:?}");
        }
        assert!(!by_address(&entry(&["a.org", "keyid:x"])));
    }
}
