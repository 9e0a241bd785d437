//! `palisade import`.

mod output;
mod report;

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ios::{Import, Rendered, Secrets, Source};
use zeroize::Zeroizing;

use crate::cli::ImportIosArgs;

/// What a line of `--with` is called in reports.
const WITH: &str = "--with";

/// `palisade import ios FILE…`.
pub(crate) fn ios(args: &ImportIosArgs) -> Result<ExitCode> {
    let texts = args.files.iter().map(|file| read(file));
    let texts: Vec<Zeroizing<String>> = texts.collect::<Result<_>>()?;
    let with = Zeroizing::new(args.with.join("\n"));
    let names: Vec<String> = args.files.iter().map(|file| name(file)).collect();
    let sources = names.iter().zip(&texts);
    let mut sources: Vec<Source<'_>> = sources.map(|(name, text)| Source { name, text }).collect();
    if !args.with.is_empty() {
        sources.push(Source {
            name: WITH,
            text: &with,
        });
    }
    let import = ios::import(&sources);
    let rendered = write(args, &import)?;
    let check = args.check.then(|| check(args, &rendered));
    if args.json {
        println!("{}", report::json(&import.report, check.as_ref())?);
    } else {
        eprint!("{}", report::text(&import.report, args.verbose));
        report::print_check(check.as_ref(), &import.report);
    }
    let runs = check.is_none_or(|check| check.runs && import.report.missing.is_empty());
    Ok(if runs {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> Result<Zeroizing<String>> {
    let mut octets = Zeroizing::new(Vec::new());
    if file == Path::new("-") {
        let read = std::io::stdin().lock().read_to_end(&mut octets);
        read.context("cannot read standard input")?;
    } else {
        let opened = std::fs::File::open(file);
        let read = opened.and_then(|mut opened| opened.read_to_end(&mut octets));
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    // A description in an old character set is no reason to give up.
    Ok(Zeroizing::new(
        String::from_utf8_lossy(&octets).into_owned(),
    ))
}

/// What a file is called in the report and in comments: its last part.
fn name(file: &Path) -> String {
    if file == Path::new("-") {
        return "standard input".to_owned();
    }
    let last = file.file_name().unwrap_or(file.as_os_str());
    last.to_string_lossy().into_owned()
}

/// Writes the configuration to where it belongs; returns it with its secrets where they were put.
fn write(args: &ImportIosArgs, import: &Import) -> Result<Rendered> {
    let Some(output) = &args.output else {
        let rendered = import.render(Secrets::Inline);
        if !args.check && !args.json {
            if import.has_secrets() {
                eprintln!(
                    "palisade: the configuration on standard output holds secrets; --output writes them into files of their own\n"
                );
            }
            print!("{}", *rendered.toml);
        }
        return Ok(rendered);
    };
    let rendered = import.render(Secrets::Files);
    output::write(output, &rendered, args.force)?;
    Ok(rendered)
}

/// Whether a result runs.
pub(crate) struct Check {
    pub(crate) runs: bool,
    pub(crate) diagnostics: Vec<config::Diagnostic>,
}

fn check(args: &ImportIosArgs, rendered: &Rendered) -> Check {
    let path = args.output.as_deref().unwrap_or(Path::new("the result"));
    match config::load(&rendered.toml, path) {
        Ok(config) => Check {
            runs: true,
            diagnostics: config.warnings,
        },
        Err(config::Diagnostics(diagnostics)) => Check {
            runs: false,
            diagnostics,
        },
    }
}
