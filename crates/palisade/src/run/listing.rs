//! Rows of the shards as the control interface tells them.

use std::collections::HashMap;

use config::{Config, VrfSettings};
use control::view::{IkeTerms, PeerDetail, PeerView, SaCounters, SaView};
use dpd::DpdPolicy;
use ike::{Negotiated, Role};
use ipsec::{ConnectionPolicy, Encapsulation, IkeSpi};
use runtime::Clock;
use shard::{PeerRow, SaRow};
use timer::Instant;

use super::{verdict, watch, words};

/// Octets in and out by peer.
pub(super) fn volumes(sas: &[SaRow]) -> HashMap<IkeSpi, (u64, u64)> {
    let mut volumes: HashMap<_, (u64, u64)> = HashMap::new();
    for sa in sas {
        let sum = volumes.entry(sa.peer.spi).or_default();
        sum.0 = sum.0.saturating_add(sa.counted_in.bytes);
        sum.1 = sum.1.saturating_add(sa.counted_out.bytes);
    }
    volumes
}

pub(super) fn peer(
    row: &PeerRow,
    clock: Clock,
    config: &Config,
    volume: Option<&(u64, u64)>,
) -> PeerView {
    let (bytes_in, bytes_out) = volume.copied().unwrap_or_default();
    let liveness = row.liveness.as_ref();
    let age = u64::try_from(row.age.as_nanos()).unwrap_or(u64::MAX);
    let (own, other) = (row.peer.spi.to_string(), row.peer_spi.to_string());
    let (role, spis) = match row.role {
        Role::Initiator => ("initiator", (own, other)),
        Role::Responder => ("responder", (other, own)),
    };
    PeerView {
        id: row.peer.spi.to_string(),
        number: row.number,
        version: row.version.major(),
        role: role.to_owned(),
        stage: watch::stage(row.stage),
        spis,
        fvrf: config.vrfs.front_name(row.peer.fvrf).to_owned(),
        ivrf: config.vrfs.inner_name(row.peer.ivrf).to_owned(),
        ike: row
            .negotiated
            .map(|negotiated| ike_terms(&negotiated, row, clock, config)),
        dpd_settings: verdict::policy_of(config, &row.peer).and_then(words::dpd_settings),
        local_identity: local_identity(row, config),
        identity: verdict::identity_of(&row.peer),
        connection: row.peer.connection.to_string(),
        state: if row.established {
            "established"
        } else {
            "connecting"
        }
        .to_owned(),
        local: row.peer.local.to_string(),
        remote: row.peer.remote.to_string(),
        virtual_addresses: row.addresses.iter().map(ToString::to_string).collect(),
        shard: u16::from(row.peer.shard.0),
        since_unix_ns: clock.unix_nanos(clock.now()).saturating_sub(age),
        heard_s: liveness.map(|liveness| liveness.since_proof.as_secs_f64()),
        liveness: liveness
            .map_or("off", |liveness| words::state(liveness.state))
            .to_owned(),
        nat: row.nat.0 || row.nat.1,
        child_sas: u32::try_from(row.children).unwrap_or(u32::MAX),
        bytes_in,
        bytes_out,
    }
}

pub(super) fn detail(row: &PeerRow, sas: &[SaRow], clock: Clock, config: &Config) -> PeerDetail {
    let volumes = volumes(sas);
    let policy = verdict::policy_of(config, &row.peer);
    PeerDetail {
        peer: peer(row, clock, config, volumes.get(&row.peer.spi)),
        tries: row.liveness.as_ref().map_or(0, |liveness| liveness.tries),
        dpd: policy.map(words::policy).unwrap_or_default(),
        detection_bound_s: policy
            .and_then(DpdPolicy::detection_bound)
            .map(|bound| bound.as_secs_f64()),
        children: sas
            .iter()
            .map(|sa| child(sa, clock, &config.vrfs))
            .collect(),
    }
}

fn connection<'c>(row: &PeerRow, config: &'c Config) -> Option<&'c ConnectionPolicy> {
    let connections = &config.policy.connections;
    connections.named(&row.peer.connection).map(|one| &**one)
}

/// Without an identity in the configuration it is our address.
fn local_identity(row: &PeerRow, config: &Config) -> String {
    let configured = connection(row, config).and_then(|connection| connection.local_id.as_ref());
    configured.map_or_else(|| row.peer.local.ip().to_string(), ToString::to_string)
}

fn ike_terms(terms: &Negotiated, row: &PeerRow, clock: Clock, config: &Config) -> IkeTerms {
    let rekey = connection(row, config).map(|connection| connection.rekey);
    let lifetime = rekey.and_then(|rekey| rekey.hard_time.or(rekey.time));
    IkeTerms {
        encryption: words::cipher(terms.encryption).to_owned(),
        integrity: terms.integrity.map_or("", words::integrity).to_owned(),
        prf: words::prf(terms.prf).to_owned(),
        group: words::group(terms.key_exchange),
        xauth: terms.xauth,
        fragments: terms.fragments,
        lifetime_s: lifetime.map(|time| time.as_secs_f64()),
        remaining_s: remaining(terms.expires_at, clock),
    }
}

/// Seconds until then; `None` for never.
fn remaining(expires_at: Instant, clock: Clock) -> Option<f64> {
    (expires_at != Instant::MAX).then(|| (expires_at - clock.now()).as_secs_f64())
}

/// Octets that are left of a limit; `None` without one.
fn left(limit: u64, used: u64) -> Option<u64> {
    (limit != u64::MAX).then(|| limit.saturating_sub(used))
}

pub(super) fn child(row: &SaRow, clock: Clock, vrfs: &VrfSettings) -> SaView {
    let now = clock.now();
    let since = |at: Instant, packets: u64| (packets > 0).then(|| (now - at).as_secs_f64());
    let (inbound, outbound) = (&row.counted_in, &row.counted_out);
    SaView {
        peer: row.peer.spi.to_string(),
        identity: verdict::identity_of(&row.peer),
        child: row.child.to_string(),
        fvrf: vrfs.front_name(row.peer.fvrf).to_owned(),
        ivrf: vrfs.inner_name(row.peer.ivrf).to_owned(),
        state: if row.active { "installed" } else { "draining" }.to_owned(),
        spi_in: row.inbound.to_string(),
        spi_out: row.outbound.to_string(),
        proposal: words::suite(row.suite.encryption, row.suite.integrity),
        esn: row.esn,
        pfs_group: row.pfs.map(words::group),
        path_mtu: row.path_mtu,
        mtu: row.inner_mtu,
        replay_window: row.replay_window,
        remaining_s: remaining(row.expires_at, clock),
        remaining_bytes_in: left(row.limits.hard_bytes, inbound.bytes),
        remaining_bytes_out: left(row.limits.hard_bytes, outbound.bytes),
        encapsulation: match row.encapsulation {
            Encapsulation::Udp => "udp",
            Encapsulation::Raw => "esp",
        }
        .to_owned(),
        local_ts: row.local_ts.iter().map(ToString::to_string).collect(),
        remote_ts: row.remote_ts.iter().map(ToString::to_string).collect(),
        inbound: SaCounters {
            packets: inbound.packets,
            bytes: inbound.bytes,
            lost: inbound.lost,
            replay: inbound.replay,
            integrity: u64::from(inbound.integrity),
            malformed: u64::from(inbound.malformed),
            selector_mismatch: u64::from(inbound.selector),
            refused: u64::from(inbound.refused),
            last_s: since(inbound.last, inbound.packets),
            ..SaCounters::default()
        },
        outbound: SaCounters {
            packets: outbound.packets,
            bytes: outbound.bytes,
            sequence_exhausted: u64::from(outbound.sequence_exhausted),
            too_big: u64::from(outbound.too_big),
            refused: u64::from(outbound.refused),
            last_s: since(outbound.last, outbound.packets),
            ..SaCounters::default()
        },
    }
}
