//! What happens to peers, from the shards to the log and to the event stream.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context as _, Result};
use control::EventHub;
use control::view::{Event, EventKind};
use ike::{CloseReason, RemovalReason};
use runtime::Subscription;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::headend::Front;
use super::verdict;
use crate::ios;

/// Events that may wait to be forwarded. A mass death of as many peers fits.
pub(super) const BACKLOG: usize = 65_536;
/// Log lines about peers in one second at most; the event stream has all of them.
const LINES_PER_SECOND_MAX: u32 = 200;
/// How long more events are waited for when one came: what comes close together wakes the thread
/// once, since waking a thread costs a worker more than all else about an event.
const GATHER: Duration = Duration::from_millis(5);
/// How often the end of the service is looked for while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// The thread that forwards.
pub(super) struct Forwarder {
    thread: JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Forwarder {
    pub(super) fn start(
        subscription: Subscription,
        hub: EventHub,
        front: &Arc<Front>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (front, stopped) = (Arc::clone(front), Arc::clone(&stop));
        let forward = move || {
            let mut log = Log::default();
            loop {
                match subscription.next(PATIENCE) {
                    Ok(Some(event)) => {
                        tell(&event, &front, &mut log, &hub);
                        std::thread::sleep(GATHER);
                        while let Some(event) = subscription.ready() {
                            tell(&event, &front, &mut log, &hub);
                        }
                    }
                    Ok(None) if stopped.load(Ordering::Acquire) => return,
                    Ok(None) => log.tick(),
                    Err(_) => return,
                }
            }
        };
        let spawned = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(forward);
        Ok(Self {
            thread: spawned.context("cannot start the thread of events")?,
            stop,
        })
    }

    /// Forwards what is left and ends.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // A panic there has been reported by the panic hook.
        let _ = self.thread.join();
    }
}

/// Tells of an event whoever wants to hear of it. Most events of a large estate are wanted by nobody,
/// and are only counted.
fn tell(event: &shard::Event, front: &Front, log: &mut Log, hub: &EventHub) {
    let Some(kind) = kind_of(&event.kind) else {
        return;
    };
    let (read, logged) = (hub.happened(kind), log.takes(kind));
    if !read && !logged {
        return;
    }
    let event = view(event, kind, front);
    if logged {
        log.write(&event);
    }
    if read {
        hub.publish(event);
    }
}

/// The event as the stream tells it.
fn view(event: &shard::Event, kind: EventKind, front: &Front) -> Event {
    let clock = front.service.clock();
    let evidence = match &event.kind {
        shard::EventKind::Dead { evidence } => {
            let record = verdict::record(&front.config(), clock, &event.peer, event.at, evidence);
            Some(Box::new(record))
        }
        _ => None,
    };
    Event {
        unix_ns: clock.unix_nanos(event.at),
        monotonic_ns: event.at.as_nanos(),
        shard: u16::from(event.peer.shard.0),
        event: kind,
        peer: event.peer.spi.to_string(),
        identity: verdict::identity_of(&event.peer),
        connection: event.peer.connection.to_string(),
        local: event.peer.local.to_string(),
        remote: event.peer.remote.to_string(),
        detail: detail(&event.kind),
        evidence,
    }
}

/// What kind of event it is; `None` for what another event tells already.
fn kind_of(kind: &shard::EventKind) -> Option<EventKind> {
    use shard::EventKind as Kind;
    Some(match kind {
        Kind::Established { .. } => EventKind::Established,
        Kind::Rekeyed { .. } => EventKind::Rekeyed,
        Kind::Closed {
            reason,
            established,
        } => closed(*reason, *established)?,
        Kind::ChildInstalled { replaces, .. } => match replaces {
            Some(_) => EventKind::ChildRekeyed,
            None => EventKind::ChildEstablished,
        },
        Kind::ChildRemoved {
            reason: RemovalReason::Rekeyed | RemovalReason::RedundantRekey,
            ..
        } => return None,
        Kind::ChildRemoved { .. } => EventKind::ChildDeleted,
        Kind::ChildFailed { .. } => EventKind::ChildFailed,
        Kind::PathChanged { .. } => EventKind::Moved,
        Kind::Elephant { begins: true, .. } => EventKind::ElephantBegan,
        Kind::Elephant { .. } => EventKind::ElephantEnded,
        Kind::Suspect => EventKind::Suspect,
        Kind::Recovered => EventKind::Recovered,
        Kind::Unresolved { .. } => EventKind::Unresolved,
        Kind::Breaker(alarm) if alarm.opened => EventKind::BreakerOpened,
        Kind::Breaker(_) => EventKind::BreakerClosed,
        Kind::Dead { .. } => EventKind::Dead,
    })
}

/// What is to be said of it in words.
fn detail(kind: &shard::EventKind) -> String {
    use shard::EventKind as Kind;
    match kind {
        Kind::Established { setup, leases, .. } => {
            let leases: Vec<_> = leases.iter().map(ToString::to_string).collect();
            let given = if leases.is_empty() {
                String::new()
            } else {
                format!(", given {}", leases.join(" and "))
            };
            format!("in {:.1} ms{given}", setup.as_secs_f64() * 1e3)
        }
        Kind::Rekeyed { successor } => format!("successor {successor}"),
        Kind::Closed { reason, .. } => reason.sentence().to_owned(),
        Kind::ChildInstalled {
            child,
            inbound,
            outbound,
            ..
        } => format!("{child}: SPIs {inbound} in, {outbound} out"),
        Kind::ChildRemoved { inbound, reason } => {
            format!("SPI {inbound} in: {}", reason.sentence())
        }
        Kind::ChildFailed { child, reason } => format!("{child}: {}", reason.sentence()),
        Kind::PathChanged { from, to } => format!(
            "from {} at our {} to {} at our {}",
            from.remote, from.local, to.remote, to.local
        ),
        Kind::Elephant { inbound, begins } => {
            let what = if *begins {
                "all workers carry it"
            } else {
                "one worker carries it again"
            };
            format!("SPI {inbound} in: {what}")
        }
        Kind::Suspect => "silent, and the fault may be ours".to_owned(),
        Kind::Recovered => "it lives".to_owned(),
        Kind::Unresolved { name } => {
            format!("`{name}` stands for no address that we can reach")
        }
        Kind::Breaker(alarm) => {
            let dpd::BreakerEvent {
                domain,
                silent,
                peers,
                ..
            } = alarm;
            format!("{domain}: {silent} of {peers} peers are silent")
        }
        Kind::Dead { evidence } => {
            let reason = evidence
                .verdict
                .map_or("", |verdict| verdict.reason.sentence());
            let silent = evidence.detection().unwrap_or_default().as_secs_f64();
            format!("silent for {silent:.3} s: {reason}")
        }
    }
}

/// `None` for an IKE SA that was replaced, which its successor tells.
fn closed(reason: CloseReason, established: bool) -> Option<EventKind> {
    match (reason, established) {
        (CloseReason::Rekeyed | CloseReason::RedundantRekey, _) => None,
        (_, true) => Some(EventKind::Deleted),
        (_, false) => Some(EventKind::Failed),
    }
}

/// The lines that operators of IOS search their logs for.
fn log_as_ios_does(event: &Event) {
    for line in [
        ios::not_responding(&event.remote),
        ios::deleting("peers alive"),
        ios::session_line(false, &event.remote, &event.identity),
    ] {
        tracing::info!("{line}");
    }
}

/// Writes events to the log, at a limited rate.
struct Log {
    second: Instant,
    written: u32,
    withheld: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            second: Instant::now(),
            written: 0,
            withheld: 0,
        }
    }
}

impl Log {
    fn tick(&mut self) {
        if self.second.elapsed() < Duration::from_secs(1) {
            return;
        }
        if self.withheld > 0 {
            let withheld = self.withheld;
            tracing::warn!(
                withheld,
                "more happened to peers than is logged; `palisade events` has it all"
            );
        }
        *self = Self::default();
    }

    /// Whether a line about such an event is to be written; it is counted then.
    fn takes(&mut self, kind: EventKind) -> bool {
        if level_of(kind) > LevelFilter::current() {
            return false;
        }
        self.tick();
        if self.written >= LINES_PER_SECOND_MAX {
            self.withheld = self.withheld.saturating_add(1);
            return false;
        }
        self.written = self.written.saturating_add(1);
        true
    }

    fn write(&self, event: &Event) {
        let Event {
            peer: id,
            identity,
            connection,
            remote,
            detail,
            ..
        } = event;
        let what = event.event.as_str();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(peer = identity, id, remote, connection, detail, "{what}")
            };
        }
        if event.event == EventKind::Dead {
            log_as_ios_does(event);
        }
        match level_of(event.event) {
            Level::WARN => line!(warn),
            Level::INFO => line!(info),
            _ => line!(debug),
        }
    }
}

/// How loud the log is about an event.
fn level_of(kind: EventKind) -> Level {
    match kind {
        EventKind::Dead
        | EventKind::Suspect
        | EventKind::Failed
        | EventKind::ChildFailed
        | EventKind::Unresolved
        | EventKind::BreakerOpened
        | EventKind::BreakerClosed => Level::WARN,
        EventKind::Established
        | EventKind::Deleted
        | EventKind::Recovered
        | EventKind::ElephantBegan
        | EventKind::ElephantEnded
        | EventKind::Moved => Level::INFO,
        _ => Level::DEBUG,
    }
}
