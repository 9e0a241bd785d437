//! NAT detection (RFC 3947 §3.2; its drafts differ in payload numbers only).

use core::net::{IpAddr, SocketAddr};

use crypto::PrfAlgorithm;
use wire::ikev1::{NatNumbers, Payload, Payloads};

use crate::{Nat, Path};

/// The hashes of both ends of the path, as we see them.
pub(super) struct Hashes {
    remote: Vec<u8>,
    local: Vec<u8>,
}

impl Hashes {
    /// `cookies` are CKY-I and CKY-R.
    pub(super) fn new(hash: PrfAlgorithm, cookies: (u64, u64), path: Path) -> Self {
        Self {
            remote: detection_hash(hash, cookies, path.remote),
            local: detection_hash(hash, cookies, path.local),
        }
    }

    /// Makes the peer see a NAT before us: a hash that fits no address.
    pub(super) fn force(&mut self) {
        for octet in &mut self.local {
            *octet = !*octet;
        }
    }

    /// RFC 3947 §3.2: the receiver's end first, then the sender's.
    pub(super) fn payloads(&self, numbers: NatNumbers) -> [Payload<'_>; 2] {
        [&self.remote, &self.local].map(|hash| Payload::NatD { numbers, hash })
    }

    /// What a peer's payloads say about the path that they took. `None` when it sent none.
    pub(super) fn judge(&self, payloads: &Payloads<'_>) -> Option<Nat> {
        let mut hashes = payloads.iter().filter_map(|payload| match payload {
            Payload::NatD { hash, .. } => Some(*hash),
            _ => None,
        });
        let destination = hashes.next()?;
        let mut sources = hashes.peekable();
        sources.peek()?;
        Some(Nat {
            local: destination != self.local,
            // A sender with several addresses sends several, of which one has to match.
            remote: !sources.any(|source| source == self.remote),
        })
    }
}

/// HASH(CKY-I | CKY-R | IP | port) with the hash that was negotiated.
fn detection_hash(hash: PrfAlgorithm, cookies: (u64, u64), endpoint: SocketAddr) -> Vec<u8> {
    let (initiator, responder) = (cookies.0.to_be_bytes(), cookies.1.to_be_bytes());
    let port = endpoint.port().to_be_bytes();
    let digest = |address: &[u8]| crypto::digest(hash, &[&initiator, &responder, address, &port]);
    match endpoint.ip().to_canonical() {
        IpAddr::V4(address) => digest(&address.octets()),
        IpAddr::V6(address) => digest(&address.octets()),
    }
}
