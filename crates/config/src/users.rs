//! Section `users`: those whom XAUTH knows.

use std::path::Path;

use ipsec::Users;

use crate::keys::USER;
use crate::secret;
use crate::table::Table;
use crate::version::PASSWORD;

/// Reads all users. Paths of files are relative to `directory`.
pub(crate) fn read(root: &Table<'_, '_>, directory: &Path) -> Users {
    let read = |(name, table): (String, Table<'_, '_>)| {
        let password = secret::read_key(&table, &name, &PASSWORD, directory)?;
        Some((name.into_boxed_str(), password))
    };
    root.named_sections("users", &USER)
        .into_iter()
        .filter_map(read)
        .collect()
}
