use crypto::{
    DistinguishedName, PeerCertificate, PeerSignature, Revocation, TrustAnchors, UnixTime,
};
use ipsec::Identity;

/// Valid until 2095; it has certified the seeds.
const AUTHORITY: &[u8] = include_bytes!("authority.pem");
/// 2030-01-01T00:00:00Z.
const NOW: UnixTime = UnixTime(1_893_456_000);

/// What a stranger may send before it is authenticated: a certificate, or a distinguished name, or the
/// data of AUTH. A certificate that is believed has names that can be written and read; a signature
/// that nobody made is never good.
pub fn certificates(data: &[u8]) {
    if let Ok(name) = DistinguishedName::from_der(data) {
        check_name(&name);
    }
    let mut anchors = TrustAnchors::new(Revocation::Relaxed);
    anchors
        .add_certificates(AUTHORITY)
        .expect("our own authority");
    let peer = PeerCertificate {
        end_entity: data,
        others: &[],
    };
    let Ok(certificate) = anchors.verify(peer, NOW) else {
        return;
    };
    let names = certificate.names();
    if let Some(subject) = &names.subject {
        check_name(subject);
        assert!(Identity::Dn(subject.clone()).is_certified_by(names));
    }
    for signature in [
        PeerSignature::Identified(data),
        PeerSignature::EcdsaP256(data.get(..64).unwrap_or(data)),
        PeerSignature::EcdsaP384(data.get(..96).unwrap_or(data)),
    ] {
        assert!(
            certificate
                .verify(signature, b"nobody signed this")
                .is_err()
        );
    }
}

fn check_name(name: &DistinguishedName) {
    let canonical = name.canonical();
    assert!(name.same(&canonical) && canonical.same(name));
    assert_eq!(canonical.canonical(), canonical);
    let text = name.to_string();
    assert!(
        text.bytes()
            .all(|octet| octet.is_ascii_graphic() || octet == b' ')
    );
}
