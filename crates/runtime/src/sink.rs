use std::sync::Arc;

use esp::OuterFields;
use ike::{Job, Path};
use ipsec::{Encapsulation, EspPath, IkeSpi, InnerVrf};
use netio::{Engine, OuterSend};
use shard::{
    Disposition, Event, Listener, Mail, OuterPacket, Output, Parcel, Question, RouteChange,
    ShardId, Ticket, TraceRecord,
};

use crate::compute::ComputeQueue;
use crate::doors::Doors;
use crate::echo;
use crate::events::Events;
use crate::insides::{Inner, Insides};
use crate::mailbox::{Mailbox, Message, Stray};
use crate::quick::QuickQueue;
use crate::resolver::ResolverQueue;
use crate::routes::RouteQueue;
use crate::traces::Traces;

/// RFC 3948 §2.2: stands before IKE on the port shared with ESP.
const NON_ESP_MARKER: [u8; 4] = [0; 4];
/// RFC 3948 §2.3.
const KEEPALIVE: [u8; 1] = [0xff];
/// Answers of the echo that may wait for their turn.
const ECHO_MAX: usize = 256;

/// Inner packets that went nowhere, by why.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct InnerDrops {
    /// The echo has no answer to it.
    pub unanswered: u64,
    /// Too many answers of the echo waited, or no buffer was free.
    pub full: u64,
    /// There is no inner device.
    pub discarded: u64,
}

/// Carries out what a shard decides.
pub(crate) struct Sink {
    pub(crate) engine: Engine,
    pub(crate) doors: Doors,
    pub(crate) insides: Insides,
    pub(crate) inner_drops: InnerDrops,
    pub(crate) mailboxes: Arc<[Mailbox]>,
    pub(crate) compute: ComputeQueue,
    pub(crate) quick: QuickQueue,
    pub(crate) resolver: ResolverQueue,
    pub(crate) events: Arc<Events>,
    pub(crate) traces: Arc<Traces>,
    pub(crate) routes: Option<RouteQueue>,
    /// The number of this worker's shard.
    pub(crate) own: u8,
    /// Whether any worker may deliver to the inner devices without the kernel drawing conclusions from it.
    pub(crate) shares_inside: bool,
}

impl Sink {
    /// Queues a datagram after a prefix. What the kernel refuses is told when the queue is flushed.
    fn queue(&mut self, send: Option<OuterSend>, prefix: &[u8], octets: &[u8]) -> Disposition {
        let (Some(send), Some(mut buffer)) = (send, self.engine.buffer()) else {
            return Disposition::Refused;
        };
        if buffer.fill(octets) && buffer.prepend(prefix) {
            self.engine.send(send, buffer);
            return Disposition::Taken;
        }
        self.engine.give(buffer);
        Disposition::Refused
    }

    fn post(&self, to: ShardId, message: Message) {
        if let Some(mailbox) = self.mailboxes.get(usize::from(to.0)) {
            mailbox.post(message);
        }
    }

    fn echo(&mut self, ivrf: InnerVrf, packet: &[u8]) {
        let Some(mut buffer) = self.engine.buffer() else {
            self.inner_drops.full += 1;
            return;
        };
        let answered = buffer.fill(packet) && echo::answer(buffer.bytes_mut());
        match self.insides.get_mut(ivrf) {
            Some(Inner::Echo(answers)) if answered && answers.len() < ECHO_MAX => {
                answers.push(buffer);
                return;
            }
            _ if answered => self.inner_drops.full += 1,
            _ => self.inner_drops.unanswered += 1,
        }
        self.engine.give(buffer);
    }
}

impl Output for Sink {
    fn send_ike(&mut self, sender: IkeSpi, path: &Path, message: &[u8]) -> Disposition {
        let (listener, prefix): (_, &[u8]) = if path.encapsulated {
            (Listener::Nat, &NON_ESP_MARKER)
        } else {
            (Listener::Ike, &[])
        };
        let send = self
            .doors
            .describe(path.fvrf, listener, path.local, path.remote);
        let tagged = send.map(|send| OuterSend {
            tag: sender.0,
            ..send
        });
        self.queue(tagged, prefix, message)
    }

    fn send_esp(&mut self, path: &EspPath, outer: OuterFields, packet: &[u8]) -> Disposition {
        let listener = match path.encapsulation {
            Encapsulation::Udp => Listener::Nat,
            Encapsulation::Raw => Listener::RawEsp,
        };
        let Some(send) = self
            .doors
            .describe(path.fvrf, listener, path.local, path.remote)
        else {
            return Disposition::Refused;
        };
        let send = OuterSend {
            tos: outer.traffic_class,
            dont_fragment: outer.dont_fragment,
            ..send
        };
        self.engine.send_bytes(send, packet);
        Disposition::Taken
    }

    fn send_keepalive(&mut self, path: &Path) -> Disposition {
        let send = self
            .doors
            .describe(path.fvrf, Listener::Nat, path.local, path.remote);
        self.queue(send, &[], &KEEPALIVE)
    }

    fn deliver_inner(&mut self, ivrf: InnerVrf, packet: &[u8]) {
        match self.insides.get(ivrf) {
            Some(Inner::Tun(tun)) => self.engine.write_tun_bytes(*tun, packet),
            Some(Inner::Echo(_)) => self.echo(ivrf, packet),
            Some(Inner::Discard) | None => self.inner_drops.discarded += 1,
        }
    }

    fn compute(&mut self, ticket: Ticket, job: Job) {
        if job.is_quick() {
            self.quick.order(ticket, job);
        } else {
            self.compute.order(ticket, job);
        }
    }

    fn has_room_to_compute(&self) -> bool {
        self.quick.has_room() && self.compute.has_room()
    }

    fn resolve(&mut self, question: Question, name: &Arc<str>) {
        self.resolver.order(question, name);
    }

    fn hand_over_outer(&mut self, to: ShardId, packet: &OuterPacket<'_>) {
        self.post(to, Message::Outer(Box::new(Stray::of(packet))));
    }

    fn hand_over_inner(&mut self, to: ShardId, ivrf: InnerVrf, packet: &[u8]) {
        self.post(to, Message::Inner(ivrf, Box::from(packet)));
    }

    fn shares_inside(&self) -> bool {
        self.shares_inside && self.engine.writes_in_order()
    }

    fn spare_shard(&mut self) -> Option<ShardId> {
        let own = self.own;
        let others = (self.mailboxes.iter().zip(0..).cycle())
            .skip(usize::from(own) + 1)
            .take(self.mailboxes.len().saturating_sub(1));
        others
            .filter(|(mailbox, _)| mailbox.has_time())
            .map(|(_, shard)| ShardId(shard))
            .next()
    }

    fn hand_over_parcel(&mut self, to: ShardId, parcel: Parcel) -> Result<(), Parcel> {
        match self.mailboxes.get(usize::from(to.0)) {
            Some(mailbox) => mailbox.post_parcel(parcel),
            None => Err(parcel),
        }
    }

    fn flush_inner(&mut self) {
        self.engine.flush_tuns();
    }

    fn mail(&mut self, to: ShardId, mail: Mail) {
        self.post(to, Message::Mail(mail));
    }

    fn route(&mut self, ivrf: InnerVrf, change: RouteChange) {
        if let Some(routes) = &self.routes {
            routes.change(ivrf, change);
        }
    }

    fn event(&mut self, event: Event) {
        self.events.publish(event);
    }

    fn trace(&mut self, record: TraceRecord) {
        self.traces.publish(record);
    }
}
