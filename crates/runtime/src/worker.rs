use core::net::SocketAddr;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::sync::Arc;

use crossbeam::channel::Sender;
use dpd::ServiceHealth;
use ipsec::{FrontVrf, IkeSpi, InnerVrf};
use netio::{Batch, Buffer, InnerPacket as InnerBuffer, NarrowPath, Refused};
use shard::{Command, InnerPacket, Listener, OuterPacket, Shard};
use smallvec::SmallVec;
use timer::Instant;

use crate::backlog::Backlog;
use crate::clock::Clock;
use crate::gather::Gather;
use crate::insides::Inner;
use crate::mailbox::{Mailbox, Message, Stray};
use crate::newcomers::Newcomers;
use crate::sink::Sink;

/// Longest sleep: the loop goes round at least this often, which is its sign of life.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// Batches received before timers and mail have their turn.
const BATCHES_MAX: usize = 8;
/// Messages taken before packets and timers have their turn.
const MESSAGES_MAX: usize = 256;
/// Quick key exchanges computed before packets and timers have their turn: less than a millisecond,
/// so that no probe, answer or ESP packet waits longer for them.
const QUICK_MAX: usize = 16;
/// How often the kernel is asked what it dropped: more often than a try of a probe may last, for a later
/// datagram that tells may come after the verdict.
const DROPS_EVERY: Duration = Duration::from_millis(10);
/// First messages answered before packets and timers have their turn: about a millisecond of work, while a round may read
/// some times as many. So the sockets are drained though a storm of them lasts.
const NEWCOMERS_MAX: usize = 128;
/// Packets of one batch that are described on the stack.
const INLINE: usize = 64;

/// One shard's thread: waits for the world, tells the shard, carries out what it decides.
pub(crate) struct Worker {
    pub(crate) shard: Shard,
    pub(crate) sink: Sink,
    pub(crate) clock: Clock,
    pub(crate) index: usize,
    /// When to end at the latest, once stopping.
    pub(crate) stop_at: Option<Instant>,
    /// Hears that the last peer is gone, once stopping.
    pub(crate) on_gone: Option<Sender<()>>,
    mailboxes: Arc<[Mailbox]>,
    batch: Batch,
    /// When the last round of work began.
    woke: Instant,
    /// When the last round had read its sockets.
    read_done: Instant,
    /// How long the last round took after that.
    worked: Duration,
    /// Datagrams and inner packets that had left before the last round.
    sent: u64,
    backlog: Backlog,
    newcomers: Newcomers,
    /// When the kernel was last asked what it dropped.
    drops_counted: Instant,
    pub(crate) rounds: u64,
    /// Whether the latest round left datagrams unread.
    unread: bool,
    gather: Gather,
    /// What is watched, as far as the shard knows.
    watch_generation: u64,
    refused: Vec<Refused>,
    narrow: Vec<NarrowPath>,
}

impl Worker {
    /// `buffer_bytes` is what a socket's buffer holds, by the kernel's own count.
    pub(crate) fn new(
        shard: Shard,
        sink: Sink,
        clock: Clock,
        batch: usize,
        buffer_bytes: usize,
    ) -> Self {
        let mailboxes = Arc::clone(&sink.mailboxes);
        let index = usize::from(shard.id().0);
        if let Some(mailbox) = mailboxes.get(index) {
            mailbox.connect(sink.engine.waker());
        }
        Self {
            shard,
            sink,
            clock,
            index,
            stop_at: None,
            on_gone: None,
            mailboxes,
            batch: Batch::with_capacity(batch * 2),
            woke: clock.now(),
            read_done: clock.now(),
            worked: Duration::ZERO,
            sent: 0,
            newcomers: Newcomers::default(),
            backlog: Backlog::new(buffer_bytes, clock.now()),
            drops_counted: clock.now(),
            rounds: 0,
            unread: false,
            gather: Gather::default(),
            watch_generation: 0,
            refused: Vec::new(),
            narrow: Vec::new(),
        }
    }

    /// Runs until stopped.
    pub(crate) fn run(mut self) {
        self.shard.start(self.clock.now(), &mut self.sink);
        while !self.is_done() {
            self.round();
        }
        self.sink.engine.flush();
        if self.shard.is_empty()
            && let Some(gone) = self.on_gone.take()
        {
            let _ = gone.send(());
        }
    }

    /// Waits, and does once whatever there is to do.
    pub(crate) fn round(&mut self) {
        self.sleep();
        self.woke = self.clock.now();
        // Before the timers fire: a try that went unanswered counts only if we have listened.
        self.unread = !self.receive();
        self.report_health(!self.unread);
        self.read_done = self.clock.now();
        self.read_mail();
        self.answer_newcomers();
        // What newcomers need is computed in the same round, so that their answers leave with it.
        self.compute_quick();
        self.note_watchers();
        self.shard.tick(self.clock.now(), &mut self.sink);
        self.echo();
        self.sink.engine.flush();
        self.tell_refused();
        self.tell_narrow();
        self.rounds += 1;
    }

    /// Somebody may have begun or ceased to watch.
    fn note_watchers(&mut self) {
        if let Some(filters) = self.sink.traces.changed(&mut self.watch_generation) {
            let now = self.clock.now();
            self.shard
                .command(Command::Watch(filters), now, &mut self.sink);
        }
    }

    /// Tells the shard which of its IKE messages did not leave.
    fn tell_refused(&mut self) {
        self.sink.engine.take_refused(&mut self.refused);
        for refused in self.refused.drain(..) {
            self.shard.refused(IkeSpi(refused.tag));
        }
    }

    /// Tells the shard which paths take less than it has sent.
    fn tell_narrow(&mut self) {
        self.sink.engine.take_narrow(&mut self.narrow);
        let now = self.clock.now();
        for path in self.narrow.drain(..) {
            if let Some(place) = self.sink.doors.place(path.socket) {
                self.shard
                    .path_is_narrow(place.fvrf, path.remote, path.mtu, now);
            }
        }
    }

    fn is_done(&self) -> bool {
        self.stop_at
            .is_some_and(|at| self.shard.is_empty() || self.clock.now() >= at)
    }

    fn mailbox(&self) -> Option<&Mailbox> {
        self.mailboxes.get(self.index)
    }

    /// Waits for a datagram, an inner packet, a message or the next timer.
    fn sleep(&mut self) {
        let now = self.clock.now();
        self.worked = now - self.read_done;
        let until_timer = self
            .shard
            .next_deadline()
            .map_or(SLEEP_MAX, |deadline| deadline - now);
        let mut timeout = until_timer.min(SLEEP_MAX);
        let mut pause = self.pause(now).min(timeout);
        if self.expects_answers() {
            doze(pause);
            timeout -= core::mem::take(&mut pause);
        }
        if let Some(mailbox) = self.mailbox() {
            mailbox
                .beat_millis
                .store(now.as_millis(), Ordering::Relaxed);
            if !mailbox.sleep() {
                timeout = Duration::ZERO;
            }
        }
        if self.has_work() {
            timeout = Duration::ZERO;
        }
        // An engine that cannot wait cannot be mended here; the pause keeps the loop from spinning
        // while timers and mail still work.
        let waited = self.sink.engine.wait(Some(timeout));
        if waited.is_err() {
            doze(Duration::from_millis(1));
        }
        if let Some(mailbox) = self.mailbox() {
            mailbox.awake();
        }
        if !waited.is_ok_and(|wakeup| wakeup.woken) {
            doze((now + pause) - self.clock.now());
        }
    }

    /// Whether the last round sent or delivered something, so that more comes soon: it is no use to wake for the first of it.
    /// After one that only took answers nothing comes for longer than a pause, and to wake after it would be for nothing.
    fn expects_answers(&mut self) -> bool {
        let counters = self.sink.engine.counters();
        let sent = counters.tx_packets + counters.tun_tx_packets;
        core::mem::replace(&mut self.sent, sent) != sent
    }

    /// Whether something waits here that needs no datagram, message or timer.
    fn has_work(&self) -> bool {
        !self.sink.quick.is_empty() || !self.newcomers.is_empty()
    }

    /// How long the next round must wait.
    fn pause(&mut self, now: Instant) -> Duration {
        let esp_packets = self.shard.esp_packets();
        let pause = self.gather.pause(esp_packets, self.woke, now);
        let mail = self.mailbox().is_some_and(|mailbox| !mailbox.is_empty());
        if mail || self.unread || self.has_work() {
            return Duration::ZERO;
        }
        pause
    }

    /// Receives some batches; `true` when nothing is left.
    fn receive(&mut self) -> bool {
        for _ in 0..BATCHES_MAX {
            if self.sink.engine.receive(&mut self.batch) == 0 {
                return true;
            }
            self.sink.engine.lend(&self.batch);
            self.open_outer();
            self.open_inner();
            self.sink.engine.recycle(&mut self.batch);
            self.shard.relay(self.clock.now(), &mut self.sink);
            self.echo();
        }
        false
    }

    fn open_outer(&mut self) {
        if self.batch.outer.is_empty() {
            return;
        }
        let now = self.clock.now();
        let mut packets: SmallVec<[OuterPacket<'_>; INLINE]> = SmallVec::new();
        for run in &mut self.batch.outer {
            self.backlog.read(run.socket.0);
            let Some(socket) = self.sink.doors.place(run.socket) else {
                continue;
            };
            let description = Description {
                listener: socket.listener,
                fvrf: socket.fvrf,
                local: run.local,
                remote: run.remote,
                tos: run.tos,
            };
            for datagram in run.datagrams_mut() {
                packets.push(describe_outer(description, datagram));
                if packets.len() == INLINE {
                    let newcomers = &mut self.newcomers;
                    self.shard.outer_without_newcomers(
                        &mut packets,
                        now,
                        &mut self.sink,
                        |packet, newcomer| newcomers.wait(packet, newcomer),
                    );
                    packets.clear();
                    feed_back(&mut self.shard, &mut self.sink, now);
                }
            }
        }
        let newcomers = &mut self.newcomers;
        self.shard.outer_without_newcomers(
            &mut packets,
            now,
            &mut self.sink,
            |packet, newcomer| {
                newcomers.wait(packet, newcomer);
            },
        );
    }

    /// Turns to some of the first messages, now that everybody else has been served.
    fn answer_newcomers(&mut self) {
        self.shard.turned_away(self.newcomers.take_turned_away());
        for _ in 0..NEWCOMERS_MAX {
            let Some(mut newcomer) = self.newcomers.next() else {
                return;
            };
            let now = self.clock.now();
            self.shard
                .outer(&mut [newcomer.packet()], now, &mut self.sink);
        }
    }

    fn open_inner(&mut self) {
        if self.batch.inner.is_empty() {
            return;
        }
        let insides = &self.sink.insides;
        let mut packets: SmallVec<[InnerPacket<'_>; INLINE]> = self
            .batch
            .inner
            .iter_mut()
            .map(|InnerBuffer { tun, buffer }| describe_inner(insides.of_queue(*tun), buffer))
            .collect();
        let now = self.clock.now();
        self.shard.inner(&mut packets, now, &mut self.sink);
    }

    fn echo(&mut self) {
        feed_back(&mut self.shard, &mut self.sink, self.clock.now());
    }

    fn read_mail(&mut self) {
        for _ in 0..MESSAGES_MAX {
            let Some(message) = self.mailbox().and_then(Mailbox::take) else {
                return;
            };
            let now = self.clock.now();
            match message {
                Message::Outer(stray) => self.open_stray(*stray, now),
                Message::Inner(ivrf, packet) => self.open_inner_stray(ivrf, &packet, now),
                Message::Parcel(parcel) => {
                    self.shard.parcel(parcel, now, &mut self.sink);
                    if let Some(mailbox) = self.mailbox() {
                        mailbox.parcel_opened();
                    }
                    self.echo();
                }
                Message::Mail(mail) => self.shard.mail(mail, now, &mut self.sink),
                Message::Computed(ticket, computed) => {
                    self.shard.computed(ticket, computed, now, &mut self.sink);
                }
                Message::Resolved(question, addresses) => {
                    self.shard
                        .resolved(question, &addresses, now, &mut self.sink);
                }
                Message::Call(call) => call(self),
            }
        }
    }

    /// Computes some of the key exchanges that are too quick for the pool.
    fn compute_quick(&mut self) {
        for _ in 0..QUICK_MAX {
            let Some((ticket, computed)) = self.sink.quick.compute() else {
                return;
            };
            let now = self.clock.now();
            self.shard.computed(ticket, computed, now, &mut self.sink);
        }
    }

    fn open_stray(&mut self, mut stray: Stray, now: Instant) {
        self.shard.handed_over(stray.packet(), now, &mut self.sink);
    }

    fn open_inner_stray(&mut self, ivrf: InnerVrf, packet: &[u8], now: Instant) {
        let Some(mut buffer) = self.sink.engine.buffer() else {
            return;
        };
        if buffer.fill(packet) {
            let mut packets = [describe_inner(ivrf, &mut buffer)];
            self.shard.inner(&mut packets, now, &mut self.sink);
        }
        self.sink.engine.give(buffer);
    }

    /// Tells the shard up to when everything that had arrived has been read: silence until then means something. What was
    /// read last from sockets that were `emptied` waited no longer than the rest of the last round and this one's reading
    /// have taken, and no longer did what was sent wait to leave; where they are never found empty, no longer than their
    /// buffers take to pass.
    fn report_health(&mut self, emptied: bool) {
        let now = self.clock.now();
        let (rx_serviced, queue_delay) = if emptied {
            self.backlog.emptied(now);
            (now, self.worked + (now - self.woke))
        } else if let Some(passed) = self.backlog.passed(now) {
            (passed, now - passed)
        } else {
            return;
        };
        // Somebody may be judged in this round.
        let judges = self.shard.next_deadline().is_some_and(|due| due <= now);
        if judges || now - self.drops_counted >= DROPS_EVERY {
            self.drops_counted = now;
            self.sink.engine.count_drops();
        }
        let drops = self.sink.engine.counters().rx_kernel_drops;
        self.shard.serviced(ServiceHealth {
            rx_serviced,
            queue_delay,
            rx_drops: drops as u32,
        });
    }
}

/// Lets datagrams gather.
fn doze(time: Duration) {
    if time > Duration::ZERO {
        std::thread::sleep(time);
    }
}

/// Feeds the answers of the echoes back.
fn feed_back(shard: &mut Shard, sink: &mut Sink, now: Instant) {
    let mut place = 0;
    while let Some(ivrf) = sink.insides.echo(place) {
        feed_back_in(ivrf, shard, sink, now);
        place += 1;
    }
}

fn feed_back_in(ivrf: InnerVrf, shard: &mut Shard, sink: &mut Sink, now: Instant) {
    let Some(Inner::Echo(answers)) = sink.insides.get_mut(ivrf) else {
        return;
    };
    if answers.is_empty() {
        return;
    }
    let mut answers = core::mem::take(answers);
    let mut packets: SmallVec<[InnerPacket<'_>; INLINE]> = answers
        .iter_mut()
        .map(|buffer| describe_inner(ivrf, buffer))
        .collect();
    shard.inner(&mut packets, now, sink);
    drop(packets);
    for buffer in answers.drain(..) {
        sink.engine.give(buffer);
    }
    // What the shard delivered meanwhile (its own ICMP) has no answer; the list is reused.
    if let Some(Inner::Echo(list)) = sink.insides.get_mut(ivrf)
        && list.is_empty()
    {
        *list = answers;
    }
}

/// What all datagrams of a run have in common.
#[derive(Clone, Copy)]
struct Description {
    listener: Listener,
    fvrf: FrontVrf,
    local: SocketAddr,
    remote: SocketAddr,
    tos: u8,
}

fn describe_outer(run: Description, bytes: &mut [u8]) -> OuterPacket<'_> {
    OuterPacket {
        listener: run.listener,
        fvrf: run.fvrf,
        local: run.local,
        remote: run.remote,
        tos: run.tos,
        bytes,
    }
}

fn describe_inner(ivrf: InnerVrf, buffer: &mut Buffer) -> InnerPacket<'_> {
    let range = buffer.range();
    InnerPacket {
        start: range.start,
        len: range.len(),
        ivrf,
        buffer: buffer.storage_mut(),
    }
}
