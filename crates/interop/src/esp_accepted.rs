//! A library that is preloaded into a daemon, and has it believe that the kernel took its SAs.

use std::time::Duration;

use anyhow::Result;

use crate::process;
use crate::scratch::Scratch;

const SOURCE: &str = include_str!("esp_accepted.c");
const BUILD_LIMIT: Duration = Duration::from_secs(20);

/// Compiles it into `scratch`, and says where it is.
///
/// # Errors
/// When there is no C compiler.
pub(crate) fn build(scratch: &Scratch) -> Result<String> {
    let library = scratch.path().join("accept.so").display().to_string();
    let source = scratch.write("accept.c", SOURCE)?.display().to_string();
    let build = ["-shared", "-fPIC", "-O2", "-o", &library, &source, "-ldl"];
    process::run("cc", &build, BUILD_LIMIT)?;
    Ok(library)
}
