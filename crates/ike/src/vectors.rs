//! Published numbers for the unit tests.

use std::collections::HashMap;

/// `name = value` lines from `tests/vectors`.
pub(crate) struct Vectors(HashMap<&'static str, &'static str>);

impl Vectors {
    pub(crate) fn load() -> Self {
        let files = [
            include_str!("../tests/vectors/handshakes.txt"),
            include_str!("../tests/vectors/ikev1.txt"),
            include_str!("../tests/vectors/nist-kdf.txt"),
            include_str!("../tests/vectors/rfc7634-ike.txt"),
        ];
        let lines = files.into_iter().flat_map(str::lines);
        let values = lines.filter(|line| !line.starts_with('#'));
        Self(
            values
                .map(|line| line.split_once(" = ").expect("name = value"))
                .collect(),
        )
    }

    pub(crate) fn text(&self, name: &str) -> &'static str {
        self.0
            .get(name)
            .unwrap_or_else(|| panic!("no vector {name}"))
    }

    pub(crate) fn octets(&self, name: &str) -> Vec<u8> {
        ::hex::decode(self.text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        u64::from_str_radix(self.text(name), 16).expect("a hexadecimal number")
    }
}

pub(crate) fn hex(octets: &[u8]) -> String {
    ::hex::encode(octets)
}
