//! What the service counted, under the names of the catalogue.

use dpd::{NotProof, Proof, TryOutcome, VerdictReason};
use esp::{InboundDrop, OutboundDrop};
use ike::{ChildFailure, CloseReason, Refusal, Rejection, RemovalReason};
use metrics::{Counter, Scrape, catalogue};
use runtime::{Service, ShardReport, SharedReport};
use shard::ShardDrop;

use super::{settings, system};

pub(super) fn scrape(service: &Service, started_unix_ns: u64, ready: bool) -> Scrape {
    let mut scrape = Scrape::new();
    of_process(&mut scrape, service, started_unix_ns, ready);
    // Workers that do not answer in time are missing from this answer; `palisade_ready` says so.
    for report in service.reports().into_iter().flatten() {
        of_shard(&mut scrape, &report);
        of_ike(&mut scrape, &report);
        of_esp(&mut scrape, &report);
        of_dpd(&mut scrape, &report);
        of_net(&mut scrape, &report);
    }
    scrape
}

fn of_process(scrape: &mut Scrape, service: &Service, started_unix_ns: u64, ready: bool) {
    scrape.gauge(&catalogue::BUILD_INFO, [crate::version::VERSION], 1.0);
    scrape.gauge(&catalogue::START_TIME, [], started_unix_ns as f64 / 1e9);
    scrape.gauge(&catalogue::READY, [], f64::from(u8::from(ready)));
    scrape.count_fraction(
        &catalogue::PROCESS_CPU,
        [],
        service.process_cpu().as_secs_f64(),
    );
    scrape.gauge(
        &catalogue::PROCESS_MEMORY,
        [],
        system::resident_bytes() as f64,
    );
    scrape.gauge(&catalogue::PROCESS_FILES, [], system::open_files() as f64);
    scrape.gauge(&catalogue::SHARDS, [], f64::from(service.shards()));
    scrape.gauge(
        &catalogue::NET_ENGINE,
        [settings::engine_name(service.engine())],
        1.0,
    );
    of_shared(scrape, &service.shared_report());
}

fn of_shared(scrape: &mut Scrape, report: &SharedReport) {
    let leased = report.addresses_in_use;
    let free = report.addresses_total.saturating_sub(leased);
    scrape.gauge(&catalogue::POOL_ADDRESSES, ["leased"], leased as f64);
    scrape.gauge(&catalogue::POOL_ADDRESSES, ["free"], free as f64);
    scrape.gauge(&catalogue::COMPUTE_DEPTH, [], report.compute_depth as f64);
    scrape.count(&catalogue::COMPUTE_JOBS, ["done"], report.compute_done);
    scrape.count(
        &catalogue::COMPUTE_JOBS,
        ["dropped"],
        report.compute_dropped,
    );
    scrape.distribution(&catalogue::COMPUTE_WAIT, [], &report.compute_wait_us);
    scrape.count(&catalogue::RESOLUTION_DROPS, [], report.resolutions_dropped);
    scrape.count(&catalogue::EVENTS_MISSED, [], report.events_missed);
    scrape.gauge(&catalogue::TRACE_WATCHERS, [], report.watchers as f64);
    scrape.count(&catalogue::TRACES_MISSED, [], report.traces_missed);
    scrape.gauge(&catalogue::ROUTES, [], report.routes_installed as f64);
    scrape.count(
        &catalogue::ROUTE_FAILURES,
        ["refused"],
        report.routes_failed,
    );
    scrape.count(
        &catalogue::ROUTE_FAILURES,
        ["dropped"],
        report.routes_dropped,
    );
}

fn of_shard(scrape: &mut Scrape, report: &ShardReport) {
    let number = report.shard.to_string();
    let shard = [number.as_str()];
    scrape.count_fraction(&catalogue::SHARD_CPU, shard, report.cpu.as_secs_f64());
    scrape.count(&catalogue::SHARD_ROUNDS, shard, report.rounds);
    scrape.gauge(
        &catalogue::SHARD_PEERS,
        shard,
        report.counters.ike_sas as f64,
    );
    scrape.gauge(
        &catalogue::SHARD_TIMERS,
        shard,
        report.counters.timers as f64,
    );
    scrape.gauge(
        &catalogue::SHARD_MAILBOX_DEPTH,
        shard,
        report.mailbox_depth as f64,
    );
    scrape.count(&catalogue::SHARD_MAILBOX_DROPS, shard, report.mailbox_drops);
    scrape.count(&catalogue::SHARD_HANDOFFS, shard, report.handoffs);
    for reason in ShardDrop::ALL {
        let count = at(&report.counters.dropped, reason.index());
        scrape.count(&catalogue::SHARD_DROPS, [reason.label()], count);
    }
    let counters = &report.counters;
    scrape.gauge(&catalogue::HELD, [], counters.held_now as f64);
    scrape.count(&catalogue::HELD_PACKETS, ["held"], counters.held);
    scrape.count(&catalogue::HELD_PACKETS, ["sent"], counters.released);
    scrape.count(&catalogue::FAILOVERS, [], counters.failovers);
}

fn of_ike(scrape: &mut Scrape, report: &ShardReport) {
    let counters = &report.counters;
    let established = counters.ike_sas.saturating_sub(counters.half_open);
    scrape.gauge(&catalogue::IKE_SAS, ["established"], established as f64);
    scrape.gauge(
        &catalogue::IKE_SAS,
        ["half_open"],
        counters.half_open as f64,
    );
    scrape.gauge(&catalogue::IKE_SAS_V1, [], counters.ike_sas_v1 as f64);
    let [initiated, responded] = counters.established;
    scrape.count(&catalogue::IKE_SETUPS, ["initiator"], initiated);
    scrape.count(&catalogue::IKE_SETUPS, ["responder"], responded);
    scrape.distribution(&catalogue::IKE_HANDSHAKE, [], &counters.handshake_us);
    scrape.count(&catalogue::IKE_MESSAGES, ["inbound"], counters.ike_in);
    scrape.count(&catalogue::IKE_MESSAGES, ["outbound"], counters.ike_out);
    for (kind, count) in [
        ("request", counters.ike_retransmissions_out),
        ("response", counters.ike_retransmissions_in),
    ] {
        scrape.count(&catalogue::IKE_RETRANSMISSIONS, [kind], count);
    }
    for reason in CloseReason::ALL {
        let failed = at(&counters.setup_failed, reason.index());
        scrape.count(&catalogue::IKE_SETUP_FAILURES, [reason.label()], failed);
        let closed = at(&counters.closed, reason.index());
        scrape.count(&catalogue::IKE_DELETES, [reason.label()], closed);
    }
    for reason in Rejection::ALL {
        let count = at(&counters.ike_rejected, reason.index());
        scrape.count(&catalogue::IKE_MESSAGE_DROPS, [reason.label()], count);
    }
    let rejected = |reason: Rejection| at(&counters.ike_rejected, reason.index());
    scrape.count(
        &catalogue::IKE_COOKIES,
        ["sent"],
        rejected(Rejection::CookieRequired),
    );
    scrape.count(
        &catalogue::IKE_COOKIES,
        ["rejected"],
        rejected(Rejection::CookieInvalid),
    );
    by_index(
        scrape,
        &catalogue::IKE_REFUSALS,
        Refusal::ALL,
        Refusal::label,
        &counters.ike_refused,
    );
    of_children(scrape, report);
}

fn of_children(scrape: &mut Scrape, report: &ShardReport) {
    let counters = &report.counters;
    scrape.gauge(&catalogue::CHILD_SAS, [], counters.children as f64);
    scrape.count(&catalogue::CHILD_SETUPS, [], counters.children_installed);
    by_index(
        scrape,
        &catalogue::CHILD_SETUP_FAILURES,
        ChildFailure::ALL,
        ChildFailure::label,
        &counters.children_failed,
    );
    by_index(
        scrape,
        &catalogue::CHILD_DELETES,
        RemovalReason::ALL,
        RemovalReason::label,
        &counters.children_removed,
    );
    let removed = |reason: RemovalReason| at(&counters.children_removed, reason.index());
    let closed = |reason: CloseReason| at(&counters.closed, reason.index());
    scrape.count(&catalogue::IKE_REKEYS, ["ike"], counters.ike_rekeyed);
    scrape.count(
        &catalogue::IKE_REKEYS,
        ["child"],
        removed(RemovalReason::Rekeyed),
    );
    scrape.count(
        &catalogue::IKE_REKEY_COLLISIONS,
        ["ike"],
        closed(CloseReason::RedundantRekey),
    );
    let redundant = removed(RemovalReason::RedundantRekey);
    scrape.count(&catalogue::IKE_REKEY_COLLISIONS, ["child"], redundant);
}

fn of_esp(scrape: &mut Scrape, report: &ShardReport) {
    let counters = &report.counters;
    for (direction, (packets, bytes)) in
        [("inbound", counters.esp_in), ("outbound", counters.esp_out)]
    {
        scrape.count(&catalogue::ESP_PACKETS, [direction], packets);
        scrape.count(&catalogue::ESP_BYTES, [direction], bytes);
    }
    for reason in InboundDrop::ALL {
        let count = at(&counters.esp_in_dropped, reason.index());
        scrape.count(&catalogue::ESP_DROPS, ["inbound", reason.label()], count);
    }
    for reason in OutboundDrop::ALL {
        let count = at(&counters.esp_out_dropped, reason.index());
        scrape.count(&catalogue::ESP_DROPS, ["outbound", reason.label()], count);
    }
    scrape.gauge(&catalogue::ELEPHANTS, [], counters.elephants as f64);
    scrape.count(&catalogue::ELEPHANTS_FOUND, [], counters.elephants_found);
    for (direction, packets) in [
        ("inbound", counters.esp_in_lent),
        ("outbound", counters.esp_out_lent),
    ] {
        scrape.count(&catalogue::ELEPHANT_PACKETS, [direction], packets);
    }
    scrape.count(&catalogue::ICMP_TOO_BIG, [], counters.icmp_too_big);
    scrape.count(&catalogue::ICMP_WITHHELD, [], counters.icmp_withheld);
    scrape.count(&catalogue::PATHS_NARROWED, [], counters.paths_narrowed);
    scrape.gauge(&catalogue::NARROW_PATHS, [], counters.narrow_paths as f64);
}

fn of_dpd(scrape: &mut Scrape, report: &ShardReport) {
    let counters = &report.counters;
    let dpd = &counters.dpd;
    scrape.count(&catalogue::DPD_PROBES, ["first"], dpd.probes);
    scrape.count(
        &catalogue::DPD_PROBES,
        ["again"],
        dpd.tries.saturating_sub(dpd.probes),
    );
    scrape.count(
        &catalogue::DPD_ANSWERS,
        [],
        at(&dpd.proofs, Proof::Answer.index()),
    );
    scrape.count(
        &catalogue::DPD_PROBES_ANSWERED,
        [],
        at(&dpd.proofs, Proof::Hello.index()),
    );
    by_index(
        scrape,
        &catalogue::DPD_PROOFS,
        Proof::ALL,
        Proof::label,
        &dpd.proofs,
    );
    by_index(
        scrape,
        &catalogue::DPD_NON_PROOFS,
        NotProof::ALL,
        NotProof::label,
        &dpd.not_proofs,
    );
    by_index(
        scrape,
        &catalogue::DPD_TRY_OUTCOMES,
        TryOutcome::ALL,
        TryOutcome::label,
        &dpd.outcomes,
    );
    by_index(
        scrape,
        &catalogue::DPD_VERDICTS,
        VerdictReason::ALL,
        VerdictReason::label,
        &dpd.verdicts,
    );
    scrape.count(&catalogue::DPD_PROBES_SAVED, [], dpd.probes_saved);
    scrape.count(&catalogue::DPD_HINTS, ["followed"], dpd.hints_followed);
    scrape.count(&catalogue::DPD_HINTS, ["ignored"], dpd.hints_ignored);
    scrape.count(&catalogue::DPD_SUSPICIONS, [], dpd.suspicions);
    scrape.count(&catalogue::DPD_RECOVERIES, [], dpd.recoveries);
    scrape.count(&catalogue::DPD_DEFERRALS, ["tries"], dpd.tries_deferred);
    scrape.count(
        &catalogue::DPD_DEFERRALS,
        ["verdicts"],
        dpd.verdicts_deferred,
    );
    scrape.count(&catalogue::DPD_DEFERRALS, ["repeats"], dpd.repeats_forgone);
    scrape.distribution(&catalogue::DPD_ROUND_TRIP, [], &counters.dpd_round_trip_us);
    scrape.distribution(&catalogue::DPD_DETECTION, [], &counters.dpd_detection_ms);
    scrape.distribution(&catalogue::DPD_LATENESS, [], &counters.dpd_lateness_us);
}

fn of_net(scrape: &mut Scrape, report: &ShardReport) {
    let (net, inner) = (&report.net, &report.inner_drops);
    let pairs = [
        (&catalogue::NET_DATAGRAMS, net.rx_packets, net.tx_packets),
        (&catalogue::NET_BYTES, net.rx_bytes, net.tx_bytes),
        (&catalogue::NET_CALLS, net.rx_calls, net.tx_calls),
        (&catalogue::NET_RUNS, net.rx_runs, net.tx_runs),
        (
            &catalogue::NET_KEEPALIVES,
            report.counters.keepalives[0],
            report.counters.keepalives[1],
        ),
    ];
    for (family, inbound, outbound) in pairs {
        scrape.count(family, ["inbound"], inbound);
        scrape.count(family, ["outbound"], outbound);
    }
    scrape.count(&catalogue::NET_RUNS_REFUSED, [], net.tx_runs_refused);
    scrape.count(&catalogue::NET_FRAGMENTED, [], net.tx_narrow);
    // Seen from the device: what it gave to us goes out to peers.
    scrape.count(&catalogue::TUN_PACKETS, ["read"], net.tun_rx_packets);
    scrape.count(&catalogue::TUN_PACKETS, ["written"], net.tun_tx_packets);
    scrape.count(&catalogue::TUN_BYTES, ["read"], net.tun_rx_bytes);
    scrape.count(&catalogue::TUN_BYTES, ["written"], net.tun_tx_bytes);
    scrape.count(&catalogue::TUN_RUNS, ["read"], net.tun_rx_runs);
    scrape.count(&catalogue::TUN_RUNS, ["written"], net.tun_tx_runs);
    scrape.count(&catalogue::TUN_RUNS_REFUSED, [], net.tun_tx_runs_refused);
    for (reason, count) in [
        ("receive_truncated", net.rx_truncated),
        ("receive_malformed", net.rx_malformed),
        ("receive_error", net.rx_errors),
        ("receive_no_buffer", net.rx_no_buffer),
        ("receive_buffer_full", net.rx_kernel_drops),
        ("send_buffer_full", net.tx_would_block),
        ("send_too_big", net.tx_too_big),
        ("send_unreachable", net.tx_unreachable),
        ("send_denied", net.tx_denied),
        ("send_queue_full", net.tx_queue_full),
        ("send_error", net.tx_errors),
    ] {
        scrape.count(&catalogue::NET_DROPS, [reason], count);
    }
    for (listener, count) in [
        ("ike", report.receive_drops.ike),
        ("nat", report.receive_drops.nat),
        ("raw_esp", report.receive_drops.raw_esp),
    ] {
        scrape.count(&catalogue::NET_RECEIVE_DROPS, [listener], count);
    }
    for (reason, count) in [
        ("read_truncated", net.tun_rx_truncated),
        ("read_malformed", net.tun_rx_malformed),
        ("read_error", net.tun_rx_errors),
        ("write_queue_full", net.tun_tx_would_block),
        ("write_error", net.tun_tx_errors),
        ("echo_unanswered", inner.unanswered),
        ("echo_full", inner.full),
        ("no_device", inner.discarded),
    ] {
        scrape.count(&catalogue::TUN_DROPS, [reason], count);
    }
}

fn at(counts: &[u64], index: usize) -> u64 {
    counts.get(index).copied().unwrap_or(0)
}

/// Counts that stand in the order of the values of a dense enum.
fn by_index<T: Copy>(
    scrape: &mut Scrape,
    family: &Counter<1>,
    values: &[T],
    label: impl Fn(T) -> &'static str,
    counts: &[u64],
) {
    for (value, count) in values.iter().zip(counts) {
        scrape.count(family, [label(*value)], *count);
    }
}
