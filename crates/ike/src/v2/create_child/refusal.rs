use ipsec::EspSpi;
use wire::ikev2::numbers::protocol;
use wire::ikev2::{ExchangeType, Notify, NotifyType, Payload};

use crypto::KeyExchangeMethod;

use crate::v2::IkeSa;
use crate::v2::algorithm::group_number;
use crate::{Action, Refusal};

/// Why a CREATE_CHILD_SA request is not granted, as the peer will read it. The IKE SA stands
/// (RFC 7296 §1.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum No {
    /// A payload is missing or makes no sense.
    InvalidSyntax,
    /// No proposal is acceptable.
    ProposalsUnacceptable,
    /// The key exchange is not of the chosen method.
    InvalidKe(KeyExchangeMethod),
    /// No traffic selector is acceptable.
    TsUnacceptable,
    /// There are enough Child SAs, or no SPI is free.
    TooManySas,
    /// It collides with another exchange (RFC 7296 §2.25).
    TemporaryFailure,
    /// The Child SA to be rekeyed, named as the peer named it, does not exist.
    ChildSaNotFound(EspSpi),
}

impl No {
    /// Sends it as the response and counts it.
    pub(super) fn send(self, sa: &mut IkeSa, message_id: u32, actions: &mut Vec<Action>) {
        let (kind, refusal) = self.kind();
        let mut notify = Notify {
            protocol: 0,
            spi: &[],
            kind,
            data: &[],
        };
        let group;
        let spi;
        match self {
            Self::InvalidKe(wanted) => {
                group = group_number(wanted).to_be_bytes();
                notify.data = &group;
            }
            Self::ChildSaNotFound(named) => {
                spi = named.0.to_be_bytes();
                notify.protocol = protocol::ESP;
                notify.spi = &spi;
            }
            _ => {}
        }
        let payloads = [Payload::Notify(notify)];
        sa.send_response(
            ExchangeType::CREATE_CHILD_SA,
            message_id,
            &payloads,
            actions,
        );
        actions.push(Action::Refused(refusal));
    }

    fn kind(self) -> (NotifyType, Refusal) {
        match self {
            Self::InvalidSyntax => (NotifyType::INVALID_SYNTAX, Refusal::InvalidSyntax),
            Self::ProposalsUnacceptable => {
                (NotifyType::NO_PROPOSAL_CHOSEN, Refusal::NoProposalChosen)
            }
            Self::InvalidKe(_) => (NotifyType::INVALID_KE_PAYLOAD, Refusal::InvalidKe),
            Self::TsUnacceptable => (NotifyType::TS_UNACCEPTABLE, Refusal::TsUnacceptable),
            Self::TooManySas => (NotifyType::NO_ADDITIONAL_SAS, Refusal::NoAdditionalSas),
            Self::TemporaryFailure => (NotifyType::TEMPORARY_FAILURE, Refusal::TemporaryFailure),
            Self::ChildSaNotFound(_) => (NotifyType::CHILD_SA_NOT_FOUND, Refusal::ChildSaNotFound),
        }
    }
}
