use std::path::Path;
use std::sync::Arc;

use ipsec::{AuthPolicy, PolicySnapshot};
use toml::de::DeTable;

use crate::certificate::Files;
use crate::connection::{Around, Connections};
use crate::diagnostic::{Diagnostics, Severity};
use crate::keys::{DPD, ROOT};
use crate::liveness::Layer;
use crate::parts::{IN_PARTS, Parts};
use crate::secret::Secrets;
use crate::settings::Config;
use crate::table::{Fault, Report, Table};
use crate::version::Placed;
use crate::{failover, headend, pool, users, version, vrf};

/// Reads a configuration. `path` names the file in diagnostics; paths of secrets are relative to its
/// directory. Files that hold secrets, keys and certificates are read, nothing else is.
///
/// # Errors
/// Everything that is wrong, in the order of the file. Warnings alone are no error: they are part of
/// the configuration.
pub fn load(text: &str, path: &Path) -> Result<Config, Diagnostics> {
    load_parts(&Parts::of(text), text, path)
}

fn load_parts(parts: &Parts<'_>, text: &str, path: &Path) -> Result<Config, Diagnostics> {
    // A text that was cut where it should not have been, and one that is wrong.
    let load_whole = || load_parts(&Parts::whole(text), text, path);
    let report = Report::new(text, &path.display().to_string());
    let (parsed, syntax_errors) = DeTable::parse_recoverable(&parts.root);
    if !syntax_errors.is_empty() && parts.are_several() {
        return load_whole();
    }
    for error in &syntax_errors {
        let span = error.span().unwrap_or(0..0);
        let fault = Fault::new(format!("this is not TOML: {}", error.message()));
        report.fault(&span, fault.instead("see https://toml.io for the syntax"));
    }
    if !syntax_errors.is_empty() {
        return Err(Diagnostics(report.into_diagnostics()));
    }
    if parts.are_several() && !parts.fit(parsed.get_ref()) {
        return load_whole();
    }
    let root = Table::root(&report, &ROOT, parsed.get_ref(), 0);
    let Some(mut config) = read(&root, parts, path) else {
        return load_whole();
    };
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

/// `None` if a part does not hold what it should.
fn read(root: &Table<'_, '_>, parts: &Parts<'_>, path: &Path) -> Option<Config> {
    let headend = headend::read(root);
    let vrfs = vrf::read(root, &headend);
    let pools = pool::read(root, &vrfs);
    let directory = path.parent().unwrap_or(Path::new(""));
    let users = users::read(root, directory);
    let files = Files::new(directory);
    let global = Layer::read(root, &DPD);
    let around = Around {
        pools: &pools.names,
        vrfs: &vrfs,
        directory,
        files: &files,
    };
    let mut secrets = Secrets::new(directory, &vrfs);
    let mut connections = Connections::new(around, &global);
    if !parts.are_several() {
        secrets.read(root);
        connections.read(root);
    }
    for (part, offset) in parts.iter() {
        let (parsed, syntax_errors) = DeTable::parse_recoverable(part);
        let part = Table::root(root.report, &ROOT, parsed.get_ref(), offset);
        if !syntax_errors.is_empty() || !part.has_only(&IN_PARTS) {
            return None;
        }
        secrets.read(&part);
        connections.read(&part);
    }
    let Connections {
        dpd,
        mut placed,
        dpd_peers,
        first,
        ..
    } = connections;
    version::check_v1(root, &placed, &secrets.entries, !users.is_empty());
    if !headend.raw_esp {
        // A peer would send protocol 50, where nobody listens, if it saw no NAT.
        for placed in &mut placed {
            Arc::make_mut(&mut placed.policy).force_encap = true;
        }
    }
    let shared = |placed: &Placed| {
        let ends = (&placed.policy.local_auth, &placed.policy.remote_auth);
        matches!(ends, (AuthPolicy::Psk, _) | (_, AuthPolicy::Psk))
    };
    if let (true, false, Some(span)) = (placed.iter().any(shared), secrets.present, first) {
        let fault = Fault::new("there are connections and no secrets");
        let instead =
            "add `[secrets.NAME]` with `id` and `file`: peers authenticate with a shared secret";
        root.report.fault(&span, fault.instead(instead));
    }
    let policies = placed.into_iter().map(|placed| placed.policy);
    Some(Config {
        file: path.display().to_string(),
        headend,
        failover: failover::read(root),
        metrics: headend::metrics(root),
        log: headend::log(root),
        control: headend::control(root),
        policy: Arc::new(PolicySnapshot {
            connections: policies.collect(),
            secrets: secrets.entries.into(),
            pools: pools.valid,
            users,
        }),
        dpd: dpd.0,
        breaker: global.breaker(),
        budgets: global.budgets(),
        dpd_peers,
        certificates: files.own(),
        warnings: Vec::new(),
        vrfs,
    })
}
