/// What a vendor ID announces. Unknown ones are ignored by whoever does not care (RFC 2408 §3.16).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Vendor {
    /// Dead peer detection, any minor version of 1 (RFC 3706 §5.1).
    DeadPeerDetection,
    /// NAT traversal (RFC 3947 §3.1).
    NatTraversal,
    /// NAT traversal, draft 03.
    NatTraversalDraft03,
    /// NAT traversal, draft 02, as the draft spells it.
    NatTraversalDraft02,
    /// NAT traversal, draft 02, hashed with the newline after the name: what most send.
    NatTraversalDraft02Newline,
    /// Extended authentication (draft-beaulieu-ike-xauth-02 §4).
    ExtendedAuthentication,
    /// Cisco Unity: attributes of Easy VPN.
    Unity,
    /// Cisco fragmentation, with the capabilities that follow it if there are any.
    Fragmentation(Option<u32>),
    /// A device with Cisco IOS.
    CiscoIos,
    /// A Cisco VPN 3000 concentrator.
    Vpn3000Concentrator,
    /// A Cisco VPN 3000 client.
    Vpn3000Client,
    /// strongSwan.
    StrongSwan,
    /// racoon.
    Racoon,
    /// Windows.
    Windows,
}

const DEAD_PEER_DETECTION: [u8; 16] = [
    0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00,
];
const NAT_TRAVERSAL: [u8; 16] = [
    0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f,
];
const NAT_TRAVERSAL_DRAFT_03: [u8; 16] = [
    0x7d, 0x94, 0x19, 0xa6, 0x53, 0x10, 0xca, 0x6f, 0x2c, 0x17, 0x9d, 0x92, 0x15, 0x52, 0x9d, 0x56,
];
const NAT_TRAVERSAL_DRAFT_02: [u8; 16] = [
    0xcd, 0x60, 0x46, 0x43, 0x35, 0xdf, 0x21, 0xf8, 0x7c, 0xfd, 0xb2, 0xfc, 0x68, 0xb6, 0xa4, 0x48,
];
const NAT_TRAVERSAL_DRAFT_02_NEWLINE: [u8; 16] = [
    0x90, 0xcb, 0x80, 0x91, 0x3e, 0xbb, 0x69, 0x6e, 0x08, 0x63, 0x81, 0xb5, 0xec, 0x42, 0x7b, 0x1f,
];
const EXTENDED_AUTHENTICATION: [u8; 8] = [0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12];
const UNITY: [u8; 16] = [
    0x12, 0xf5, 0xf2, 0x8c, 0x45, 0x71, 0x68, 0xa9, 0x70, 0x2d, 0x9f, 0xe2, 0x74, 0xcc, 0x01, 0x00,
];
const FRAGMENTATION: [u8; 16] = [
    0x40, 0x48, 0xb7, 0xd5, 0x6e, 0xbc, 0xe8, 0x85, 0x25, 0xe7, 0xde, 0x7f, 0x00, 0xd6, 0xc2, 0xd3,
];
const CISCO_IOS: [u8; 4] = [0x3e, 0x98, 0x40, 0x48];
const VPN_3000_CONCENTRATOR: [u8; 14] = [
    0x1f, 0x07, 0xf7, 0x0e, 0xaa, 0x65, 0x14, 0xd3, 0xb0, 0xfa, 0x96, 0x54, 0x2a, 0x50,
];
const VPN_3000_CLIENT: [u8; 16] = [
    0xf6, 0xf7, 0xef, 0xc7, 0xf5, 0xae, 0xb8, 0xcb, 0x15, 0x8c, 0xb9, 0xd0, 0x94, 0xba, 0x69, 0xe7,
];
const STRONGSWAN: [u8; 16] = [
    0x88, 0x2f, 0xe5, 0x6d, 0x6f, 0xd2, 0x0d, 0xbc, 0x22, 0x51, 0x61, 0x3b, 0x2e, 0xbe, 0x5b, 0xeb,
];
const RACOON: [u8; 16] = [
    0x70, 0x03, 0xcb, 0xc1, 0x09, 0x7d, 0xbe, 0x9c, 0x26, 0x00, 0xba, 0x69, 0x83, 0xbc, 0x8b, 0x35,
];
const WINDOWS: [u8; 16] = [
    0x1e, 0x2b, 0x51, 0x69, 0x05, 0x99, 0x1c, 0x7d, 0x7c, 0x96, 0xfc, 0xbf, 0xb5, 0x87, 0xe4, 0x61,
];

/// What is known by its first octets; versions or capabilities follow them. DPD and Unity end in a
/// major and a minor version, of which only the major counts (RFC 3706 §5.1).
const KNOWN: [(&[u8], Vendor); 13] = [
    (
        DEAD_PEER_DETECTION.split_at(15).0,
        Vendor::DeadPeerDetection,
    ),
    (&NAT_TRAVERSAL, Vendor::NatTraversal),
    (&NAT_TRAVERSAL_DRAFT_03, Vendor::NatTraversalDraft03),
    (&NAT_TRAVERSAL_DRAFT_02, Vendor::NatTraversalDraft02),
    (
        &NAT_TRAVERSAL_DRAFT_02_NEWLINE,
        Vendor::NatTraversalDraft02Newline,
    ),
    (&EXTENDED_AUTHENTICATION, Vendor::ExtendedAuthentication),
    (UNITY.split_at(15).0, Vendor::Unity),
    (&CISCO_IOS, Vendor::CiscoIos),
    (&VPN_3000_CONCENTRATOR, Vendor::Vpn3000Concentrator),
    (&VPN_3000_CLIENT, Vendor::Vpn3000Client),
    (&STRONGSWAN, Vendor::StrongSwan),
    (&RACOON, Vendor::Racoon),
    (&WINDOWS, Vendor::Windows),
];

impl Vendor {
    /// Reads the body of a vendor ID payload; `None` if it is not known.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        if let Some(rest) = body.strip_prefix(&FRAGMENTATION) {
            let capabilities = rest.first_chunk().copied().map(u32::from_be_bytes);
            return Some(Self::Fragmentation(capabilities));
        }
        KNOWN
            .iter()
            .find(|(octets, _)| body.starts_with(octets))
            .map(|(_, vendor)| *vendor)
    }

    /// The body of the vendor ID payload that announces it. Of those whose version or capabilities vary
    /// only what is common is given.
    #[must_use]
    pub fn octets(self) -> Vec<u8> {
        match self {
            Self::DeadPeerDetection => DEAD_PEER_DETECTION.to_vec(),
            Self::NatTraversal => NAT_TRAVERSAL.to_vec(),
            Self::NatTraversalDraft03 => NAT_TRAVERSAL_DRAFT_03.to_vec(),
            Self::NatTraversalDraft02 => NAT_TRAVERSAL_DRAFT_02.to_vec(),
            Self::NatTraversalDraft02Newline => NAT_TRAVERSAL_DRAFT_02_NEWLINE.to_vec(),
            Self::ExtendedAuthentication => EXTENDED_AUTHENTICATION.to_vec(),
            Self::Unity => UNITY.to_vec(),
            Self::Fragmentation(capabilities) => {
                let mut octets = FRAGMENTATION.to_vec();
                octets.extend(capabilities.map(u32::to_be_bytes).into_iter().flatten());
                octets
            }
            Self::CiscoIos => CISCO_IOS.to_vec(),
            Self::Vpn3000Concentrator => VPN_3000_CONCENTRATOR.to_vec(),
            Self::Vpn3000Client => VPN_3000_CLIENT.to_vec(),
            Self::StrongSwan => STRONGSWAN.to_vec(),
            Self::Racoon => RACOON.to_vec(),
            Self::Windows => WINDOWS.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_is_recognised() {
        let fragmentation = [None, Some(0x8000_0000)].map(Vendor::Fragmentation);
        for vendor in KNOWN
            .map(|(_, vendor)| vendor)
            .into_iter()
            .chain(fragmentation)
        {
            assert_eq!(Vendor::read(&vendor.octets()), Some(vendor));
        }
    }

    #[test]
    fn only_the_minor_version_of_dpd_may_differ() {
        let mut octets = DEAD_PEER_DETECTION;
        octets[15] = 7;
        assert_eq!(Vendor::read(&octets), Some(Vendor::DeadPeerDetection));
        octets[14] = 2;
        assert_eq!(Vendor::read(&octets), None);
        assert_eq!(Vendor::read(&octets[..8]), None);
        assert_eq!(Vendor::read(&[]), None);
    }
}
