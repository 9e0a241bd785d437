//! Sections `dpd`: a global default, overridden per connection, overridden per peer.

use dpd::{Action, DpdPolicy, Mode, SuppressOn};
use ipsec::IdentityPattern;

use crate::identity::patterns;
use crate::keys::{DPD, DPD_PEER};
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
    pub(crate) fn read(parent: &Table<'a, 'r>) -> Self {
        let Some(table) = parent.section("dpd", &DPD) else {
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
