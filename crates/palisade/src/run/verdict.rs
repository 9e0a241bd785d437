//! A verdict's evidence as the control interface tells it.

use config::Config;
use control::view::{DeathRecord, TryView};
use dpd::{DpdPolicy, Evidence};
use runtime::Clock;
use shard::PeerRef;
use timer::Instant;

use super::words;

/// The policy of dead peer detection that holds for a peer.
pub(super) fn policy_of<'c>(config: &'c Config, peer: &PeerRef) -> Option<&'c DpdPolicy> {
    let connection = config.policy.connections.named(&peer.connection)?;
    let index = match &peer.identity {
        Some(identity) => config.dpd_for(connection, identity),
        None => connection.dpd,
    };
    config.dpd.get(usize::from(index))
}

/// The identity as text; empty before it is known.
pub(super) fn identity_of(peer: &PeerRef) -> String {
    peer.identity
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

pub(super) fn record(
    config: &Config,
    clock: Clock,
    peer: &PeerRef,
    at: Instant,
    evidence: &Evidence,
) -> DeathRecord {
    let policy = policy_of(config, peer);
    let verdict = evidence.verdict;
    let at = verdict.map_or(at, |verdict| verdict.at);
    let tries = evidence.tries.iter().map(|one| TryView {
        number: u32::from(one.number),
        before_verdict_s: (at - one.sent_at).as_secs_f64(),
        counted: one.outcome.sentence().to_owned(),
    });
    let bound = policy.and_then(DpdPolicy::detection_bound);
    DeathRecord {
        identity: identity_of(peer),
        id: peer.spi.to_string(),
        remote: peer.remote.to_string(),
        verdict_unix_ns: clock.unix_nanos(at),
        verdict: verdict
            .map_or("no verdict yet", |verdict| verdict.reason.sentence())
            .to_owned(),
        last_proof: evidence.last_proof.sentence().to_owned(),
        silent_s: (at - evidence.last_proof_at).as_secs_f64(),
        bound_s: bound.map_or(0.0, |bound| bound.as_secs_f64()),
        tries: tries.collect(),
        queue_delay_s: verdict.map_or(0.0, |verdict| verdict.queue_delay.as_secs_f64()),
        nat: evidence.nat.local || evidence.nat.remote,
        breaker: match verdict.and_then(|verdict| verdict.breaker_open) {
            Some(domain) => format!("open for {domain}"),
            None => "closed".to_owned(),
        },
        policy: policy.map(words::policy).unwrap_or_default(),
        action: policy
            .map(|policy| words::action(policy.action))
            .unwrap_or_default()
            .to_owned(),
    }
}
