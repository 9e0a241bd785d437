use std::path::Path;
use std::sync::Arc;

use ipsec::{AuthPolicy, PolicySnapshot};
use toml::de::DeTable;

use crate::certificate::Files;
use crate::connection::Around;
use crate::diagnostic::{Diagnostics, Severity};
use crate::keys::{DPD, ROOT};
use crate::liveness::{Layer, Policies};
use crate::settings::Config;
use crate::table::{Fault, Report, Table};
use crate::version::Placed;
use crate::{connection, failover, headend, pool, secret, users, version, vrf};

/// Reads a configuration. `path` names the file in diagnostics; paths of secrets are relative to its
/// directory. Files that hold secrets, keys and certificates are read, nothing else is.
///
/// # Errors
/// Everything that is wrong, in the order of the file. Warnings alone are no error: they are part of
/// the configuration.
pub fn load(text: &str, path: &Path) -> Result<Config, Diagnostics> {
    let report = Report::new(text, &path.display().to_string());
    let (parsed, syntax_errors) = DeTable::parse_recoverable(text);
    for error in &syntax_errors {
        let span = error.span().unwrap_or(0..0);
        let fault = Fault::new(format!("this is not TOML: {}", error.message()));
        report.fault(&span, fault.instead("see https://toml.io for the syntax"));
    }
    if !syntax_errors.is_empty() {
        return Err(Diagnostics(report.into_diagnostics()));
    }
    let root = Table::root(&report, &ROOT, parsed.get_ref());
    let mut config = read(&root, path);
    let diagnostics = report.into_diagnostics();
    if diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error)
    {
        return Err(Diagnostics(diagnostics));
    }
    config.warnings = diagnostics;
    Ok(config)
}

fn read(root: &Table<'_, '_>, path: &Path) -> Config {
    let headend = headend::read(root);
    let vrfs = vrf::read(root, &headend);
    let pools = pool::read(root, &vrfs);
    let directory = path.parent().unwrap_or(Path::new(""));
    let secrets = secret::read(root, directory, &vrfs);
    let users = users::read(root, directory);
    let files = Files::new(directory);
    let mut dpd = Policies::default();
    let global = Layer::read(root, &DPD);
    let around = Around {
        pools: &pools.names,
        vrfs: &vrfs,
        directory,
        files: &files,
    };
    let mut connections = connection::read(root, &around, &global, &mut dpd);
    version::check_v1(root, &connections.placed, &secrets, !users.is_empty());
    if !headend.raw_esp {
        // A peer would send protocol 50, where nobody listens, if it saw no NAT.
        for placed in &mut connections.placed {
            Arc::make_mut(&mut placed.policy).force_encap = true;
        }
    }
    let shared = |placed: &Placed| {
        let ends = (&placed.policy.local_auth, &placed.policy.remote_auth);
        matches!(ends, (AuthPolicy::Psk, _) | (_, AuthPolicy::Psk))
    };
    if let (true, true, Some((span, _))) = (
        connections.placed.iter().any(shared),
        secrets.is_empty(),
        root.entry("connections"),
    ) && root.value("secrets").is_none()
    {
        let fault = Fault::new("there are connections and no secrets");
        let instead =
            "add `[secrets.NAME]` with `id` and `file`: peers authenticate with a shared secret";
        root.report.fault(&span, fault.instead(instead));
    }
    let policies = connections.placed.into_iter().map(|placed| placed.policy);
    Config {
        file: path.display().to_string(),
        headend,
        vrfs,
        failover: failover::read(root),
        metrics: headend::metrics(root),
        log: headend::log(root),
        control: headend::control(root),
        policy: Arc::new(PolicySnapshot {
            connections: policies.collect(),
            secrets: secrets.into(),
            pools: pools.valid,
            users,
        }),
        dpd: dpd.0,
        breaker: global.breaker(),
        budgets: global.budgets(),
        dpd_peers: connections.dpd_peers,
        certificates: files.own(),
        warnings: Vec::new(),
    }
}
