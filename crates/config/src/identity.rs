use ipsec::{Identity, IdentityPattern};

use crate::table::{Fault, Table, Value};

const FORMS: &str = "write an address, a name such as \"gw.example.org\", an e-mail address, \
                     \"C=CH, O=Example, CN=gw\", \"keyid:text\" or \"%any\"; `*` stands for any run of characters";

/// A list of identities with wildcards.
pub(crate) fn patterns(table: &Table<'_, '_>, key: &str) -> Vec<IdentityPattern> {
    table.read_list(key, pattern).unwrap_or_default()
}

/// One identity, wildcards allowed.
pub(crate) fn pattern(value: &Value<'_>) -> Result<IdentityPattern, Fault> {
    let text = value.text()?;
    text.parse()
        .map_err(|error| Fault::new(format!("`{text}`: {error}")).instead(FORMS))
}

/// One identity, without wildcards.
pub(crate) fn exact(value: &Value<'_>) -> Result<Identity, Fault> {
    let text = value.text()?;
    text.parse()
        .map_err(|error| Fault::new(format!("`{text}`: {error}")).instead(FORMS))
}
