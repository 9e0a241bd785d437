//! The ID payload of phase 1 (RFC 2407 §4.6.2).

use ipsec::Identity;
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{
    Identification, Notification, NotifyType, Payload, PayloadType, Payloads, encode_body,
};

use crate::identity::{read, to_wire};
use crate::path::ENCAPSULATED_PORT;

const UDP: u8 = 17;
const IKE_PORT: u16 = 500;

/// Who a peer says that it is.
pub(super) struct Claimed<'a> {
    /// The body of its ID payload, which its hash covers.
    pub(super) body: &'a [u8],
    /// `None` for what no policy can match.
    pub(super) identity: Option<Identity>,
}

/// The ID payload of a message.
pub(super) fn claimed<'a>(payloads: &Payloads<'a>) -> Option<Claimed<'a>> {
    let body = payloads.body_of(PayloadType::ID)?;
    payloads.iter().find_map(|payload| match payload {
        Payload::Identification(id) => Some(Claimed {
            body,
            identity: identity_of(id),
        }),
        _ => None,
    })
}

/// RFC 2407 §4.6.2: protocol and port are both zero, or UDP with port 500. Behind a NAT the port is
/// zero (RFC 3947 §4), and some write 4500 there.
fn identity_of(id: &Identification<'_>) -> Option<Identity> {
    let fits = match (id.protocol, id.port) {
        (0, 0) => true,
        (UDP, port) => port == 0 || port == IKE_PORT || port == ENCAPSULATED_PORT,
        _ => false,
    };
    fits.then(|| read(id.id_type, id.data).ok()).flatten()
}

/// The body of our ID payload: any protocol and port, which is right with and without NAT.
pub(super) fn own_body(identity: &Identity) -> Vec<u8> {
    let (id_type, data) = to_wire(identity);
    let mut body = Vec::with_capacity(4 + data.len());
    let payload = Payload::Identification(Identification {
        id_type,
        protocol: 0,
        port: 0,
        data: &data,
    });
    encode_body(&payload, &mut body);
    body
}

/// An ID payload with this body.
pub(super) fn payload(body: &[u8]) -> Payload<'_> {
    Payload::Unknown {
        kind: PayloadType::ID,
        data: body,
    }
}

/// The message says that its sender knows of no other SA with us (RFC 2407 §4.6.3.3).
pub(super) fn says_initial_contact(payloads: &Payloads<'_>) -> bool {
    payloads.iter().any(|payload| {
        matches!(payload, Payload::Notification(notification)
            if notification.notify_type == NotifyType::INITIAL_CONTACT)
    })
}

/// INITIAL-CONTACT for the SA with this SPI.
pub(super) fn initial_contact(spi: &[u8; 16]) -> Payload<'_> {
    Payload::Notification(Notification {
        doi: doi::IPSEC,
        protocol: protocol::ISAKMP,
        spi,
        notify_type: NotifyType::INITIAL_CONTACT,
        data: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(protocol: u8, port: u16) -> Option<Identity> {
        identity_of(&Identification {
            id_type: 2,
            protocol,
            port,
            data: b"gw.example.org",
        })
    }

    #[test]
    fn an_identity_of_another_protocol_or_port_is_none() {
        for (protocol, port) in [(0, 0), (17, 500), (17, 0), (17, 4500)] {
            assert!(id(protocol, port).is_some(), "{protocol}/{port}");
        }
        for (protocol, port) in [(0, 500), (6, 0), (6, 500), (17, 53)] {
            assert!(id(protocol, port).is_none(), "{protocol}/{port}");
        }
    }

    #[test]
    fn our_body_is_type_zeros_and_data() {
        let body = own_body(&Identity::Fqdn("gw".into()));
        assert_eq!(body, b"\x02\0\0\0gw");
    }
}
