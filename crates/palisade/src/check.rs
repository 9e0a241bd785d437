use std::process::ExitCode;

use anyhow::{Context as _, Result};
use zeroize::Zeroizing;

use crate::cli::CheckArgs;
use crate::run::now;

/// `palisade check FILE`.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode> {
    let text = std::fs::read_to_string(&args.file).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read {}", args.file.display()))?;
    match config::load(&text, &args.file) {
        Ok(config) => {
            let warnings: Vec<_> = config
                .warnings
                .iter()
                .chain(config.invalid_certificates(now()))
                .collect();
            if args.json {
                println!("{}", serde_json::to_string_pretty(&warnings)?);
            } else {
                for warning in &warnings {
                    eprintln!("{warning}");
                }
                let summary = summary(&config, warnings.len());
                println!("{}: {summary}", args.file.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) if args.json => {
            println!("{}", serde_json::to_string_pretty(&diagnostics)?);
            Ok(ExitCode::FAILURE)
        }
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The configuration in a line.
fn summary(config: &config::Config, warnings: usize) -> String {
    let policy = &config.policy;
    let children: usize = policy
        .connections
        .iter()
        .map(|one| one.children.len())
        .sum();
    let plural = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    format!(
        "right: {} with {}, {}{}",
        plural(policy.connections.len(), "connection", "connections"),
        plural(children, "child", "children"),
        plural(policy.pools.len(), "pool", "pools"),
        match warnings {
            0 => String::new(),
            count => format!("; {}", plural(count, "warning", "warnings")),
        },
    )
}
