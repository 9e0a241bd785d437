//! Keys and passwords as IOS writes them.

use zeroize::Zeroizing;

/// A key or a password. No `Debug`, zeroized on drop.
pub(crate) enum Secret {
    /// It could be read.
    Plain(Zeroizing<String>),
    /// It stands there under encryption or as a hash; the type that IOS gives.
    Hidden(u8),
}

impl Secret {
    /// A secret of the type that IOS writes in front of it; 0 stands for plain text.
    pub(crate) fn new(kind: u8, text: Zeroizing<String>) -> Self {
        match kind {
            0 => Self::Plain(text),
            7 => reveal(&text).map_or(Self::Hidden(7), Self::Plain),
            other => Self::Hidden(other),
        }
    }

    /// The text, if it could be read.
    pub(crate) fn plain(&self) -> Option<&Zeroizing<String>> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Hidden(_) => None,
        }
    }

    /// What hides it, as a sentence without a full stop.
    pub(crate) fn hidden(&self) -> Option<String> {
        match self {
            Self::Plain(_) => None,
            Self::Hidden(6) => {
                Some("the key is encrypted with the router's own key (type 6)".into())
            }
            Self::Hidden(kind @ (5 | 8 | 9)) => {
                Some(format!("only a hash of it is stored (type {kind})"))
            }
            Self::Hidden(kind) => Some(format!("type {kind} cannot be read")),
        }
    }
}

/// The fixed key of type 7, which is known to everybody: the type hides a password from a glance and
/// from nothing else.
const SCRAMBLE: &[u8] = b"dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

/// Type 7: two decimal digits say where in the key to begin, then each octet in hexadecimal.
fn reveal(text: &str) -> Option<Zeroizing<String>> {
    let offset: usize = text.get(..2)?.parse().ok()?;
    let digits = text.get(2..)?.as_bytes();
    let mut plain = Zeroizing::new(String::with_capacity(digits.len() / 2));
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    for (index, pair) in digits.chunks(2).enumerate() {
        let [high, low] = pair else { return None };
        let octet = u8::try_from(nibble(high)? << 4 | nibble(low)?).ok()?;
        let place = offset.checked_add(index)? % SCRAMBLE.len();
        plain.push(char::from(octet ^ SCRAMBLE.get(place)?));
    }
    let readable = !plain.is_empty() && plain.bytes().all(|octet| octet.is_ascii_graphic());
    readable.then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_seven_is_no_secret() {
        assert_eq!(
            reveal("0822455D0A16").as_deref().map(String::as_str),
            Some("cisco")
        );
        for text in [
            "",
            "08",
            "0822455D0A1",
            "zz22",
            "08zz",
            "99",
            "\u{e9}\u{e9}",
        ] {
            assert!(reveal(text).is_none(), "{text}");
        }
    }

    #[test]
    fn hashes_and_encrypted_keys_stay_hidden() {
        for kind in [5, 6, 8, 9] {
            let secret = Secret::new(kind, Zeroizing::new("abc".to_owned()));
            assert!(
                secret.plain().is_none() && secret.hidden().is_some(),
                "{kind}"
            );
        }
        assert!(
            Secret::new(0, Zeroizing::new("abc".to_owned()))
                .hidden()
                .is_none()
        );
    }
}
