use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    /// To end; the name of the signal.
    End(&'static str),
    /// To read the configuration again.
    Reload,
}

/// The signals that a program listens to.
pub(crate) struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
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
        let hangup = signal(SignalKind::hangup()).context("cannot catch SIGHUP")?;
        drop(inside);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
            hangup,
        })
    }

    /// Waits for one. After the wish to end, a second SIGINT or SIGTERM ends the process at once.
    pub(crate) fn wait(&mut self) -> Result<Wish> {
        let Self {
            runtime,
            terminate,
            interrupt,
            hangup,
        } = self;
        let wish = runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => Wish::End("SIGTERM"),
                _ = interrupt.recv() => Wish::End("SIGINT"),
                _ = hangup.recv() => Wish::Reload,
            }
        });
        if wish != Wish::Reload {
            hear_impatience()?;
        }
        Ok(wish)
    }
}

/// Ends the process when it is told to end once more.
fn hear_impatience() -> Result<()> {
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
    Ok(())
}
