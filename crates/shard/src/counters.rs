//! Plain counters of one shard. Nothing is shared: the runtime copies them when it is asked.

use core::time::Duration;

use esp::{InboundDrop, OutboundDrop};
use hdrhistogram::Histogram;
use ike::{ChildFailure, CloseReason, Refusal, Rejection, RemovalReason};

use reason::reasons;

reasons! {
    /// Why the shard itself dropped a datagram or packet, before ESP or IKE saw it.
    ShardDrop {
        TooShort = "too_short",
            "The datagram is too short to be IKE or ESP.";
        NotIke = "not_ike",
            "A datagram on the IKE port is no IKE message.";
        ShuttingDown = "shutting_down",
            "A new IKE SA was asked for while the service stops.";
        NoSa = "no_sa",
            "No Child SA covers the inner packet.";
        HoldFull = "hold_full",
            "The tunnel for the inner packet is being set up, and as much waits for it as may.";
        HoldExpired = "hold_expired",
            "The inner packet waited too long for its tunnel.";
        HoldAbandoned = "hold_abandoned",
            "The inner packet waited for a tunnel that will not come.";
        InnerMalformed = "inner_malformed",
            "The inner packet is no valid IP packet.";
        SendRefused = "send_refused",
            "The socket did not take the datagram.";
        ComputeFull = "compute_full",
            "A new IKE SA was asked for while as many key exchanges wait as may; the peer asks again.";
        NewcomersFull = "newcomers_full",
            "As many first messages wait as may, behind what belongs to standing SAs; the peer asks again.";
        RelayFull = "relay_full",
            "The workers that help with the packet's SA are too far behind.";
        PeersFull = "peers_full",
            "The shard has no room for another IKE SA.";
    }
}

/// What one shard counted since its start, and its gauges at the time of the copy.
#[derive(Clone)]
pub struct Counters {
    /// IKE messages received, whole or as fragments.
    pub ike_in: u64,
    /// IKE messages sent.
    pub ike_out: u64,
    /// IKE messages without effect, by [`Rejection::index`].
    pub ike_rejected: Vec<u64>,
    /// Requests answered with an error, by [`Refusal::index`].
    pub ike_refused: Vec<u64>,
    /// Repeated requests of peers that were answered from the cache.
    pub ike_retransmissions_in: u64,
    /// Requests of ours that were sent again.
    pub ike_retransmissions_out: u64,
    /// IKE SAs established, as initiator and as responder.
    pub established: [u64; 2],
    /// IKE SAs closed that were established, by [`CloseReason::index`].
    pub closed: Vec<u64>,
    /// IKE SAs closed that never were, by [`CloseReason::index`].
    pub setup_failed: Vec<u64>,
    /// Child SAs installed.
    pub children_installed: u64,
    /// Child SAs removed, by [`RemovalReason::index`].
    pub children_removed: Vec<u64>,
    /// Child SAs that did not come to be, by [`ChildFailure::index`].
    pub children_failed: Vec<u64>,
    /// IKE SAs rekeyed.
    pub ike_rekeyed: u64,
    /// ESP packets and octets received that passed every check.
    pub esp_in: (u64, u64),
    /// ESP packets and octets sent.
    pub esp_out: (u64, u64),
    /// ESP packets received and dropped, by [`InboundDrop::index`].
    pub esp_in_dropped: Vec<u64>,
    /// Inner packets not sent, by [`OutboundDrop::index`].
    pub esp_out_dropped: Vec<u64>,
    /// Drops of the shard itself, by [`ShardDrop::index`].
    pub dropped: Vec<u64>,
    /// NAT keepalives received and sent.
    pub keepalives: [u64; 2],
    /// Datagrams and inner packets that belonged to another shard.
    pub strays: u64,
    /// Inner packets that were kept because their tunnel was being set up.
    pub held: u64,
    /// Inner packets that were kept and sent when their tunnel stood.
    pub released: u64,
    /// Set-ups that reached another peer of their connection than the one before.
    pub failovers: u64,
    /// ICMP "packet too big" answers to inner senders.
    pub icmp_too_big: u64,
    /// Such answers that were not given, because there were too many in a second.
    pub icmp_withheld: u64,
    /// Times that a path turned out to take less than is configured.
    pub paths_narrowed: u64,
    /// Liveness.
    pub dpd: dpd::Counters,
    /// From the first message of an IKE SA until it was established, in microseconds.
    pub handshake_us: Histogram<u64>,
    /// From the due time of a DPD timer until it fired, in microseconds.
    pub dpd_lateness_us: Histogram<u64>,
    /// From a DPD try to its answer, in microseconds.
    pub dpd_round_trip_us: Histogram<u64>,
    /// From the last proof of life to the verdict, in milliseconds.
    pub dpd_detection_ms: Histogram<u64>,
    /// IKE SAs now, half-open ones included.
    pub ike_sas: u64,
    /// Those of them that speak IKEv1.
    pub ike_sas_v1: u64,
    /// Half-open IKE SAs of responders now.
    pub half_open: u64,
    /// Child SAs now.
    pub children: u64,
    /// Timers armed now.
    pub timers: u64,
    /// Inner packets that wait for a tunnel now.
    pub held_now: u64,
    /// Paths now that take less than is configured.
    pub narrow_paths: u64,
    /// IKE SAs established per second, over the last whole seconds.
    pub setups_per_second: f64,
    /// Peers that have left more than one try unanswered, and are neither heard nor gone since.
    pub silent: u64,
    /// Verdicts that are due and wait for the budget of teardowns.
    pub verdicts_waiting: u64,
    /// How long it takes until the last of them has its turn.
    pub verdicts_wait: Duration,
    /// Child SAs that were found to be more than one shard can carry.
    pub elephants_found: u64,
    /// Those of them that other shards help to carry now.
    pub elephants: u64,
    /// SAs of other shards for which this one seals now.
    pub loans: u64,
    /// Packets of [`esp_in`](Self::esp_in) that came for SAs of other shards.
    pub esp_in_lent: u64,
    /// Packets of [`esp_out`](Self::esp_out) that went into SAs of other shards.
    pub esp_out_lent: u64,
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zeros = |len: usize| vec![0; len];
        Self {
            ike_in: 0,
            ike_out: 0,
            ike_rejected: zeros(Rejection::ALL.len()),
            ike_refused: zeros(Refusal::ALL.len()),
            ike_retransmissions_in: 0,
            ike_retransmissions_out: 0,
            established: [0; 2],
            closed: zeros(CloseReason::ALL.len()),
            setup_failed: zeros(CloseReason::ALL.len()),
            children_installed: 0,
            children_removed: zeros(RemovalReason::ALL.len()),
            children_failed: zeros(ChildFailure::ALL.len()),
            ike_rekeyed: 0,
            esp_in: (0, 0),
            esp_out: (0, 0),
            esp_in_dropped: zeros(InboundDrop::ALL.len()),
            esp_out_dropped: zeros(OutboundDrop::ALL.len()),
            dropped: zeros(ShardDrop::ALL.len()),
            keepalives: [0; 2],
            strays: 0,
            held: 0,
            released: 0,
            failovers: 0,
            icmp_too_big: 0,
            icmp_withheld: 0,
            paths_narrowed: 0,
            dpd: dpd::Counters::default(),
            handshake_us: histogram(60_000_000),
            dpd_lateness_us: histogram(60_000_000),
            dpd_round_trip_us: histogram(60_000_000),
            dpd_detection_ms: histogram(86_400_000),
            ike_sas: 0,
            ike_sas_v1: 0,
            half_open: 0,
            children: 0,
            timers: 0,
            held_now: 0,
            narrow_paths: 0,
            setups_per_second: 0.0,
            silent: 0,
            verdicts_waiting: 0,
            verdicts_wait: Duration::ZERO,
            elephants_found: 0,
            elephants: 0,
            loans: 0,
            esp_in_lent: 0,
            esp_out_lent: 0,
        }
    }

    pub(crate) fn dropped_count(&self, reason: ShardDrop) -> u64 {
        self.dropped.get(reason.index()).copied().unwrap_or(0)
    }

    pub(crate) fn dropped(&mut self, reason: ShardDrop) {
        bump(&mut self.dropped, reason.index());
    }

    pub(crate) fn dropped_several(&mut self, reason: ShardDrop, count: u64) {
        if let Some(counter) = self.dropped.get_mut(reason.index()) {
            *counter += count;
        }
    }
}

/// Counts one at `index`.
pub(crate) fn bump(counters: &mut [u64], index: usize) {
    if let Some(counter) = counters.get_mut(index) {
        *counter += 1;
    }
}

/// A histogram of two significant digits that saturates at `max`.
fn histogram(max: u64) -> Histogram<u64> {
    Histogram::new_with_bounds(1, max, 2).expect("the bounds are constants in range")
}
