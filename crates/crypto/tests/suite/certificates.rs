//! Whom we believe, and what certified keys sign.

use authority::{Authority, Issued, KeyKind, Wanted};
use crypto::{
    AlternativeName, BadSignature, Credential, CredentialError, PeerCertificate, PeerSignature,
    Revocation, SignatureHash, TrustAnchorError, TrustAnchors, UnixTime, Untrusted,
};

/// 2026-01-01T00:00:00Z.
const NOW: UnixTime = UnixTime(1_767_225_600);
const KINDS: [KeyKind; 4] = [
    KeyKind::EcdsaP256,
    KeyKind::EcdsaP384,
    KeyKind::Ed25519,
    KeyKind::Rsa2048,
];

fn root() -> Authority {
    Authority::root("Root", KeyKind::EcdsaP256).unwrap()
}

fn gateway(authority: &Authority, key: KeyKind) -> Issued {
    let wanted = Wanted {
        key,
        name: "gw",
        dns: &["gw.example.org"],
        emails: &["joe@example.org"],
        addresses: &["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
        ..Wanted::default()
    };
    authority.issue(&wanted).unwrap()
}

fn credential(issued: &Issued) -> Credential {
    Credential::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).unwrap()
}

fn trusting(authority: &Authority) -> TrustAnchors {
    let mut anchors = TrustAnchors::new(Revocation::Relaxed);
    let pem = authority.certificate().as_bytes();
    anchors.add_certificates(pem).unwrap();
    anchors
}

/// What becomes of a chain, the peer's own certificate first, at a time.
fn judge(anchors: &TrustAnchors, chain: &str, now: UnixTime) -> Result<(), Untrusted> {
    let chain = der(chain);
    let peer = PeerCertificate {
        end_entity: &chain[0],
        others: &chain[1..],
    };
    anchors.verify(peer, now).map(|_| ())
}

fn der(pem: &str) -> Vec<Box<[u8]>> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| der.unwrap().as_ref().into())
        .collect()
}

#[test]
fn every_kind_of_key_signs_what_its_certificate_verifies() {
    let root = root();
    for kind in KINDS {
        let own = credential(&gateway(&root, kind));
        let chain: Vec<Box<[u8]>> = own.chain().map(Into::into).collect();
        let peer = PeerCertificate {
            end_entity: &chain[0],
            others: &[],
        };
        let anchors = trusting(&root);
        let verified = anchors.verify(peer, NOW).unwrap();
        let mut signed = own.sign_identified(b"octets").unwrap();
        let verify =
            |data: &[u8], message: &[u8]| verified.verify(PeerSignature::Identified(data), message);
        assert_eq!(verify(&signed, b"octets"), Ok(()), "{kind:?}");
        assert_eq!(verify(&signed, b"octet"), Err(BadSignature), "{kind:?}");
        assert_eq!(verify(&[], b"octets"), Err(BadSignature));
        assert_eq!(verify(&[200, 1], b"octets"), Err(BadSignature));
        let bare = own.sign_bare(b"octets");
        if let Some((method, data)) = &bare {
            let bare = if *method == 9 {
                PeerSignature::EcdsaP256(data)
            } else {
                PeerSignature::EcdsaP384(data)
            };
            assert_eq!(verified.verify(bare, b"octets"), Ok(()), "{kind:?}");
            assert_eq!(verified.verify(bare, b"octet"), Err(BadSignature));
            let short = PeerSignature::EcdsaP256(&data[1..]);
            assert_eq!(verified.verify(short, b"octets"), Err(BadSignature));
        }
        assert_eq!(
            bare.is_some(),
            own.hash() != SignatureHash::Identity && kind != KeyKind::Rsa2048
        );
        // Another key's name in front of a good signature.
        signed[2] ^= 1;
        assert_eq!(verify(&signed, b"octets"), Err(BadSignature));
    }
}

#[test]
fn a_signature_of_another_kind_of_key_is_refused() {
    let root = root();
    let (ecdsa, rsa) = (
        credential(&gateway(&root, KeyKind::EcdsaP256)),
        credential(&gateway(&root, KeyKind::Rsa2048)),
    );
    let chain: Vec<Box<[u8]>> = ecdsa.chain().map(Into::into).collect();
    let anchors = trusting(&root);
    let peer = PeerCertificate {
        end_entity: &chain[0],
        others: &[],
    };
    let verified = anchors.verify(peer, NOW).unwrap();
    let signed = rsa.sign_identified(b"octets").unwrap();
    assert_eq!(
        verified.verify(PeerSignature::Identified(&signed), b"octets"),
        Err(BadSignature)
    );
}

#[test]
fn names_are_read_from_the_certificate() {
    let own = credential(&gateway(&root(), KeyKind::EcdsaP256));
    let names = own.names();
    let subject = names.subject.as_ref().unwrap();
    assert_eq!(subject.to_string(), "C=CH, O=Palisade, CN=gw");
    assert_eq!(
        names.alternatives,
        [
            AlternativeName::Dns("gw.example.org".into()),
            AlternativeName::Email("joe@example.org".into()),
            AlternativeName::Ip("192.0.2.1".parse().unwrap()),
            AlternativeName::Ip("2001:db8::1".parse().unwrap()),
        ]
    );
    assert!(own.validity().covers(NOW));
    assert!(!own.validity().covers(UnixTime(0)));
}

#[test]
fn a_path_needs_every_certificate_between() {
    let root = root();
    let middle = root.below("Middle", KeyKind::Rsa2048).unwrap();
    let own = gateway(&middle, KeyKind::EcdsaP256).certificate;
    let anchors = trusting(&root);
    assert_eq!(judge(&anchors, &own, NOW), Err(Untrusted::NoPath));
    let whole = format!("{own}{}", middle.certificate());
    assert_eq!(judge(&anchors, &whole, NOW), Ok(()));
    let more = format!("{own}{}{}", root.certificate(), middle.certificate());
    assert_eq!(
        judge(&anchors, &more, NOW),
        Ok(()),
        "any order, any surplus"
    );
    let stranger = Authority::root("Root", KeyKind::EcdsaP256).unwrap();
    assert_eq!(
        judge(&trusting(&stranger), &whole, NOW),
        Err(Untrusted::NoPath),
        "the same name with another key"
    );
}

#[test]
fn time_is_what_it_is_said_to_be() {
    let root = root();
    let own = root.issue(&Wanted {
        name: "gw",
        expires: Some(2025),
        ..Wanted::default()
    });
    let own = own.unwrap().certificate;
    let anchors = trusting(&root);
    assert_eq!(judge(&anchors, &own, NOW), Err(Untrusted::Expired));
    assert_eq!(judge(&anchors, &own, UnixTime(1_700_000_000)), Ok(()));
    assert_eq!(judge(&anchors, &own, UnixTime(1)), Err(Untrusted::Expired));
}

#[test]
fn a_certificate_for_something_else_is_unfit() {
    let root = root();
    let anchors = trusting(&root);
    for (encipher_only, code_signing) in [(true, false), (false, true)] {
        let wanted = Wanted {
            name: "gw",
            encipher_only,
            code_signing,
            ..Wanted::default()
        };
        let own = root.issue(&wanted).unwrap();
        assert_eq!(
            judge(&anchors, &own.certificate, NOW),
            Err(Untrusted::Unfit)
        );
    }
    let below = root.below("Middle", KeyKind::EcdsaP256).unwrap();
    assert_eq!(
        judge(&anchors, below.certificate(), NOW),
        Err(Untrusted::Unfit),
        "an authority is no end entity"
    );
}

#[test]
fn the_revoked_are_refused() {
    let root = root();
    let issue = |serial| {
        let wanted = Wanted {
            name: "gw",
            serial: Some(serial),
            ..Wanted::default()
        };
        root.issue(&wanted).unwrap().certificate
    };
    let (good, bad) = (issue(7), issue(8));
    let list = root.revoke(&[8]).unwrap();
    for revocation in [Revocation::Relaxed, Revocation::Strict] {
        let mut anchors = TrustAnchors::new(revocation);
        anchors
            .add_certificates(root.certificate().as_bytes())
            .unwrap();
        let without = judge(&anchors, &good, NOW);
        assert_eq!(without.is_ok(), revocation == Revocation::Relaxed);
        anchors.add_revocation_lists(list.as_bytes()).unwrap();
        assert_eq!(judge(&anchors, &good, NOW), Ok(()));
        assert_eq!(judge(&anchors, &bad, NOW), Err(Untrusted::Revoked));
    }
}

#[test]
fn hostile_octets_are_malformed_and_harmless() {
    let root = root();
    let anchors = trusting(&root);
    let good = der(&gateway(&root, KeyKind::EcdsaP256).certificate);
    let judge = |octets: &[u8]| {
        let peer = PeerCertificate {
            end_entity: octets,
            others: &[],
        };
        anchors.verify(peer, NOW).map(|_| ())
    };
    assert_eq!(judge(&good[0]), Ok(()));
    for length in 0..good[0].len() {
        assert!(judge(&good[0][..length]).is_err());
    }
    for at in 0..good[0].len() {
        let mut octets = good[0].to_vec();
        octets[at] ^= 0x55;
        assert!(judge(&octets).is_err(), "octet {at} is signed");
    }
}

#[test]
fn what_is_no_credential_says_why() {
    let root = root();
    let (own, other) = (
        gateway(&root, KeyKind::EcdsaP256),
        gateway(&root, KeyKind::EcdsaP256),
    );
    let fault = |certificate: &str, key: &str| {
        Credential::from_pem(certificate.as_bytes(), key.as_bytes()).err()
    };
    assert_eq!(fault(&own.certificate, &own.key), None);
    assert_eq!(
        fault(&own.certificate, &other.key),
        Some(CredentialError::Mismatch)
    );
    assert_eq!(
        fault(&own.key, &own.key),
        Some(CredentialError::NoCertificate)
    );
    assert_eq!(
        fault(&own.certificate, "no key"),
        Some(CredentialError::NoKey)
    );
    assert_eq!(
        fault(&own.certificate, &own.certificate),
        Some(CredentialError::NoKey)
    );
    let damaged = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        fault(&own.certificate, damaged),
        Some(CredentialError::BadKey)
    );
    let enciphers = root.issue(&Wanted {
        encipher_only: true,
        ..Wanted::default()
    });
    let enciphers = enciphers.unwrap();
    assert_eq!(
        fault(&enciphers.certificate, &enciphers.key),
        Some(CredentialError::MayNotSign)
    );
    let mut anchors = TrustAnchors::new(Revocation::Relaxed);
    assert_eq!(
        anchors.add_certificates(b""),
        Err(TrustAnchorError::NoCertificate)
    );
    assert_eq!(
        anchors.add_revocation_lists(b""),
        Err(TrustAnchorError::NoList)
    );
}
