//! States of IKEv1 in the words of IOS.

use control::trace::{Input, Stage};

/// The state of the state machine, such as `IKE_I_MM3`.
pub(super) fn machine(stage: Stage, role: char) -> String {
    match stage {
        Stage::Idle => "IKE_READY".to_owned(),
        Stage::Main(messages) => format!("IKE_{role}_MM{messages}"),
        Stage::Aggressive(messages) => format!("IKE_{role}_AM{messages}"),
        Stage::Xauth => "IKE_XAUTH_REQ_SENT".to_owned(),
        Stage::ModeConfig => "IKE_CONFIG_ADDR".to_owned(),
        Stage::Established | Stage::Init | Stage::Auth => "IKE_P1_COMPLETE".to_owned(),
        Stage::Closed => "IKE_DEST_SA".to_owned(),
        Stage::Quick(0) => "IKE_QM_READY".to_owned(),
        Stage::Quick(messages) => format!("IKE_QM_{role}_QM{messages}"),
        Stage::QuickDone => "IKE_QM_PHASE2_COMPLETE".to_owned(),
    }
}

/// The state of the SA, such as `QM_IDLE`: each end counts the messages that it has seen.
pub(super) const fn table(stage: Stage, role: char) -> &'static str {
    match (stage, role) {
        (Stage::Main(1), 'R') | (Stage::Main(2), _) | (Stage::Main(3), 'I') => "MM_SA_SETUP",
        (Stage::Main(3..=5), _) => "MM_KEY_EXCH",
        (Stage::Main(6..), _) => "MM_KEY_AUTH",
        (Stage::Aggressive(0), _) => "AG_NO_STATE",
        (Stage::Aggressive(1..=2), _) => "AG_INIT_EXCH",
        (Stage::Aggressive(3..), _) => "AG_AUTH",
        (Stage::Xauth, _) => "CONF_XAUTH",
        (Stage::ModeConfig, _) => "CONF_ADDR",
        (Stage::Established | Stage::Quick(_) | Stage::QuickDone, _) => "QM_IDLE",
        (Stage::Idle | Stage::Main(0..=1) | Stage::Init | Stage::Auth | Stage::Closed, _) => {
            "MM_NO_STATE"
        }
    }
}

/// What made the state machine move, in the stage in which it was.
pub(super) const fn input(input: Input, from: Stage) -> &'static str {
    match (input, from) {
        (Input::Message, Stage::Aggressive(_)) => "IKE_MESG_FROM_PEER, IKE_AM_EXCH",
        (Input::Message, Stage::Quick(_) | Stage::QuickDone) => "IKE_MESG_FROM_PEER, IKE_QM_EXCH",
        (Input::Message, Stage::Xauth | Stage::ModeConfig) => "IKE_MESG_FROM_PEER, IKE_CFG_REPLY",
        (Input::Message, _) => "IKE_MESG_FROM_PEER, IKE_MM_EXCH",
        (Input::PeerNotify, _) => "IKE_MESG_FROM_PEER, IKE_INFO_NOTIFY",
        (Input::PeerDelete, _) => "IKE_MESG_FROM_PEER, IKE_INFO_DELETE",
        (Input::Process, Stage::Aggressive(_)) => "IKE_MESG_INTERNAL, IKE_PROCESS_AM",
        (Input::Process, _) => "IKE_MESG_INTERNAL, IKE_PROCESS_MAIN_MODE",
        (Input::Complete, Stage::Established) => "IKE_MESG_INTERNAL, IKE_PHASE1_COMPLETE",
        (Input::Complete, _) => "IKE_MESG_INTERNAL, IKE_PROCESS_COMPLETE",
        (Input::WantIkeSa, Stage::Aggressive(_)) => "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_AM",
        (Input::WantIkeSa, _) => "IKE_MESG_FROM_IPSEC, IKE_SA_REQ_MM",
        (Input::WantChildSa, _) => "IKE_MESG_INTERNAL, IKE_INIT_QM",
        (Input::PeersAlive, _) => "IKE_MESG_FROM_TIMER, IKE_TIMER_PEERS_ALIVE",
        (Input::Retransmit, _) => "IKE_MESG_FROM_TIMER, IKE_TIMER_RETRANSMIT",
        (Input::Lifetime, _) => "IKE_MESG_FROM_TIMER, IKE_TIMER_REKEY",
        (Input::Delete, _) => "IKE_MESG_INTERNAL, IKE_PHASE1_DEL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_mode_goes_through_the_states_of_a_router() {
        let seen = |role| [0, 1, 2, 3, 4, 5, 6].map(|number| table(Stage::Main(number), role));
        assert_eq!(
            seen('I'),
            [
                "MM_NO_STATE",
                "MM_NO_STATE",
                "MM_SA_SETUP",
                "MM_SA_SETUP",
                "MM_KEY_EXCH",
                "MM_KEY_EXCH",
                "MM_KEY_AUTH"
            ]
        );
        assert_eq!(
            seen('R'),
            [
                "MM_NO_STATE",
                "MM_SA_SETUP",
                "MM_SA_SETUP",
                "MM_KEY_EXCH",
                "MM_KEY_EXCH",
                "MM_KEY_EXCH",
                "MM_KEY_AUTH"
            ]
        );
        assert_eq!(machine(Stage::Main(3), 'I'), "IKE_I_MM3");
        assert_eq!(table(Stage::Established, 'R'), "QM_IDLE");
    }
}
