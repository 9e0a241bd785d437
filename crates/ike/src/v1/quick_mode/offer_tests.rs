use crypto::{EncryptionAlgorithm, IntegrityAlgorithm};
use wire::ikev1::Attribute;

use super::*;

const RAW: Carriage = Carriage {
    proposed: TunnelMode::Raw,
    udp: false,
    raw: true,
};
const BEHIND_NAT: Carriage = Carriage {
    proposed: TunnelMode::Udp,
    udp: true,
    raw: false,
};
const PEER: [u8; 4] = [0xc0, 0, 0, 1];
const OURS: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

fn policy(
    encryption: &[EncryptionAlgorithm],
    integrity: &[IntegrityAlgorithm],
    groups: &[KeyExchangeMethod],
) -> EspProposal {
    EspProposal {
        encryption: encryption.to_vec(),
        integrity: integrity.to_vec(),
        key_exchange: groups.to_vec(),
        esn: vec![true, false],
    }
}

fn aes() -> EspProposal {
    policy(
        &[
            EncryptionAlgorithm::Aes256Cbc,
            EncryptionAlgorithm::Aes128Cbc,
        ],
        &[
            IntegrityAlgorithm::HmacSha256_128,
            IntegrityAlgorithm::HmacSha1_96,
        ],
        &[],
    )
}

fn transform(number: u8, attributes: &[(u16, u16)]) -> Transform<'static> {
    Transform {
        number,
        id: 12,
        attributes: attributes
            .iter()
            .map(|(kind, value)| Attribute::basic(*kind, *value))
            .collect(),
    }
}

fn esp(number: u8, transforms: Vec<Transform<'static>>) -> Proposal<'static> {
    Proposal {
        number,
        protocol: protocol::ESP,
        spi: &PEER,
        transforms,
    }
}

const AES128_SHA1: [(u16, u16); 3] = [(4, 1), (5, 2), (6, 128)];
const AES256_SHA1: [(u16, u16); 3] = [(4, 1), (5, 2), (6, 256)];

#[test]
fn what_we_offer_we_also_take_and_understand_as_answer() {
    for (policy, carriage) in [(aes(), RAW), (aes(), BEHIND_NAT)] {
        let policy = [policy];
        let life = Life {
            seconds: Some(3_600),
            kilobytes: None,
        };
        let durations = Durations::new(life);
        let offer = terms_of(&policy, None, carriage.proposed, life);
        let offer = Sa::new(write(&offer, &PEER, &durations));
        assert_eq!(offer.proposals.len(), 1);
        assert_eq!(offer.proposals[0].transforms.len(), 4);
        let (agreed, mut chosen) = select(&policy, &offer, carriage).expect("our own");
        chosen.spi = &OURS;
        assert_eq!(agreed.peer_spi, EspSpi(0xc000_0001));
        assert_eq!(agreed.mode, carriage.proposed);
        assert_eq!(agreed.terms.encryption, EncryptionAlgorithm::Aes256Cbc);
        assert_eq!(
            agreed.terms.integrity,
            Some(IntegrityAlgorithm::HmacSha256_128)
        );
        let answer = check_answer(&policy, &Sa::new(vec![chosen]), None, carriage);
        let answer = answer.expect("what we proposed");
        assert_eq!(answer.terms, agreed.terms);
        assert_eq!(answer.peer_spi, EspSpi(0x1234_5678));
    }
}

#[test]
fn our_order_counts_and_the_transform_goes_back_as_it_came() {
    let odd = [(6, 256), (5, 2), (4, 1), (1, 1), (2, 60)];
    let offered = Sa::new(vec![
        esp(1, vec![transform(1, &AES128_SHA1)]),
        esp(2, vec![transform(7, &odd), transform(8, &AES256_SHA1)]),
    ]);
    let (agreed, chosen) = select(&[aes()], &offered, RAW).expect("acceptable");
    assert_eq!(agreed.terms.encryption, EncryptionAlgorithm::Aes256Cbc);
    assert_eq!(chosen.number, 2);
    assert_eq!(chosen.transforms, [transform(7, &odd)]);
}

#[test]
fn esp_bundled_with_another_protocol_is_passed_over() {
    let ah = Proposal {
        protocol: protocol::AH,
        ..esp(1, vec![transform(1, &AES128_SHA1)])
    };
    let bundled = vec![ah.clone(), esp(1, vec![transform(1, &AES128_SHA1)])];
    assert!(select(&[aes()], &Sa::new(bundled.clone()), RAW).is_none());
    assert!(select(&[aes()], &Sa::new(vec![ah]), RAW).is_none());
    let also_alone = [bundled, vec![esp(2, vec![transform(1, &AES128_SHA1)])]].concat();
    let (_, chosen) = select(&[aes()], &Sa::new(also_alone), RAW).expect("ESP alone");
    assert_eq!(chosen.number, 2);
}

#[test]
fn reserved_spis_are_not_taken() {
    let mut proposal = esp(1, vec![transform(1, &AES128_SHA1)]);
    proposal.spi = &[0, 0, 0, 255];
    assert!(select(&[aes()], &Sa::new(vec![proposal]), RAW).is_none());
}

#[test]
fn the_carriage_decides_which_modes_can_work() {
    let of_mode = |mode: Option<u16>| {
        let mut attributes = vec![(5, 2), (6, 128)];
        attributes.extend(mode.map(|mode| (4, mode)));
        Sa::new(vec![esp(1, vec![transform(1, &attributes)])])
    };
    let chosen =
        |mode, carriage| select(&[aes()], &of_mode(mode), carriage).map(|(agreed, _)| agreed.mode);
    assert_eq!(chosen(Some(1), RAW), Some(TunnelMode::Raw));
    assert_eq!(chosen(None, RAW), Some(TunnelMode::Raw));
    assert_eq!(chosen(Some(3), RAW), None);
    assert_eq!(chosen(Some(2), RAW), None, "transport");
    assert_eq!(chosen(Some(1), BEHIND_NAT), None);
    assert_eq!(chosen(None, BEHIND_NAT), Some(TunnelMode::Udp));
    assert_eq!(chosen(Some(3), BEHIND_NAT), Some(TunnelMode::Udp));
    assert_eq!(
        chosen(Some(61_443), BEHIND_NAT),
        Some(TunnelMode::UdpDrafts)
    );
    assert_eq!(chosen(Some(61_444), BEHIND_NAT), None, "transport");
}

#[test]
fn forward_secrecy_follows_the_policy() {
    let offered = |group: Option<u16>| {
        let mut attributes = AES128_SHA1.to_vec();
        attributes.extend(group.map(|group| (3, group)));
        Sa::new(vec![esp(1, vec![transform(1, &attributes)])])
    };
    let accepts = |groups: &[KeyExchangeMethod], group| {
        let policy = [EspProposal {
            key_exchange: groups.to_vec(),
            ..aes()
        }];
        select(&policy, &offered(group), RAW).is_some()
    };
    let named = [KeyExchangeMethod::Modp2048];
    assert!(accepts(&named, Some(14)));
    assert!(!accepts(&named, Some(15)));
    assert!(!accepts(&named, None), "it was demanded");
    assert!(accepts(&[], None));
    assert!(accepts(&[], Some(14)), "more than was asked for");
    assert!(!accepts(&[], Some(2)), "a weak group has to be named");
    assert!(accepts(&[KeyExchangeMethod::Modp1024], Some(2)));
}

#[test]
fn one_exchange_offers_one_method() {
    let first = policy(
        &[EncryptionAlgorithm::Aes256Gcm16],
        &[],
        &[KeyExchangeMethod::EcpP256, KeyExchangeMethod::Modp2048],
    );
    let second = EspProposal {
        key_exchange: vec![KeyExchangeMethod::Modp2048],
        ..aes()
    };
    let third = EspProposal {
        key_exchange: vec![KeyExchangeMethod::EcpP256],
        ..aes()
    };
    let policy = [first, second, third];
    let method = method_of(&policy);
    assert_eq!(method, Some(KeyExchangeMethod::EcpP256));
    let offer = terms_of(&policy, method, TunnelMode::Raw, Life::default());
    assert_eq!(offer.len(), 2);
    assert!(offer.iter().flatten().all(|terms| terms.group == method));
    assert_eq!(offer[0].len(), 1);
    assert_eq!(offer[1].len(), 4);
}

#[test]
fn an_answer_that_we_did_not_propose_is_refused() {
    let answer = |attributes: &[(u16, u16)]| Sa::new(vec![esp(1, vec![transform(1, attributes)])]);
    let check = |sa: &Sa<'_>, method| check_answer(&[aes()], sa, method, RAW).is_some();
    assert!(check(&answer(&AES128_SHA1), None));
    assert!(!check(&answer(&[(4, 1), (5, 6), (6, 128)]), None));
    assert!(!check(
        &answer(&AES128_SHA1),
        Some(KeyExchangeMethod::Modp2048)
    ));
    let mut two = answer(&AES128_SHA1);
    two.proposals.push(two.proposals[0].clone());
    assert!(!check(&two, None));
    let mut choice = answer(&AES128_SHA1);
    choice.proposals[0]
        .transforms
        .push(transform(2, &AES256_SHA1));
    assert!(!check(&choice, None));
}

#[test]
fn wide_numbers_are_offered_only_where_nothing_else_will_do() {
    let offered = |esn: &[bool]| {
        let policy = [EspProposal {
            esn: esn.to_vec(),
            ..aes()
        }];
        terms_of(&policy, None, TunnelMode::Raw, Life::default())[0][0].esn
    };
    assert!(!offered(&[true, false]));
    assert!(offered(&[true]));
    let mut attributes = AES128_SHA1.to_vec();
    attributes.push((11, 1));
    let wide = Sa::new(vec![esp(1, vec![transform(1, &attributes)])]);
    let (agreed, _) = select(&[aes()], &wide, RAW).expect("both are fine");
    assert!(agreed.terms.esn);
}
