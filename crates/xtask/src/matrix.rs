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
/// Tests of rooms that seal and open packets: of the packet path and of ciphers themselves, of whole shards and
/// of the simulation; the unit tests of all rooms come with them. That of the program has it built.
const TARGETS: [&str; 7] = [
    "suite",
    "stories",
    "flows",
    "simulation",
    "invariants",
    "elephants",
    "program",
];
/// The one of them that needs namespaces.
const THROUGH_SOCKETS: &str = "sockets";
/// The one test of them that measures what an SA's keys take of the heap: other libraries take more.
const MEMORY_OF_THE_FASTEST: &str = "a_child_sa_stays_within_its_budget";
/// Tests of the peer generator against a headend, whose ESP has the same provider.
const ABOUT_THE_GENERATOR: [&str; 2] = ["peers_come_send_and_die", "a_changed_octet"];

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

/// With each of the other providers: the tests of the rooms, and those with real peers and with the
/// generator that are about packets. One build serves them all, of the whole workspace as in the first run.
pub(crate) fn providers(
    report: &mut Report,
    features: &str,
    program: &Path,
    namespaces: bool,
) -> Result<()> {
    for provider in PROVIDERS {
        let features = format!("{features},{provider}");
        let arguments = [
            "test",
            "--workspace",
            "--no-fail-fast",
            "--features",
            &features,
        ];
        let targets = TARGETS
            .into_iter()
            .chain(namespaces.then_some(THROUGH_SOCKETS));
        let mut rooms = [&arguments[..], &["--lib", "--bins"]].concat();
        rooms.extend(targets.flat_map(|target| ["--test", target]));
        rooms.extend(["--", "--skip", MEMORY_OF_THE_FASTEST]);
        report.tests(cargo::test(&rooms, &[], program)?);
        if namespaces {
            let about = [ABOUT_PACKETS, &ABOUT_THE_GENERATOR[..]].concat();
            let headend = [&arguments[..], &["--test", "headend", "--"], &about].concat();
            report.tests(cargo::test(&headend, &[], program)?);
        }
    }
    Ok(())
}
