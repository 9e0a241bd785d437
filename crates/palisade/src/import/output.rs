//! The files that an import writes.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ios::Rendered;

/// Writes the configuration to `output` and its secrets beside it, all with mode 0600. Nothing is
/// written if one of the files exists, unless `force` says so.
pub(super) fn write(output: &Path, rendered: &Rendered, force: bool) -> Result<()> {
    let directory = output.parent().unwrap_or(Path::new(""));
    let secrets = rendered.files.iter();
    let secrets = secrets.map(|file| (directory.join(&file.name), file.content.as_str()));
    let configuration = (output.to_path_buf(), rendered.toml.as_str());
    // The configuration comes last: what it names is there when it is.
    let files: Vec<_> = secrets.chain([configuration]).collect();
    if !force && let Some((path, _)) = files.iter().find(|(path, _)| path.exists()) {
        bail!("{} exists; --force replaces it", path.display());
    }
    for (path, content) in &files {
        write_private(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// A file for its owner only, also where an open one stood.
fn write_private(path: &Path, content: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // A wide umask cannot widen the mode, a narrow one can narrow it.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}
