//! SIGHUP: the configuration is read again. What peers may do changes, peers stay.

use std::path::Path;
use std::sync::Arc;

use config::Config;
use zeroize::Zeroizing;

use super::headend::Front;
use super::{certificates, deprecated, settings};

/// Reads the configuration again. If it is wrong, or the workers are busy, the old one holds on.
pub(super) fn reload(front: &Front, file: &Path) {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => Zeroizing::new(text),
        Err(error) => {
            tracing::error!(file = %file.display(), %error, "the configuration cannot be read again");
            return;
        }
    };
    let config = match config::load(&text, file) {
        Ok(config) => config,
        Err(faults) => {
            for fault in &faults.0 {
                let instead = fault.instead.as_deref().unwrap_or_default();
                let (line, column) = (fault.line, fault.column);
                tracing::error!(line, column, instead, "{}", fault.message);
            }
            tracing::error!("the configuration is wrong; the one before stays in force");
            return;
        }
    };
    let old = front.config();
    if !config.vrfs.numbers_as(&old.vrfs) {
        tracing::error!(
            "VRFs came, went or changed places, which takes a new start; the configuration before stays in force"
        );
        return;
    }
    if let Err(busy) = front.service.replace_policy(&settings::policy(&config)) {
        tracing::error!(%busy, "the new configuration may not have reached all workers: try again");
        return;
    }
    for section in fixed_sections(&old, &config) {
        tracing::warn!(
            section,
            "a change in this section takes effect with the next start"
        );
    }
    certificates::tell(&config);
    deprecated::tell(Some(&old), &config);
    front.replace_config(Arc::new(config));
    tracing::info!("the configuration was read again");
}

/// Sections that changed and cannot change while the service runs.
fn fixed_sections(old: &Config, new: &Config) -> Vec<&'static str> {
    let changes = [
        ("headend", old.headend != new.headend),
        ("fvrf", old.vrfs.front != new.vrfs.front),
        ("ivrf", old.vrfs.inner != new.vrfs.inner),
        ("failover", old.failover != new.failover),
        ("metrics", old.metrics != new.metrics),
        ("log", old.log != new.log),
        ("control", old.control != new.control),
        ("dpd.breaker", old.breaker != new.breaker),
        ("dpd.budgets", old.budgets != new.budgets),
    ];
    let changed = changes.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(section, _)| section).collect()
}
