//! `palisade`: the headend service and everything to operate it from a shell.
#![forbid(unsafe_code)]

mod ask;
mod check;
mod cli;
mod demo;
mod directories;
mod failure;
mod import;
mod ios;
mod logging;
mod run;
mod signals;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use cli::{Clear, Cli, Command, Import, Show};

fn main() -> ExitCode {
    version::warn_of_bench_build();
    match dispatch(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("palisade: {}", failure::explain(&error));
            ExitCode::from(2)
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Import(Import::Ios(args)) => import::ios(&args),
        Command::Status(args) => ask::status(&args),
        Command::Top(args) => ask::top(&args),
        Command::Peers(args) => ask::peers(&args),
        Command::Sas(args) => ask::sas(&args),
        Command::Peer(args) => ask::peer(&args),
        Command::WhyDead(args) => ask::why_dead(&args),
        Command::Events(args) => ask::events(&args),
        Command::Show(Show::Crypto(what)) => ask::show_crypto(&what),
        Command::Clear(Clear::Session(args)) => ask::clear_session(&args),
        Command::Debug(args) => ask::debug(&args),
        Command::Initiate(args) => ask::initiate(&args),
        Command::Terminate(args) => ask::terminate(&args),
        Command::Rekey(args) => ask::rekey(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "palisade",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Load(args) => {
            let report = palisade_load::run(*args)?;
            Ok(if report.is_success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
    }
}
