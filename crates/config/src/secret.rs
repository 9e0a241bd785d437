//! Section `secrets`.

use core::ops::Range;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ipsec::{FrontVrf, IdentityPattern, PreSharedKey, SecretEntry};
use zeroize::Zeroizing;

use crate::identity::patterns;
use crate::keys::SECRET;
use crate::settings::VrfSettings;
use crate::table::{Fault, Table, Value};
use crate::vrf;

/// Octets of a secret at most.
const LENGTH_MAX: usize = 4_096;

/// For whom a secret is, and in which front-door VRF.
type Claim = (Option<FrontVrf>, Option<IdentityPattern>);

/// Secrets, read part by part. Paths of files are relative to `directory`.
pub(crate) struct Secrets<'c> {
    directory: &'c Path,
    vrfs: &'c VrfSettings,
    pub(crate) entries: Vec<SecretEntry>,
    owned: HashMap<Claim, (String, Range<usize>)>,
    /// Whether there is a section at all, right or wrong.
    pub(crate) present: bool,
}

impl<'c> Secrets<'c> {
    pub(crate) fn new(directory: &'c Path, vrfs: &'c VrfSettings) -> Self {
        Self {
            directory,
            vrfs,
            entries: Vec::new(),
            owned: HashMap::new(),
            present: false,
        }
    }

    /// Reads those of a root.
    pub(crate) fn read(&mut self, root: &Table<'_, '_>) {
        self.present |= root.value("secrets").is_some();
        for (name, table) in root.named_sections("secrets", &SECRET) {
            self.read_one(name, &table);
        }
    }

    fn read_one(&mut self, name: String, table: &Table<'_, '_>) {
        let owners = patterns(table, "id");
        let fvrf = table
            .value("fvrf")
            .map(|_| vrf::front_of(table, "fvrf", self.vrfs));
        let claims = owners.iter().cloned().map(|owner| (fvrf, Some(owner)));
        let claims: Vec<_> = if owners.is_empty() {
            vec![(fvrf, None)]
        } else {
            claims.collect()
        };
        for claim in claims {
            let earlier = self.owned.get(&claim);
            if let (Some((other, span)), true) = (earlier, owners.len() < 2) {
                let line = table.report.line_of(span);
                let fault = Fault::new(format!(
                    "secret `{name}` is for the same identity as secret `{other}` of {line}"
                ));
                table.fault_at_table(
                    fault.instead("keep one of them, or give them different `id`s"),
                );
            }
            self.owned
                .entry(claim)
                .or_insert_with(|| (name.clone(), table.span.clone()));
        }
        if let Some(key) = read_key(table, &name, &SECRET_KEYS, self.directory) {
            self.entries.push(SecretEntry { owners, fvrf, key });
        }
    }
}

/// How the keys are called that hold something secret.
pub(crate) struct Keys {
    /// What it is.
    pub(crate) noun: &'static str,
    /// The key that holds it.
    pub(crate) inline: &'static str,
    /// The key that names a file with it.
    pub(crate) file: &'static str,
}

const SECRET_KEYS: Keys = Keys {
    noun: "secret",
    inline: "secret",
    file: "file",
};

/// Reads something secret that is written inline or stands in a file.
pub(crate) fn read_key(
    table: &Table<'_, '_>,
    name: &str,
    keys: &Keys,
    directory: &Path,
) -> Option<PreSharedKey> {
    let Keys {
        noun,
        inline: key,
        file,
    } = keys;
    match (table.value(key), table.value(file)) {
        (Some(_), None) => table.read(key, inline).map(PreSharedKey::new),
        (None, Some(_)) => table
            .read(file, |value| from_file(value, directory))
            .map(PreSharedKey::new),
        (Some(_), Some(_)) => {
            let fault = Fault::new(format!("{noun} `{name}` is given twice"));
            table.fault_at_table(fault.instead(format!("write either `{key}` or `{file}`")));
            None
        }
        (None, None) => {
            let fault = Fault::new(format!("{noun} `{name}` holds no {noun}"));
            let instead = format!("add `{file} = \"PATH\"`, or `{key} = \"…\"`");
            table.fault_at_table(fault.instead(instead));
            None
        }
    }
}

/// As in swanctl.conf: `0x` introduces hexadecimal, `0s` base64, anything else is taken literally.
fn inline(value: &Value<'_>) -> Result<Vec<u8>, Fault> {
    let text = value.text()?;
    let octets = if let Some(digits) = text.strip_prefix("0x") {
        decode_hex(digits).ok_or_else(|| {
            Fault::new("this secret begins with `0x` and is not hexadecimal")
                .instead("write an even number of hexadecimal digits, or drop the `0x`")
        })?
    } else if let Some(digits) = text.strip_prefix("0s") {
        decode_base64(digits).ok_or_else(|| {
            Fault::new("this secret begins with `0s` and is not base64")
                .instead("write base64 without line breaks, or drop the `0s`")
        })?
    } else {
        text.as_bytes().to_vec()
    };
    check_length(octets)
}

fn check_length(octets: Vec<u8>) -> Result<Vec<u8>, Fault> {
    match octets.len() {
        0 => Err(Fault::new("the secret is empty").instead("write at least 16 random characters")),
        length if length > LENGTH_MAX => Err(Fault::new(format!(
            "the secret is longer than {LENGTH_MAX} octets"
        ))),
        _ => Ok(octets),
    }
}

/// The whole file but for a line break at its end.
fn from_file(value: &Value<'_>, directory: &Path) -> Result<Vec<u8>, Fault> {
    let path = directory.join(value.text()?);
    let unreadable = |error: std::io::Error| {
        Fault::new(format!(
            "cannot read the secret from {}: {error}",
            path.display()
        ))
        .instead("create the file with mode 0600, owned by the user that runs the service")
    };
    let mut octets = Zeroizing::new(Vec::with_capacity(LENGTH_MAX + 2));
    let file = File::open(&path).map_err(unreadable)?;
    let limit = u64::try_from(LENGTH_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(2);
    file.take(limit)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    let body = octets.strip_suffix(b"\n").unwrap_or(&octets);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    check_length(body.to_vec())
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    let octet = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(nibble(high)? << 4 | nibble(low)?).ok(),
        _ => None,
    };
    digits.chunks(2).map(octet).collect()
}

fn decode_base64(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim_end_matches('=');
    let mut octets = Vec::with_capacity(digits.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let sextet = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(sextet)) & 0xf_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    (count < 6 && bits & ((1 << count) - 1) == 0).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_base64_decode_or_are_refused() {
        assert_eq!(decode_hex("00fF10"), Some(vec![0, 255, 16]));
        assert_eq!(decode_hex("0"), None);
        assert_eq!(decode_hex("zz"), None);
        // RFC 4648 §10.
        assert_eq!(decode_base64("Zm9vYmFy").as_deref(), Some(&b"foobar"[..]));
        assert_eq!(decode_base64("Zm9vYmE=").as_deref(), Some(&b"fooba"[..]));
        assert_eq!(decode_base64("Zg==").as_deref(), Some(&b"f"[..]));
        assert_eq!(decode_base64("Z"), None);
        assert_eq!(decode_base64("Zm9v YmFy"), None);
    }
}
