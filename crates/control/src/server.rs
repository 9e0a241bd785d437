use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::serve::Listener;
use tokio::sync::watch;

use crate::events::EventHub;
use crate::headend::Headend;
use crate::limit::Limited;
use crate::routes::{self, Shared};

/// Threads on which questions wait for the workers.
const WAITING_THREADS_MAX: usize = 8;
/// How long open answers may take to end when the interface stops.
const GRACE: Duration = Duration::from_millis(500);

/// Where the control interface is served.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Metrics, health and the status page; `None` to leave them out.
    pub tcp: Option<SocketAddr>,
    /// Questions, commands and events.
    pub socket: PathBuf,
}

/// Why the control interface could not be started.
#[derive(thiserror::Error, Debug)]
pub enum StartError {
    /// The TCP address cannot be had.
    #[error("cannot serve metrics on {address}: {error}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        error: io::Error,
    },
    /// The unix socket cannot be made.
    #[error("cannot make the control socket {}: {error}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Somebody answers on the unix socket.
    #[error("another service answers on {}: stop it first, or choose another run directory", path.display())]
    InUse {
        /// Its path.
        path: PathBuf,
    },
    /// The thread or its runtime could not be started.
    #[error("cannot start the thread of the control interface: {0}")]
    Thread(io::Error),
}

/// The running control interface. It ends with [`Control::stop`] or when this is dropped.
pub struct Control {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
    socket: PathBuf,
    tcp: Option<SocketAddr>,
}

impl Control {
    /// Opens the sockets and serves them from a thread of its own.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        endpoints: Endpoints,
        headend: Arc<dyn Headend>,
        events: EventHub,
    ) -> Result<Self, StartError> {
        let tcp_error = |address| move |error| StartError::Tcp { address, error };
        let tcp = match endpoints.tcp {
            Some(address) => Some(bind_tcp(address).map_err(tcp_error(address))?),
            None => None,
        };
        let address = tcp.as_ref().and_then(|listener| listener.local_addr().ok());
        let path = endpoints.socket;
        let unix = bind_unix(&path)?;
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(WAITING_THREADS_MAX)
            .build()
            .map_err(StartError::Thread)?;
        let shared = Shared::new(headend, events);
        let serve = move || {
            runtime.block_on(serve(tcp, unix, shared, stopped));
            runtime.shutdown_timeout(GRACE);
        };
        let spawned = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(serve);
        let thread = spawned.map_err(StartError::Thread)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            socket: path,
            tcp: address,
        })
    }

    /// The TCP address that is served, with the port that the system chose if none was asked for.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Stops to serve, at the latest after a second.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The thread may be gone already; then there is nobody to tell.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
        // A socket that somebody removed by hand is no loss.
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Makes the socket under another name, takes its permissions away, and only then puts it in place:
/// at no time can anybody else connect.
fn bind_unix(path: &Path) -> Result<UnixListener, StartError> {
    if UnixStream::connect(path).is_ok() {
        return Err(StartError::InUse {
            path: path.to_owned(),
        });
    }
    let bind = || {
        let fresh = path.with_extension(format!("new-{}", std::process::id()));
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&fresh, path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error| StartError::Socket {
        path: path.to_owned(),
        error,
    })
}

async fn serve(
    tcp: Option<std::net::TcpListener>,
    unix: UnixListener,
    shared: Shared,
    stopped: watch::Receiver<bool>,
) {
    let open = async {
        let listener = tcp.map(tokio::net::TcpListener::from_std);
        if let Some(Ok(listener)) = listener {
            serve_one(listener, routes::open(shared.clone()), stopped.clone()).await;
        }
    };
    let private = async {
        if let Ok(listener) = tokio::net::UnixListener::from_std(unix) {
            serve_one(listener, routes::private(shared.clone()), stopped.clone()).await;
        }
    };
    tokio::join!(open, private);
}

/// Serves until told to stop; then answers under way get [`GRACE`], and streams of events end with
/// it.
async fn serve_one<L>(listener: L, router: Router, stopped: watch::Receiver<bool>)
where
    L: Listener,
    L::Io: Unpin,
    L::Addr: core::fmt::Debug,
{
    let until = |mut stopped: watch::Receiver<bool>| async move {
        // An error means that the owner is gone, which is a reason to stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let server =
        axum::serve(Limited::new(listener), router).with_graceful_shutdown(until(stopped.clone()));
    let deadline = async {
        until(stopped).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        _ = server.into_future() => {}
        () = deadline => {}
    }
}
