//! Section `connections`.

use core::net::IpAddr;
use core::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crypto::{Credential, TrustAnchors};
use dpd::{Action, DpdPolicy, Mode};
use ipsec::{AuthPolicy, ConnectionPolicy, IdentityPattern, InnerVrf, PoolName};

use crate::certificate::{self, Files};
use crate::child::{self, Child};
use crate::keys::{CHILD, CONNECTION, CONNECTION_DPD, LOCAL, REMOTE};
use crate::liveness::{Layer, Policies};
use crate::peers::{self, Peers};
use crate::settings::{PeerDpd, VrfSettings};
use crate::table::{Fault, Table, Value};
use crate::value::{address, duration, flag, number_as};
use crate::version::{self, Placed};
use crate::{identity, proposal, rekey, vrf};

/// What connections may speak of.
pub(crate) struct Around<'c> {
    pub(crate) pools: &'c [(PoolName, InnerVrf)],
    pub(crate) vrfs: &'c VrfSettings,
    /// Where files are looked for.
    pub(crate) directory: &'c Path,
    /// Certificates and keys.
    pub(crate) files: &'c Files<'c>,
}

/// What `connections` adds up to, read part by part.
pub(crate) struct Connections<'c, 'a, 'r> {
    around: Around<'c>,
    global: &'c Layer<'a, 'r>,
    global_policy: DpdPolicy,
    pub(crate) dpd: Policies,
    pub(crate) placed: Vec<Placed>,
    pub(crate) dpd_peers: Vec<PeerDpd>,
    /// Where the first section is.
    pub(crate) first: Option<Range<usize>>,
}

impl<'c, 'a, 'r> Connections<'c, 'a, 'r> {
    pub(crate) fn new(around: Around<'c>, global: &'c Layer<'a, 'r>) -> Self {
        let global_policy = global.over(&DpdPolicy::default());
        let mut dpd = Policies::default();
        dpd.index(global_policy.clone());
        // Exceptions are checked even where no connection makes use of them.
        global.peers_over(&global_policy).for_each(drop);
        Self {
            around,
            global,
            global_policy,
            dpd,
            placed: Vec::new(),
            dpd_peers: Vec::new(),
            first: None,
        }
    }

    /// Reads those of a root.
    pub(crate) fn read(&mut self, root: &Table<'_, '_>) {
        let here = root.entry("connections").map(|(span, _)| span);
        self.first = self.first.take().or(here);
        for (name, table) in root.named_sections("connections", &CONNECTION) {
            self.read_one(name, &table);
        }
    }

    fn read_one(&mut self, name: String, table: &Table<'_, '_>) {
        let children: Vec<_> = table
            .named_sections("children", &CHILD)
            .into_iter()
            .map(|(name, table)| child::read(&name, &table))
            .collect();
        if children.is_empty() {
            let fault = Fault::new(format!("connection `{name}` has no children"));
            let instead = format!("add `[connections.{name}.children.NAME]`");
            table.fault_at_table(fault.instead(instead));
        }
        let remote = peers::read(table);
        let layer = Layer::read(table, &CONNECTION_DPD);
        let mut base = self.global_policy.clone();
        if !self.global.sets_action() && seeks_another(&children, &remote) {
            base.action = Action::NextPeer;
        }
        let policy = dpd_policy(table, &layer, &base, &children);
        let name: Arc<str> = name.into();
        let exceptions: Vec<_> = layer
            .peers_over(&policy)
            .chain(self.global.peers_over(&policy))
            .collect();
        for (pattern, exception) in exceptions {
            let index = index_of(table, &mut self.dpd, exception);
            let connection = Arc::clone(&name);
            let identity = pattern.clone();
            self.dpd_peers.push(PeerDpd {
                connection,
                identity,
                dpd: index,
            });
        }
        let parts = Parts {
            dpd: index_of(table, &mut self.dpd, policy),
            children,
            remote,
        };
        let policy = connection(table, name, parts, &self.around);
        self.placed.push(Placed {
            policy: Arc::new(policy),
            span: table.span.clone(),
        });
    }
}

/// What of a connection was read before it is put together.
struct Parts {
    dpd: u16,
    children: Vec<Child>,
    remote: Peers,
}

/// Whoever names several peers to connect to wants another when one dies.
fn seeks_another(children: &[Child], remote: &Peers) -> bool {
    remote.endpoints.len() > 1 && children.iter().any(|child| child.starts.is_some())
}

fn index_of(table: &Table<'_, '_>, dpd: &mut Policies, policy: DpdPolicy) -> u16 {
    dpd.index(policy).unwrap_or_else(|| {
        table.fault_at_table(
            Fault::new("there are more than 65536 different settings of dead peer detection")
                .instead("let connections share settings"),
        );
        0
    })
}

fn dpd_policy(
    table: &Table<'_, '_>,
    layer: &Layer<'_, '_>,
    global: &DpdPolicy,
    children: &[Child],
) -> DpdPolicy {
    let mut base = global.clone();
    if let Some((span, _)) = table.entry("dpd_delay") {
        if layer.is_present() {
            let fault = Fault::new("`dpd_delay` stands beside a section `dpd`");
            table.report.fault(
                &span,
                fault.instead("move it there: `mode = \"periodic\"` and `interval`"),
            );
        }
        if let Some(delay) = table.read("dpd_delay", duration) {
            base = with_delay(table, &span, base, delay);
        }
    }
    let mut policy = layer.over(&base);
    if let Some((action, span)) = children.iter().find_map(|child| child.dpd_action.clone()) {
        let others = children
            .iter()
            .filter_map(|child| child.dpd_action.as_ref());
        if let Some((_, other)) = others.into_iter().find(|(other, _)| *other != action) {
            let line = table.report.line_of(&span);
            let fault = Fault::new(format!("`dpd_action` differs from that of {line}"));
            let instead = "a peer is dead as a whole: write one action for all children";
            table.report.fault(other, fault.instead(instead));
        }
        if layer.sets_action() && policy.action != action {
            let fault = Fault::new("`dpd_action` contradicts `action` in the section `dpd`");
            table.report.fault(&span, fault.instead("keep one of them"));
        }
        policy.action = action;
    }
    policy
}

/// swanctl's `dpd_delay`: ask when nothing was heard for that long; zero asks nothing.
fn with_delay(
    table: &Table<'_, '_>,
    span: &Range<usize>,
    base: DpdPolicy,
    delay: core::time::Duration,
) -> DpdPolicy {
    if delay.is_zero() {
        return DpdPolicy {
            mode: Mode::RespondOnly,
            cleanup: None,
            ..base
        };
    }
    let policy = DpdPolicy {
        mode: Mode::Periodic,
        interval: delay,
        cleanup: None,
        ..base
    };
    for error in policy.validate().err().into_iter().flatten() {
        let fault = Fault::new(format!("out of range: {error}"));
        table
            .report
            .fault(span, fault.instead("change `dpd_delay`"));
    }
    policy
}

fn connection(
    table: &Table<'_, '_>,
    name: Arc<str>,
    parts: Parts,
    around: &Around<'_>,
) -> ConnectionPolicy {
    let Parts {
        dpd,
        children,
        remote,
    } = parts;
    let versions = version::versions(table);
    let fvrf = vrf::front_of(table, "fvrf", around.vrfs);
    let ivrf = vrf::inner_of(table, "ivrf", around.vrfs);
    let (pools, vips) = (pool_names(table, ivrf, around), vips(table));
    let configures = version::configures(!pools.is_empty(), vips);
    let v1 = version::v1(table, versions, configures, around.directory);
    let proposals = table
        .read_list("proposals", |value| proposal::ike(value, table.report))
        .map(|lists| lists.concat());
    check_starts(table, &children, remote.endpoints.is_empty());
    let (local_id, local_auth) = local(table, around.files);
    let (remote_id, remote_auth) = remote_end(table, around.files);
    let policy = ConnectionPolicy {
        name,
        versions,
        v1,
        dpd,
        fvrf,
        ivrf,
        local_addrs: local_addrs(table),
        remote_addrs: remote.endpoints,
        default_peer: remote.default,
        remote_sources: remote.sources,
        local_id,
        remote_id,
        local_auth,
        remote_auth,
        proposals: proposals.unwrap_or_else(proposal::default_ike),
        children: children.into_iter().map(|child| child.policy).collect(),
        pools,
        request_virtual: vips,
        rekey: rekey::of_connection(table),
        reauth_time: table
            .read("reauth_time", duration)
            .and_then(rekey::optional),
        fragmentation: table.read("fragmentation", flag).unwrap_or(true),
        fragment_size: table
            .read("fragment_size", |value| number_as(value, 576, 9_000))
            .unwrap_or(1_280),
        send_initial_contact: table.read("initial_contact", flag).unwrap_or(true),
        unique: table.read("unique", unique).unwrap_or(false),
        force_encap: table.read("encap", flag).unwrap_or(false),
    };
    if policy.versions.v1 && policy.uses_certificates() {
        let fault = Fault::new("certificates authenticate in IKEv2 only");
        table.fault_at_table(fault.instead("write `version = 2`"));
    }
    policy
}

/// swanctl's `replace` and `no`; a new IKE SA with INITIAL_CONTACT replaces old ones in any case.
fn unique(value: &Value<'_>) -> Result<bool, Fault> {
    match value.value.as_str() {
        Some("replace") => Ok(true),
        Some("never" | "keep") => Err(Fault::new("this way to treat duplicates is not supported")
            .instead("write \"replace\" or \"no\"")),
        _ => flag(value).map_err(|fault| fault.instead("write \"replace\" or \"no\"")),
    }
}

fn local_addrs(table: &Table<'_, '_>) -> Vec<IpAddr> {
    let any = |value: &Value<'_>| value.text().is_ok_and(|text| text == "%any");
    let addresses = table.read_list("local_addrs", |value| {
        if any(value) {
            Ok(None)
        } else {
            address(value).map(Some)
        }
    });
    let addresses = addresses.unwrap_or_default();
    if addresses.contains(&None) {
        return Vec::new();
    }
    addresses.into_iter().flatten().collect()
}

fn check_starts(table: &Table<'_, '_>, children: &[Child], nobody: bool) {
    for span in children
        .iter()
        .filter_map(|child| child.starts.as_ref())
        .filter(|_| nobody)
    {
        let fault = Fault::new("there is nobody to connect to");
        let instead = "name the peer's address in `remote_addrs` of the connection, or write `start_action = \"none\"`";
        table.report.fault(span, fault.instead(instead));
    }
}

fn local(
    table: &Table<'_, '_>,
    files: &Files<'_>,
) -> (Option<ipsec::Identity>, AuthPolicy<Credential>) {
    let Some(local) = table.section("local", &LOCAL) else {
        return (None, AuthPolicy::Psk);
    };
    let configured = local.read("id", identity::exact);
    let auth = files.local(&local);
    (certificate::identity(&local, configured, &auth), auth)
}

fn remote_end(
    table: &Table<'_, '_>,
    files: &Files<'_>,
) -> (IdentityPattern, AuthPolicy<TrustAnchors>) {
    let Some(remote) = table.section("remote", &REMOTE) else {
        return (IdentityPattern::Any, AuthPolicy::Psk);
    };
    let id = remote
        .read("id", identity::pattern)
        .unwrap_or(IdentityPattern::Any);
    (id, files.remote(&remote))
}

fn pool_names(table: &Table<'_, '_>, ivrf: InnerVrf, around: &Around<'_>) -> Vec<PoolName> {
    let pools = around.pools;
    let mut seen: Vec<PoolName> = Vec::new();
    let names = table.read_list("pools", |value| {
        let name = value.text()?;
        let Some((pool, home)) = pools.iter().find(|(pool, _)| **pool == *name) else {
            let fault = Fault::new(format!("there is no pool `{name}`"));
            let known = pools.iter().map(|(pool, _)| &**pool);
            return Err(match crate::suggest::closest(name, known) {
                Some(meant) => fault.instead(format!("did you mean `{meant}`?")),
                None => fault.instead(format!("add `[pools.{name}]` with `addrs`")),
            });
        };
        if seen.contains(pool) {
            return Err(Fault::new(format!("pool `{name}` is named twice")).instead("name it once"));
        }
        if *home != ivrf {
            let vrfs = around.vrfs;
            let fault = Fault::new(format!(
                "pool `{name}` belongs to the inner VRF `{}`, the connection to `{}`",
                vrfs.inner_name(*home),
                vrfs.inner_name(ivrf)
            ));
            return Err(fault.instead("write the same `ivrf` in both"));
        }
        seen.push(Arc::clone(pool));
        Ok(Arc::clone(pool))
    });
    names.unwrap_or_default()
}

/// As initiator: for which families a virtual address is asked.
fn vips(table: &Table<'_, '_>) -> (bool, bool) {
    let families = table.read_list("vips", |value| match address(value)? {
        IpAddr::V4(address) if address.is_unspecified() => Ok((true, false)),
        IpAddr::V6(address) if address.is_unspecified() => Ok((false, true)),
        other => Err(Fault::new(format!(
            "a certain virtual address ({other}) cannot be asked for"
        ))
        .instead("write \"0.0.0.0\" or \"::\" for any")),
    });
    let families = families.unwrap_or_default();
    families
        .into_iter()
        .fold((false, false), |(v4, v6), one| (v4 | one.0, v6 | one.1))
}
