//! `debug crypto isakmp`.

use control::trace::{LivenessMessage, Notify, Reason, Step, TraceRecord, Way};

use super::{deleting_sa, endpoint, front_vrf, not_responding, role, stage};

/// The lines of a record of IKEv1 or of its dead peer detection.
pub(super) fn lines(record: &TraceRecord) -> Vec<String> {
    let prefix = format!("ISAKMP:({}):", record.number);
    words(record)
        .into_iter()
        .map(|line| match line {
            Line::OfSa(text) => format!("{prefix}{text}"),
            Line::Received(text) => format!("ISAKMP ({}): {text}", record.number),
            Line::Bare(text) => format!("ISAKMP: {text}"),
        })
        .collect()
}

/// How a line begins.
enum Line {
    /// With the number of the IKE SA.
    OfSa(String),
    /// The same, as before received packets.
    Received(String),
    /// Without it.
    Bare(String),
}

use Line::{Bare, OfSa, Received};

fn words(record: &TraceRecord) -> Vec<Line> {
    let (address, port) = endpoint(&record.remote);
    let own_port = endpoint(&record.local).1;
    let role = role(record);
    let state = stage::table(record.stage, role);
    match &record.step {
        Step::Received(_) => {
            let (vrf, end) = (
                front_vrf(&record.fvrf),
                match record.number {
                    0 => "(N) NEW SA".to_owned(),
                    _ => format!("({role}) {state}"),
                },
            );
            vec![Received(format!(
                "received packet from {address} dport {own_port} sport {port} {vrf} {end}"
            ))]
        }
        Step::Sent { .. } => vec![OfSa(format!(
            " sending packet to {address} my_port {own_port} peer_port {port} ({role}) {state}"
        ))],
        Step::Dropped(why) => vec![OfSa(format!("dropping packet: {}", why.sentence))],
        Step::Payload {
            message_id,
            payload,
        } => vec![OfSa(processing(payload, *message_id))],
        Step::Notify(notify) => vec![OfSa(format!(
            " processing NOTIFY {}, sa = {}",
            notice(notify),
            handle(record)
        ))],
        Step::Notifying(notify) => vec![OfSa(format!("Sending NOTIFY {}", notice(notify)))],
        Step::Turned {
            exchange,
            input,
            from,
            to,
        } => {
            let node = exchange.map_or_else(String::new, |id| format!("Node {}, ", signed(id)));
            vec![
                OfSa(format!("{node}Input = {}", stage::input(*input, *from))),
                OfSa(format!(
                    "Old State = {} New State = {}",
                    stage::machine(*from, role),
                    stage::machine(*to, role)
                )),
            ]
        }
        Step::ExchangeBegun { message_id, at } => vec![Bare(format!(
            "set new node {} to {}",
            signed(*message_id),
            stage::table(*at, role)
        ))],
        Step::ExchangeEnded {
            message_id,
            end,
            why,
        } => {
            let (error, reason) = ended(end, why);
            vec![OfSa(format!(
                "deleting node {} error {error} reason \"{reason}\"",
                signed(*message_id)
            ))]
        }
        Step::ExchangeForgotten { message_id } => {
            vec![OfSa(format!("purging node {}", signed(*message_id)))]
        }
        Step::Liveness {
            way,
            message,
            sequence,
        } => vec![OfSa(liveness(*way, *message, *sequence, address))],
        Step::Deleting { why, at } => vec![OfSa(deleting_sa(
            &reason(why),
            role,
            stage::table(*at, role),
            &record.remote,
        ))],
        Step::Gone => {
            let handle = handle(record);
            vec![
                Bare(format!(
                    "Unlocking IKE struct 0x{handle} for isadb_mark_sa_deleted(), count 0"
                )),
                Bare(format!(
                    "Deleting peer node by peer_reap for {address}: {handle}"
                )),
            ]
        }
        Step::Remark { text } => vec![Bare(text.clone())],
        Step::ChildRemoved { left, .. } => vec![Bare(format!(
            "Unlocking IPSEC struct 0x{} from delete_siblings, count {left}",
            handle(record)
        ))],
        Step::NotResponding => vec![
            OfSa(not_responding(&record.remote)),
            OfSa("peer does not do paranoid keepalives.".to_owned()),
        ],
        step => dpd(step).map(OfSa).into_iter().collect(),
    }
}

/// What dead peer detection says, whichever version of IKE carries it.
pub(super) fn dpd(step: &Step) -> Option<String> {
    match step {
        Step::DpdEnabled { .. } => Some("IKE DPD is enabled, initializing timers".to_owned()),
        Step::Unanswered => Some("incrementing error counter on sa: PEERS_ALIVE_TIMER".to_owned()),
        Step::Suspect => Some("peer is silent, and the fault may be ours: keeping sa".to_owned()),
        Step::Recovered => Some("peer is alive again: clearing error counter on sa".to_owned()),
        _ => None,
    }
}

fn processing(payload: &str, message_id: u32) -> String {
    match payload {
        "VID" => " processing vendor id payload".to_owned(),
        _ => format!(
            " processing {payload} payload. message ID = {}",
            signed(message_id)
        ),
    }
}

fn notice(notify: &Notify) -> String {
    let name = match notify.notify.as_str() {
        "NO_PROPOSAL_CHOSEN" => "PROPOSAL_NOT_CHOSEN",
        name => name,
    };
    format!(
        "{name} protocol {} spi {}, message ID = {}",
        notify.protocol,
        notify.spi,
        signed(notify.message_id)
    )
}

fn liveness(way: Way, message: LivenessMessage, sequence: Option<u32>, address: &str) -> String {
    let name = match message {
        LivenessMessage::RUThere | LivenessMessage::Check => "DPD/R_U_THERE",
        LivenessMessage::RUThereAck | LivenessMessage::CheckAnswer => "DPD/R_U_THERE_ACK",
        LivenessMessage::Keepalive => "KEEPALIVE",
        LivenessMessage::KeepaliveAck => "KEEPALIVE_ACK",
    };
    let way = match way {
        Way::Received => "received from",
        Way::Sent => "sent to",
    };
    let sequence = sequence.map_or_else(String::new, |number| format!(", sequence 0x{number:X}"));
    format!(" {name} {way} peer {address}{sequence}")
}

fn ended<'w>(end: &str, why: &'w Reason) -> (&'static str, std::borrow::Cow<'w, str>) {
    match end {
        "informational" => ("FALSE", "informational (in) state 1".into()),
        "given-up" => ("TRUE", reason(why)),
        "sa-closed" if why.reason.is_empty() => ("FALSE", "".into()),
        "sa-closed" => ("TRUE", reason(why)),
        _ => ("FALSE", "No Error".into()),
    }
}

/// Why, in a few words.
pub(super) fn reason(why: &Reason) -> std::borrow::Cow<'_, str> {
    match why.reason.as_str() {
        "unresponsive" => "peers alive".into(),
        "half_open_timeout" => "Death by retransmission P1".into(),
        label => label.replace('_', " ").into(),
    }
}

/// A message ID.
fn signed(message_id: u32) -> i32 {
    message_id.cast_signed()
}

/// Where IOS has the place of an SA in memory, we have the end of its number.
fn handle(record: &TraceRecord) -> String {
    let digits = record.peer.len();
    let end = record.peer.get(digits.saturating_sub(8)..);
    end.unwrap_or_default().to_uppercase()
}
