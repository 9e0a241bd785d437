//! The same peers against Palisade and against strongSwan, in turns and in one run: what a set-up and a
//! probe cost each of them, what a peer weighs, and what happens when all of them die at once.
//!
//! Each stands in a network namespace of its own with the peer generator at the other end of a veth
//! pair. Both are read in the same way: processor time and memory from `/proc`, and every quarter of
//! a second each one's own command says how many peers there are.
#![forbid(unsafe_code)]

mod contestant;
mod course;
mod figures;
mod options;
mod proof;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use figures::Figures;
use options::Options;

fn measure(options: &Options) -> Result<Vec<Figures>> {
    let contestants = options.contestants.iter();
    contestants
        .map(|contestant| course::run(*contestant, options))
        .collect()
}

fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options) {
        Ok(rows) if options.json => {
            let rows: Vec<_> = rows.iter().map(Figures::to_json).collect();
            println!("{}", serde_json::Value::from(rows));
            ExitCode::SUCCESS
        }
        Ok(rows) => {
            print!("{}", figures::to_table(&rows));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("strongswan-figures: {error:#}");
            ExitCode::from(2)
        }
    }
}
