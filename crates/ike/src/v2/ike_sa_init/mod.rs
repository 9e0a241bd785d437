//! IKE_SA_INIT (RFC 7296 §1.2): algorithms, nonces and the key exchange, with nothing protected.

mod initiator;
mod repetition;
mod responder;

use ipsec::ConnectionPolicy;
use wire::ikev2::{NotifyType, Payload};

use super::contents::notify;
use super::natd::detection_hash;
use crate::Path;

pub(super) use initiator::Initiating;
pub(super) use responder::{Accepted, Responding};

/// Octets of our nonces: at least half the key of every PRF that we know (RFC 7296 §2.10).
pub(super) const NONCE_LEN: usize = 32;

/// RFC 7296 §3.9: between 16 and 256 octets.
pub(super) fn nonce_is_sound(nonce: &[u8]) -> bool {
    (16..=256).contains(&nonce.len())
}

/// The data of both NAT_DETECTION notifies that we send.
struct NatHashes {
    source: [u8; 20],
    destination: [u8; 20],
}

impl NatHashes {
    fn new(spis: (u64, u64), path: Path, connection: &ConnectionPolicy) -> Self {
        let mut source = detection_hash(spis.0, spis.1, path.local);
        if connection.force_encap {
            // A hash that fits no address makes the peer see a NAT before us.
            source = source.map(|octet| !octet);
        }
        Self {
            source,
            destination: detection_hash(spis.0, spis.1, path.remote),
        }
    }

    fn payloads(&self) -> [Payload<'_>; 2] {
        [
            notify(NotifyType::NAT_DETECTION_SOURCE_IP, &self.source),
            notify(NotifyType::NAT_DETECTION_DESTINATION_IP, &self.destination),
        ]
    }
}

/// How an IKE_SA_INIT message says that fragments are understood (RFC 7383 §2.3).
fn fragmentation_notify() -> Payload<'static> {
    notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[])
}
