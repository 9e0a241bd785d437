//! What a tunnel carries between two network namespaces: `cargo xtask bench tunnel`.
//!
//! One process a side, joined by a veth pair, iperf3 inside, everything on the processors that there
//! are. The programs take turns within a round, so that all meet the same weather.
#![forbid(unsafe_code)]

mod contestant;
mod course;
mod figures;
mod flame;
mod latency;
mod options;
mod picture;
mod row;
mod target;
mod trial;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::figures::Figures;
use crate::options::Options;

fn main() -> ExitCode {
    match options::read().and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tunnel-figures: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if options.flame {
        return course::prepare().and_then(|()| flame::draw(options));
    }
    let mut figures = match options.more {
        true => Figures::read(&options.out)?,
        false => Figures::default(),
    };
    course::run(options, &mut figures)?;
    let (json, table) = (figures.to_json()?, figures.to_table());
    std::fs::create_dir_all(&options.out)
        .and_then(|()| std::fs::write(options.out.join(figures::FILE), format!("{json:#}\n")))
        .and_then(|()| std::fs::write(options.out.join("tunnel.md"), &table))
        .and_then(|()| std::fs::write(options.out.join("tunnel.svg"), picture::draw(&figures)))
        .with_context(|| format!("cannot write into {}", options.out.display()))?;
    if options.json {
        println!("{json}");
    } else {
        print!("{table}");
    }
    Ok(())
}
