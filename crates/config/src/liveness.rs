//! Sections `dpd`: a global default, overridden per connection, overridden per peer.

use core::num::NonZeroU32;

use dpd::{Action, BreakerPolicy, BudgetPolicy, DpdPolicy, Mode, SuppressOn};
use ipsec::IdentityPattern;

use crate::identity::patterns;
use crate::keys::{BREAKER, BUDGETS, DPD_PEER, Section};
use crate::table::{Fault, Table, Value};
use crate::value::{decimal, duration, flag, number_as, percent, word};

const MODES: &[(&str, Mode)] = &[
    ("on-demand", Mode::OnDemand),
    ("periodic", Mode::Periodic),
    ("hybrid", Mode::Hybrid),
    ("respond-only", Mode::RespondOnly),
    ("off", Mode::Off),
];

/// `trap` is swanctl's word for `hold`.
pub(crate) const ACTIONS: &[(&str, Action)] = &[
    ("clear", Action::Clear),
    ("hold", Action::Hold),
    ("trap", Action::Hold),
    ("restart", Action::Restart),
    ("next-peer", Action::NextPeer),
];

const SUPPRESSORS: &[(&str, SuppressOn)] = &[
    ("hello", SuppressOn::Hello),
    ("ike", SuppressOn::Ike),
    ("any", SuppressOn::Any),
];

/// One section `dpd` with the exceptions under it, not yet laid over anything.
pub(crate) struct Layer<'a, 'r> {
    table: Option<Table<'a, 'r>>,
    peers: Vec<(Vec<IdentityPattern>, Table<'a, 'r>)>,
}

impl<'a, 'r> Layer<'a, 'r> {
    /// Reads the section `dpd` of a table, if it has one.
    pub(crate) fn read(parent: &Table<'a, 'r>, section: &'static Section) -> Self {
        let Some(table) = parent.section("dpd", section) else {
            return Self {
                table: None,
                peers: Vec::new(),
            };
        };
        let read_peer = |peer: Table<'a, 'r>| {
            if peer.value("id").is_none() {
                let fault = Fault::new("this exception does not say whom it is about");
                peer.fault_at_table(fault.instead("add `id = \"*.example.org\"`"));
            }
            (patterns(&peer, "id"), peer)
        };
        let peers = table
            .listed_sections("peer", &DPD_PEER)
            .into_iter()
            .map(read_peer)
            .collect();
        Self {
            table: Some(table),
            peers,
        }
    }

    /// When a mass death is suspected to be our own fault. Only the global section may say so.
    pub(crate) fn breaker(&self) -> BreakerPolicy {
        let default = BreakerPolicy::default();
        let table = self.table.as_ref();
        let Some(table) = table.and_then(|table| table.section("breaker", &BREAKER)) else {
            return default;
        };
        BreakerPolicy {
            enabled: table.read("enabled", flag).unwrap_or(default.enabled),
            share_percent: table
                .read("share", |value| number_as(value, 1, 100))
                .unwrap_or(default.share_percent),
            peers_min: table
                .read("peers_min", |value| number_as(value, 1, 1_000_000))
                .unwrap_or(default.peers_min),
            window: table.read("window", window).unwrap_or(default.window),
            // The workers themselves know how many they are.
            shards: default.shards,
        }
    }

    /// How much a worker may do in a second. Only the global section may say so.
    pub(crate) fn budgets(&self) -> BudgetPolicy {
        let default = BudgetPolicy::default();
        let table = self.table.as_ref();
        let Some(table) = table.and_then(|table| table.section("budgets", &BUDGETS)) else {
            return default;
        };
        let rate = |key, default| {
            let rate = table.read(key, |value| number_as(value, 1, 10_000_000));
            rate.and_then(NonZeroU32::new).unwrap_or(default)
        };
        BudgetPolicy {
            probes_per_second: rate("probes_per_second", default.probes_per_second),
            kills_per_second: rate("verdicts_per_second", default.kills_per_second),
            reinitiations_per_second: rate(
                "initiations_per_second",
                default.reinitiations_per_second,
            ),
            hints_per_second: rate("hints_per_second", default.hints_per_second),
        }
    }

    /// Whether the section says what to do after a verdict.
    pub(crate) fn sets_action(&self) -> bool {
        self.table
            .as_ref()
            .is_some_and(|table| table.value("action").is_some())
    }

    pub(crate) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// The policy that results when this section is laid over another policy.
    pub(crate) fn over(&self, base: &DpdPolicy) -> DpdPolicy {
        self.table
            .as_ref()
            .map_or_else(|| base.clone(), |table| lay_over(table, base))
    }

    /// The exceptions, each laid over a policy.
    pub(crate) fn peers_over<'s>(
        &'s self,
        base: &'s DpdPolicy,
    ) -> impl Iterator<Item = (&'s IdentityPattern, DpdPolicy)> + 's {
        self.peers.iter().flat_map(move |(patterns, table)| {
            let policy = lay_over(table, base);
            patterns
                .iter()
                .map(move |pattern| (pattern, policy.clone()))
        })
    }
}

fn lay_over(table: &Table<'_, '_>, base: &DpdPolicy) -> DpdPolicy {
    let mode = table
        .read("mode", |value| word(value, MODES))
        .unwrap_or(base.mode);
    // A clean-up time that was inherited means nothing to a mode that was chosen here.
    let inherited_cleanup = base.cleanup.filter(|_| mode == Mode::Hybrid);
    let policy = DpdPolicy {
        mode,
        interval: table.read("interval", duration).unwrap_or(base.interval),
        retry: table.read("retry", duration).unwrap_or(base.retry),
        retries: table
            .read("retries", |value| number_as(value, 1, 20))
            .unwrap_or(base.retries),
        backoff_percent: table
            .read("backoff", backoff)
            .unwrap_or(base.backoff_percent),
        action: table
            .read("action", |value| word(value, ACTIONS))
            .unwrap_or(base.action),
        cleanup: table.read("cleanup", duration).or(inherited_cleanup),
        jitter_percent: table.read("jitter", percent).unwrap_or(base.jitter_percent),
        suppress_on: table
            .read("suppress_on", |value| word(value, SUPPRESSORS))
            .unwrap_or(base.suppress_on),
        suspect_max: table.read("suspect_max", duration).or(base.suspect_max),
        allow_fast: table.read("allow_fast", flag).unwrap_or(base.allow_fast),
    };
    report_invalid(table, &policy);
    policy
}

fn window(value: &Value<'_>) -> Result<core::time::Duration, Fault> {
    let window = duration(value)?;
    if window.is_zero() || window > core::time::Duration::from_secs(3_600) {
        return Err(Fault::new("the window is out of range")
            .instead("write a time above zero and of at most \"1h\""));
    }
    Ok(window)
}

/// A factor as the operator writes it ("1.2"), in percent.
fn backoff(value: &Value<'_>) -> Result<u16, Fault> {
    let factor = decimal(value)?;
    let hundredfold = (factor * 100.0).round();
    if !(0.0..=10_000.0).contains(&hundredfold) {
        return Err(
            Fault::new(format!("{factor} is out of range")).instead("write a factor such as 1.2")
        );
    }
    Ok(hundredfold as u16)
}

fn report_invalid(table: &Table<'_, '_>, policy: &DpdPolicy) {
    for error in policy.validate().err().into_iter().flatten() {
        let key = error.setting().as_str().replace('-', "_");
        let span = table
            .value(&key)
            .map_or_else(|| table.span.clone(), |value| value.span());
        let fault = Fault::new(
            format!("out of range: {error}").replace("allow-fast", "`allow_fast = true`"),
        );
        table.report.fault(
            &span,
            fault.instead(format!("change `{key}` in `[{}]`", table.path)),
        );
    }
}

/// The policies in use, each once.
#[derive(Default)]
pub(crate) struct Policies(pub(crate) Vec<DpdPolicy>);

impl Policies {
    /// The index of a policy; `None` when there are more of them than an index can tell apart.
    pub(crate) fn index(&mut self, policy: DpdPolicy) -> Option<u16> {
        let known = self.0.iter().position(|one| *one == policy);
        let index = u16::try_from(known.unwrap_or(self.0.len())).ok()?;
        if known.is_none() {
            self.0.push(policy);
        }
        Some(index)
    }
}
