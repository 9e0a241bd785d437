//! What proves that a peer lives, and what does not.

use reason::reasons;

reasons! {
    /// An event that only the living peer can have caused: its integrity was verified and it was
    /// fresh. Liveness belongs to the IKE SA, so a packet of any of its Child SAs counts for it.
    Proof {
        IkeRequest = "ike_request",
            "A request inside the message window that was not seen before (IKEv2).";
        IkeResponse = "ike_response",
            "The response to an outstanding request other than a probe (IKEv2).";
        IkeMessage = "ike_message",
            "A message with a message ID that was not seen before (IKEv1).";
        Hello = "hello",
            "The peer's own liveness check: an empty request, or R-U-THERE with the next sequence.";
        Answer = "answer",
            "The answer to our probe: the response, or R-U-THERE-ACK with an outstanding sequence.";
        Esp = "esp",
            "An inbound ESP packet, dummies included, that passed its ICV and the replay window.";
    }
}

impl Proof {
    pub(crate) const fn from_index(index: u8) -> Self {
        match index {
            0 => Self::IkeRequest,
            1 => Self::IkeResponse,
            2 => Self::IkeMessage,
            3 => Self::Hello,
            4 => Self::Answer,
            _ => Self::Esp,
        }
    }
}

reasons! {
    /// An event that looks like a sign of life and is none. It must never reach
    /// [`Liveness::heard`](crate::Liveness::heard); it is counted instead.
    NotProof {
        JumpedSequence = "jumped_sequence",
            "R-U-THERE whose sequence jumped by more than 64: answered, but it proves nothing.";
        DuplicateSequence = "duplicate_sequence",
            "R-U-THERE whose sequence is not above the last: a repetition or a replay.";
        UnknownAcknowledgement = "unknown_acknowledgement",
            "R-U-THERE-ACK for a sequence that is not outstanding.";
        OutboundEsp = "outbound_esp",
            "Our own ESP traffic: it raises the question and does not answer it.";
        Unauthenticated = "unauthenticated",
            "A message or packet whose integrity check failed.";
        Replayed = "replayed",
            "An ESP packet that the replay window had seen, or that lay before it.";
        Retransmitted = "retransmitted",
            "An IKE message that was seen before.";
        NatKeepalive = "nat_keepalive",
            "A NAT keepalive: anyone can send the octet ff.";
        Icmp = "icmp",
            "An ICMP message: a hint at most, it carries no authentication.";
        UnprotectedNotify = "unprotected_notify",
            "An unprotected notify such as INVALID_SPI: a hint that may make us probe.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_values_are_one_to_one() {
        for (index, proof) in (0_u8..).zip(Proof::ALL) {
            assert_eq!(proof.index(), usize::from(index));
            assert_eq!(Proof::from_index(index), *proof);
        }
    }
}
