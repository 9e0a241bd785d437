use crate::cli::DemoArgs;
use anyhow::Result;
use std::process::ExitCode;
pub(crate) fn demo(_args: &DemoArgs) -> Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
