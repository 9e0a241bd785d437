//! Replays the seed corpora, whole and mutilated, through every target.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz::TARGETS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
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
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 3, "{name} has only {} seeds", seeds.len());
        for seed in seeds {
            target(&seed);
        }
    }
}

#[test]
fn every_mutilated_seed_passes() {
    for (name, target) in TARGETS {
        for seed in seeds(name) {
            for length in 0..seed.len() {
                target(&seed[..length]);
            }
            for at in 0..seed.len() {
                for value in [
                    0,
                    1,
                    0x7f,
                    0x80,
                    0xff,
                    seed[at] ^ 1,
                    seed[at].wrapping_add(4),
                ] {
                    let mut mutilated = seed.clone();
                    mutilated[at] = value;
                    target(&mutilated);
                }
            }
        }
    }
}

#[test]
fn every_target_has_its_cargo_fuzz_binary() {
    let manifest = fs::read_to_string(root().join("fuzz/Cargo.toml")).expect("readable");
    for (name, _) in TARGETS {
        assert!(
            manifest.contains(&format!("name = \"{name}\"")),
            "{name} is not in fuzz/Cargo.toml"
        );
        let source = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(source).expect("a wrapper per target");
        assert!(source.contains(&format!("fuzz::{name}(data)")));
    }
}
