use crypto::EncryptionAlgorithm::{Aes128Cbc, Aes128Gcm16, Aes256Gcm16, ChaCha20Poly1305};
use crypto::IntegrityAlgorithm::{HmacSha1_96, HmacSha256_128};
use crypto::KeyExchangeMethod::{EcpP256, Modp2048, X25519};
use crypto::PrfAlgorithm::{HmacSha256, HmacSha384};

use super::super::algorithm::none_transform;
use super::super::offer::{esp_proposals, ike_proposals};
use super::*;

const SPI: &[u8] = &[1, 2, 3, 4];

fn ike_aead() -> IkeProposal {
    IkeProposal {
        encryption: vec![Aes256Gcm16, Aes128Gcm16],
        integrity: vec![],
        prf: vec![HmacSha384, HmacSha256],
        key_exchange: vec![X25519, EcpP256],
    }
}

fn ike_cbc() -> IkeProposal {
    IkeProposal {
        encryption: vec![Aes128Cbc],
        integrity: vec![HmacSha256_128, HmacSha1_96],
        prf: vec![HmacSha256],
        key_exchange: vec![Modp2048],
    }
}

fn esp_aead(key_exchange: Vec<KeyExchangeMethod>) -> EspProposal {
    EspProposal {
        encryption: vec![Aes128Gcm16, ChaCha20Poly1305],
        integrity: vec![],
        key_exchange,
        esn: vec![true, false],
    }
}

fn proposal(protocol: u8, spi: &[u8], transforms: Vec<Transform>) -> Proposal<'_> {
    Proposal {
        number: 1,
        protocol,
        spi,
        transforms,
    }
}

fn esp_transforms(more: &[Transform]) -> Vec<Transform> {
    let mut transforms = vec![Aes128Gcm16.transform(), esn_transform(false)];
    transforms.extend_from_slice(more);
    transforms
}

#[test]
fn what_we_write_is_numbered_and_never_mixes_aead_with_integrity() {
    let offer = ike_proposals(&[ike_aead(), ike_cbc()], &[]);
    assert_eq!(offer.iter().map(|p| p.number).collect::<Vec<_>>(), [1, 2]);
    let has = |p: &Proposal<'_>, kind| p.transforms.iter().any(|t| t.kind == kind);
    assert!(!has(&offer[0], TransformType::INTEGRITY));
    assert!(has(&offer[1], TransformType::INTEGRITY));
    let esp = esp_proposals(&[esp_aead(vec![])], Pfs::ByPolicy, SPI);
    assert!(!has(&esp[0], TransformType::KEY_EXCHANGE));
    let esp = esp_proposals(&[esp_aead(vec![X25519])], Pfs::NotNegotiated, SPI);
    assert!(!has(&esp[0], TransformType::KEY_EXCHANGE));
    let esp = esp_proposals(&[esp_aead(vec![X25519])], Pfs::ByPolicy, SPI);
    assert!(has(&esp[0], TransformType::KEY_EXCHANGE));
}

#[test]
fn both_ends_come_to_the_same_suite() {
    let policy = [ike_aead(), ike_cbc()];
    let offer = ike_proposals(&policy, &[]);
    let chosen = select_ike(&policy, &offer, 0).unwrap();
    assert_eq!(
        chosen.suite,
        IkeSuite {
            encryption: Aes256Gcm16,
            integrity: None,
            prf: HmacSha384,
            key_exchange: X25519,
        }
    );
    let answer = chosen.answer(&[]);
    let accepted = accept_ike(&policy, &[answer], 0).unwrap();
    assert_eq!(accepted.suite, chosen.suite);
}

#[test]
fn the_responders_order_decides() {
    let theirs = ike_proposals(&[ike_cbc(), ike_aead()], &[]);
    let mut ours = ike_aead();
    ours.encryption.reverse();
    ours.key_exchange.reverse();
    let chosen = select_ike(&[ours, ike_cbc()], &theirs, 0).unwrap();
    assert_eq!(chosen.suite.encryption, Aes128Gcm16);
    assert_eq!(chosen.suite.key_exchange, EcpP256);
    assert_eq!(chosen.answer(&[]).number, 2);
}

#[test]
fn a_missing_type_is_no_proposal_chosen() {
    let complete = ike_proposals(&[ike_cbc()], &[]).remove(0);
    for kind in [1, 2, 3, 4].map(TransformType) {
        let mut offer = complete.clone();
        offer.transforms.retain(|t| t.kind != kind);
        assert!(select_ike(&[ike_cbc()], &[offer], 0).is_none(), "{kind:?}");
    }
    assert!(select_ike(&[ike_cbc()], &[complete], 0).is_some());
    assert!(select_ike(&[ike_cbc()], &[], 0).is_none());
}

#[test]
fn unknown_types_and_attributes_cannot_be_chosen() {
    let mut offer = ike_proposals(&[ike_cbc()], &[]).remove(0);
    let mut additional = none_transform(TransformType(6));
    additional.id = 36;
    offer.transforms.push(additional);
    assert!(select_ike(&[ike_cbc()], &[offer.clone()], 0).is_none());
    offer.transforms.pop();
    offer.transforms[0].unknown_attribute = true;
    assert!(select_ike(&[ike_cbc()], &[offer.clone()], 0).is_none());
    // Another transform of the same type without the attribute still can be.
    offer.transforms.push(Aes128Cbc.transform());
    assert!(select_ike(&[ike_cbc()], &[offer], 0).is_some());
}

#[test]
fn an_explicit_none_means_the_same_as_nothing() {
    let integrity = none_transform(TransformType::INTEGRITY);
    let exchange = none_transform(TransformType::KEY_EXCHANGE);
    let offer = [proposal(3, SPI, esp_transforms(&[integrity, exchange]))];
    let chosen = select_esp(&[esp_aead(vec![])], Pfs::ByPolicy, &offer).unwrap();
    assert_eq!(chosen.suite.integrity, None);
    assert_eq!(chosen.suite.key_exchange, None);
    assert_eq!(chosen.peer_spi, SPI);
    let answer = chosen.answer(&[9; 4]);
    assert!(
        answer.transforms.contains(&integrity),
        "one transform of each offered type"
    );
    assert!(answer.transforms.contains(&exchange));
}

#[test]
fn an_aead_with_integrity_only_is_refused() {
    let offer = [proposal(
        3,
        SPI,
        esp_transforms(&[HmacSha256_128.transform()]),
    )];
    assert!(select_esp(&[esp_aead(vec![])], Pfs::ByPolicy, &offer).is_none());
    let none = none_transform(TransformType::KEY_EXCHANGE);
    let mut ike = ike_proposals(&[ike_aead()], &[]).remove(0);
    ike.transforms
        .retain(|t| t.kind != TransformType::KEY_EXCHANGE);
    ike.transforms.push(none);
    assert!(
        select_ike(&[ike_aead()], &[ike], 0).is_none(),
        "RFC 7296 §2.18: never NONE"
    );
}

#[test]
fn perfect_forward_secrecy_is_what_both_say() {
    let with = [proposal(3, SPI, esp_transforms(&[X25519.transform()]))];
    let without = [proposal(3, SPI, esp_transforms(&[]))];
    let both = [proposal(
        3,
        SPI,
        esp_transforms(&[
            X25519.transform(),
            none_transform(TransformType::KEY_EXCHANGE),
        ]),
    )];
    let suite = |ours: Vec<KeyExchangeMethod>, offer: &[Proposal<'_>]| {
        let chosen = select_esp(&[esp_aead(ours)], Pfs::ByPolicy, offer);
        chosen.map(|chosen| chosen.suite.key_exchange)
    };
    assert_eq!(suite(vec![X25519], &with), Some(Some(X25519)));
    assert_eq!(suite(vec![X25519], &without), None);
    assert_eq!(suite(vec![], &with), None);
    assert_eq!(suite(vec![], &without), Some(None));
    assert_eq!(suite(vec![X25519], &both), Some(Some(X25519)));
    assert_eq!(suite(vec![], &both), Some(None));
    // In IKE_AUTH there is nothing to be had, whatever is written.
    let chosen = select_esp(&[esp_aead(vec![EcpP256])], Pfs::NotNegotiated, &with).unwrap();
    assert_eq!(chosen.suite.key_exchange, None);
    assert_eq!(chosen.answer(SPI).transforms.len(), 2);
}

#[test]
fn sequence_numbers_follow_the_responders_preference() {
    let offer = |esn: &[bool]| {
        let mut transforms = vec![Aes128Gcm16.transform()];
        transforms.extend(esn.iter().map(|e| esn_transform(*e)));
        [proposal(3, SPI, transforms)]
    };
    let esn = |ours: &[bool], theirs: &[bool]| {
        let policy = EspProposal {
            esn: ours.to_vec(),
            ..esp_aead(vec![])
        };
        let offer = offer(theirs);
        let chosen = select_esp(&[policy], Pfs::ByPolicy, &offer);
        chosen.map(|chosen| chosen.suite.esn)
    };
    assert_eq!(esn(&[true, false], &[false, true]), Some(true));
    assert_eq!(esn(&[false, true], &[true, false]), Some(false));
    assert_eq!(esn(&[true], &[false]), None);
    assert_eq!(esn(&[false], &[true]), None);
    assert_eq!(
        esn(&[false], &[]),
        Some(false),
        "absence means 32-bit numbers"
    );
    assert_eq!(esn(&[true], &[]), None);
}

#[test]
fn protocol_and_spi_length_must_fit() {
    let offer = esp_proposals(&[esp_aead(vec![])], Pfs::ByPolicy, SPI).remove(0);
    let select =
        |offer: Proposal<'_>| select_esp(&[esp_aead(vec![])], Pfs::ByPolicy, &[offer]).is_some();
    assert!(select(offer.clone()));
    assert!(!select(Proposal {
        protocol: 2,
        ..offer.clone()
    }));
    assert!(!select(Proposal {
        spi: &[],
        ..offer.clone()
    }));
    assert!(!select(Proposal {
        spi: &[0; 8],
        ..offer
    }));
    let rekey = ike_proposals(&[ike_aead()], &[0; 8]);
    assert!(select_ike(&[ike_aead()], &rekey, 8).is_some());
    assert!(select_ike(&[ike_aead()], &rekey, 0).is_none());
}

#[test]
fn an_answer_must_be_one_of_our_offers_with_one_transform_of_each_type() {
    let policy = [ike_aead(), ike_cbc()];
    let offer = ike_proposals(&policy, &[]);
    let good = select_ike(&policy[1..], &offer, 0).unwrap().answer(&[]);
    assert_eq!(good.number, 2);
    assert_eq!(
        accept_ike(&policy, core::slice::from_ref(&good), 0)
            .unwrap()
            .suite
            .encryption,
        Aes128Cbc
    );

    let refused = |answer: &[Proposal<'_>]| accept_ike(&policy, answer, 0).is_none();
    assert!(refused(&[]));
    assert!(refused(&[good.clone(), good.clone()]), "two proposals");
    for number in [0, 1, 3, 255] {
        assert!(
            refused(&[Proposal {
                number,
                ..good.clone()
            }]),
            "number {number}"
        );
    }
    assert!(refused(&[Proposal {
        protocol: 3,
        ..good.clone()
    }]));
    assert!(refused(&[Proposal {
        spi: &[0; 8],
        ..good.clone()
    }]));
    assert!(
        refused(&[offer[1].clone()]),
        "several transforms of one type"
    );

    let mut downgraded = good.clone();
    downgraded.transforms[0] = EncryptionAlgorithm::Aes256Cbc.transform();
    assert!(refused(&[downgraded]), "never offered");
    let mut stripped = good.clone();
    stripped
        .transforms
        .retain(|t| t.kind != TransformType::INTEGRITY);
    assert!(refused(&[stripped]), "integrity stripped");
    let mut none = good.clone();
    none.transforms
        .retain(|t| t.kind != TransformType::INTEGRITY);
    none.transforms
        .push(none_transform(TransformType::INTEGRITY));
    assert!(refused(&[none]), "integrity NONE");
    let mut twice = good;
    twice.transforms.push(twice.transforms[0]);
    assert!(refused(&[twice]), "the same twice");
}
