use std::path::Path;
use std::sync::Arc;

use ipsec::PolicySnapshot;
use toml::de::DeTable;

use crate::diagnostic::Diagnostics;
use crate::keys::{DPD, ROOT};
use crate::liveness::{Layer, Policies};
use crate::settings::Config;
use crate::table::{Fault, Report, Table};
use crate::{connection, headend, pool, secret};

/// Reads a configuration. `path` names the file in diagnostics; paths of secrets are relative to its
/// directory. Files that hold secrets are read, nothing else is.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
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
    let config = read(&root, path);
    let diagnostics = report.into_diagnostics();
    if diagnostics.is_empty() {
        Ok(config)
    } else {
        Err(Diagnostics(diagnostics))
    }
}

fn read(root: &Table<'_, '_>, path: &Path) -> Config {
    let pools = pool::read(root);
    let secrets = secret::read(root, path.parent().unwrap_or(Path::new("")));
    let mut dpd = Policies::default();
    let headend = headend::read(root);
    let global = Layer::read(root, &DPD);
    let mut connections = connection::read(root, &pools.names, &global, &mut dpd);
    if !headend.raw_esp {
        // A peer would send protocol 50, where nobody listens, if it saw no NAT.
        for policy in &mut connections.policies {
            Arc::make_mut(policy).force_encap = true;
        }
    }
    if let (false, true, Some((span, _))) = (
        connections.policies.is_empty(),
        secrets.is_empty(),
        root.entry("connections"),
    ) && root.value("secrets").is_none()
    {
        let fault = Fault::new("there are connections and no secrets");
        let instead =
            "add `[secrets.NAME]` with `id` and `file`: peers authenticate with a shared secret";
        root.report.fault(&span, fault.instead(instead));
    }
    Config {
        file: path.display().to_string(),
        headend,
        metrics: headend::metrics(root),
        log: headend::log(root),
        control: headend::control(root),
        policy: PolicySnapshot {
            connections: connections.policies,
            secrets: secrets.into(),
            pools: pools.valid,
            users: ipsec::Users::default(),
        },
        dpd: dpd.0,
        breaker: global.breaker(),
        budgets: global.budgets(),
        dpd_peers: connections.dpd_peers,
    }
}
