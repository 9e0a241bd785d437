use std::process::ExitCode;
use anyhow::Result;
use crate::cli::DemoArgs;
pub(crate) fn demo(_args: &DemoArgs) -> Result<ExitCode> { Ok(ExitCode::SUCCESS) }
