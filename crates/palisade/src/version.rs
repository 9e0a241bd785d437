//! What the program calls itself.

/// Its version. A build for benches, which copies where others encrypt, calls itself nothing else: not to
/// the shell, not in logs, not on the status page or in metrics.
pub(crate) const VERSION: &str = if crypto::ENCRYPTS {
    env!("CARGO_PKG_VERSION")
} else {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " BENCH BUILD, NOTHING IS ENCRYPTED"
    )
};

/// Says it on every start, whatever the log's level is.
pub(crate) fn warn_of_bench_build() {
    if !crypto::ENCRYPTS {
        eprintln!("palisade: THIS IS A BENCH BUILD. NOTHING IS ENCRYPTED, NOBODY IS KEPT OUT.");
    }
}

/// The same in the service's log.
pub(crate) fn log_bench_build() {
    if !crypto::ENCRYPTS {
        tracing::error!(
            "this is a bench build: packets are copied instead of encrypted, and anybody's are taken"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn a_build_that_does_not_encrypt_does_not_pass_for_one_that_does() {
        assert_eq!(VERSION == env!("CARGO_PKG_VERSION"), crypto::ENCRYPTS);
        assert_eq!(VERSION.contains("NOTHING IS ENCRYPTED"), !crypto::ENCRYPTS);
    }
}
