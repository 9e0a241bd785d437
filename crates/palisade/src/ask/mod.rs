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

use crate::cli::{Ask, ListArgs};
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

/// Entries asked for at a time: as many as the service gives.
const PAGE: usize = 1_000;

/// Which entries of a list are wanted.
#[derive(Clone, Copy, Default)]
struct Wanted<'a> {
    connection: Option<&'a str>,
    limit: Option<usize>,
    /// The peer whose entry is before the first.
    after: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    fn of(args: &'a ListArgs) -> Self {
        Self {
            connection: args.connection.as_deref(),
            limit: args.limit,
            after: args.after.as_deref(),
        }
    }
}

/// Reads a list page by page, and hands each page over as it comes.
fn each_page<P, T>(
    client: &Client,
    list: &str,
    wanted: Wanted<'_>,
    open: impl Fn(P) -> (Vec<T>, Option<String>),
    mut take: impl FnMut(Vec<T>) -> Result<()>,
) -> Result<()>
where
    P: serde::de::DeserializeOwned,
{
    let mut left = wanted.limit.unwrap_or(usize::MAX);
    let mut cursor = wanted.after.map(ToOwned::to_owned);
    while left > 0 {
        let path = page_path(list, wanted.connection, left.min(PAGE), cursor.as_deref());
        let (mut page, next) = open(client.get::<P>(&path)?);
        page.truncate(left);
        left -= page.len();
        take(page)?;
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(())
}

/// Reads a list that is shown as a whole.
fn collect<P, T>(
    client: &Client,
    list: &str,
    wanted: Wanted<'_>,
    open: impl Fn(P) -> (Vec<T>, Option<String>),
) -> Result<Vec<T>>
where
    P: serde::de::DeserializeOwned,
{
    let mut entries = Vec::new();
    each_page(client, list, wanted, open, |page| {
        entries.extend(page);
        Ok(())
    })?;
    Ok(entries)
}

/// Prints a list as a JSON array, page by page, an entry a line.
fn stream<P, T>(
    client: &Client,
    list: &str,
    wanted: Wanted<'_>,
    open: impl Fn(P) -> (Vec<T>, Option<String>),
) -> Result<()>
where
    P: serde::de::DeserializeOwned,
    T: serde::Serialize,
{
    let mut before = "[\n";
    each_page(client, list, wanted, open, |page| {
        let mut text = String::new();
        for entry in &page {
            text.push_str(before);
            text.push_str(&serde_json::to_string(entry)?);
            before = ",\n";
        }
        show::write(&text)
    })?;
    show::write(if before == "[\n" { "[]\n" } else { "\n]\n" })
}
