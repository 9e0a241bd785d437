//! The service as the control interface sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use config::Config;
use control::trace::{TraceQuery, TraceSource};
use control::view::{
    ClearRequest, Cleared, Command, DeathRecord, Done, PeerDetail, PeerPage, PeerQuery, Readiness,
    SaPage, Sample, ShardStatus, Span, Status,
};
use control::{Headend, History, Refusal};
use dpd::TryOutcome;
use ipsec::IkeSpi;
use metrics::Scrape;
use runtime::{Busy, Cursor, Service, ShardReport};
use shard::{PeerRow, SaRow};

use super::{clear, listing, scrape, settings, system, verdict, watch, which};

/// Joins the runtime to the control interface.
pub(super) struct Front {
    pub(super) service: Arc<Service>,
    config: RwLock<Arc<Config>>,
    started_unix_ns: u64,
    metrics: OnceLock<SocketAddr>,
    history: Mutex<History>,
}

impl Front {
    pub(super) fn new(service: Arc<Service>, config: Arc<Config>) -> Self {
        let started_unix_ns = system::unix_nanos();
        Self {
            service,
            config: RwLock::new(config),
            started_unix_ns,
            metrics: OnceLock::new(),
            history: Mutex::default(),
        }
    }

    /// The configuration that holds now.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets another configuration hold from now on.
    pub(super) fn replace_config(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// Notes where metrics are served, once that is known.
    pub(super) fn serves_metrics_on(&self, address: Option<SocketAddr>) {
        if let Some(address) = address {
            // It is known once.
            let _ = self.metrics.set(address);
        }
    }

    /// Adds a sample to the history.
    pub(super) fn remember(&self, sample: Sample) {
        let history = self.history.lock();
        history.unwrap_or_else(PoisonError::into_inner).push(sample);
    }

    /// The service at a glance, by what its workers report.
    pub(super) fn status_of(&self, reports: &[ShardReport]) -> Status {
        let uptime = system::unix_nanos().saturating_sub(self.started_unix_ns);
        let listeners = self.service.listeners().iter();
        let mut status = Status {
            version: crate::version::VERSION.to_owned(),
            pid: std::process::id(),
            started_unix_ns: self.started_unix_ns,
            uptime_s: uptime as f64 / 1e9,
            configuration: self.config().file.clone(),
            listen: listeners.map(|(_, address)| address.to_string()).collect(),
            engine: settings::engine_name(self.service.engine()).to_owned(),
            inner: self.service.inner().to_owned(),
            metrics: self
                .metrics
                .get()
                .map(ToString::to_string)
                .unwrap_or_default(),
            ready: self.readiness().ready,
            resident_bytes: system::resident_bytes(),
            cpu_s: self.service.process_cpu().as_secs_f64(),
            ..Status::default()
        };
        for report in reports {
            add(&mut status, report);
        }
        status.recovery_s = recovery(&status);
        status
    }

    /// The peer that is meant, if it is one.
    fn find(&self, text: &str) -> Result<(PeerRow, Vec<SaRow>), Refusal> {
        for meaning in which::meanings(text) {
            let mut found = self.service.peer(&meaning).map_err(busy)?;
            match (found.len(), found.pop()) {
                (1, Some(found)) => return Ok(found),
                (0, _) | (_, None) => {}
                (count, Some(_)) => {
                    return Err(Refusal::Ambiguous(format!(
                        "{count} peers match `{text}`; name one by its number, see `palisade peers`"
                    )));
                }
            }
        }
        Err(Refusal::NotFound(format!(
            "no peer has the number, identity or address `{text}`; `palisade peers` lists them"
        )))
    }

    fn initiate(&self, connection: Option<&str>, child: Option<&str>) -> Result<Done, Refusal> {
        let config = self.config();
        let connections = config.policy.connections.iter().zip(0_u32..);
        let named = connections.filter(|(one, _)| connection.is_none_or(|name| *one.name == *name));
        let mut found = named.flat_map(|(one, index)| {
            let children = one.children.iter().zip(0_u16..);
            let children = children.filter(|(one, _)| child.is_none_or(|name| *one.name == *name));
            children.map(move |(child, number)| (one, index, child, number))
        });
        let Some((connection, index, child, number)) = found.next() else {
            return Err(Refusal::NotFound(
                "the configuration has no such connection or child".into(),
            ));
        };
        if let Some((other, ..)) = found.find(|(other, ..)| other.name != connection.name) {
            return Err(Refusal::Ambiguous(format!(
                "connections `{}` and `{}` both have it: name one with --connection",
                connection.name, other.name
            )));
        }
        if connection.remote_addrs.is_empty() {
            return Err(Refusal::Invalid(format!(
                "connection `{}` has nobody to connect to: set its `remote_addrs`",
                connection.name
            )));
        }
        if !self
            .service
            .initiate(&connection.name, index, number)
            .map_err(busy)?
        {
            return Err(Refusal::Invalid("the worker did not take the order".into()));
        }
        let text = format!(
            "initiating `{}` of connection `{}`",
            child.name, connection.name
        );
        Ok(Done { affected: 1, text })
    }

    /// Has an order carried out on a peer's IKE SA, or on those of its Child SAs that have a name.
    fn order(
        &self,
        peer: &str,
        child: Option<&str>,
        verb: &str,
        of_ike: impl Fn(ipsec::IkeSpi) -> shard::Command,
        of_child: impl Fn(ipsec::EspSpi) -> shard::Command,
    ) -> Result<Done, Refusal> {
        let (row, sas) = self.find(peer)?;
        let named = |sa: &&SaRow| child.is_some_and(|name| *sa.child == *name);
        let commands: Vec<_> = match child {
            None => vec![of_ike(row.peer.spi)],
            Some(_) => sas
                .iter()
                .filter(named)
                .filter(|sa| sa.active)
                .map(|sa| of_child(sa.inbound))
                .collect(),
        };
        let mut affected = 0;
        for command in commands {
            let taken = self.service.command(u16::from(row.peer.shard.0), command);
            affected += u32::from(taken.map_err(busy)?);
        }
        let whom = verdict::identity_of(&row.peer);
        match (affected, child) {
            (0, Some(child)) => Err(Refusal::NotFound(format!("{whom} has no child `{child}`"))),
            (0, None) => Err(Refusal::NotFound(format!("{whom} has just gone"))),
            (_, Some(child)) => Ok(Done {
                affected,
                text: format!("{verb} `{child}` of {whom}"),
            }),
            (_, None) => Ok(Done {
                affected,
                text: format!("{verb} the IKE SA of {whom}"),
            }),
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands in map_err")]
fn busy(busy: Busy) -> Refusal {
    Refusal::Busy(busy.to_string())
}

/// `shard.slot`, or a peer's SPI for the place after it.
fn cursor(text: Option<&str>, shards: u16) -> Result<Cursor, Refusal> {
    let Some(text) = text else {
        return Ok(Cursor::default());
    };
    let parts = match text.split_once('.') {
        Some((shard, slot)) => shard.parse().ok().zip(slot.parse().ok()),
        None => u64::from_str_radix(text, 16).ok().and_then(|spi| {
            let spi = IkeSpi(spi);
            let slot = usize::try_from(spi.slot()).ok()?;
            Some((u16::from(spi.shard()), slot.checked_add(1)?))
        }),
    };
    parts
        .map(|(shard, slot)| Cursor { shard, slot })
        .filter(|cursor| cursor.shard < shards)
        .ok_or_else(|| Refusal::Invalid(format!("`{text}` is no cursor of this service")))
}

fn show_cursor(cursor: Cursor) -> String {
    format!("{}.{}", cursor.shard, cursor.slot)
}

fn wanted(query: &PeerQuery, connection: &str) -> bool {
    query
        .connection
        .as_deref()
        .is_none_or(|name| name == connection)
}

impl Headend for Front {
    fn metrics(&self) -> Scrape {
        scrape::scrape(&self.service, self.started_unix_ns, self.readiness().ready)
    }

    fn readiness(&self) -> Readiness {
        match self.service.readiness() {
            Ok(()) => Readiness {
                ready: true,
                reason: String::new(),
            },
            Err(reason) => Readiness {
                ready: false,
                reason: reason.to_string(),
            },
        }
    }

    fn status(&self) -> Result<Status, Refusal> {
        let reports = self.service.reports().map_err(busy)?;
        Ok(self.status_of(&reports))
    }

    fn history(&self, span: Span) -> Vec<Sample> {
        let history = self.history.lock();
        history.unwrap_or_else(PoisonError::into_inner).read(span)
    }

    fn peers(&self, query: &PeerQuery) -> Result<PeerPage, Refusal> {
        let cursor = cursor(query.cursor.as_deref(), self.service.shards())?;
        let limit = query.limit_or_default();
        let page = self.service.peers(cursor, limit).map_err(busy)?;
        let volumes = listing::volumes(&self.service.sas(cursor, limit).map_err(busy)?.rows);
        let (clock, config) = (self.service.clock(), self.config());
        let rows = page
            .rows
            .iter()
            .filter(|row| wanted(query, &row.peer.connection));
        let peers = rows
            .map(|row| listing::peer(row, clock, &config, volumes.get(&row.peer.spi)))
            .collect();
        Ok(PeerPage {
            peers,
            next: page.next.map(show_cursor),
        })
    }

    fn peer(&self, peer: &str) -> Result<PeerDetail, Refusal> {
        let (row, sas) = self.find(peer)?;
        Ok(listing::detail(
            &row,
            &sas,
            self.service.clock(),
            &self.config(),
        ))
    }

    fn sas(&self, query: &PeerQuery) -> Result<SaPage, Refusal> {
        let cursor = cursor(query.cursor.as_deref(), self.service.shards())?;
        let limit = query.limit_or_default();
        let page = self.service.sas(cursor, limit).map_err(busy)?;
        let (clock, config) = (self.service.clock(), self.config());
        let rows = page
            .rows
            .iter()
            .filter(|row| wanted(query, &row.peer.connection));
        Ok(SaPage {
            sas: rows
                .map(|row| listing::child(row, clock, &config.vrfs))
                .collect(),
            next: page.next.map(show_cursor),
        })
    }

    fn why_dead(&self, peer: &str) -> Result<Vec<DeathRecord>, Refusal> {
        for meaning in which::meanings(peer) {
            let found = self.service.why_dead(&meaning).map_err(busy)?;
            if !found.is_empty() {
                let (clock, config) = (self.service.clock(), self.config());
                let record = |one: &shard::Obituary| {
                    verdict::record(&config, clock, &one.peer, one.at, &one.evidence)
                };
                return Ok(found.iter().map(record).collect());
            }
        }
        Err(Refusal::NotFound(format!(
            "no verdict on `{peer}` is remembered; the last 4,096 of each worker are"
        )))
    }

    fn clear(&self, request: &ClearRequest) -> Result<Cleared, Refusal> {
        let filter = clear::filter(request, &self.config().vrfs)?;
        let cursor = cursor(request.cursor.as_deref(), self.service.shards())?;
        let page = self
            .service
            .clear_sessions(filter, cursor, clear::PAGE, request.dry_run)
            .map_err(busy)?;
        if !request.dry_run {
            clear::pace(page.rows.len());
        }
        Ok(Cleared {
            sessions: (page.rows.iter())
                .map(|row| clear::view(row, &self.config().vrfs))
                .collect(),
            next: page.next.map(show_cursor),
        })
    }

    fn watch(&self, query: &TraceQuery) -> Result<Box<dyn TraceSource>, Refusal> {
        let filter = watch::filter(query)?;
        let subscription = self
            .service
            .watch(filter, watch::BACKLOG)
            .map_err(|error| Refusal::Busy(error.to_string()))?;
        Ok(Box::new(watch::Source {
            subscription,
            clock: self.service.clock(),
            config: self.config(),
        }))
    }

    fn command(&self, command: &Command) -> Result<Done, Refusal> {
        match command {
            Command::Initiate { connection, child } => {
                self.initiate(connection.as_deref(), child.as_deref())
            }
            Command::Terminate { peer, child } => self.order(
                peer,
                child.as_deref(),
                "deleting",
                |spi| shard::Command::Terminate { spi },
                |inbound| shard::Command::TerminateChild { inbound },
            ),
            Command::Rekey { peer, child } => self.order(
                peer,
                child.as_deref(),
                "rekeying",
                |spi| shard::Command::RekeyIke { spi },
                |inbound| shard::Command::RekeyChild { inbound },
            ),
        }
    }
}

/// How long it takes until whoever knocks or has fallen silent is back, at the rate of the last seconds. A silent peer that
/// comes back replaces itself; one that never does is waited for in vain until its verdict.
fn recovery(status: &Status) -> Option<f64> {
    let waiting = status.ike_half_open.saturating_add(status.silent);
    let moving = waiting > 0 && status.setups_per_second > 0.0;
    moving.then(|| waiting as f64 / status.setups_per_second)
}

/// Adds what one worker counted.
fn add(status: &mut Status, report: &ShardReport) {
    let counters = &report.counters;
    let sum = |counts: &[u64]| {
        counts
            .iter()
            .fold(0_u64, |sum, count| sum.saturating_add(*count))
    };
    let established = counters.ike_sas.saturating_sub(counters.half_open);
    status.ike_established += established;
    status.ike_half_open += counters.half_open;
    status.ike_v1 += counters.ike_sas_v1;
    status.child_sas += counters.children;
    status.setups += sum(&counters.established);
    status.setup_failures += sum(&counters.setup_failed);
    status.dead += sum(&counters.dpd.verdicts);
    status.esp_packets_in += counters.esp_in.0;
    status.esp_bytes_in += counters.esp_in.1;
    status.esp_packets_out += counters.esp_out.0;
    status.esp_bytes_out += counters.esp_out.1;
    status.esp_drops += sum(&counters.esp_in_dropped) + sum(&counters.esp_out_dropped);
    status.dpd_probes += counters.dpd.probes;
    status.dpd_tries += counters.dpd.tries;
    let unanswered = counters.dpd.outcomes.get(TryOutcome::Unanswered.index());
    status.dpd_unanswered += unanswered.copied().unwrap_or(0);
    status.setups_per_second += counters.setups_per_second;
    status.silent += counters.silent;
    status.verdicts_waiting += counters.verdicts_waiting;
    // The workers tear down side by side.
    let wait = counters.verdicts_wait.as_secs_f64();
    status.verdicts_wait_s = status.verdicts_wait_s.max(wait);
    status.shards.push(ShardStatus {
        shard: report.shard,
        peers: established,
        timers: counters.timers,
        mailbox: u64::try_from(report.mailbox_depth).unwrap_or(u64::MAX),
        cpu_s: report.cpu.as_secs_f64(),
    });
}
