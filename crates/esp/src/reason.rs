//! Why packets are dropped: each value is a counter's index.

use ::reason::reasons;

reasons! {
    /// Why a received ESP packet was dropped, in the order in which a packet meets the checks.
    InboundDrop {
        TooShort = "too_short",
            "The packet is too short to be ESP.";
        UnknownSpi = "unknown_spi",
            "No SA has this SPI: it was deleted, or never was; a burst after a rekey or restart is normal.";
        ForeignVrf = "foreign_vrf",
            "The SA belongs to another front-door VRF than the one in which the packet arrived.";
        LifetimeExpired = "lifetime_expired",
            "The SA has carried all that its hard limit allows and no rekey has replaced it.";
        SequenceTooOld = "sequence_too_old",
            "The sequence number lies before the replay window: the network reorders more than the window covers, or a replay.";
        SequenceDuplicate = "sequence_duplicate",
            "The sequence number was received before: the network duplicates, or a replay.";
        Integrity = "integrity",
            "The ICV does not verify: damaged on the way, forged, or the ends disagree about keys.";
        BadPadding = "bad_padding",
            "The packet is authentic, but its padding is not 1, 2, 3, and so on: the peer breaks RFC 4303.";
        UnknownNextHeader = "unknown_next_header",
            "The packet is authentic, but carries neither IPv4 nor IPv6: tunnel mode was agreed.";
        MalformedInner = "malformed_inner",
            "The packet is authentic, but what it carries is no valid IP packet.";
        SelectorMismatch = "selector_mismatch",
            "The inner addresses, protocol or ports are not among the SA's traffic selectors: spoofed, or the ends disagree.";
        CongestionUnmarkable = "congestion_unmarkable",
            "The network marked congestion on a packet whose ends do not understand the mark; RFC 6040 wants it dropped.";
    }
}

reasons! {
    /// Why an inner packet was not sent, in the order in which a packet meets the checks.
    OutboundDrop {
        UnknownSa = "unknown_sa",
            "The SA was deleted between the look-up and the sealing.";
        MalformedInner = "malformed_inner",
            "The packet to send is no valid IP packet.";
        SelectorMismatch = "selector_mismatch",
            "The packet's addresses, protocol or ports are not among the SA's traffic selectors.";
        LifetimeExpired = "lifetime_expired",
            "The SA has carried all that its hard limit allows and no rekey has replaced it.";
        TooBig = "too_big",
            "With the ESP header the packet exceeds the path's MTU and may not be fragmented; its sender is told by ICMP.";
        HopLimitExceeded = "hop_limit_exceeded",
            "The packet's TTL or hop limit does not allow forwarding it.";
        NoRoom = "no_room",
            "The buffer leaves no room for the ESP header or trailer; this is a fault of this program.";
        SequenceExhausted = "sequence_exhausted",
            "All sequence numbers of the SA are used and no rekey has replaced it.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_dense_and_labels_distinct() {
        let inbound = InboundDrop::ALL
            .iter()
            .map(|reason| (reason.index(), reason.label()));
        assert!(
            inbound
                .clone()
                .zip(0..)
                .all(|((index, _), place)| index == place)
        );
        let outbound = OutboundDrop::ALL
            .iter()
            .map(|reason| (reason.index(), reason.label()));
        assert!(
            outbound
                .clone()
                .zip(0..)
                .all(|((index, _), place)| index == place)
        );
        for labels in [inbound.collect::<Vec<_>>(), outbound.collect()] {
            let distinct: std::collections::BTreeSet<_> = labels.iter().map(|(_, l)| l).collect();
            assert_eq!(distinct.len(), labels.len());
        }
    }
}
