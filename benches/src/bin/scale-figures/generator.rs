use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use palisade_benches::generator::Generator;

use crate::headend::Headend;
use crate::options::Options;

/// Starts the generator against a headend. The dying fall silent `delay` after everybody is up.
pub(crate) fn start_generator(
    options: &Options,
    headend: &Headend,
    delay: Duration,
    bound: Option<Duration>,
) -> Result<Generator> {
    let mut command = Command::new(options.programs.join("palisade-load"));
    let mut set = |name: &str, value: &dyn ToString| {
        command.arg(name).arg(value.to_string());
    };
    set("--target", &headend.target);
    set("--psk-file", &headend.secret_file().display());
    set("--events", &headend.control_socket().display());
    set("--peers", &options.peers);
    set("--rate", &options.rate);
    set("--packets", &0);
    set("--source", &"127.16.0.0/12");
    set("--duration", &86_400);
    set("--dead", &options.dead());
    set("--dead-delay", &delay.as_secs_f64());
    set("--leave", &"silent");
    if let Some(bound) = bound {
        set("--bound", &bound.as_secs_f64());
    }
    Generator::start(&mut command)
}
