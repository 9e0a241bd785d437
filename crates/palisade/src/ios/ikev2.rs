//! `debug crypto ikev2`.

use control::trace::{Input, LivenessMessage, Message, Stage, Step, TraceRecord, Way};

use super::{deleting_sa, isakmp, not_responding, role};

/// The lines of a record of IKEv2 or of its dead peer detection.
pub(super) fn lines(record: &TraceRecord) -> Vec<String> {
    let prefix = match record.number {
        0 => "IKEv2:".to_owned(),
        number => format!("IKEv2:(SESSION ID = {number},SA ID = {number}):"),
    };
    words(record)
        .into_iter()
        .map(|text| format!("{prefix}{text}"))
        .collect()
}

fn words(record: &TraceRecord) -> Vec<String> {
    let (local, remote) = (&record.local, &record.remote);
    match &record.step {
        Step::Received(message) => vec![packet(
            &format!("Received Packet [From {remote}/To {local}/VRF i0:f0]"),
            message,
        )],
        Step::Sent { message, .. } => vec![packet(
            &format!("Sending Packet [To {remote}/From {local}/VRF i0:f0]"),
            message,
        )],
        Step::Dropped(why) => vec![format!("Dropping packet: {}", why.sentence)],
        Step::Payload { payload, .. } => vec![format!("Processing {payload} payload")],
        Step::Notify(notify) => vec![format!("Processing NOTIFY({}) payload", notify.notify)],
        Step::Notifying(notify) => vec![format!("Sending NOTIFY({})", notify.notify)],
        Step::Turned {
            input, from, to, ..
        } => {
            let spis = spis(record);
            let (role, event) = (role(record), event(*input));
            vec![format!(
                "SM Trace-> {spis} ({role}) CurState: {} Event: {event} NewState: {}",
                state(*from, role),
                state(*to, role)
            )]
        }
        Step::Liveness { way, message, .. } => liveness(*way, *message).into_iter().collect(),
        Step::Deleting { why, at } => {
            let (role, reason) = (role(record), isakmp::reason(why));
            vec![deleting_sa(&reason, role, &state(*at, role), remote)]
        }
        Step::Gone => vec!["Deleting SA from database".to_owned()],
        Step::NotResponding => vec![not_responding(remote)],
        Step::Remark { text } => vec![text.clone()],
        Step::ChildRemoved { spi_in, .. } => {
            vec![format!(
                "Deleting IPSEC SA [SPI: 0x{}]",
                spi_in.to_uppercase()
            )]
        }
        step => isakmp::dpd(step).into_iter().collect(),
    }
}

/// A packet with its header, on three lines.
fn packet(what: &str, message: &Message) -> String {
    let kind = if message.response {
        "RESPONSE"
    } else {
        "REQUEST"
    };
    format!(
        "{what} \nInitiator SPI : {} - Responder SPI : {} Message id: {}\nIKEv2 {} Exchange {kind} ",
        message.initiator_spi.to_uppercase(),
        message.responder_spi.to_uppercase(),
        message.message_id,
        message.exchange,
    )
}

fn spis(record: &TraceRecord) -> String {
    let (ours, side) = (record.peer.to_uppercase(), role(record));
    format!("SA: {side}_SPI={ours}")
}

fn state(stage: Stage, role: char) -> String {
    match stage {
        Stage::Idle => "IDLE".to_owned(),
        Stage::Init => format!("{role}_WAIT_INIT"),
        Stage::Auth => format!("{role}_WAIT_AUTH"),
        Stage::Established => "READY".to_owned(),
        Stage::Closed => "DELETE".to_owned(),
        other => other.to_string().to_uppercase().replace('-', "_"),
    }
}

const fn event(input: Input) -> &'static str {
    match input {
        Input::Message => "EV_RECV_MSG",
        Input::PeerNotify => "EV_RECV_NOTIFY",
        Input::PeerDelete => "EV_RECV_DEL",
        Input::Process => "EV_OK_RECD_DH_SECRET_RESP",
        Input::Complete => "EV_OK",
        Input::WantIkeSa => "EV_INIT_SA",
        Input::WantChildSa => "EV_INIT_CREATE_CHILD",
        Input::PeersAlive => "EV_SEND_DPD",
        Input::Retransmit => "EV_RE_XMT",
        Input::Lifetime => "EV_LIFETIME",
        Input::Delete => "EV_DELETE",
    }
}

fn liveness(way: Way, message: LivenessMessage) -> Option<String> {
    let text = match (way, message) {
        (Way::Sent, LivenessMessage::Check) => "Sending DPD/liveness query",
        (Way::Received, LivenessMessage::Check) => "Received DPD/liveness query",
        (Way::Sent, LivenessMessage::CheckAnswer) => "Sending ACK to informational exchange",
        (Way::Received, LivenessMessage::CheckAnswer) => "Processing ACK to informational exchange",
        _ => return None,
    };
    Some(text.to_owned())
}
