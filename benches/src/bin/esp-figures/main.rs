//! What ESP costs in memory, on one core: `cargo xtask bench esp`.
//!
//! Everything is measured in turns, round by round, so that what disturbs the machine disturbs all
//! alike; a ratio is computed within its round. Figures are medians over the rounds.
#![forbid(unsafe_code)]

mod cores;
mod figures;
mod pass;
mod plan;
mod shards;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut json = false;
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => json = true,
            other => {
                eprintln!("esp-figures: unknown argument {other}; there is only --json");
                return ExitCode::FAILURE;
            }
        }
    }
    let figures = plan::carry_out();
    if json {
        println!("{}", figures.to_json());
    } else {
        print!("{}", figures.to_table());
    }
    ExitCode::SUCCESS
}
