//! Records in plain words, one a line.

use control::trace::{LivenessMessage, Message, Step, TraceRecord, Way};

use crate::ask::show;

/// When, which IKE SA, with whom, and what.
pub(super) fn line(record: &TraceRecord) -> String {
    let mut line = show::moment(record.unix_ns);
    if record.number != 0 {
        line.push_str(&format!("  {}", record.number));
    }
    for part in [&record.remote, &record.identity] {
        if !part.is_empty() {
            line.push_str("  ");
            line.push_str(part);
        }
    }
    line.push_str("  ");
    line.push_str(&what(&record.step));
    line
}

fn what(step: &Step) -> String {
    match step {
        Step::Received(message) => format!("received {}", header(message)),
        Step::Sent {
            message,
            left: true,
        } => format!("sent {}", header(message)),
        Step::Sent { message, .. } => format!("could not send {}", header(message)),
        Step::Dropped(why) => format!("dropped: {}", why.sentence),
        Step::Payload { payload, .. } => format!("payload {payload}"),
        Step::Notify(notify) => format!("notify {}", notify.notify),
        Step::Notifying(notify) => format!("to send: notify {}", notify.notify),
        Step::Turned {
            exchange, from, to, ..
        } => match exchange {
            Some(id) => format!("exchange {id:08x}: {from} -> {to}"),
            None => format!("{from} -> {to}"),
        },
        Step::ExchangeBegun { message_id, .. } => format!("exchange {message_id:08x} begins"),
        Step::ExchangeEnded {
            message_id,
            end,
            why,
        } => match why.reason.as_str() {
            "" => format!("exchange {message_id:08x} ends: {end}"),
            reason => format!("exchange {message_id:08x} ends: {end}, {reason}"),
        },
        Step::ExchangeForgotten { message_id } => {
            format!("exchange {message_id:08x} is forgotten")
        }
        Step::Liveness {
            way,
            message,
            sequence,
        } => liveness(*way, *message, *sequence),
        Step::Deleting { why, at } => format!("deleted in {at}: {}", why.sentence),
        Step::Gone => "nothing is kept of it any longer".to_owned(),
        Step::Remark { text } => text.clone(),
        Step::DpdEnabled { policy } => format!("dead peer detection: {policy}"),
        Step::Asking { try_number: 0 } => "asked on suspicion".to_owned(),
        Step::Asking { try_number } => format!("asked, try {try_number}"),
        Step::Unanswered => "the try went unanswered".to_owned(),
        Step::Suspect => "silent, and the fault may be ours".to_owned(),
        Step::Recovered => "it lives".to_owned(),
        Step::NotResponding => "dead".to_owned(),
        Step::ChildInstalled {
            spi_in,
            spi_out,
            replaces,
        } => {
            let old = replaces
                .as_ref()
                .map_or_else(String::new, |old| format!(", in place of {old}"));
            format!("Child SA {spi_in} in, {spi_out} out{old}")
        }
        Step::ChildActive { spi_out, .. } => format!("outbound traffic uses {spi_out} now"),
        Step::ChildAged { spi_in } => format!("Child SA {spi_in} reached a limit"),
        Step::ChildRemoved { spi_in, why, left } => {
            format!("Child SA {spi_in} is gone ({left} left): {}", why.sentence)
        }
        Step::ChildFailed(why) => format!("no Child SA: {}", why.sentence),
        Step::SessionUp => "the tunnel is up".to_owned(),
        Step::SessionDown => "the tunnel is down".to_owned(),
        Step::Missed { count } => format!("{count} records were dropped: read faster"),
    }
}

fn header(message: &Message) -> String {
    let kind = if message.response { " response" } else { "" };
    format!(
        "{}{kind}, message ID {:08x}, {} octets",
        message.exchange, message.message_id, message.length
    )
}

fn liveness(way: Way, message: LivenessMessage, sequence: Option<u32>) -> String {
    let name = match message {
        LivenessMessage::RUThere => "R-U-THERE",
        LivenessMessage::RUThereAck => "R-U-THERE-ACK",
        LivenessMessage::Keepalive => "keepalive",
        LivenessMessage::KeepaliveAck => "keepalive acknowledgement",
        LivenessMessage::Check => "liveness check",
        LivenessMessage::CheckAnswer => "answer to a liveness check",
    };
    let way = match way {
        Way::Received => "received",
        Way::Sent => "sent",
    };
    let number = sequence.map_or_else(String::new, |number| format!(" {number}"));
    format!("{name}{number} {way}")
}
