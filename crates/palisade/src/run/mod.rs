//! `palisade run`: the service, from its configuration to its end.

mod certificates;
mod clear;
mod default_configuration;
mod deprecated;
mod events;
mod headend;
mod listing;
mod manager;
mod meter;
mod names;
mod reload;
mod scrape;
mod settings;
mod system;
mod verdict;
mod watch;
mod which;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use config::Config;
use control::{Control, Endpoints, EventHub};
use runtime::Service;
use zeroize::Zeroizing;

use crate::cli::RunArgs;
use crate::signals::{Signals, Wish};
use crate::{directories, logging};

pub(crate) use certificates::now;
use headend::Front;

/// Runs until a signal ends it.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode> {
    if args.die_with_parent {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
            .context("cannot ask to end with the parent process")?;
    }
    let (config, client) = match &args.config {
        Some(file) => match read(file)? {
            Some(config) => (config, None),
            None => return Ok(ExitCode::FAILURE),
        },
        None => {
            let state = args
                .state_dir
                .clone()
                .unwrap_or_else(directories::default_state);
            let (config, client) = default_configuration::prepare(&state)?;
            (config, Some(client))
        }
    };
    logging::start(config.log);
    let socket = control_socket(args, &config)?;
    // Signals are caught before anything is started that would have to be cleaned up.
    let signals = Signals::catch()?;
    let config = Arc::new(config);
    let service = Service::start(settings::of(&config)).context("cannot start the service")?;
    let stage = Stage {
        config,
        file: args.config.clone(),
        socket,
        client,
    };
    serve(service, stage, signals)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a configuration; `None` when it is wrong, which has been told then.
fn read(file: &Path) -> Result<Option<Config>> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    match config::load(&text, file) {
        Ok(config) => Ok(Some(config)),
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            Ok(None)
        }
    }
}

fn control_socket(args: &RunArgs, config: &Config) -> Result<PathBuf> {
    if let Some(socket) = &config.control.socket {
        return Ok(socket.clone());
    }
    let run = args
        .run_dir
        .clone()
        .unwrap_or_else(directories::default_run);
    directories::make_private(&run)?;
    Ok(directories::socket_in(&run))
}

/// What a service is brought up with.
struct Stage {
    config: Arc<Config>,
    /// Where the configuration was read from, and is read from again.
    file: Option<PathBuf>,
    socket: PathBuf,
    client: Option<default_configuration::Client>,
}

fn serve(service: Service, stage: Stage, mut signals: Signals) -> Result<()> {
    let Stage {
        config,
        file,
        socket,
        client,
    } = stage;
    let service = Arc::new(service);
    let hub = EventHub::new();
    let endpoints = Endpoints {
        tcp: config.metrics.listen,
        socket: socket.clone(),
    };
    let subscription = service.subscribe(events::BACKLOG);
    let front = Arc::new(Front::new(Arc::clone(&service), Arc::clone(&config)));
    let control = Control::start(endpoints, front.clone(), hub.clone())?;
    front.serves_metrics_on(control.tcp_address());
    let forwarder = events::Forwarder::start(subscription, hub, &front)?;
    let meter = meter::Meter::start(&front)?;
    tell_start(&service, &config, &socket, control.tcp_address());
    manager::ready();
    certificates::tell(&config);
    deprecated::tell(None, &config);
    if let Some(client) = client {
        client.print();
    }
    let signal = loop {
        match (signals.wait()?, &file) {
            (Wish::End(signal), _) => break signal,
            (Wish::Reload, Some(file)) => {
                manager::reloading();
                reload::reload(&front, file);
                manager::ready();
            }
            (Wish::Reload, None) => tracing::warn!("there is no configuration file to read again"),
        }
    };
    tracing::info!(signal, "shutting down: peers are sent a DELETE");
    manager::stopping();
    meter.stop();
    let told = service.stop(front.config().headend.shutdown_time);
    forwarder.stop();
    control.stop();
    if told {
        tracing::info!("all peers are gone; the service ends");
    } else {
        tracing::warn!(
            "the time to shut down was over before all peers answered; the service ends"
        );
    }
    Ok(())
}

fn tell_start(
    service: &Service,
    config: &Config,
    socket: &Path,
    metrics: Option<std::net::SocketAddr>,
) {
    crate::version::log_bench_build();
    let listen: Vec<_> = service
        .listeners()
        .iter()
        .map(|(_, address)| address.to_string())
        .collect();
    tracing::info!(
        version = crate::version::VERSION,
        configuration = config.file,
        listen = listen.join(", "),
        shards = service.shards(),
        engine = settings::engine_name(service.engine()),
        offload = %service.offloads(),
        inner = service.inner(),
        control = %socket.display(),
        metrics = metrics.map(|address| address.to_string()).unwrap_or_default(),
        "ready for peers"
    );
    // The kernel doubles what it grants, for its own bookkeeping.
    let asked = config.headend.socket_buffer_bytes;
    let granted = service.socket_buffer_bytes() as u64 / 2;
    if granted < asked {
        tracing::warn!(
            asked,
            granted,
            "the kernel grants smaller socket buffers than `socket_buffer`: raise net.core.rmem_max \
             and net.core.wmem_max, or give the service CAP_NET_ADMIN"
        );
    }
}
