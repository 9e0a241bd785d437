use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// Calls `work` in the network namespace of that name (as `ip netns` shows it, or a path), or where
/// we are for `None`. Sockets and devices made there belong to it for good, whoever uses them.
///
/// # Errors
/// No such namespace, no privilege (`CAP_SYS_ADMIN`), and those of `work`.
pub fn in_namespace<T: Send>(
    name: Option<&str>,
    work: impl FnOnce() -> io::Result<T> + Send,
) -> io::Result<T> {
    let Some(name) = name else {
        return work();
    };
    let path = if name.contains('/') {
        PathBuf::from(name)
    } else {
        PathBuf::from(NAMES).join(name)
    };
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("network namespace `{name}`: {error}"))
    };
    let namespace = File::open(path).map_err(named)?;
    // A thread of its own, which ends with the call: no other of this process moves.
    thread::scope(|scope| {
        let inside = thread::Builder::new().spawn_scoped(scope, || {
            enter(&namespace).map_err(named)?;
            work()
        })?;
        inside
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace panicked")))
    })
}

fn enter(namespace: &File) -> io::Result<()> {
    // SAFETY: the descriptor is open for the time of the call, which moves this thread alone.
    let result = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_nothing_moves() {
        let here = thread::current().id();
        assert!(in_namespace(None, || Ok(thread::current().id() == here)).unwrap());
    }

    #[test]
    fn a_namespace_that_does_not_exist_is_an_error() {
        let missing = in_namespace(Some("no-such-namespace"), || Ok(()));
        let error = missing.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("no-such-namespace"), "{error}");
    }
}
