//! Commands that ask the running service.

mod clear;
mod crypto;
mod debug;
mod events;
mod order;
mod peer;
mod peers;
mod sas;
pub(crate) mod show;
mod status;
mod top;
mod why_dead;

use anyhow::{Context as _, Result};
use control::Client;

use crate::cli::Ask;
use crate::directories;

pub(crate) use clear::clear_session;
pub(crate) use crypto::show_crypto;
pub(crate) use debug::debug;
pub(crate) use events::events;
pub(crate) use order::{initiate, rekey, terminate};
pub(crate) use peer::peer;
pub(crate) use peers::peers;
pub(crate) use sas::sas;
pub(crate) use status::status;
pub(crate) use top::top;
pub(crate) use why_dead::why_dead;

/// A client of the service that is meant.
fn client(ask: &Ask) -> Result<Client> {
    let in_run = ask.run_dir.as_deref().map(directories::socket_in);
    let socket = ask
        .socket
        .clone()
        .or(in_run)
        .unwrap_or_else(directories::default_socket);
    Client::new(socket).context("cannot prepare a connection")
}

/// Path of a list, page by page.
fn page_path(list: &str, connection: Option<&str>, limit: usize, cursor: Option<&str>) -> String {
    let mut path = format!("/v1/{list}?limit={limit}");
    for (key, value) in [("connection", connection), ("cursor", cursor)] {
        if let Some(value) = value {
            path.push_str(&format!("&{key}={}", control::path_segment(value)));
        }
    }
    path
}

/// Entries asked for at a time.
const PAGE: usize = 500;

/// Reads a list page by page, up to `limit` entries.
fn collect<P, T>(
    client: &Client,
    list: &str,
    connection: Option<&str>,
    limit: Option<usize>,
    open: impl Fn(P) -> (Vec<T>, Option<String>),
) -> Result<Vec<T>>
where
    P: serde::de::DeserializeOwned,
{
    let limit = limit.unwrap_or(usize::MAX);
    let mut entries = Vec::new();
    let mut cursor: Option<String> = None;
    while entries.len() < limit {
        let wanted = limit.saturating_sub(entries.len()).min(PAGE);
        let path = page_path(list, connection, wanted, cursor.as_deref());
        let (page, next) = open(client.get::<P>(&path)?);
        entries.extend(page);
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    entries.truncate(limit);
    Ok(entries)
}
