use core::fmt::{self, Write as _};
use core::str::FromStr;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, ObjectIdentifier};
use x509_cert::der::{Decode, Encode, Tag, Tagged};
use x509_cert::name::{RdnSequence, RelativeDistinguishedName};

/// The longest name that is taken, in octets of DER: a peer chooses its own.
const LEN_MAX: usize = 1024;
/// Most attributes of one name.
const ATTRIBUTES_MAX: usize = 32;

/// Types of attributes by the names that operators write (RFC 4519, RFC 5280 §A.1).
const TYPES: &[(&str, ObjectIdentifier)] = &[
    ("CN", ObjectIdentifier::new_unwrap("2.5.4.3")),
    ("SN", ObjectIdentifier::new_unwrap("2.5.4.4")),
    ("serialNumber", ObjectIdentifier::new_unwrap("2.5.4.5")),
    ("C", ObjectIdentifier::new_unwrap("2.5.4.6")),
    ("L", ObjectIdentifier::new_unwrap("2.5.4.7")),
    ("ST", ObjectIdentifier::new_unwrap("2.5.4.8")),
    ("STREET", ObjectIdentifier::new_unwrap("2.5.4.9")),
    ("O", ObjectIdentifier::new_unwrap("2.5.4.10")),
    ("OU", ObjectIdentifier::new_unwrap("2.5.4.11")),
    ("T", ObjectIdentifier::new_unwrap("2.5.4.12")),
    ("GN", ObjectIdentifier::new_unwrap("2.5.4.42")),
    (
        "unstructuredName",
        ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.2"),
    ),
    ("E", ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1")),
    (
        "UID",
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1"),
    ),
    (
        "DC",
        ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25"),
    ),
];

/// A distinguished name, such as the subject of a certificate (RFC 5280 §4.1.2.4), in DER.
///
/// In text its parts stand in the order of the certificate, as in swanctl.conf:
/// `C=CH, O=Example, CN=gw.example.org`; `\` takes the meaning from the character that follows.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DistinguishedName(Box<[u8]>);

/// One attribute of a name, ready to be compared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Attribute {
    /// Which part of the name it belongs to, from 0: a part may have several attributes.
    pub part: usize,
    /// Its type: a name such as `CN`, or the object identifier in dotted decimals.
    pub kind: String,
    /// Its value as text, `#` and hexadecimal for what is no text.
    pub value: String,
}

/// A text, or DER, is no distinguished name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotADistinguishedName;

impl fmt::Display for NotADistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a distinguished name is written as \"C=CH, O=Example, CN=gw.example.org\"")
    }
}

impl std::error::Error for NotADistinguishedName {}

impl DistinguishedName {
    /// Takes a name in DER.
    ///
    /// # Errors
    /// When it is none, is empty, or has more octets or attributes than anybody needs.
    pub fn from_der(der: &[u8]) -> Result<Self, NotADistinguishedName> {
        if der.len() > LEN_MAX {
            return Err(NotADistinguishedName);
        }
        let name = RdnSequence::from_der(der).map_err(|_| NotADistinguishedName)?;
        let attributes: usize = name.iter().map(RelativeDistinguishedName::len).sum();
        if attributes == 0 || attributes > ATTRIBUTES_MAX {
            return Err(NotADistinguishedName);
        }
        Ok(Self(der.into()))
    }

    /// The name in DER, as an Identification payload carries it.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }

    /// Its attributes in order.
    #[must_use]
    pub fn attributes(&self) -> Vec<Attribute> {
        let Ok(name) = RdnSequence::from_der(&self.0) else {
            return Vec::new();
        };
        let parts = name.iter().enumerate();
        parts
            .flat_map(|(part, rdn)| {
                rdn.iter().map(move |attribute| Attribute {
                    part,
                    kind: kind_name(&attribute.oid),
                    value: value_text(&attribute.value),
                })
            })
            .collect()
    }

    /// Whether both name the same (RFC 5280 §7.1): values compare without regard to case, to runs of
    /// spaces and to the kind of string that they are encoded as.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self == other || self.folded() == other.folded()
    }

    /// The form in which two names that are [`same`](Self::same) are equal.
    #[must_use]
    pub fn canonical(&self) -> Self {
        encode(&self.folded()).unwrap_or_else(|_| self.clone())
    }

    /// Its attributes as they are compared: values folded, and those of one part by their types, for a part
    /// is a set (RFC 5280 §7.1) whose order in DER follows values that are not folded.
    #[must_use]
    pub fn folded(&self) -> Vec<Attribute> {
        let mut attributes = self.attributes();
        for attribute in &mut attributes {
            attribute.value = attribute.folded_value();
        }
        attributes.sort();
        attributes
    }
}

impl Attribute {
    /// The value in the form in which equal values are equal (RFC 5280 §7.1).
    fn folded_value(&self) -> String {
        let words: Vec<_> = self.value.split_whitespace().collect();
        words.join(" ").to_lowercase()
    }
}

fn kind_name(oid: &ObjectIdentifier) -> String {
    let known = TYPES.iter().find(|(_, known)| known == oid);
    known.map_or_else(|| oid.to_string(), |(name, _)| (*name).to_owned())
}

fn kind_of(name: &str) -> Option<ObjectIdentifier> {
    let alias = match name.to_ascii_lowercase().as_str() {
        "emailaddress" | "email" => "E",
        "s" => "ST",
        "g" => "GN",
        _ => name,
    };
    let known = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(alias));
    match known {
        Some((_, oid)) => Some(*oid),
        None => ObjectIdentifier::new(name).ok(),
    }
}

/// Strings of every encoding become text. What is no string is told apart by its `#`, which a text
/// that begins with one has escaped when it is written.
fn value_text(value: &Any) -> String {
    let octets = value.value();
    let text = match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString => {
            core::str::from_utf8(octets).ok().map(str::to_owned)
        }
        // RFC 5280 §4.1.2.4 tolerates them in old certificates; everybody reads Latin-1.
        Tag::TeletexString => Some(octets.iter().map(|octet| char::from(*octet)).collect()),
        Tag::BmpString => {
            let units = octets.chunks_exact(2);
            let units: Vec<u16> = units
                .filter_map(|pair| <[u8; 2]>::try_from(pair).ok().map(u16::from_be_bytes))
                .collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    };
    text.unwrap_or_else(|| {
        let mut hex = String::from("#");
        for octet in octets {
            let _ = write!(hex, "{octet:02x}");
        }
        hex
    })
}

impl FromStr for DistinguishedName {
    type Err = NotADistinguishedName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut attributes = Vec::new();
        let mut part = 0;
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or(NotADistinguishedName)?;
            let (value, separator, after) = read_value(after)?;
            let kind = kind_of(kind.trim()).ok_or(NotADistinguishedName)?;
            attributes.push(Attribute {
                part,
                kind: kind.to_string(),
                value,
            });
            match separator {
                None => break,
                Some('+') => {}
                Some(_) => part += 1,
            }
            rest = after;
        }
        encode(&attributes)
    }
}

/// A value up to what separates it from the next attribute, and what follows.
fn read_value(text: &str) -> Result<(String, Option<char>, &str), NotADistinguishedName> {
    let text = text.trim_start_matches(' ');
    let mut octets = Vec::new();
    let mut kept = 0;
    let mut characters = text.char_indices();
    let mut end = (None, "");
    while let Some((at, character)) = characters.next() {
        match character {
            ',' | '+' => {
                end = (Some(character), text.get(at + 1..).unwrap_or(""));
                break;
            }
            '\\' => {
                let (_, escaped) = characters.next().ok_or(NotADistinguishedName)?;
                match escaped.to_digit(16) {
                    // RFC 4514 §2.4: two hexadecimal digits are an octet.
                    Some(high) => {
                        let low = characters.next().and_then(|(_, low)| low.to_digit(16));
                        let octet = high << 4 | low.ok_or(NotADistinguishedName)?;
                        octets.push(u8::try_from(octet).map_err(|_| NotADistinguishedName)?);
                    }
                    None => octets.extend(escaped.encode_utf8(&mut [0; 4]).bytes()),
                }
                kept = octets.len();
            }
            _ => {
                octets.extend(character.encode_utf8(&mut [0; 4]).bytes());
                if character != ' ' {
                    kept = octets.len();
                }
            }
        }
    }
    // Spaces around a value do not count unless they are escaped.
    octets.truncate(kept);
    let value = String::from_utf8(octets).map_err(|_| NotADistinguishedName)?;
    if value.is_empty() {
        return Err(NotADistinguishedName);
    }
    Ok((value, end.0, end.1))
}

fn encode(attributes: &[Attribute]) -> Result<DistinguishedName, NotADistinguishedName> {
    let mut name = RdnSequence::default();
    let mut part = RelativeDistinguishedName::default();
    let mut number = 0;
    for attribute in attributes {
        if attribute.part != number {
            name.push(core::mem::take(&mut part));
            number = attribute.part;
        }
        let oid = kind_of(&attribute.kind).ok_or(NotADistinguishedName)?;
        let tag = string_tag(&attribute.kind, &attribute.value);
        let value = Any::new(tag, attribute.value.as_bytes()).map_err(|_| NotADistinguishedName)?;
        let inserted = part.insert(AttributeTypeAndValue { oid, value });
        inserted.map_err(|_| NotADistinguishedName)?;
    }
    name.push(part);
    let der = name.to_der().map_err(|_| NotADistinguishedName)?;
    DistinguishedName::from_der(&der)
}

/// The encodings that certificates commonly have (RFC 5280 §4.1.2.4, §A.1): e-mail addresses and
/// domain components are IA5String, the rest PrintableString where its alphabet allows, or
/// UTF8String.
fn string_tag(kind: &str, value: &str) -> Tag {
    let kind = kind_of(kind).map(|oid| kind_name(&oid));
    let ia5 = matches!(kind.as_deref(), Some("E" | "DC"));
    let printable = |octet: u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet);
    match (ia5 && value.is_ascii(), value.bytes().all(printable)) {
        (true, _) => Tag::Ia5String,
        (false, true) => Tag::PrintableString,
        (false, false) => Tag::Utf8String,
    }
}

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = None;
        for attribute in self.attributes() {
            f.write_str(match before {
                None => "",
                Some(part) if part == attribute.part => "+",
                Some(_) => ", ",
            })?;
            before = Some(attribute.part);
            write!(f, "{}=", attribute.kind)?;
            write_value(&attribute.value, f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// A peer chooses its name: whatever could steer a terminal or forge a log line is escaped.
fn write_value(value: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            ',' | '+' | '\\' => write!(f, "\\{character}")?,
            ' ' if at == 0 || at == last => f.write_str("\\ ")?,
            ' ' => f.write_char(' ')?,
            _ if character.is_ascii_graphic() => f.write_char(character)?,
            _ => {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(f, "\\{octet:02x}")?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_read_and_written_alike() {
        for text in [
            "CN=gw.example.org",
            "C=CH, O=Example, CN=gw.example.org",
            "DC=org, DC=example, UID=joe+E=joe@example.org",
            "O=Example\\, Inc., CN=a\\+b",
            "CN=\\ padded\\ ",
            "CN=b\\c3\\bcro",
            "1.2.3.4=x",
        ] {
            assert_eq!(name(text).to_string(), text);
            let der = name(text).as_der().to_vec();
            assert_eq!(DistinguishedName::from_der(&der), Ok(name(text)));
        }
        assert_eq!(
            name("c = CH ,o=A B,  cn=x").to_string(),
            "C=CH, O=A B, CN=x"
        );
        assert_eq!(name("emailAddress=a@b").to_string(), "E=a@b");
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            "gw",
            "CN=",
            "CN=a,",
            "XX=a",
            "CN=a\\",
            "CN=\\zz\\4",
            "=a",
            "CN=\\ff",
        ] {
            assert!(text.parse::<DistinguishedName>().is_err(), "{text}");
        }
        let long = format!("CN={}", "a".repeat(2 * LEN_MAX));
        assert!(long.parse::<DistinguishedName>().is_err());
        let many = vec!["CN=a"; ATTRIBUTES_MAX + 1].join(",");
        assert!(many.parse::<DistinguishedName>().is_err());
        for der in [&[][..], &[0x30, 0], &[0x30, 5, 1], b"CN=x"] {
            assert!(DistinguishedName::from_der(der).is_err());
        }
    }

    #[test]
    fn neither_case_nor_encoding_nor_runs_of_spaces_make_another_name() {
        // C=CH, O=a B as UTF8String throughout, where `name` writes PrintableString.
        let utf8 = DistinguishedName::from_der(&[
            0x30, 0x1b, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x0c, 0x02, b'C',
            b'H', 0x31, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x0c, 0x03, b'a', b' ',
            b'B',
        ])
        .unwrap();
        assert_ne!(utf8, name("C=CH, O=A b"));
        assert!(utf8.same(&name("C=ch, O=A  b")));
        assert_eq!(utf8.canonical(), name("C=ch, O=A  b").canonical());
        assert!(!utf8.same(&name("O=A b, C=CH")), "order counts");
        assert!(!utf8.same(&name("C=CH, O=Ab")));
        assert!(!utf8.same(&name("C=CH+O=a b")), "parts count");
    }

    #[test]
    fn the_order_within_a_part_does_not_count() {
        // The longer value stands last in DER, and is the shorter one when its spaces are folded.
        let (padded, plain) = (name("UID=joe+E=a      b"), name("UID=joe+E=a b"));
        let kinds = |name: &DistinguishedName| -> Vec<_> {
            name.attributes().into_iter().map(|one| one.kind).collect()
        };
        assert_ne!(kinds(&padded), kinds(&plain));
        assert!(padded.same(&plain));
        assert!(padded.same(&padded.canonical()));
        assert_eq!(padded.canonical(), plain.canonical());
        assert!(!padded.same(&name("UID=a b+E=joe")));
    }

    #[test]
    fn a_hostile_name_cannot_write_to_the_terminal() {
        assert_eq!(name("CN=a\\1b[2J\\0ab").to_string(), "CN=a\\1b[2J\\0ab");
    }
}
