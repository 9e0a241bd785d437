//! Assigned numbers of IKE in the words of their registries.

/// An exchange type (RFC 2408 §3.1, RFC 7296 §3.1).
pub(super) fn exchange(number: u8) -> String {
    match number {
        2 => "IDENTITY_PROTECTION",
        4 => "AGGRESSIVE",
        5 | 37 => "INFORMATIONAL",
        6 => "TRANSACTION",
        32 => "QUICK_MODE",
        34 => "IKE_SA_INIT",
        35 => "IKE_AUTH",
        36 => "CREATE_CHILD_SA",
        other => return other.to_string(),
    }
    .to_owned()
}

/// A payload type. The numbers of the versions do not overlap (RFC 2408 §3.1, RFC 3947 §3.2,
/// RFC 7296 §3.2).
pub(super) fn payload(number: u8) -> String {
    match number {
        1 | 33 => "SA",
        4 | 34 => "KE",
        5 => "ID",
        6 | 37 => "CERT",
        7 | 38 => "CERTREQ",
        8 => "HASH",
        9 => "SIG",
        10 | 40 => "NONCE",
        11 | 41 => "NOTIFY",
        12 | 42 => "DELETE",
        13 | 43 => "VID",
        14 => "TRANSACTION",
        20 | 130 => "NAT-D",
        21 | 131 => "NAT-OA",
        35 => "IDi",
        36 => "IDr",
        39 => "AUTH",
        44 => "TSi",
        45 => "TSr",
        46 => "SK",
        47 => "CFG",
        48 => "EAP",
        53 => "SKF",
        132 => "FRAGMENT",
        other => return other.to_string(),
    }
    .to_owned()
}

/// A notify message type of a major version (RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.1;
/// RFC 7296 §3.10.1).
pub(super) fn notify(version: u8, number: u16) -> String {
    let name = if version < 2 {
        notify_v1(number)
    } else {
        notify_v2(number)
    };
    name.map_or_else(|| number.to_string(), ToOwned::to_owned)
}

fn notify_v1(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "INVALID_PAYLOAD_TYPE",
        2 => "DOI_NOT_SUPPORTED",
        3 => "SITUATION_NOT_SUPPORTED",
        4 => "INVALID_COOKIE",
        5 => "INVALID_MAJOR_VERSION",
        6 => "INVALID_MINOR_VERSION",
        7 => "INVALID_EXCHANGE_TYPE",
        8 => "INVALID_FLAGS",
        9 => "INVALID_MESSAGE_ID",
        10 => "INVALID_PROTOCOL_ID",
        11 => "INVALID_SPI",
        12 => "INVALID_TRANSFORM_ID",
        13 => "ATTRIBUTES_NOT_SUPPORTED",
        14 => "NO_PROPOSAL_CHOSEN",
        15 => "BAD_PROPOSAL_SYNTAX",
        16 => "PAYLOAD_MALFORMED",
        17 => "INVALID_KEY_INFORMATION",
        18 => "INVALID_ID_INFORMATION",
        23 => "INVALID_HASH_INFORMATION",
        24 => "AUTHENTICATION_FAILED",
        29 => "UNSUPPORTED_EXCHANGE_TYPE",
        30 => "UNEQUAL_PAYLOAD_LENGTHS",
        16384 => "CONNECTED",
        24576 => "RESPONDER_LIFETIME",
        24577 => "REPLAY_STATUS",
        24578 => "INITIAL_CONTACT",
        32768 => "KEEPALIVE",
        32769 => "KEEPALIVE_ACK",
        36136 => "R_U_THERE",
        36137 => "R_U_THERE_ACK",
        40501 => "UNITY_LOAD_BALANCE",
        _ => return None,
    })
}

fn notify_v2(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "UNSUPPORTED_CRITICAL_PAYLOAD",
        4 => "INVALID_IKE_SPI",
        5 => "INVALID_MAJOR_VERSION",
        7 => "INVALID_SYNTAX",
        9 => "INVALID_MESSAGE_ID",
        11 => "INVALID_SPI",
        14 => "NO_PROPOSAL_CHOSEN",
        17 => "INVALID_KE_PAYLOAD",
        24 => "AUTHENTICATION_FAILED",
        34 => "SINGLE_PAIR_REQUIRED",
        35 => "NO_ADDITIONAL_SAS",
        36 => "INTERNAL_ADDRESS_FAILURE",
        37 => "FAILED_CP_REQUIRED",
        38 => "TS_UNACCEPTABLE",
        39 => "INVALID_SELECTORS",
        43 => "TEMPORARY_FAILURE",
        44 => "CHILD_SA_NOT_FOUND",
        16384 => "INITIAL_CONTACT",
        16385 => "SET_WINDOW_SIZE",
        16386 => "ADDITIONAL_TS_POSSIBLE",
        16387 => "IPCOMP_SUPPORTED",
        16388 => "NAT_DETECTION_SOURCE_IP",
        16389 => "NAT_DETECTION_DESTINATION_IP",
        16390 => "COOKIE",
        16391 => "USE_TRANSPORT_MODE",
        16393 => "REKEY_SA",
        16394 => "ESP_TFC_PADDING_NOT_SUPPORTED",
        16395 => "NON_FIRST_FRAGMENTS_ALSO",
        16396 => "MOBIKE_SUPPORTED",
        16403 => "AUTH_LIFETIME",
        16417 => "EAP_ONLY_AUTHENTICATION",
        16418 => "CHILDLESS_IKEV2_SUPPORTED",
        16430 => "IKEV2_FRAGMENTATION_SUPPORTED",
        16431 => "SIGNATURE_HASH_ALGORITHMS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ikev2::{ExchangeType, NotifyType, PayloadType};

    #[test]
    fn names_are_those_of_the_numbers_that_are_spoken() {
        assert_eq!(exchange(ExchangeType::IKE_AUTH.0), "IKE_AUTH");
        assert_eq!(exchange(ExchangeType::CREATE_CHILD_SA.0), "CREATE_CHILD_SA");
        assert_eq!(exchange(200), "200");
        assert_eq!(payload(PayloadType::TSR.0), "TSr");
        assert_eq!(payload(wire::ikev1::PayloadType::HASH.0), "HASH");
        let rekey = NotifyType::REKEY_SA.0;
        assert_eq!(notify(2, rekey), "REKEY_SA");
        let ack = wire::ikev1::NotifyType::R_U_THERE_ACK.0;
        assert_eq!(notify(1, ack), "R_U_THERE_ACK");
        assert_eq!(notify(2, ack), "36137");
    }
}
