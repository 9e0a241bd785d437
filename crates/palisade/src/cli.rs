//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use control::trace::Topic;

/// Palisade, an IPsec headend in user space.
///
/// It ends the tunnels (IKEv2, and IKEv1 where it is allowed) of any number of peers, moves their
/// packets through a TUN device, and finds out in time when one of them is dead.
#[derive(Parser, Debug)]
#[command(version = crate::version::VERSION, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  palisade demo                       a headend and 1,000 peers on this machine, without root
  palisade check palisade.toml        is the configuration right?
  palisade import ios router.cfg      what an IOS router's configuration means here
  sudo palisade run --config palisade.toml
  sudo palisade status                the service at a glance
  sudo palisade peers --json | jq '.[].identity'
  sudo palisade why-dead joe@example.org
  sudo palisade show crypto session   as a router shows it
  sudo palisade debug dpd             live: who is asked, who answers, who dies
  sudo palisade clear session --remote 10.2.80.209";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run the headend service
    #[command(after_help = "\
Examples:
  sudo palisade run                              with the embedded configuration
  sudo palisade run --config /etc/palisade.toml
  palisade run --config lab.toml --state-dir s --run-dir r   without root: high ports, inner = \"echo\"

SIGTERM and SIGINT end the service: peers are sent a DELETE, for `shutdown_time` at most.
SIGHUP reads the configuration again; peers stay.")]
    Run(RunArgs),
    /// Check a configuration and say what is wrong and what to write instead
    #[command(after_help = "\
Exit status: 0 if the configuration is right, 1 if it is not, 2 if it cannot be read.")]
    Check(CheckArgs),
    /// Translate the configuration of another product
    #[command(subcommand)]
    Import(Import),
    /// Show the service at a glance
    Status(Ask),
    /// Watch the service on a terminal: peers, set-ups, probes, verdicts, traffic
    #[command(after_help = "\
Keys: s changes between the last ten minutes and the last day, q ends.

Examples:
  palisade top
  palisade top --once                             one look, as text
  palisade top --json | jq .lateness_p99_ms       a line every two seconds")]
    Top(TopArgs),
    /// List peers
    #[command(after_help = "\
Examples:
  palisade peers
  palisade peers --connection clients --limit 20
  palisade peers --json | jq -r '.[] | select(.liveness != \"alive\") | .identity'")]
    Peers(ListArgs),
    /// List Child SAs with their counters
    Sas(ListArgs),
    /// Show everything about one peer
    Peer(PeerArgs),
    /// Show the evidence on which a peer was declared dead
    #[command(after_help = "\
Examples:
  palisade why-dead joe@example.org
  palisade why-dead 192.0.2.7 --json")]
    WhyDead(PeerArgs),
    /// Follow what happens: peers come, rekey, go and die
    #[command(after_help = "\
Examples:
  palisade events
  palisade events --json | jq 'select(.event == \"dead\") | .evidence'")]
    Events(Ask),
    /// Show SAs and sessions in the layouts of Cisco IOS
    #[command(subcommand)]
    Show(Show),
    /// End sessions: IKE SAs with everything under them
    #[command(subcommand)]
    Clear(Clear),
    /// Watch live what peers go through, message by message
    #[command(after_help = "\
It costs the service nothing while nobody watches. Up to eight may watch at the same time; who
reads too slowly misses records and is told how many. Times are UTC.

Examples:
  palisade debug dpd                              who is asked, who answers, who dies
  palisade debug isakmp --peer 10.2.80.209        one peer, in the lines of IOS
  palisade debug ikev2 --peer joe@example.org --format text
  palisade debug ipsec --format json | jq 'select(.step == \"child-removed\")'
  palisade debug dpd --seconds 60 --count 100     for scripts: ends by itself")]
    Debug(DebugArgs),
    /// Establish a connection or a child as initiator
    #[command(after_help = "\
Examples:
  palisade initiate --child net
  palisade initiate --connection site --child lan")]
    Initiate(InitiateArgs),
    /// Delete a peer's tunnel, or one of its children
    #[command(after_help = "\
Examples:
  palisade terminate joe@example.org
  palisade terminate 4f00a1c2d3e4f506 --child net")]
    Terminate(TargetArgs),
    /// Rekey a peer's IKE SA, or one of its children
    Rekey(TargetArgs),
    /// A headend and a thousand peers on this machine: handshakes, traffic, deaths, verdicts
    #[command(after_help = "\
Needs no root and no configuration. Exit status 0 only if every peer was established, every dead peer
was found within the bound, and no living one was declared dead.

Examples:
  palisade demo
  palisade demo --peers 5000 --dead 500
  palisade demo --json > report.json")]
    Demo(DemoArgs),
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  palisade completions bash > /etc/bash_completion.d/palisade
  palisade completions fish > ~/.config/fish/completions/palisade.fish")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The peers of the demonstration, in a process of their own
    #[command(hide = true)]
    Load(Box<palisade_load::cli::Args>),
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Configuration file; without one, the embedded configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where what has to survive a restart is kept, such as the generated secret
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,
    /// Where the control socket is made
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// End when the parent process ends
    #[arg(long, hide = true)]
    pub(crate) die_with_parent: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Configuration file
    pub(crate) file: PathBuf,
    /// Print diagnostics as a JSON list
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whose configuration it is.
#[derive(Subcommand, Debug)]
pub(crate) enum Import {
    /// Translate the IPsec part of a running-config of IOS or IOS XE
    #[command(after_help = "\
Every line is translated, or the report on standard error says why not. A connection of which
something is missing is written as a comment, with what to supply. Keys go into files of mode 0600
beside the output, or into the text when that goes to standard output.

Exit status: 0 if it was translated; with --check, 1 if the result does not run or is incomplete;
2 if a file cannot be read or written.

Examples:
  palisade import ios router.cfg                                 the configuration, to read
  palisade import ios router.cfg --check                         does the result run?
  palisade import ios router.cfg --output /etc/palisade.toml     with its keys beside it
  palisade import ios part.cfg --with 'access-list 101 permit ip host 10.1.0.9 host 10.2.0.9'
  ssh router show running-config | palisade import ios - --json | jq .missing")]
    Ios(ImportIosArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ImportIosArgs {
    /// The running-config, or several that are read one after the other; `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// A further line of configuration, read after the files; may be given several times
    #[arg(long, value_name = "LINE", allow_hyphen_values = true)]
    pub(crate) with: Vec<String>,
    /// Write the configuration here, and its keys into files beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
    /// Say whether the result runs; without --output nothing is written
    #[arg(long)]
    pub(crate) check: bool,
    /// List every line in the report, translated ones and those that are not about IPsec too
    #[arg(long)]
    pub(crate) verbose: bool,
    /// Print the report as JSON on standard output; the configuration needs --output then
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the running service is reached, and how its answer is shown.
#[derive(Args, Debug, Clone)]
pub(crate) struct Ask {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Run directory of the service
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Control socket of the service, if it is not in its run directory
    #[arg(long, value_name = "SOCKET", conflicts_with = "run_dir")]
    pub(crate) socket: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Begin with the last day instead of the last ten minutes
    #[arg(long)]
    pub(crate) day: bool,
    /// Print one look and end
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// Only peers of this connection
    #[arg(long, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    /// List this many at most; all if not given
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// List from the peer after this one on: the `id` (of SAs the `peer`) of the last entry seen
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct PeerArgs {
    /// Number, identity or address of the peer
    pub(crate) peer: String,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Show {
    /// What `show crypto` shows on a router
    #[command(
        subcommand,
        after_help = "\
Examples:
  palisade show crypto session
  palisade show crypto session detail
  palisade show crypto isakmp sa
  palisade show crypto ikev2 sa detailed
  palisade show crypto ipsec sa | grep -A1 'inbound esp'"
    )]
    Crypto(ShowCrypto),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ShowCrypto {
    /// IKE SAs of IKEv1
    #[command(subcommand)]
    Isakmp(ShowSa),
    /// IKE SAs of IKEv2
    #[command(subcommand)]
    Ikev2(ShowSa),
    /// Child SAs with their counters and lifetimes
    #[command(subcommand)]
    Ipsec(ShowSa),
    /// Sessions: each peer with its IKE SA and its flows
    Session(ShowArgs),
}

#[derive(Subcommand, Debug)]
pub(crate) enum ShowSa {
    /// Security associations
    Sa(ShowArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// With everything
    #[arg(value_enum)]
    pub(crate) detail: Option<Detail>,
    /// Only peers of this connection
    #[arg(long, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// That everything is to be shown; IOS says it in two ways.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Detail {
    /// Everything
    Detail,
    /// The same
    Detailed,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Clear {
    /// End the sessions that match, at once, each with a DELETE to the peer
    #[command(after_help = "\
Everything that is given must match. Without a filter it asks, or needs --all. The SAs are gone
when it returns; the DELETE is sent once and not repeated, so that a peer which does not answer is
cleared like any other. `palisade terminate` waits for the peer's answer instead. At most 5,000
sessions are ended in a second.

Examples:
  palisade clear session --remote 10.2.80.209
  palisade clear session --remote 198.51.100.7:4500 --local 192.0.2.1
  palisade clear session --id joe@example.org
  palisade clear session --fvrf internet --ivrf customer-a --dry-run
  palisade clear session --all --json")]
    Session(ClearArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ClearArgs {
    /// Only with this outer address of ours
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) local: Option<String>,
    /// Only with peers at this outer address
    #[arg(long, value_name = "IP[:PORT]")]
    pub(crate) remote: Option<String>,
    /// Only in this front-door VRF
    #[arg(long, value_name = "NAME")]
    pub(crate) fvrf: Option<String>,
    /// Only in this inner VRF
    #[arg(long, value_name = "NAME")]
    pub(crate) ivrf: Option<String>,
    /// Only with the peer of this identity
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// All sessions, without a question
    #[arg(long, conflicts_with_all = ["local", "remote", "fvrf", "ivrf", "id"])]
    pub(crate) all: bool,
    /// Show what would end, and end nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Args, Debug)]
pub(crate) struct DebugArgs {
    /// What to watch
    #[arg(value_enum)]
    pub(crate) topic: DebugTopic,
    /// Only the peer at this outer address, or with this identity (from its authentication on)
    #[arg(long, value_name = "IP|ID")]
    pub(crate) peer: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value_t = Format::Ios)]
    pub(crate) format: Format,
    /// End after this time
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// End after this many records
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

/// What may be watched.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DebugTopic {
    /// IKEv1, with its dead peer detection
    Isakmp,
    /// IKEv2, with its dead peer detection
    Ikev2,
    /// Child SAs
    Ipsec,
    /// Dead peer detection of both versions
    Dpd,
}

impl DebugTopic {
    pub(crate) const fn topic(self) -> Topic {
        match self {
            Self::Isakmp => Topic::Isakmp,
            Self::Ikev2 => Topic::Ikev2,
            Self::Ipsec => Topic::Ipsec,
            Self::Dpd => Topic::Dpd,
        }
    }

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Isakmp => "isakmp",
            Self::Ikev2 => "ikev2",
            Self::Ipsec => "ipsec",
            Self::Dpd => "dpd",
        }
    }
}

/// How records are shown.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// The lines of Cisco IOS
    Ios,
    /// Plain words
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct InitiateArgs {
    /// Name of the child
    #[arg(long, value_name = "NAME", required_unless_present = "connection")]
    pub(crate) child: Option<String>,
    /// Name of the connection, where the child's name alone is not clear
    #[arg(long, value_name = "NAME")]
    pub(crate) connection: Option<String>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Args, Debug)]
pub(crate) struct TargetArgs {
    /// Number, identity or address of the peer
    pub(crate) peer: String,
    /// Only this child
    #[arg(long, value_name = "NAME")]
    pub(crate) child: Option<String>,
    #[command(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// How many peers
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(crate) peers: u32,
    /// How many of them die; a tenth if not given
    #[arg(long, value_name = "N")]
    pub(crate) dead: Option<u32>,
    /// How long the run lasts, in seconds; as long as it needs if not given
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u32>,
    /// Print one JSON object on standard output and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                let help = argument.get_help().or(argument.get_long_help());
                assert!(
                    help.is_some(),
                    "{} {}",
                    command.get_name(),
                    argument.get_id()
                );
            }
        }
    }
}
