//! The order of things.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::iperf3::Server;
use interop::network::Pair;
use interop::traffic::ping_all;
use interop::wait;

use crate::contestant::{Contestant, Program};
use crate::figures::Figures;
use crate::latency;
use crate::options::Options;
use crate::trial::{LEFT, RIGHT, Trial};

/// The name of what is measured with the generator instead of iperf3.
const LATENCY: &str = "latency";
const START_LIMIT: Duration = Duration::from_secs(20);

/// Checks that all this is possible here.
pub(crate) fn prepare() -> Result<()> {
    interop::process::keep_logs_back();
    interop::network::available()
}

/// Waits until the tunnel is of use.
pub(crate) fn await_packets(pair: &Pair) -> Result<()> {
    wait::until("packets to pass", START_LIMIT, || {
        ping_all(&pair.left, LEFT, RIGHT, 1).is_ok()
    })?;
    Ok(())
}

pub(crate) fn run(options: &Options, figures: &mut Figures) -> Result<()> {
    prepare()?;
    let chosen = choose(&options.only)?;
    for (program, reason) in &options.missing {
        figures.lacks(program, reason);
    }
    for round in 1..=options.rounds() {
        for (contestant, trials) in &chosen {
            let name = format!("{} {}", contestant.program.name(), contestant.cipher.name());
            eprintln!("round {round} of {}: {name}", options.rounds());
            let measured = measure(*contestant, trials, options, figures);
            match measured.with_context(|| name.clone()) {
                Err(error) if contestant.program == Program::Palisade => return Err(error),
                Err(error) => {
                    eprintln!("  {error:#}");
                    figures.lacks(contestant.program.name(), &error.root_cause().to_string());
                }
                Ok(()) => {}
            }
        }
    }
    if options.only.is_empty() || options.only.iter().any(|name| name == LATENCY) {
        eprintln!("latency");
        match latency::measure(options) {
            Ok(latency) => figures.set_latency(latency),
            Err(error) => {
                eprintln!("  {error:#}");
                figures.lacks(LATENCY, &error.root_cause().to_string());
            }
        }
    }
    Ok(())
}

/// Everything, or what has been asked for: a name chooses among the programs, the ciphers or the tests.
fn choose(only: &[String]) -> Result<Vec<(Contestant, Vec<Trial>)>> {
    let asked = |name: &str| only.iter().any(|asked| asked == name);
    let is_program = |name: &str| Contestant::ALL.iter().any(|one| one.program.name() == name);
    let is_cipher = |name: &str| Contestant::ALL.iter().any(|one| one.cipher.name() == name);
    let is_test = |name: &str| Trial::ALL.iter().any(|one| one.name == name);
    for name in only {
        ensure!(
            is_program(name) || is_cipher(name) || is_test(name) || name == LATENCY,
            "{name} is no program, cipher or test"
        );
    }
    let any = |kind: &dyn Fn(&str) -> bool| only.iter().any(|name| kind(name));
    let (programs, ciphers) = (any(&is_program), any(&is_cipher));
    let tests = any(&|name| is_test(name) || name == LATENCY);
    let trials = |contestant: Contestant| -> Vec<Trial> {
        Trial::ALL
            .into_iter()
            .filter(|trial| trial.concerns(contestant) && (!tests || asked(trial.name)))
            .collect()
    };
    Ok(Contestant::ALL
        .into_iter()
        .filter(|one| !programs || asked(one.program.name()))
        .filter(|one| !ciphers || asked(one.cipher.name()))
        .map(|one| (one, trials(one)))
        .filter(|(_, trials)| !trials.is_empty())
        .collect())
}

fn measure(
    contestant: Contestant,
    trials: &[Trial],
    options: &Options,
    figures: &mut Figures,
) -> Result<()> {
    let pair = Pair::new()?;
    let ends = contestant.connect(&pair, options)?;
    await_packets(&pair)?;
    for trial in trials {
        let what = format!("{} {}", trial.name, trial.direction.name());
        // Each its own: one whose client's goodbye was lost is busy for ever.
        let server = Server::start(&pair.right, RIGHT)?;
        match trial.run(&pair, &server, ends.pids(), options.seconds()) {
            Ok(sample) => {
                eprintln!(
                    "  {what}: {:.2} Gbit/s, {:.0},000 packets/s, {:.2} and {:.2} cores",
                    sample.gbps, sample.kpps, sample.cpu_a, sample.cpu_b
                );
                figures.add(contestant, trial, sample);
            }
            Err(error) => {
                let (program, cipher) = (contestant.program.name(), contestant.cipher.name());
                let reason = error.root_cause().to_string();
                eprintln!("  {what}: {error:#}");
                figures.lacks(&format!("{program} {cipher} {what}"), &reason);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(names: &[&str]) -> Vec<(Contestant, Vec<Trial>)> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        choose(&names).unwrap()
    }

    #[test]
    fn names_narrow_the_choice_down() {
        assert_eq!(only(&[]).len(), Contestant::ALL.len());
        assert_eq!(only(&["palisade"]).len(), 4);
        assert_eq!(only(&["palisade", "gotatun", "aes-128-gcm"]).len(), 1);
        let one = only(&["palisade", "aes-128-gcm", "tcp-1"]);
        // Three directions.
        assert_eq!(one[0].1.len(), 3);
        assert_eq!(only(&["latency"]), vec![]);
        assert!(choose(&["palisaed".to_owned()]).is_err());
    }
}
