//! What peers cost a headend, from set-up to death: `cargo xtask bench scale`.
//!
//! It runs `palisade` and `palisade-load` as they are shipped, as processes of their own on loopback,
//! and reads nothing but what any operator can: metrics, processor time and memory of the processes,
//! and the generator's report.
#![forbid(unsafe_code)]

mod course;
mod figures;
mod generator;
mod headend;
mod metrics;
mod options;

use std::process::ExitCode;

fn main() -> ExitCode {
    match options::read().and_then(|options| {
        let figures = course::run(&options)?;
        if options.json {
            println!("{}", figures.to_json());
        } else {
            print!("{}", figures.to_table());
        }
        Ok(figures.all_as_it_should_be())
    }) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("scale-figures: {error:#}");
            ExitCode::from(2)
        }
    }
}
