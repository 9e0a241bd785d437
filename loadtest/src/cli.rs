//! The command line, for the program itself and for any that carries it as a subcommand.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::scenario::{Leave, Scenario};

/// How the course of a run is shown while it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// A bar on a terminal, plain lines otherwise.
    #[default]
    Auto,
    /// A bar on standard error.
    Bar,
    /// A line on standard error every few seconds.
    Plain,
    /// JSON lines on standard output ([`Line`](crate::progress::Line)), the report as the last.
    Json,
    /// Nothing.
    None,
}

/// What the report on standard output looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Options of the peer generator. Those that describe the run override the scenario file.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Scenario file (TOML); without one the built-in defaults apply.
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Run the scenario's section `short`, too.
    #[arg(long, requires = "scenario")]
    pub short: bool,
    /// Start this `palisade` for the run, configured as the scenario wants, on loopback; key and event stream are its own.
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["target", "events", "psk_file"])]
    pub headend: Option<PathBuf>,
    /// The responder: address and UDP-encapsulation port (usually 4500).
    #[arg(long, value_name = "ADDR:PORT")]
    pub target: Option<SocketAddr>,
    /// Start at this port of the responder without encapsulation (usually 500) and float.
    #[arg(long, value_name = "PORT")]
    pub ike_port: Option<u16>,
    /// How many peers.
    #[arg(long, value_name = "N")]
    pub peers: Option<u32>,
    /// Peers that start per second, whether the responder keeps up or not.
    #[arg(long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// Source addresses: one address, or a prefix over which the peers are spread.
    #[arg(long, value_name = "PREFIX")]
    pub source: Option<String>,
    /// Source ports over which peers that share an address are spread.
    #[arg(long, value_name = "N")]
    pub ports: Option<u16>,
    /// Identity of each peer; `{n}` stands for its number.
    #[arg(long, value_name = "PATTERN")]
    pub identity: Option<String>,
    /// Identity that the responder must prove.
    #[arg(long, value_name = "ID")]
    pub remote_identity: Option<String>,
    /// File with the pre-shared key; `{n}` in it stands for the peer's number.
    #[arg(long, value_name = "FILE")]
    pub psk_file: Option<PathBuf>,
    /// Packets that each peer sends through its tunnel per second.
    #[arg(long, value_name = "RATE")]
    pub packets: Option<f64>,
    /// Octets of UDP payload in each of them.
    #[arg(long, value_name = "OCTETS")]
    pub payload: Option<u16>,
    /// Where in the tunnel they go.
    #[arg(long, value_name = "ADDR:PORT")]
    pub destination: Option<SocketAddr>,
    /// First inner address when the peers do not ask for virtual ones: peer n has the nth.
    #[arg(long, value_name = "ADDR")]
    pub inner_base: Option<IpAddr>,
    /// How many peers die silently.
    #[arg(long, value_name = "N")]
    pub dead: Option<u32>,
    /// Seconds between the moment when every peer is up (or has failed) and the first death.
    #[arg(long, value_name = "SECONDS")]
    pub dead_delay: Option<f64>,
    /// Seconds over which the deaths are spread.
    #[arg(long, value_name = "SECONDS")]
    pub dead_spread: Option<f64>,
    /// Seconds that the run lasts.
    #[arg(long, value_name = "SECONDS")]
    pub duration: Option<f64>,
    /// Seed of everything that is drawn by lot.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What living peers do at the end.
    #[arg(long, value_enum)]
    pub leave: Option<Leave>,
    /// Threads; the peers are divided among them.
    #[arg(long, value_name = "N")]
    pub threads: Option<u16>,
    /// Control socket of a Palisade headend, whose verdicts are to be scored.
    #[arg(long, value_name = "SOCKET")]
    pub events: Option<PathBuf>,
    /// Longest time in seconds in which a death must be found.
    #[arg(long, value_name = "SECONDS")]
    pub bound: Option<f64>,
    /// End the run early when standard input is closed.
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// How to show the course of the run.
    #[arg(long, value_enum, default_value_t)]
    pub progress: ProgressMode,
    /// What to print at the end.
    #[arg(long, value_enum, default_value_t)]
    pub report: ReportFormat,
    /// Write the report as JSON to this file, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as a self-contained page with plots to this file, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

impl Args {
    /// The scenario: the file's or the default one, with the options laid over it, validated.
    ///
    /// # Errors
    /// When a file cannot be read, or the scenario makes no sense; the text says where.
    pub fn scenario(&self) -> Result<Scenario> {
        let scenario = self.read_scenario()?;
        scenario.validate()?;
        Ok(scenario)
    }

    /// As [`scenario`](Self::scenario), before it is validated: its responder may not be known yet.
    pub(crate) fn read_scenario(&self) -> Result<Scenario> {
        let mut scenario = match &self.scenario {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the scenario {}", path.display()))?;
                let read = match self.short {
                    true => Scenario::short_from_toml(&text),
                    false => Scenario::from_toml(&text),
                };
                read.with_context(|| format!("in the scenario {}", path.display()))?
            }
            None => Scenario::default(),
        };
        self.lay_over(&mut scenario)?;
        Ok(scenario)
    }

    fn lay_over(&self, scenario: &mut Scenario) -> Result<()> {
        set(&mut scenario.target.address, self.target);
        scenario.target.ike_port = self.ike_port.or(scenario.target.ike_port);
        if self.remote_identity.is_some() {
            scenario.target.identity.clone_from(&self.remote_identity);
        }
        set(&mut scenario.peers.count, self.peers);
        set(&mut scenario.peers.source, self.source.clone());
        set(&mut scenario.peers.ports, self.ports);
        set(&mut scenario.peers.identity, self.identity.clone());
        if let Some(path) = &self.psk_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the key file {}", path.display()))?;
            scenario.peers.psk = text.trim_end_matches(['\r', '\n']).into();
        }
        set(&mut scenario.arrival.rate_per_second, self.rate);
        set(&mut scenario.traffic.packets_per_second, self.packets);
        set(&mut scenario.traffic.payload_bytes, self.payload);
        set(&mut scenario.traffic.destination, self.destination);
        scenario.tunnel.inner_base = self.inner_base.or(scenario.tunnel.inner_base);
        set(&mut scenario.deaths.count, self.dead);
        set(&mut scenario.deaths.delay_s, self.dead_delay);
        set(&mut scenario.deaths.spread_s, self.dead_spread);
        set(&mut scenario.duration_s, self.duration);
        set(&mut scenario.seed, self.seed);
        set(&mut scenario.leave, self.leave);
        set(&mut scenario.threads, self.threads);
        Ok(())
    }
}

fn set<T>(field: &mut T, option: Option<T>) {
    if let Some(value) = option {
        *field = value;
    }
}
