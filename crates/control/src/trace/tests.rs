use super::*;

#[test]
fn stages_are_words() {
    for (stage, word) in [
        (Stage::Main(3), "main-mode-3"),
        (Stage::Aggressive(1), "aggressive-mode-1"),
        (Stage::Quick(0), "quick-mode-0"),
        (Stage::QuickDone, "quick-mode-done"),
        (Stage::Established, "established"),
    ] {
        assert_eq!(stage.to_string(), word);
        assert_eq!(Stage::try_from(word.to_owned()), Ok(stage));
    }
    assert!(Stage::try_from("main-mode-".to_owned()).is_err());
}

#[test]
fn a_record_is_one_flat_object() {
    let record = TraceRecord {
        number: 1001,
        version: 1,
        step: Step::Sent {
            message: Message {
                exchange: "INFORMATIONAL".into(),
                message_id: 7,
                initiator_spi: "01".into(),
                responder_spi: "02".into(),
                response: false,
                length: 92,
            },
            left: true,
        },
        ..TraceRecord::missed(0)
    };
    let json = serde_json::to_value(&record).expect("JSON");
    assert_eq!(json["step"], "sent");
    assert_eq!(json["exchange"], "INFORMATIONAL");
    assert_eq!(json["stage"], "idle");
    assert_eq!(json["left"], true);
    assert_eq!(json.get("identity"), None);
    let back: TraceRecord = serde_json::from_value(json).expect("a record");
    assert_eq!(back, record);
}

#[test]
fn every_kind_of_step_survives_its_way() {
    let why = Reason {
        reason: "deleted".into(),
        sentence: "We deleted it.".into(),
    };
    let notify = Notify {
        message_id: 3_851_043_653,
        protocol: 1,
        spi: 0,
        notify: "R_U_THERE".into(),
    };
    let message = Message {
        exchange: "IKE_AUTH".into(),
        message_id: 1,
        initiator_spi: "01".into(),
        responder_spi: "02".into(),
        response: true,
        length: 92,
    };
    for step in [
        Step::Received(message.clone()),
        Step::Sent {
            message,
            left: false,
        },
        Step::Payload {
            message_id: 1,
            payload: "HASH".into(),
        },
        Step::ExchangeBegun {
            message_id: 1,
            at: Stage::Established,
        },
        Step::ExchangeForgotten { message_id: 1 },
        Step::Remark {
            text: "a word".into(),
        },
        Step::DpdEnabled {
            policy: "on-demand".into(),
        },
        Step::Asking { try_number: 2 },
        Step::Unanswered,
        Step::Suspect,
        Step::Recovered,
        Step::NotResponding,
        Step::ChildInstalled {
            spi_in: "c0".into(),
            spi_out: "c1".into(),
            replaces: Some("c2".into()),
        },
        Step::ChildActive {
            spi_in: "c0".into(),
            spi_out: "c1".into(),
        },
        Step::ChildAged {
            spi_in: "c0".into(),
        },
        Step::SessionUp,
        Step::SessionDown,
        Step::Missed { count: 7 },
        Step::Dropped(why.clone()),
        Step::Notify(notify.clone()),
        Step::Notifying(notify),
        Step::ExchangeEnded {
            message_id: 1,
            end: "complete".into(),
            why: Reason::default(),
        },
        Step::Deleting {
            why: why.clone(),
            at: Stage::Established,
        },
        Step::ChildRemoved {
            spi_in: "c0".into(),
            why: why.clone(),
            left: 0,
        },
        Step::ChildFailed(why),
        Step::Gone,
        Step::Liveness {
            way: Way::Sent,
            message: LivenessMessage::RUThere,
            sequence: Some(9),
        },
        Step::Turned {
            exchange: None,
            input: Input::PeersAlive,
            from: Stage::Established,
            to: Stage::Closed,
        },
    ] {
        let record = TraceRecord {
            step,
            ..TraceRecord::missed(0)
        };
        let line = serde_json::to_string(&record).expect("JSON");
        let back: TraceRecord = serde_json::from_str(&line).expect(&line);
        assert_eq!(back, record);
    }
}
