//! Who may use whom: the table of docs/ARCHITECTURE.md, held against the manifests.
#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Each package of the workspace and the packages of the workspace that it may depend on. The
/// tests of a package may use more: only what ships is held to the table.
const ALLOWED: &[(&str, &[&str])] = &[
    ("palisade-timer", &[]),
    ("palisade-wire", &[]),
    ("palisade-crypto", &[]),
    ("palisade-ipsec", &["palisade-timer", "palisade-crypto"]),
    (
        "palisade-esp",
        &["palisade-wire", "palisade-crypto", "palisade-ipsec"],
    ),
    ("palisade-dpd", &["palisade-timer"]),
    (
        "palisade-ike",
        &[
            "palisade-wire",
            "palisade-crypto",
            "palisade-ipsec",
            "palisade-timer",
        ],
    ),
    (
        "palisade-shard",
        &[
            "palisade-ike",
            "palisade-esp",
            "palisade-dpd",
            "palisade-ipsec",
            "palisade-crypto",
            "palisade-wire",
            "palisade-timer",
        ],
    ),
    ("palisade-netio", &[]),
    ("palisade-metrics", &[]),
    (
        "palisade-runtime",
        &[
            "palisade-shard",
            "palisade-ike",
            "palisade-esp",
            "palisade-dpd",
            "palisade-ipsec",
            "palisade-crypto",
            "palisade-wire",
            "palisade-timer",
            "palisade-netio",
            "palisade-metrics",
        ],
    ),
    (
        "palisade-control",
        &["palisade-metrics", "palisade-runtime"],
    ),
    ("palisade-config", &["palisade-ipsec", "palisade-dpd"]),
    (
        "palisade-sim",
        &[
            "palisade-shard",
            "palisade-ike",
            "palisade-esp",
            "palisade-dpd",
            "palisade-ipsec",
            "palisade-crypto",
            "palisade-timer",
        ],
    ),
    ("palisade-interop", &[]),
    ("xtask", &[]),
];

/// Packages at the top of the house, which compose all rooms.
const ANYTHING: &[&str] = &[
    "palisade",
    "palisade-load",
    "palisade-fuzz",
    "palisade-benches",
];

fn workspace() -> Metadata {
    MetadataCommand::new()
        .no_deps()
        .exec()
        .expect("cargo metadata")
}

#[test]
fn arrows_between_rooms_follow_the_table() {
    let metadata = workspace();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut stray = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if ANYTHING.contains(&name) {
            continue;
        }
        let Some(allowed) = allowed.get(name) else {
            stray.push(format!("{name} is not in the table"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let ships = dependency.kind != DependencyKind::Development;
            if ships && members.contains(to) && !allowed.contains(&to) {
                stray.push(format!("{name} -> {to}"));
            }
        }
    }
    assert!(
        stray.is_empty(),
        "not in the table of docs/ARCHITECTURE.md: {stray:#?}"
    );
}

#[test]
fn the_table_speaks_of_packages_that_exist() {
    let metadata = workspace();
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let named = ALLOWED
        .iter()
        .flat_map(|(from, to)| std::iter::once(from).chain(*to))
        .chain(ANYTHING);
    for name in named {
        assert!(
            members.contains(name),
            "{name} is no package of the workspace"
        );
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
            let allowed = package.name == "palisade-crypto"
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
