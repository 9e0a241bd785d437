use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end the service.
pub(crate) struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn catch() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot wait for signals")?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).context("cannot catch SIGTERM")?;
        let interrupt = signal(SignalKind::interrupt()).context("cannot catch SIGINT")?;
        drop(inside);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for one and names it. After that, a second SIGINT or SIGTERM ends the process at once.
    pub(crate) fn wait(&mut self) -> Result<&'static str> {
        let Self {
            runtime,
            terminate,
            interrupt,
        } = self;
        let name = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        });
        let impatient = async {
            let again = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
            let [Ok(mut terminate), Ok(mut interrupt)] = again else {
                return;
            };
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            std::process::exit(1);
        };
        let watch = || match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime.block_on(impatient),
            Err(error) => tracing::debug!(%error, "a second signal will not be heard"),
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(watch)
            .context("cannot watch for a second signal")?;
        Ok(name)
    }
}
