//! Where the service keeps things when nobody says otherwise.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

const SOCKET: &str = "control.sock";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
}

/// `/var/lib/palisade` for root, the user's state directory otherwise.
pub(crate) fn default_state() -> PathBuf {
    if is_root() {
        return PathBuf::from("/var/lib/palisade");
    }
    let home = || variable("HOME").map(|home| home.join(".local/state"));
    let base = variable("XDG_STATE_HOME")
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir);
    base.join("palisade")
}

/// `/run/palisade` for root, the user's run-time directory otherwise.
pub(crate) fn default_run() -> PathBuf {
    if is_root() {
        return PathBuf::from("/run/palisade");
    }
    let user = rustix::process::geteuid().as_raw();
    variable("XDG_RUNTIME_DIR")
        .map(|base| base.join("palisade"))
        .unwrap_or_else(|| std::env::temp_dir().join(format!("palisade-{user}")))
}

/// The control socket in a run directory.
pub(crate) fn socket_in(run: &Path) -> PathBuf {
    run.join(SOCKET)
}

/// The control socket of the service that is meant when nobody says which: the user's own, or else
/// the system's.
pub(crate) fn default_socket() -> PathBuf {
    let own = socket_in(&default_run());
    let of_system = socket_in(Path::new("/run/palisade"));
    if !own.exists() && of_system.parent().is_some_and(Path::exists) {
        of_system
    } else {
        own
    }
}

/// Makes a directory for its owner only, or sees to it that an existing one is ours: in a directory
/// of somebody else, files could be put in our way.
pub(crate) fn make_private(path: &Path) -> Result<()> {
    let make = || DirBuilder::new().recursive(true).mode(0o700).create(path);
    make().with_context(|| format!("cannot make the directory {}", path.display()))?;
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("cannot look at the directory {}", path.display()))?;
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() && !is_root() {
        bail!(
            "the directory {} belongs to another user ({owner})",
            path.display()
        );
    }
    if metadata.mode() & 0o022 != 0 {
        bail!(
            "the directory {} may be written by others: chmod 700 {0}",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_directory_that_others_may_write_is_refused() {
        let base = std::env::temp_dir().join(format!("palisade-dirs-{}", std::process::id()));
        let inner = base.join("a/b");
        make_private(&inner).expect("made");
        assert_eq!(
            std::fs::metadata(&inner).expect("there").mode() & 0o777,
            0o700
        );
        make_private(&inner).expect("still ours");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(&inner, open).expect("changed");
        let refused = make_private(&inner);
        std::fs::remove_dir_all(&base).expect("cleaned up");
        assert!(refused.is_err());
    }
}
