//! Puts a service together, in an order that says what is wrong before anything runs.

use core::sync::atomic::Ordering;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crossbeam::channel::{Sender, bounded};
use crypto::Entropy as _;
use netio::{
    Engine, EngineKind, Offloads, OuterSocket, SocketId, Tun, TunQueue, TunSettings, TunSteering,
};
use shard::{Listener, Setup, Shard, ShardId};

use crate::clock::Clock;
use crate::compute::{ComputePool, ComputeQueue};
use crate::directory::Directory;
use crate::doors::{Bound, Doors};
use crate::entropy::SeededEntropy;
use crate::events::Events;
use crate::insides::{Inner, Insides};
use crate::mailbox::Mailbox;
use crate::quick::QuickQueue;
use crate::resolver::{Resolver, ResolverQueue};
use crate::routes::{RouteQueue, Routes};
use crate::sink::{InnerDrops, Sink};
use crate::sockets::{Common, Place, Sockets};
use crate::traces::Traces;
use crate::worker::Worker;
use crate::{InnerDevice, Settings, StartError};

/// The parts of a running service.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) events: Arc<Events>,
    pub(crate) traces: Arc<Traces>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) listeners: Vec<(Listener, core::net::SocketAddr)>,
    pub(crate) engine: EngineKind,
    pub(crate) offloads: Offloads,
    pub(crate) inner: String,
    /// The smallest buffer that a socket was granted, in octets.
    pub(crate) socket_buffer_bytes: usize,
    pub(crate) compute: ComputePool,
    pub(crate) resolver: Resolver,
    pub(crate) routes: Option<Routes>,
    pub(crate) threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What one worker's thread is given to build its world from.
struct Seedling {
    index: u16,
    cpu: Option<usize>,
    setup: Setup,
    sockets: Vec<OuterSocket>,
    /// What the receive buffer of each holds, in octets.
    buffer_bytes: usize,
    places: Vec<Place>,
    /// By inner VRF.
    inner: Vec<InnerPart>,
    settings: netio::EngineSettings,
    clock: Clock,
    mailboxes: Arc<[Mailbox]>,
    events: Arc<Events>,
    traces: Arc<Traces>,
    compute: ComputeQueue,
    quick: QuickQueue,
    resolver: ResolverQueue,
    routes: Option<RouteQueue>,
    shares_inside: bool,
}

enum InnerPart {
    Tun(TunQueue),
    Echo,
    Discard,
}

pub(crate) fn start(settings: Settings) -> Result<Parts, StartError> {
    let cpus = netio::available_cpus().map_err(StartError::System)?;
    let shards = shard_count(&settings, cpus.len())?;
    let common = Common {
        shards,
        buffer_bytes: settings.socket_buffer_bytes,
        wanted: settings.engine.offload,
    };
    let mut sockets = Sockets::open(&settings.listen, common)?;
    let inner = InnerDevices::open(&settings, shards)?;
    let shares_inside = inner.may_be_shared();
    let clock = Clock::new();
    let mailboxes: Arc<[Mailbox]> = (0..shards)
        .map(|_| Mailbox::new(settings.mailbox_max))
        .collect();
    let mut entropy = SeededEntropy::new().map_err(StartError::System)?;
    let pools = &settings.policy.snapshot.pools;
    let directory = Arc::new(Directory::new(pools, entropy.next_u64(), inner.steering));
    let threads = match settings.compute_threads {
        0 => cpus.len(),
        threads => threads,
    };
    let compute = ComputePool::start(threads, settings.compute_queue_max, &mailboxes)
        .map_err(StartError::System)?;
    let resolver = Resolver::start(&mailboxes).map_err(StartError::System)?;
    let routes = start_routes(inner.routed)?;
    if let Some(routes) = &routes {
        routes.lead_pools(pools);
    }
    let events = Arc::new(Events::default());
    let traces = Arc::new(Traces::default());
    let mut shard_settings = settings.shard;
    shard_settings.ike_sockets = sockets.addresses(Listener::Ike);
    shard_settings.nat_sockets = sockets.addresses(Listener::Nat);
    let mut parts = Parts {
        clock,
        mailboxes: Arc::clone(&mailboxes),
        events: Arc::clone(&events),
        traces: Arc::clone(&traces),
        directory: Arc::clone(&directory),
        listeners: (sockets.places.iter())
            .map(|place| (place.listener, place.address))
            .collect(),
        engine: EngineKind::Auto,
        offloads: Offloads::default(),
        inner: inner.described.join(", "),
        socket_buffer_bytes: sockets.buffer_bytes,
        compute,
        resolver,
        routes,
        threads: Mutex::new(Vec::new()),
    };
    let (ready, outcomes) = bounded(usize::from(shards));
    for (index, inner) in (0..shards).zip(inner.of_shard) {
        let new_entropy = || SeededEntropy::new().map_err(StartError::System);
        let setup = Setup {
            id: ShardId(index as u8),
            shards,
            settings: shard_settings.clone(),
            policy: settings.policy.clone(),
            directory: Arc::clone(&directory) as Arc<dyn shard::Directory>,
            entropy: Box::new(new_entropy()?),
            spi_entropy: Box::new(new_entropy()?),
            now: clock.now(),
        };
        let own = sockets.of_shard.get_mut(usize::from(index));
        let queues = parts.compute.queue().zip(parts.resolver.queue());
        let Some((compute, resolver)) = queues else {
            continue;
        };
        let seedling = Seedling {
            index,
            cpu: pinned(settings.pin_threads, &cpus, index),
            setup,
            sockets: own.map(core::mem::take).unwrap_or_default(),
            buffer_bytes: parts.socket_buffer_bytes,
            places: sockets.places.clone(),
            inner,
            settings: settings.engine,
            clock,
            mailboxes: Arc::clone(&mailboxes),
            events: Arc::clone(&events),
            traces: Arc::clone(&traces),
            compute,
            quick: QuickQueue::new(
                settings.compute_queue_max,
                Arc::clone(parts.compute.counters()),
            ),
            resolver,
            routes: parts.routes.as_ref().and_then(Routes::queue),
            shares_inside,
        };
        parts.threads().push(spawn(seedling, ready.clone())?);
    }
    drop(ready);
    for _ in 0..shards {
        // A thread that ends without a word panicked.
        let silent = || io::Error::other("a worker ended while it started");
        let outcome = outcomes.recv().unwrap_or_else(|_| Err(silent()));
        (parts.engine, parts.offloads) = outcome.map_err(StartError::Engine)?;
    }
    parts.offloads.steering = sockets.offloads.steering;
    parts.offloads.raw_fan_out = sockets.offloads.raw_fan_out;
    Ok(parts)
}

fn shard_count(settings: &Settings, cpus: usize) -> Result<u16, StartError> {
    if settings.listen.is_empty() {
        return Err(StartError::NoListener);
    }
    let wanted = match settings.shards {
        0 => u16::try_from(cpus).unwrap_or(u16::MAX).clamp(1, 256),
        shards => shards,
    };
    if wanted > 256 {
        return Err(StartError::TooManyShards(wanted));
    }
    Ok(wanted)
}

fn pinned(pin: bool, cpus: &[usize], index: u16) -> Option<usize> {
    let place = usize::from(index) % cpus.len().max(1);
    cpus.get(place).copied().filter(|_| pin)
}

/// The inner devices, in the order of the VRFs.
struct InnerDevices {
    /// By shard, then by VRF.
    of_shard: Vec<Vec<InnerPart>>,
    /// For people.
    described: Vec<String>,
    /// Through which routes are installed.
    routed: Vec<Option<Tun>>,
    /// By VRF, what steers the packets of the device to the shards.
    steering: Vec<Option<TunSteering>>,
}

impl InnerDevices {
    /// Whether it is for us to say which shard gets a packet: the kernel's own choice follows the queue
    /// into which a flow was written last, and would send it now here, now there.
    fn may_be_shared(&self) -> bool {
        let by_kernel = |(parts, steering): (&InnerPart, &Option<TunSteering>)| {
            matches!(parts, InnerPart::Tun(_)) && steering.is_none()
        };
        let parts = self.of_shard.first().map_or(&[][..], Vec::as_slice);
        !parts.iter().zip(&self.steering).any(by_kernel)
    }

    fn open(settings: &Settings, shards: u16) -> Result<Self, StartError> {
        let mut opened = Self {
            of_shard: (0..shards).map(|_| Vec::new()).collect(),
            described: Vec::new(),
            routed: Vec::new(),
            steering: Vec::new(),
        };
        for device in core::iter::once(&settings.inner).chain(&settings.inner_vrfs) {
            let (tun, parts) = open_inner(device, settings, shards)?;
            let wanted = settings.engine.offload.steering;
            let steering = parts.first().and_then(|first| steer(first, shards, wanted));
            for (list, part) in opened.of_shard.iter_mut().zip(parts) {
                list.push(part);
            }
            let described = describe(device, tun.as_ref());
            opened.described.push(match &steering {
                Some(_) => format!("{described}, steered by destination"),
                None => described,
            });
            opened.steering.push(steering);
            opened.routed.push(tun.filter(|_| device.installs_routes()));
        }
        Ok(opened)
    }
}

/// Destinations that the kernel is told of, on one device.
const STEERED_MAX: u32 = 1 << 20;

/// Has the kernel give each packet to the shard of its destination. Without that it chooses itself, and
/// what comes to another shard crosses a mailbox.
fn steer(first: &InnerPart, shards: u16, wanted: bool) -> Option<TunSteering> {
    match first {
        InnerPart::Tun(queue) if wanted && shards > 1 => {
            TunSteering::attach(queue, STEERED_MAX).ok()
        }
        _ => None,
    }
}

fn open_inner(
    device: &InnerDevice,
    settings: &Settings,
    shards: u16,
) -> Result<(Option<Tun>, Vec<InnerPart>), StartError> {
    let each = |part: fn() -> InnerPart| (0..shards).map(|_| part()).collect();
    let InnerDevice::Tun {
        name,
        mtu,
        addresses,
        namespace,
        table,
        ..
    } = device
    else {
        let echo = *device == InnerDevice::Echo;
        let part = if echo {
            || InnerPart::Echo
        } else {
            || InnerPart::Discard
        };
        return Ok((None, each(part)));
    };
    let opened = Tun::open(&TunSettings {
        name: name.clone(),
        queues: usize::from(shards),
        mtu: *mtu,
        addresses: addresses.clone(),
        namespace: namespace.clone(),
        table: *table,
        offload: settings.engine.offload,
    });
    let (tun, queues) = opened.map_err(|source| StartError::Tun {
        name: name.clone(),
        source,
    })?;
    Ok((Some(tun), queues.into_iter().map(InnerPart::Tun).collect()))
}

fn describe(device: &InnerDevice, tun: Option<&Tun>) -> String {
    match (device, tun) {
        (InnerDevice::Tun { mtu, .. }, Some(tun)) => format!("{} (MTU {mtu})", tun.name()),
        _ => device.describe(),
    }
}

fn start_routes(devices: Vec<Option<Tun>>) -> Result<Option<Routes>, StartError> {
    if devices.iter().all(Option::is_none) {
        return Ok(None);
    }
    Routes::start(devices).map(Some).map_err(StartError::System)
}

fn spawn(
    seedling: Seedling,
    ready: Sender<io::Result<(EngineKind, Offloads)>>,
) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new()
        .name(format!("shard-{}", seedling.index))
        .spawn(move || grow(seedling, &ready))
        .map_err(StartError::System)
}

/// The life of a worker's thread.
fn grow(seedling: Seedling, ready: &Sender<io::Result<(EngineKind, Offloads)>>) {
    let _end = End {
        mailboxes: Arc::clone(&seedling.mailboxes),
        index: seedling.index,
    };
    match build(seedling) {
        Ok(worker) => {
            let engine = &worker.sink.engine;
            let _ = ready.send(Ok((engine.kind(), engine.offloads())));
            worker.run();
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

/// Marks a worker as ended, also when it panicked.
struct End {
    mailboxes: Arc<[Mailbox]>,
    index: u16,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some(mailbox) = self.mailboxes.get(usize::from(self.index)) {
            mailbox.finished.store(true, Ordering::Release);
        }
    }
}

fn build(seedling: Seedling) -> io::Result<Worker> {
    if let Some(cpu) = seedling.cpu {
        netio::pin_current_thread(cpu)?;
    }
    let mut engine = Engine::new(&seedling.settings)?;
    let mut sockets = Vec::with_capacity(seedling.sockets.len());
    for (socket, place) in seedling.sockets.into_iter().zip(seedling.places) {
        let id: SocketId = engine.attach_socket(socket)?;
        sockets.push(Bound { id, place });
    }
    let mut inner = Vec::with_capacity(seedling.inner.len());
    for part in seedling.inner {
        inner.push(match part {
            InnerPart::Tun(queue) => Inner::Tun(engine.attach_tun(queue)?),
            InnerPart::Echo => Inner::Echo(Vec::new()),
            InnerPart::Discard => Inner::Discard,
        });
    }
    let sink = Sink {
        engine,
        doors: Doors::new(sockets),
        insides: Insides::new(inner),
        inner_drops: InnerDrops::default(),
        mailboxes: seedling.mailboxes,
        compute: seedling.compute,
        quick: seedling.quick,
        resolver: seedling.resolver,
        events: seedling.events,
        traces: seedling.traces,
        routes: seedling.routes,
        own: seedling.index as u8,
        shares_inside: seedling.shares_inside,
    };
    let shard = Shard::new(seedling.setup);
    let batch = seedling.settings.batch;
    let (clock, buffer_bytes) = (seedling.clock, seedling.buffer_bytes);
    Ok(Worker::new(shard, sink, clock, batch, buffer_bytes))
}
