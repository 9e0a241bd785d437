//! NAT detection (RFC 7296 §2.23).

use core::net::{IpAddr, SocketAddr};

use crypto::sha1;
use wire::ikev2::{Notify, NotifyType, Payload};

use super::Nat;
use crate::Path;

/// The data of a NAT_DETECTION notify: SHA-1 of the SPIs as they stand in the header of the
/// message, address and port.
pub(crate) fn detection_hash(
    initiator_spi: u64,
    responder_spi: u64,
    endpoint: SocketAddr,
) -> [u8; 20] {
    let (spi_i, spi_r) = (initiator_spi.to_be_bytes(), responder_spi.to_be_bytes());
    let port = endpoint.port().to_be_bytes();
    match endpoint.ip().to_canonical() {
        IpAddr::V4(address) => sha1(&[&spi_i, &spi_r, &address.octets(), &port]),
        IpAddr::V6(address) => sha1(&[&spi_i, &spi_r, &address.octets(), &port]),
    }
}

/// What the notifies in a peer's IKE_SA_INIT message say about NATs on the path that it took.
/// `None` when the peer does not detect NATs at all.
pub(crate) fn detect(
    payloads: &[Payload<'_>],
    initiator_spi: u64,
    responder_spi: u64,
    path: Path,
) -> Option<Nat> {
    let source = detection_hash(initiator_spi, responder_spi, path.remote);
    let destination = detection_hash(initiator_spi, responder_spi, path.local);
    let mut sources = data_of(payloads, NotifyType::NAT_DETECTION_SOURCE_IP).peekable();
    let mut destinations = data_of(payloads, NotifyType::NAT_DETECTION_DESTINATION_IP).peekable();
    if sources.peek().is_none() || destinations.peek().is_none() {
        return None;
    }
    Some(Nat {
        // RFC 7296 §2.23: a sender with several addresses sends several source hashes, one of
        // which has to match.
        remote: !sources.any(|hash| hash == source),
        local: !destinations.any(|hash| hash == destination),
    })
}

fn data_of<'p>(payloads: &'p [Payload<'_>], kind: NotifyType) -> impl Iterator<Item = &'p [u8]> {
    payloads.iter().filter_map(move |payload| match payload {
        Payload::Notify(Notify { kind: k, data, .. }) if *k == kind => Some(*data),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Vectors, hex};

    fn notify(kind: NotifyType, data: &[u8]) -> Payload<'_> {
        Payload::Notify(Notify {
            protocol: 0,
            spi: &[],
            kind,
            data,
        })
    }

    fn path() -> Path {
        Path {
            local: "192.0.2.1:500".parse().unwrap(),
            remote: "[2001:db8::2]:1024".parse().unwrap(),
            encapsulated: false,
            fvrf: ipsec::FrontVrf::GLOBAL,
        }
    }

    #[test]
    fn a_published_message_hashes_to_its_notify() {
        let vectors = Vectors::load();
        let spi = u64::from_be_bytes(vectors.octets("aosp.spi_i").try_into().unwrap());
        let text = |field: &str| vectors.text(field).parse::<SocketAddr>().unwrap();
        let request = hex(&vectors.octets("aosp.ike_sa_init_request"));
        let source = detection_hash(spi, 0, text("aosp.nat_detection_source"));
        assert!(request.contains(&hex(&source)));
        let destination = detection_hash(spi, 0, text("aosp.nat_detection_destination"));
        assert!(request.contains(&hex(&destination)));
    }

    #[test]
    fn each_end_of_the_path_is_judged_by_itself() {
        let here = detection_hash(1, 2, path().local);
        let there = detection_hash(1, 2, path().remote);
        let other = [0; 20];
        for (source, destination, local, remote) in [
            (&there, &here, false, false),
            (&other, &here, false, true),
            (&there, &other, true, false),
            (&other, &other, true, true),
        ] {
            let payloads = [
                notify(NotifyType::NAT_DETECTION_SOURCE_IP, source),
                notify(NotifyType::NAT_DETECTION_DESTINATION_IP, destination),
            ];
            assert_eq!(detect(&payloads, 1, 2, path()), Some(Nat { local, remote }));
        }
    }

    #[test]
    fn one_of_several_sources_is_enough() {
        let here = detection_hash(1, 2, path().local);
        let there = detection_hash(1, 2, path().remote);
        let payloads = [
            notify(NotifyType::NAT_DETECTION_SOURCE_IP, &[7; 20]),
            notify(NotifyType::NAT_DETECTION_SOURCE_IP, &there),
            notify(NotifyType::NAT_DETECTION_DESTINATION_IP, &here),
        ];
        assert_eq!(detect(&payloads, 1, 2, path()), Some(Nat::default()));
    }

    #[test]
    fn a_peer_without_detection_is_not_behind_a_nat() {
        let here = detection_hash(1, 2, path().local);
        assert_eq!(detect(&[], 1, 2, path()), None);
        let half = [notify(NotifyType::NAT_DETECTION_DESTINATION_IP, &here)];
        assert_eq!(detect(&half, 1, 2, path()), None);
    }

    #[test]
    fn a_mapped_address_is_the_ipv4_address() {
        let plain = detection_hash(1, 2, "192.0.2.1:500".parse().unwrap());
        let mapped = detection_hash(1, 2, "[::ffff:192.0.2.1]:500".parse().unwrap());
        assert_eq!(plain, mapped);
    }
}
