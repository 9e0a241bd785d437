//! Who may use whom: the table of docs/ARCHITECTURE.md, held against the manifests.
#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn workspace() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata")
}

/// The rooms that the table names, and the rooms that each may use; `None` for anything. The tests
/// of a package may use more: only what ships is held to the table.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).expect("the architecture page");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let room = cells[1].trim_matches('`').to_owned();
        let may_use = match cells[4] {
            "anything" => None,
            "–" => Some(BTreeSet::new()),
            rooms => Some(rooms.split(' ').map(str::to_owned).collect()),
        };
        (room, may_use)
    })
    .collect()
}

/// What the table calls a package.
fn room(package: &str) -> &str {
    match package.strip_prefix("palisade-") {
        Some("load") => "loadtest",
        Some(room) => room,
        None => package,
    }
}

#[test]
fn arrows_between_rooms_follow_the_table() {
    let (metadata, table) = (workspace(), table());
    let members: BTreeSet<&str> = metadata.packages.iter().map(|p| room(&p.name)).collect();
    let mut stray = Vec::new();
    for package in &metadata.packages {
        let name = room(&package.name);
        let Some(allowed) = table.get(name) else {
            stray.push(format!("{name} is not in the table"));
            continue;
        };
        let Some(allowed) = allowed else { continue };
        for dependency in &package.dependencies {
            let to = room(&dependency.name);
            let ships = dependency.kind != DependencyKind::Development;
            if ships && members.contains(to) && !allowed.contains(to) {
                stray.push(format!("{name} -> {to}"));
            }
        }
    }
    assert!(stray.is_empty(), "not in docs/ARCHITECTURE.md: {stray:#?}");
}

#[test]
fn the_table_speaks_of_rooms_that_exist() {
    let (metadata, table) = (workspace(), table());
    let members: BTreeSet<&str> = metadata.packages.iter().map(|p| room(&p.name)).collect();
    let named = table.keys().chain(table.values().flatten().flatten());
    for name in named {
        assert!(members.contains(name.as_str()), "{name} is no room");
    }
}

/// Cipher crates are named in one room; the others ask that room.
#[test]
fn only_crypto_names_cipher_crates() {
    const CIPHERS: &[&str] = &[
        "aes",
        "aes-gcm",
        "aws-lc-rs",
        "cbc",
        "chacha20poly1305",
        "crypto-bigint",
        "hmac",
        "sha1",
        "sha2",
    ];
    for package in &workspace().packages {
        for dependency in &package.dependencies {
            // A bench shows the bare cipher as its baseline.
            let allowed = ["palisade-crypto", "palisade-benches"].contains(&package.name.as_str())
                || dependency.kind == DependencyKind::Development
                || !CIPHERS.contains(&dependency.name.as_str());
            assert!(allowed, "{} names {}", package.name, dependency.name);
        }
    }
}

/// Pure rooms cannot reach for a clock, a socket or a random source through a crate that has one.
#[test]
fn pure_rooms_stay_pure() {
    const PURE: &[&str] = &[
        "palisade-reason",
        "palisade-timer",
        "palisade-wire",
        "palisade-crypto",
        "palisade-ipsec",
        "palisade-esp",
        "palisade-dpd",
        "palisade-ike",
        "palisade-shard",
    ];
    const WORLDLY: &[&str] = &[
        "tokio",
        "mio",
        "io-uring",
        "socket2",
        "libc",
        "getrandom",
        "rand",
        "tracing",
        "crossbeam",
    ];
    for package in workspace()
        .packages
        .iter()
        .filter(|package| PURE.contains(&package.name.as_str()))
    {
        for dependency in &package.dependencies {
            let ships = dependency.kind != DependencyKind::Development;
            assert!(
                !(ships && WORLDLY.contains(&dependency.name.as_str())),
                "{} reaches for {}",
                package.name,
                dependency.name
            );
        }
    }
}

/// Every crate root but the one that talks to the kernel forbids `unsafe`.
#[test]
fn unsafe_code_is_forbidden_outside_netio() {
    const UNSAFE_ALLOWED: &[&str] = &["palisade-netio"];
    for package in &workspace().packages {
        if UNSAFE_ALLOWED.contains(&package.name.as_str()) {
            continue;
        }
        for target in &package.targets {
            let ships = target.is_lib() || target.is_bin();
            let root = std::fs::read_to_string(&target.src_path).expect("crate root");
            assert!(
                !ships || root.contains("#![forbid(unsafe_code)]"),
                "{} does not forbid unsafe code",
                target.src_path
            );
        }
    }
}
