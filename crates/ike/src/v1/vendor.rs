//! What the ends tell each other by vendor IDs (RFC 2408 §3.16): IKEv1 has no other way to say what an
//! end can do beyond the RFC.

use ipsec::{ConnectionPolicy, ModeConfig};
use wire::ikev1::{NatNumbers, Payload, Payloads, Vendor};

/// Cisco fragmentation: main and aggressive mode.
const FRAGMENTS_PHASE_ONE: u32 = 0x8000_0000;

/// Octets of a generic payload header.
const GENERIC_LEN: usize = 4;

/// The forms of NAT traversal, the best last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Traversal {
    Draft02,
    Draft02Newline,
    Draft03,
    Rfc3947,
}

impl Traversal {
    const ALL: [Self; 4] = [
        Self::Rfc3947,
        Self::Draft03,
        Self::Draft02Newline,
        Self::Draft02,
    ];

    fn vendor(self) -> Vendor {
        match self {
            Self::Draft02 => Vendor::NatTraversalDraft02,
            Self::Draft02Newline => Vendor::NatTraversalDraft02Newline,
            Self::Draft03 => Vendor::NatTraversalDraft03,
            Self::Rfc3947 => Vendor::NatTraversal,
        }
    }

    pub(super) fn numbers(self) -> NatNumbers {
        match self {
            Self::Rfc3947 => NatNumbers::Rfc3947,
            _ => NatNumbers::Drafts,
        }
    }
}

/// What a peer has said that it can do.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Announced {
    pub(super) dead_peer_detection: bool,
    pub(super) traversal: Option<Traversal>,
    pub(super) fragmentation: bool,
    pub(super) xauth: bool,
    pub(super) unity: bool,
}

impl Announced {
    /// Adds what the vendor IDs of a message say.
    pub(super) fn hear(&mut self, payloads: &Payloads<'_>) {
        for payload in payloads.iter() {
            if let Payload::VendorId(body) = payload
                && let Some(vendor) = Vendor::read(body)
            {
                self.hear_one(vendor);
            }
        }
    }

    fn hear_one(&mut self, vendor: Vendor) {
        match vendor {
            Vendor::DeadPeerDetection => self.dead_peer_detection = true,
            Vendor::ExtendedAuthentication => self.xauth = true,
            Vendor::Unity => self.unity = true,
            // Windows says nothing of what it can fragment.
            Vendor::Fragmentation(capabilities) => {
                self.fragmentation |=
                    capabilities.is_none_or(|bits| bits & FRAGMENTS_PHASE_ONE != 0);
            }
            _ => {
                let named = Traversal::ALL
                    .into_iter()
                    .find(|form| form.vendor() == vendor);
                self.traversal = self.traversal.max(named);
            }
        }
    }
}

/// What we announce as initiator: all that we can and the connection wants.
pub(super) fn offered(connection: &ConnectionPolicy) -> Vec<Vec<u8>> {
    let mut vendors = vec![Vendor::DeadPeerDetection];
    vendors.extend(Traversal::ALL.map(Traversal::vendor));
    if connection.fragmentation {
        vendors.push(Vendor::Fragmentation(Some(FRAGMENTS_PHASE_ONE)));
    }
    if connection.v1.xauth.is_some() {
        vendors.push(Vendor::ExtendedAuthentication);
    }
    if connection.v1.mode_config != ModeConfig::None {
        vendors.push(Vendor::Unity);
    }
    vendors.into_iter().map(Vendor::octets).collect()
}

/// What we answer to `peer`, the most useful first.
pub(super) fn answered(connection: &ConnectionPolicy, peer: &Announced) -> Vec<Vec<u8>> {
    let mut vendors = Vec::with_capacity(5);
    if peer.dead_peer_detection {
        vendors.push(Vendor::DeadPeerDetection);
    }
    // RFC 3947 §3.1: the initiator takes the form that both know; one answer leaves it no choice.
    vendors.extend(peer.traversal.map(Traversal::vendor));
    if peer.fragmentation && connection.fragmentation {
        vendors.push(Vendor::Fragmentation(Some(FRAGMENTS_PHASE_ONE)));
    }
    if connection.v1.xauth.is_some() {
        vendors.push(Vendor::ExtendedAuthentication);
    }
    if peer.unity && connection.v1.mode_config != ModeConfig::None {
        vendors.push(Vendor::Unity);
    }
    vendors.into_iter().map(Vendor::octets).collect()
}

/// The body speaks of NAT traversal.
pub(super) fn is_traversal(body: &[u8]) -> bool {
    let vendor = Vendor::read(body);
    Traversal::ALL
        .into_iter()
        .any(|form| Some(form.vendor()) == vendor)
}

/// Keeps those of the bodies, from the first, whose payloads together fit into `room` octets.
pub(super) fn trim(bodies: &mut Vec<Vec<u8>>, room: usize) {
    let mut used = 0;
    bodies.retain(|body| {
        let len = GENERIC_LEN + body.len();
        let fits = used + len <= room;
        used += if fits { len } else { 0 };
        fits
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ikev1::{PayloadType, encode_payloads, parse_payloads};

    fn heard(vendors: &[Vendor]) -> Announced {
        let bodies: Vec<_> = vendors.iter().map(|vendor| vendor.octets()).collect();
        let payloads: Vec<_> = bodies.iter().map(|body| Payload::VendorId(body)).collect();
        let mut octets = Vec::new();
        encode_payloads(&payloads, &mut octets);
        let mut announced = Announced::default();
        announced.hear(&parse_payloads(PayloadType::VENDOR_ID, &octets).unwrap());
        announced
    }

    #[test]
    fn the_best_form_of_nat_traversal_counts() {
        let all = [
            Vendor::NatTraversalDraft02,
            Vendor::NatTraversal,
            Vendor::NatTraversalDraft03,
        ];
        assert_eq!(heard(&all).traversal, Some(Traversal::Rfc3947));
        let drafts = [
            Vendor::NatTraversalDraft02Newline,
            Vendor::NatTraversalDraft02,
        ];
        let best = heard(&drafts).traversal;
        assert_eq!(best, Some(Traversal::Draft02Newline));
        assert_eq!(best.map(Traversal::numbers), Some(NatNumbers::Drafts));
        assert_eq!(heard(&[Vendor::CiscoIos]).traversal, None);
    }

    #[test]
    fn fragmentation_of_other_exchanges_is_not_meant() {
        assert!(heard(&[Vendor::Fragmentation(None)]).fragmentation);
        assert!(heard(&[Vendor::Fragmentation(Some(0xc000_0000))]).fragmentation);
        assert!(!heard(&[Vendor::Fragmentation(Some(0x4000_0000))]).fragmentation);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut bodies = vec![vec![0; 16], vec![0; 20], vec![0; 8]];
        trim(&mut bodies, 32);
        assert_eq!(bodies, [vec![0; 16], vec![0; 8]]);
        trim(&mut bodies, 19);
        assert_eq!(bodies, [vec![0; 8]]);
    }
}
