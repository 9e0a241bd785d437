//! What watchers are told, on its way from the shards to the control interface.

use core::net::IpAddr;
use core::time::Duration;
use std::sync::Arc;

use config::{Config, VrfSettings};
use control::Refusal;
use control::trace::{
    Input, LivenessMessage, Message, Next, Notify, Reason, Stage, Step, Topic, TraceQuery,
    TraceRecord, TraceSource, Way,
};
use ike::trace as told;
use ike::{CloseReason, Role, Trace};
use ipsec::{FrontVrf, Identity};
use runtime::{Clock, TraceSubscription, Traced};
use shard::{ChildStep, DpdStep, Topics, TraceFilter, TraceStep, Watched};

use super::{names, verdict, words};

/// Records that may wait for a watcher.
pub(super) const BACKLOG: usize = 16_384;
/// How often the end of the watch is looked for while nothing happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the shards are asked for.
pub(super) fn filter(query: &TraceQuery) -> Result<TraceFilter, Refusal> {
    let topics = match query.topic {
        Topic::Isakmp => Topics::ISAKMP,
        Topic::Ikev2 => Topics::IKEV2,
        Topic::Ipsec => Topics::IPSEC,
        Topic::Dpd => Topics::DPD,
    };
    let whom = match &query.peer {
        None => Watched::Everybody,
        Some(peer) => whom(peer)?,
    };
    Ok(TraceFilter { topics, whom })
}

fn whom(peer: &str) -> Result<Watched, Refusal> {
    if let Ok(address) = peer.parse::<IpAddr>() {
        return Ok(Watched::Address(address));
    }
    let identity = peer.parse::<Identity>().map(Watched::Identity);
    identity
        .map_err(|_| Refusal::Invalid(format!("`{peer}` is neither an address nor an identity")))
}

/// One watcher's source.
pub(super) struct Source {
    pub(super) subscription: TraceSubscription,
    pub(super) clock: Clock,
    /// For the names of VRFs.
    pub(super) config: Arc<Config>,
}

impl TraceSource for Source {
    fn next(&mut self) -> Next {
        match self.subscription.next(PATIENCE) {
            Ok(Some(Traced::Record(told))) => {
                Next::Record(Box::new(record(&told, self.clock, &self.config.vrfs)))
            }
            Ok(Some(Traced::Missed(count))) => Next::Record(Box::new(TraceRecord {
                unix_ns: self.clock.unix_nanos(self.clock.now()),
                ..TraceRecord::missed(count)
            })),
            Ok(None) => Next::Nothing,
            Err(_) => Next::End,
        }
    }
}

fn record(told: &shard::TraceRecord, clock: Clock, vrfs: &VrfSettings) -> TraceRecord {
    let peer = &told.peer;
    let (mut local, mut remote) = (peer.local, peer.remote);
    if let TraceStep::Ike(
        Trace::Received { path, .. } | Trace::Sent { path, .. } | Trace::Dropped { path, .. },
    ) = &told.step
    {
        (local, remote) = (path.local, path.remote);
    }
    TraceRecord {
        unix_ns: clock.unix_nanos(told.at),
        monotonic_ns: told.at.as_nanos(),
        shard: u16::from(peer.shard.0),
        version: told.version,
        number: told.number,
        role: match told.role {
            None => String::new(),
            Some(Role::Initiator) => "initiator".to_owned(),
            Some(Role::Responder) => "responder".to_owned(),
        },
        stage: stage(told.stage),
        peer: if told.number == 0 {
            String::new()
        } else {
            peer.spi.to_string()
        },
        identity: verdict::identity_of(peer),
        connection: peer.connection.to_string(),
        local: local.to_string(),
        remote: remote.to_string(),
        fvrf: match peer.fvrf {
            FrontVrf::GLOBAL => String::new(),
            fvrf => vrfs.front_name(fvrf).to_owned(),
        },
        step: step(&told.step, told.version),
    }
}

fn step(told: &TraceStep, version: u8) -> Step {
    match told {
        TraceStep::Ike(trace) => ike(trace, version),
        TraceStep::Dpd(step) => dpd(step),
        TraceStep::Child(step) => child(step),
        TraceStep::Session { up: true } => Step::SessionUp,
        TraceStep::Session { up: false } => Step::SessionDown,
        TraceStep::Gone => Step::Gone,
    }
}

fn ike(trace: &Trace, version: u8) -> Step {
    match trace {
        Trace::Received { message, .. } => Step::Received(summary(message)),
        Trace::Sent { message, left, .. } => Step::Sent {
            message: summary(message),
            left: *left,
        },
        Trace::Dropped { reason, .. } => Step::Dropped(Reason {
            reason: reason.label().to_owned(),
            sentence: reason.sentence().to_owned(),
        }),
        Trace::Payload {
            message_id,
            payload,
        } => Step::Payload {
            message_id: *message_id,
            payload: names::payload(*payload),
        },
        Trace::Notify {
            message_id,
            protocol,
            spi,
            kind,
        } => Step::Notify(Notify {
            message_id: *message_id,
            protocol: *protocol,
            spi: *spi,
            notify: names::notify(version, *kind),
        }),
        Trace::Notifying {
            message_id,
            protocol,
            spi,
            kind,
        } => Step::Notifying(Notify {
            message_id: *message_id,
            protocol: *protocol,
            spi: *spi,
            notify: names::notify(version, *kind),
        }),
        Trace::Turned {
            exchange,
            input: by,
            from,
            to,
        } => Step::Turned {
            exchange: *exchange,
            input: input(*by),
            from: stage(*from),
            to: stage(*to),
        },
        Trace::ExchangeBegun {
            message_id,
            stage: at,
        } => Step::ExchangeBegun {
            message_id: *message_id,
            at: stage(*at),
        },
        Trace::ExchangeEnded { message_id, end } => ended(*message_id, *end),
        Trace::ExchangeForgotten { message_id } => Step::ExchangeForgotten {
            message_id: *message_id,
        },
        Trace::Liveness { way, what } => liveness(*way, *what),
        Trace::Deleting { reason, stage: at } => Step::Deleting {
            why: close_reason(*reason),
            at: stage(*at),
        },
        Trace::Remark(text) => Step::Remark {
            text: (*text).to_owned(),
        },
    }
}

fn summary(message: &told::Summary) -> Message {
    Message {
        exchange: names::exchange(message.exchange),
        message_id: message.message_id,
        initiator_spi: format!("{:016x}", message.initiator_spi),
        responder_spi: format!("{:016x}", message.responder_spi),
        response: message.response,
        length: message.length,
    }
}

fn close_reason(reason: Option<CloseReason>) -> Reason {
    reason.map_or_else(Reason::default, |reason| Reason {
        reason: reason.label().to_owned(),
        sentence: reason.sentence().to_owned(),
    })
}

fn ended(message_id: u32, end: told::ExchangeEnd) -> Step {
    let (end, why) = match end {
        told::ExchangeEnd::Informational => ("informational", Reason::default()),
        told::ExchangeEnd::Complete => ("complete", Reason::default()),
        told::ExchangeEnd::GivenUp(reason) => (
            "given-up",
            Reason {
                reason: reason.to_owned(),
                sentence: String::new(),
            },
        ),
        told::ExchangeEnd::SaClosed(reason) => ("sa-closed", close_reason(reason)),
    };
    Step::ExchangeEnded {
        message_id,
        end: end.to_owned(),
        why,
    }
}

fn liveness(way: told::Way, what: told::LivenessMessage) -> Step {
    use told::LivenessMessage as Told;
    let (message, sequence) = match what {
        Told::RUThere { sequence } => (LivenessMessage::RUThere, Some(sequence)),
        Told::RUThereAck { sequence } => (LivenessMessage::RUThereAck, Some(sequence)),
        Told::Keepalive => (LivenessMessage::Keepalive, None),
        Told::KeepaliveAck => (LivenessMessage::KeepaliveAck, None),
        Told::Check { message_id } => (LivenessMessage::Check, Some(message_id)),
        Told::CheckAnswer { message_id } => (LivenessMessage::CheckAnswer, Some(message_id)),
    };
    Step::Liveness {
        way: match way {
            told::Way::Received => Way::Received,
            told::Way::Sent => Way::Sent,
        },
        message,
        sequence,
    }
}

pub(super) const fn stage(stage: told::Stage) -> Stage {
    use told::Stage as Told;
    match stage {
        Told::Idle => Stage::Idle,
        Told::Main(messages) => Stage::Main(messages),
        Told::Aggressive(messages) => Stage::Aggressive(messages),
        Told::Xauth => Stage::Xauth,
        Told::ModeConfig => Stage::ModeConfig,
        Told::Init => Stage::Init,
        Told::Auth => Stage::Auth,
        Told::Established => Stage::Established,
        Told::Closed => Stage::Closed,
        Told::Quick(messages) => Stage::Quick(messages),
        Told::QuickDone => Stage::QuickDone,
    }
}

const fn input(input: told::Input) -> Input {
    use told::Input as Told;
    match input {
        Told::Message => Input::Message,
        Told::PeerNotify => Input::PeerNotify,
        Told::PeerDelete => Input::PeerDelete,
        Told::Process => Input::Process,
        Told::Complete => Input::Complete,
        Told::WantIkeSa => Input::WantIkeSa,
        Told::WantChildSa => Input::WantChildSa,
        Told::PeersAlive => Input::PeersAlive,
        Told::Retransmit => Input::Retransmit,
        Told::Lifetime => Input::Lifetime,
        Told::Delete => Input::Delete,
    }
}

fn dpd(step: &DpdStep) -> Step {
    match step {
        DpdStep::Enabled(policy) => Step::DpdEnabled {
            policy: words::policy(policy),
        },
        DpdStep::Asking { try_number } => Step::Asking {
            try_number: *try_number,
        },
        DpdStep::Unanswered => Step::Unanswered,
        DpdStep::Suspect => Step::Suspect,
        DpdStep::Recovered => Step::Recovered,
        DpdStep::NotResponding => Step::NotResponding,
    }
}

fn child(step: &ChildStep) -> Step {
    match step {
        ChildStep::Installed {
            inbound,
            outbound,
            replaces,
        } => Step::ChildInstalled {
            spi_in: inbound.to_string(),
            spi_out: outbound.to_string(),
            replaces: replaces.map(|old| old.to_string()),
        },
        ChildStep::Active { inbound, outbound } => Step::ChildActive {
            spi_in: inbound.to_string(),
            spi_out: outbound.to_string(),
        },
        ChildStep::Aged { inbound } => Step::ChildAged {
            spi_in: inbound.to_string(),
        },
        ChildStep::Removed {
            inbound,
            reason,
            left,
        } => Step::ChildRemoved {
            spi_in: inbound.to_string(),
            why: Reason {
                reason: reason.label().to_owned(),
                sentence: reason.sentence().to_owned(),
            },
            left: *left,
        },
        ChildStep::Failed { reason } => Step::ChildFailed(Reason {
            reason: reason.label().to_owned(),
            sentence: reason.sentence().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_addresses_or_identities() {
        let query = |peer: &str| TraceQuery {
            topic: Topic::Dpd,
            peer: Some(peer.to_owned()),
        };
        let filter_of = |peer: &str| filter(&query(peer)).map(|filter| filter.whom);
        let address = "192.0.2.7".parse().expect("an address");
        assert_eq!(filter_of("192.0.2.7"), Ok(Watched::Address(address)));
        let joe = "joe@example.org".parse().expect("an identity");
        assert_eq!(filter_of("joe@example.org"), Ok(Watched::Identity(joe)));
        assert!(matches!(filter_of(""), Err(Refusal::Invalid(_))));
    }
}
