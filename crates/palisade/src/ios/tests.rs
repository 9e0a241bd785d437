//! The traces that Cisco's documentation of periodic dead peer detection prints, from records.

use control::trace::{
    Input, LivenessMessage, Message, Notify, Reason, Stage, Step, Topic, TraceRecord, Way,
};

use super::lines;

/// 25 March 2024, 15:00 UTC, in seconds.
const THREE_O_CLOCK: u64 = 1_711_378_800;
const NODES: [i32; 4] = [-1_067_612_752, -114_443_536, 2_116_015_069, -1_981_865_558];

/// What a router tells of the peer of the documentation.
#[derive(Default)]
struct Story {
    unix_ns: u64,
    stage: Stage,
    lines: Vec<String>,
}

impl Story {
    /// It is so many minutes, seconds and milliseconds past three.
    fn at(&mut self, (minutes, seconds, millis): (u64, u64, u64)) -> &mut Self {
        self.unix_ns = ((THREE_O_CLOCK + minutes * 60 + seconds) * 1_000 + millis) * 1_000_000;
        self
    }

    fn tell(&mut self, step: Step) -> &mut Self {
        let record = TraceRecord {
            unix_ns: self.unix_ns,
            version: 1,
            number: 1001,
            role: "initiator".into(),
            stage: self.stage,
            peer: "0000000181e5c4e8".into(),
            local: "10.1.32.14:500".into(),
            remote: "10.2.80.209:500".into(),
            step,
            ..TraceRecord::missed(0)
        };
        self.lines.extend(lines(&record, Topic::Isakmp));
        self
    }

    fn begun(&mut self, node: i32) -> &mut Self {
        let message_id = node.cast_unsigned();
        let at = Stage::Established;
        self.tell(Step::ExchangeBegun { message_id, at })
    }

    fn sent(&mut self, node: i32) -> &mut Self {
        let message = message(node);
        self.tell(Step::Sent {
            message,
            left: true,
        })
    }

    fn forgotten(&mut self, node: i32) -> &mut Self {
        let message_id = node.cast_unsigned();
        self.tell(Step::ExchangeForgotten { message_id })
    }

    fn ended(&mut self, node: i32, end: &str, reason: &str) -> &mut Self {
        self.tell(Step::ExchangeEnded {
            message_id: node.cast_unsigned(),
            end: end.into(),
            why: because(reason),
        })
    }

    fn turned(&mut self, input: Input, from: Stage, to: Stage) -> &mut Self {
        self.tell(Step::Turned {
            exchange: None,
            input,
            from,
            to,
        })
    }

    fn deleting(&mut self, reason: &str, at: Stage) -> &mut Self {
        let why = because(reason);
        self.tell(Step::Deleting { why, at })
    }

    fn remark(&mut self, text: &str) -> &mut Self {
        self.tell(Step::Remark { text: text.into() })
    }
}

fn because(reason: &str) -> Reason {
    Reason {
        reason: reason.into(),
        sentence: String::new(),
    }
}

fn message(node: i32) -> Message {
    Message {
        exchange: "INFORMATIONAL".into(),
        message_id: node.cast_unsigned(),
        initiator_spi: "0000000181e5c4e8".into(),
        responder_spi: "02".into(),
        response: false,
        length: 92,
    }
}

fn established() -> Story {
    Story {
        stage: Stage::Established,
        ..Story::default()
    }
}

#[test]
fn dead_peer_detection_is_enabled() {
    let policy = "periodic, interval 10s, 5 tries 2s apart".into();
    let told = established()
        .at((17, 14, 131))
        .tell(Step::DpdEnabled { policy })
        .lines
        .clone();
    assert_eq!(
        told,
        ["*Mar 25 15:17:14.131: ISAKMP:(1001):IKE DPD is enabled, initializing timers"]
    );
}

#[test]
fn a_peer_answers() {
    let node: i32 = -443_923_643;
    let message_id = node.cast_unsigned();
    let mut story = established();
    let ours = Step::Liveness {
        way: Way::Sent,
        message: LivenessMessage::RUThere,
        sequence: Some(9),
    };
    story.at((18, 52, 107)).begun(node).tell(ours).sent(node);
    let theirs = Step::Liveness {
        way: Way::Received,
        message: LivenessMessage::RUThereAck,
        sequence: Some(9),
    };
    story
        .at((18, 52, 123))
        .tell(Step::Received(message(node)))
        .begun(node)
        .at((18, 52, 131))
        .tell(Step::Payload {
            message_id,
            payload: "HASH".into(),
        })
        .tell(Step::Notify(Notify {
            message_id,
            protocol: 1,
            spi: 0,
            notify: "R_U_THERE_ACK".into(),
        }))
        .at((18, 52, 135))
        .tell(theirs)
        .ended(node, "informational", "")
        .turned(Input::PeerNotify, Stage::Established, Stage::Established);
    let expected = "\
*Mar 25 15:18:52.107: ISAKMP: set new node -443923643 to QM_IDLE
*Mar 25 15:18:52.107: ISAKMP:(1001): DPD/R_U_THERE sent to peer 10.2.80.209, sequence 0x9
*Mar 25 15:18:52.107: ISAKMP:(1001): sending packet to 10.2.80.209 my_port 500 peer_port 500 (I) QM_IDLE
*Mar 25 15:18:52.123: ISAKMP (1001): received packet from 10.2.80.209 dport 500 sport 500 Global (I) QM_IDLE
*Mar 25 15:18:52.123: ISAKMP: set new node -443923643 to QM_IDLE
*Mar 25 15:18:52.131: ISAKMP:(1001): processing HASH payload. message ID = -443923643
*Mar 25 15:18:52.131: ISAKMP:(1001): processing NOTIFY R_U_THERE_ACK protocol 1 spi 0, message ID = -443923643, sa = 81E5C4E8
*Mar 25 15:18:52.135: ISAKMP:(1001): DPD/R_U_THERE_ACK received from peer 10.2.80.209, sequence 0x9
*Mar 25 15:18:52.135: ISAKMP:(1001):deleting node -443923643 error FALSE reason \"informational (in) state 1\"
*Mar 25 15:18:52.135: ISAKMP:(1001):Input = IKE_MESG_FROM_PEER, IKE_INFO_NOTIFY
*Mar 25 15:18:52.135: ISAKMP:(1001):Old State = IKE_P1_COMPLETE New State = IKE_P1_COMPLETE";
    assert_eq!(story.lines.join("\n"), expected);
}

#[test]
fn a_front_door_vrf_is_named() {
    let record = TraceRecord {
        version: 1,
        number: 1001,
        fvrf: "internet".into(),
        stage: Stage::Established,
        local: "10.1.32.14:500".into(),
        remote: "10.2.80.209:500".into(),
        step: Step::Received(message(7)),
        ..TraceRecord::missed(0)
    };
    assert!(
        lines(&record, Topic::Isakmp)[0]
            .ends_with("received packet from 10.2.80.209 dport 500 sport 500 internet (R) QM_IDLE")
    );
}

/// One try of the probe: counted, sent, forgotten.
fn try_again(story: &mut Story, node: i32, sent_after: (u64, u64, u64), done: (u64, u64, u64)) {
    story
        .begun(node)
        .at(sent_after)
        .sent(node)
        .forgotten(node)
        .at(done)
        .turned(Input::PeersAlive, Stage::Established, Stage::Established);
}

/// The whole trace of a death, from the first retransmission to the last trace of the SA.
#[test]
fn a_peer_dies_line_by_line() {
    let mut story = established();
    story.at((47, 37, 343)).tell(Step::Unanswered);
    let times = |second, millis, done| ((47, second, millis), (47, second, done));
    let (sent, done) = times(37, 351, 355);
    try_again(&mut story, -1_592_471_565, sent, done);
    story.at((47, 39, 355)).tell(Step::Unanswered);
    let (sent, done) = times(39, 363, 367);
    try_again(&mut story, 1_758_739_401, sent, done);
    story.at((47, 41, 367)).tell(Step::Unanswered);
    let (sent, done) = times(41, 375, 379);
    try_again(&mut story, 320_258_858, sent, done);
    story.at((47, 43, 379)).tell(Step::Unanswered);
    let (sent, done) = times(43, 387, 391);
    try_again(&mut story, -744_493_014, sent, done);
    story
        .at((47, 45, 391))
        .tell(Step::Unanswered)
        .tell(Step::NotResponding)
        .deleting("unresponsive", Stage::Established)
        .at((47, 45, 395))
        .tell(Step::ChildRemoved {
            spi_in: "3a7b69bf".into(),
            why: because("ike_sa_closed"),
            left: 0,
        })
        .tell(Step::SessionDown)
        .at((47, 45, 399))
        .begun(-2_061_951_065)
        .at((47, 45, 411))
        .sent(-2_061_951_065)
        .forgotten(-2_061_951_065)
        .turned(Input::PeersAlive, Stage::Established, Stage::Closed)
        .at((47, 45, 415))
        .deleting("unresponsive", Stage::Established)
        .tell(Step::Gone);
    for node in NODES {
        story.ended(node, "sa-closed", "unresponsive");
    }
    story
        .at((47, 45, 419))
        .turned(Input::Delete, Stage::Closed, Stage::Closed)
        .remark("received ke message (4/1)")
        .remark("received ke message (3/1)")
        .at((47, 45, 423))
        .remark("ignoring request to send delete notify (no ISAKMP sa) src 10.1.32.14 dst 10.2.80.209 for SPI 0x3A7B69BF")
        .deleting("", Stage::Closed);
    for node in NODES {
        story.ended(node, "sa-closed", "");
    }
    story
        .at((47, 45, 427))
        .turned(Input::Message, Stage::Closed, Stage::Closed);
    let expected = include_str!("death.txt");
    assert_eq!(story.lines.join("\n"), expected.trim_end());
}

#[test]
fn ikev2_and_ipsec_have_their_own_shape() {
    let record = |step| TraceRecord {
        version: 2,
        number: 1003,
        role: "responder".into(),
        stage: Stage::Established,
        peer: "f94020dd8cb4b9c4".into(),
        identity: "joe@example.org".into(),
        local: "192.0.2.1:4500".into(),
        remote: "[2001:db8::7]:4500".into(),
        step,
        ..TraceRecord::missed(0)
    };
    let mut request = message(2);
    request.initiator_spi = "f074d8bbd5a59f0b".into();
    request.responder_spi = "f94020dd8cb4b9c4".into();
    assert_eq!(
        lines(&record(Step::Received(request)), Topic::Ikev2),
        [
            "*Jan  1 00:00:00.000: IKEv2:(SESSION ID = 1003,SA ID = 1003):Received Packet \
          [From [2001:db8::7]:4500/To 192.0.2.1:4500/VRF i0:f0] \n\
          Initiator SPI : F074D8BBD5A59F0B - Responder SPI : F94020DD8CB4B9C4 Message id: 2\n\
          IKEv2 INFORMATIONAL Exchange REQUEST "
        ]
    );
    assert_eq!(
        lines(&record(Step::SessionDown), Topic::Dpd),
        [
            "*Jan  1 00:00:00.000: %CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  \
          Peer 2001:db8::7:4500       Id: joe@example.org"
        ]
    );
    let installed = Step::ChildInstalled {
        spi_in: "0000a5cc".into(),
        spi_out: "c0ffee01".into(),
        replaces: None,
    };
    assert_eq!(
        lines(&record(installed), Topic::Ipsec),
        [
            "*Jan  1 00:00:00.000: IPSEC(create_sa): sa created,\n  (sa) sa_dest= 192.0.2.1, sa_proto= 50,\n    sa_spi= 0xA5CC(42444)",
            "*Jan  1 00:00:00.000: IPSEC(create_sa): sa created,\n  (sa) sa_dest= 2001:db8::7, sa_proto= 50,\n    sa_spi= 0xC0FFEE01(3237998081)",
        ]
    );
    assert!(lines(&record(Step::Asking { try_number: 2 }), Topic::Dpd).is_empty());
}
