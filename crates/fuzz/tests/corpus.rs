//! Replays the seed corpora through every target: whole, and through the readers in every
//! mutilation. The machines get as many inputs again from a generator.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{MACHINES, READERS, Target};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn targets() -> impl Iterator<Item = &'static (&'static str, Target)> {
    READERS.iter().chain(MACHINES)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|_| panic!("{target} has a corpus"))
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|file| fs::read(file).expect("readable"))
        .collect()
}

#[test]
fn every_seed_passes() {
    for (name, target) in targets() {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "{name} has only {} seeds", seeds.len());
        for seed in seeds {
            target(&seed);
        }
    }
}

#[test]
fn every_mutilated_seed_passes_the_readers() {
    for (name, target) in READERS {
        for seed in seeds(name) {
            for length in 0..seed.len() {
                target(&seed[..length]);
            }
            for at in 0..seed.len() {
                let octet = seed[at];
                for value in [0, 1, 0x7f, 0x80, 0xff, octet ^ 1, octet.wrapping_add(4)] {
                    let mut mutilated = seed.clone();
                    mutilated[at] = value;
                    target(&mutilated);
                }
            }
        }
    }
}

/// The machines meet inputs that nobody chose; the number of the failing one is in its name.
#[test]
fn machines_withstand_generated_inputs() {
    for (name, target) in MACHINES {
        for number in 0..60_u64 {
            let input = generated(number);
            let outcome = std::panic::catch_unwind(|| target(&input));
            assert!(outcome.is_ok(), "{name} fails on generated input {number}");
        }
    }
}

/// SplitMix64. Every other input starts with zeros, which let a tunnel come up in peace.
fn generated(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let octets = (0..400).map(|_| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word >> 56) as u8
    });
    let peace = if number.is_multiple_of(2) { 10 } else { 0 };
    std::iter::repeat_n(0, peace).chain(octets).collect()
}

#[test]
fn every_target_has_its_cargo_fuzz_binary() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("readable");
    for (name, _) in targets() {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
        let source = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(source).expect("a wrapper per target");
        assert!(source.contains(&format!("fuzz::{name}(data)")));
    }
}
