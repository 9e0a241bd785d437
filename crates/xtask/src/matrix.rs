//! What is about packets, again in every way in which packets can go: each engine with all offloads and
//! with none, each provider of ciphers. The rooms' own tests of sockets and devices go every way by
//! themselves, and the ways of the first run are not gone again.

use std::path::Path;

use anyhow::Result;

use crate::cargo;
use crate::report::Report;

/// Modules of the tests with real peers through which much traffic goes.
const ABOUT_PACKETS: &[&str] = &[
    "nat::",
    "path_mtu::",
    "raw_esp::",
    "rekeying::",
    "vrfs::",
    "long_packets",
];
/// What `auto` does not build, or what nobody has by default: engine and offloads.
const WAYS: [(&str, &str); 3] = [
    ("io_uring", "true"),
    ("epoll", "false"),
    ("io_uring", "false"),
];
/// Features of the room of ciphers that have another provider than the fastest.
const PROVIDERS: [&str; 2] = ["palisade-crypto/aws-lc", "palisade-crypto/portable"];
/// Rooms that seal and open packets, and need nothing of the machine to test it.
const ROOMS: [&str; 4] = [
    "palisade-crypto",
    "palisade-esp",
    "palisade-shard",
    "palisade-runtime",
];

/// The tests with real peers that are about packets. All `features` of the first run are named again, so
/// that nothing is built anew.
pub(crate) fn ways(report: &mut Report, features: &str, program: &Path, all: bool) -> Result<()> {
    let arguments = ["test", "--workspace", "--features", features];
    let tests = [&["--test", "headend", "--"], ABOUT_PACKETS].concat();
    let chosen = if all { &WAYS[..] } else { &WAYS[..1] };
    for (engine, offload) in chosen {
        let environment = [
            ("PALISADE_TEST_ENGINE", *engine),
            ("PALISADE_TEST_OFFLOAD", *offload),
        ];
        let arguments = [&arguments[..], &tests].concat();
        report.tests(cargo::test(&arguments, &environment, program)?);
    }
    Ok(())
}

/// The tests of the rooms, with each of the other providers.
pub(crate) fn providers(report: &mut Report, program: &Path) -> Result<()> {
    for feature in PROVIDERS {
        let mut arguments = vec!["test", "--no-fail-fast", "--features", feature];
        for room in ROOMS {
            arguments.extend(["--package", room]);
        }
        report.tests(cargo::test(&arguments, &[], program)?);
    }
    Ok(())
}
