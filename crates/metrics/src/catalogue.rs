//! Every metric that Palisade exposes. `docs/operating/metrics.md` explains each of them, and a test
//! holds the two together.
//!
//! Label values come from closed lists (a state, a reason, a shard's number), never from a peer, so
//! that the number of series does not depend on the number of peers.

use crate::definition::{Counter, Description, Gauge, Histogram};

/// Microseconds are recorded, seconds are exposed.
const MICROSECONDS: f64 = 1_000_000.0;
/// Milliseconds are recorded, seconds are exposed.
const MILLISECONDS: f64 = 1_000.0;

/// From 100 µs to 10 s: handshakes and round trips.
const LATENCY: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];
/// From 10 µs to 1 s: how late a timer fires, how long a job waits. A tick is 8 ms.
const LATENESS: &[u64] = &[
    10, 50, 100, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 16_000, 32_000, 100_000, 250_000,
    1_000_000,
];
/// From 1 s to an hour: from the last sign of life to the verdict.
const DETECTION: &[u64] = &[
    1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 45_000, 60_000, 120_000, 300_000,
    600_000, 3_600_000,
];

macro_rules! catalogue {
    ($( $kind:ident $constant:ident $name:literal [$($label:literal),*] $help:literal
        $(, $bounds:ident, $scale:ident)?; )*) => {
        $(
            #[doc = $help]
            pub const $constant: catalogue!(@type $kind [$($label),*]) =
                <catalogue!(@type $kind [$($label),*])>::new(
                    $name, &[$($label),*], $help $(, $bounds, $scale)?);
        )*
        /// All of the above, in the order of this file.
        pub const ALL: &[Description] = &[$( catalogue!(@describe $kind $constant) ),*];
    };
    (@type counter [$($label:literal),*]) => { Counter<{ <[&str]>::len(&[$($label),*]) }> };
    (@type gauge [$($label:literal),*]) => { Gauge<{ <[&str]>::len(&[$($label),*]) }> };
    (@type histogram [$($label:literal),*]) => { Histogram<{ <[&str]>::len(&[$($label),*]) }> };
    (@describe histogram $constant:ident) => { $constant.description };
    (@describe $kind:ident $constant:ident) => { $constant.0 };
}

catalogue! {
    gauge BUILD_INFO "palisade_build_info" ["version"]
        "Always 1; the label says which version is running.";
    gauge START_TIME "palisade_start_time_seconds" []
        "When the process started, in seconds since 1970.";
    gauge READY "palisade_ready" []
        "1 while the service accepts peers, 0 while it starts or shuts down.";
    counter PROCESS_CPU "palisade_process_cpu_seconds_total" []
        "Processor time of the whole process, user and system.";
    gauge PROCESS_MEMORY "palisade_process_resident_memory_bytes" []
        "Resident memory of the process.";
    gauge PROCESS_FILES "palisade_process_open_files" []
        "Open file descriptors of the process.";
    gauge SCRAPE_SERIES "palisade_scrape_series" []
        "Series in this answer.";
    counter SCRAPE_LEFT_OUT "palisade_scrape_left_out_total" []
        "Samples that found no room in this answer; anything but 0 is a defect.";

    gauge SHARDS "palisade_shards" []
        "Worker threads that own peers.";
    counter SHARD_CPU "palisade_shard_cpu_seconds_total" ["shard"]
        "Processor time of a worker thread.";
    counter SHARD_ROUNDS "palisade_shard_rounds_total" ["shard"]
        "Times that a worker went round its loop.";
    gauge SHARD_PEERS "palisade_shard_peers" ["shard"]
        "IKE SAs that a worker owns, half-open ones included.";
    gauge SHARD_TIMERS "palisade_shard_timers" ["shard"]
        "Timers that are armed in a worker's wheel.";
    gauge SHARD_MAILBOX_DEPTH "palisade_shard_mailbox_depth" ["shard"]
        "Messages that wait in a worker's mailbox.";
    counter SHARD_MAILBOX_DROPS "palisade_shard_mailbox_drops_total" ["shard"]
        "Messages dropped because a worker's mailbox was full.";
    counter SHARD_HANDOFFS "palisade_shard_handoffs_total" ["shard"]
        "Datagrams and packets that reached another worker first and were passed on to this one.";
    counter SHARD_DROPS "palisade_shard_drops_total" ["reason"]
        "Datagrams and inner packets dropped before IKE or ESP saw them.";

    gauge HELD "palisade_hold_depth" []
        "Inner packets that wait for a tunnel that is being set up.";
    counter HELD_PACKETS "palisade_hold_packets_total" ["result"]
        "Inner packets that had to wait for a tunnel, and those of them that were sent when it stood.";
    counter FAILOVERS "palisade_failovers_total" []
        "Set-ups that reached another peer of their connection than the one before.";
    counter RESOLUTION_DROPS "palisade_resolution_drops_total" []
        "Host names of peers that were not resolved because too many waited.";

    gauge IKE_SAS "palisade_ike_sas" ["state"]
        "IKE SAs by state.";
    gauge IKE_SAS_V1 "palisade_ike_v1_sas" []
        "IKE SAs of IKEv1, which is deprecated (RFC 9395), half-open ones included.";
    counter IKE_SETUPS "palisade_ike_setups_total" ["role"]
        "IKE SAs that were established, by our role in the first exchange.";
    counter IKE_SETUP_FAILURES "palisade_ike_setup_failures_total" ["reason"]
        "IKE SAs that ended before they were established.";
    histogram IKE_HANDSHAKE "palisade_ike_handshake_seconds" []
        "From the first message of an IKE SA to its establishment.", LATENCY, MICROSECONDS;
    counter IKE_MESSAGES "palisade_ike_messages_total" ["direction"]
        "IKE messages received and sent, fragments counted one by one.";
    counter IKE_MESSAGE_DROPS "palisade_ike_message_drops_total" ["reason"]
        "IKE messages that had no effect.";
    counter IKE_REFUSALS "palisade_ike_refusals_total" ["reason"]
        "Requests that were answered with an error notify.";
    counter IKE_RETRANSMISSIONS "palisade_ike_retransmissions_total" ["kind"]
        "IKE messages sent again: requests by timer, responses because the request came again.";
    counter IKE_COOKIES "palisade_ike_cookies_total" ["event"]
        "Cookies that were asked for, and cookies that came back wrong.";
    counter IKE_REKEYS "palisade_ike_rekeys_total" ["sa"]
        "SAs that were replaced by a newer one.";
    counter IKE_REKEY_COLLISIONS "palisade_ike_rekey_collisions_total" ["sa"]
        "SAs that lost against another because both ends rekeyed at the same time.";
    counter IKE_DELETES "palisade_ike_deletes_total" ["reason"]
        "IKE SAs that ended after they had been established.";
    gauge CHILD_SAS "palisade_child_sas" []
        "Pairs of Child SAs.";
    counter CHILD_SETUPS "palisade_child_setups_total" []
        "Child SAs that were installed, rekeys included.";
    counter CHILD_SETUP_FAILURES "palisade_child_setup_failures_total" ["reason"]
        "Child SAs that could not be established.";
    counter CHILD_DELETES "palisade_child_deletes_total" ["reason"]
        "Child SAs that ended.";
    gauge POOL_ADDRESSES "palisade_pool_addresses" ["state"]
        "Virtual addresses over all pools by state.";

    gauge COMPUTE_DEPTH "palisade_compute_queue_depth" []
        "Key exchanges that wait for a thread of the compute pool or for their worker.";
    counter COMPUTE_JOBS "palisade_compute_jobs_total" ["result"]
        "Key exchanges by result.";
    histogram COMPUTE_WAIT "palisade_compute_wait_seconds" []
        "How long a key exchange waited until it was begun.", LATENESS, MICROSECONDS;

    counter ESP_PACKETS "palisade_esp_packets_total" ["direction"]
        "ESP packets that were opened (inbound) or sealed (outbound).";
    counter ESP_BYTES "palisade_esp_bytes_total" ["direction"]
        "Octets of inner packets that were opened or sealed.";
    counter ESP_DROPS "palisade_esp_drops_total" ["direction", "reason"]
        "Packets dropped by the ESP path.";
    gauge ELEPHANTS "palisade_elephant_sas" []
        "Pairs of Child SAs that several workers carry together.";
    counter ELEPHANTS_FOUND "palisade_elephants_total" []
        "Child SAs that were found to be more than one worker can carry.";
    counter ELEPHANT_PACKETS "palisade_elephant_packets_total" ["direction"]
        "ESP packets that a worker sealed or opened for an SA of another.";
    counter ICMP_TOO_BIG "palisade_icmp_too_big_total" []
        "ICMP answers to inner senders whose packets do not fit into a tunnel.";
    counter ICMP_WITHHELD "palisade_icmp_withheld_total" []
        "Such answers that were not given, because a worker had given as many in a second as it may.";
    counter PATHS_NARROWED "palisade_narrow_paths_found_total" []
        "Times that a path to a peer turned out to take less than is configured.";
    gauge NARROW_PATHS "palisade_narrow_paths" []
        "Paths to peers that take less than is configured, as far as is known.";

    counter DPD_PROBES "palisade_dpd_probes_total" ["try"]
        "Probes sent: the first try of each, and the tries after it.";
    counter DPD_ANSWERS "palisade_dpd_answers_total" []
        "Answers to our probes.";
    counter DPD_PROBES_ANSWERED "palisade_dpd_peer_probes_answered_total" []
        "Probes of peers that we answered.";
    counter DPD_PROOFS "palisade_dpd_proofs_total" ["kind"]
        "Events that proved a peer alive.";
    counter DPD_NON_PROOFS "palisade_dpd_non_proofs_total" ["kind"]
        "Events that looked like a sign of life and prove nothing.";
    counter DPD_PROBES_SAVED "palisade_dpd_probes_saved_total" []
        "Probes that were not sent because the peer had been heard in time.";
    counter DPD_TRY_OUTCOMES "palisade_dpd_try_outcomes_total" ["outcome"]
        "Tries that were not answered, by what became of them.";
    counter DPD_HINTS "palisade_dpd_hints_total" ["outcome"]
        "Unauthenticated hints of a peer's death: followed by a probe, or ignored above their rate.";
    counter DPD_SUSPICIONS "palisade_dpd_suspicions_total" []
        "Peers that were spared a verdict because the fault looked like ours.";
    counter DPD_RECOVERIES "palisade_dpd_recoveries_total" []
        "Peers that proved their life after they had missed a try or while they were suspect.";
    counter DPD_VERDICTS "palisade_dpd_verdicts_total" ["reason"]
        "Peers that were declared dead.";
    counter DPD_DEFERRALS "palisade_dpd_deferrals_total" ["budget"]
        "Tries, verdicts and repeated tries put off because their budget was spent.";
    histogram DPD_ROUND_TRIP "palisade_dpd_round_trip_seconds" []
        "From a probe to its answer.", LATENCY, MICROSECONDS;
    histogram DPD_DETECTION "palisade_dpd_detection_seconds" []
        "From a dead peer's last proof of life to the verdict.", DETECTION, MILLISECONDS;
    histogram DPD_LATENESS "palisade_dpd_lateness_seconds" []
        "How long after its due time a liveness timer was served.", LATENESS, MICROSECONDS;

    counter NET_DATAGRAMS "palisade_net_datagrams_total" ["direction"]
        "Outer datagrams received and sent.";
    counter NET_BYTES "palisade_net_bytes_total" ["direction"]
        "Octets of outer datagrams received and sent.";
    counter NET_DROPS "palisade_net_drops_total" ["reason"]
        "Outer datagrams that were dropped or could not be sent.";
    counter NET_RECEIVE_DROPS "palisade_net_receive_buffer_drops_total" ["listener"]
        "Outer datagrams that the kernel dropped because the receive buffer of their socket was full.";
    counter NET_CALLS "palisade_net_calls_total" ["direction"]
        "System calls made to receive and to send datagrams.";
    counter NET_RUNS "palisade_net_runs_total" ["direction"]
        "Runs of several datagrams that the kernel handed over or took as one.";
    counter NET_RUNS_REFUSED "palisade_net_runs_refused_total" []
        "Runs that the kernel did not take as one; their datagrams were sent singly.";
    counter NET_FRAGMENTED "palisade_net_fragmented_total" []
        "Datagrams that were not to be fragmented and left in fragments, because their path was too narrow.";
    counter NET_KEEPALIVES "palisade_net_keepalives_total" ["direction"]
        "NAT keepalives received and sent.";
    counter TUN_PACKETS "palisade_tun_packets_total" ["direction"]
        "Inner packets read from and written to the inner device.";
    counter TUN_BYTES "palisade_tun_bytes_total" ["direction"]
        "Octets of inner packets read from and written to the inner device.";
    counter TUN_RUNS "palisade_tun_runs_total" ["direction"]
        "Runs of several inner packets read from and written to the inner device as one.";
    counter TUN_RUNS_REFUSED "palisade_tun_runs_refused_total" []
        "Runs that the inner device did not take as one; their packets were written singly.";
    counter TUN_DROPS "palisade_tun_drops_total" ["reason"]
        "Inner packets that the inner device dropped or did not take.";
    gauge ROUTES "palisade_routes" []
        "Routes and addresses of the inner device that are installed.";
    counter ROUTE_FAILURES "palisade_route_failures_total" ["reason"]
        "Changes of routes that the kernel refused, or that were dropped because too many waited.";
    gauge NET_ENGINE "palisade_net_engine" ["engine"]
        "1 for the packet engine in use.";

    counter EVENTS "palisade_events_total" ["event"]
        "Events published on the event stream.";
    counter EVENTS_MISSED "palisade_events_missed_total" []
        "Events of the shards that found no room on their way to the log and the event stream.";
    gauge EVENT_SUBSCRIBERS "palisade_event_subscribers" []
        "Readers of the event stream.";
    gauge TRACE_WATCHERS "palisade_trace_watchers" []
        "Who watches peers in every detail.";
    counter TRACES_MISSED "palisade_traces_missed_total" []
        "Records of the shards for which a watcher had no room.";
    counter CONTROL_REQUESTS "palisade_control_requests_total" ["code"]
        "Answers of the control interface by HTTP status code.";
}
