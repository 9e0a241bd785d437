use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, KeyExchangeMethod};

use super::*;
use crate::vectors::{Vectors, hex};

/// The suite of the published handshakes: 132 octets of keys.
const CBC_SHA1: IkeSuite = IkeSuite {
    encryption: EncryptionAlgorithm::Aes128Cbc,
    integrity: Some(IntegrityAlgorithm::HmacSha1_96),
    prf: PrfAlgorithm::HmacSha1,
    key_exchange: KeyExchangeMethod::Modp2048,
};

const ESP_CBC_SHA1: EspSuite = EspSuite {
    encryption: EncryptionAlgorithm::Aes128Cbc,
    integrity: Some(IntegrityAlgorithm::HmacSha1_96),
    key_exchange: None,
    esn: false,
};

fn sha2(bits: &str) -> PrfAlgorithm {
    match bits {
        "256" => PrfAlgorithm::HmacSha256,
        "384" => PrfAlgorithm::HmacSha384,
        "512" => PrfAlgorithm::HmacSha512,
        other => panic!("no PRF {other}"),
    }
}

/// SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr, put together again.
fn in_rfc_order(suite: &IkeSuite, keys: &IkeKeys) -> Vec<u8> {
    let cipher = suite.encryption.key_len() + suite.encryption.salt_len();
    let (ei, ai) = keys.protection.initiator.expose().split_at(cipher);
    let (er, ar) = keys.protection.responder.expose().split_at(cipher);
    let (pi, pr) = (
        &keys.authentication.initiator,
        &keys.authentication.responder,
    );
    [
        keys.derivation.expose(),
        ai,
        ar,
        ei,
        er,
        pi.expose(),
        pr.expose(),
    ]
    .concat()
}

#[test]
fn published_handshakes_yield_their_keys() {
    let vectors = Vectors::load();
    for name in ["aosp", "rub_keys"] {
        let at = |field: &str| vectors.octets(&format!("{name}.{field}"));
        let spi = |field: &str| vectors.number(&format!("{name}.{field}"));
        let (ni, nr) = (at("ni"), at("nr"));
        let nonces = Nonces {
            initiator: &ni,
            responder: &nr,
        };
        let seed = skeyseed(CBC_SHA1.prf, nonces, &Secret::new(at("g_ir")));
        assert_eq!(hex(seed.expose()), hex(&at("skeyseed")), "{name}");
        let keys = IkeKeys::expand(&CBC_SHA1, &seed, nonces, spi("spi_i"), spi("spi_r"));
        let expected = ["sk_d", "sk_ai", "sk_ar", "sk_ei", "sk_er", "sk_pi", "sk_pr"].map(at);
        assert_eq!(
            hex(&in_rfc_order(&CBC_SHA1, &keys)),
            hex(&expected.concat()),
            "{name}"
        );
    }
}

#[test]
fn a_published_child_sa_yields_its_keys() {
    let vectors = Vectors::load();
    let at = |field: &str| vectors.octets(&format!("aosp.{field}"));
    let (ni, nr) = (at("ni"), at("nr"));
    let nonces = Nonces {
        initiator: &ni,
        responder: &nr,
    };
    let derivation = Secret::new(at("sk_d"));
    let keymat = child_keymat(
        PrfAlgorithm::HmacSha1,
        &derivation,
        None,
        nonces,
        &ESP_CBC_SHA1,
    );
    assert_eq!(
        hex(keymat.initiator.expose()),
        hex(&[at("child_encr_i"), at("child_integ_i")].concat())
    );
    assert_eq!(
        hex(keymat.responder.expose()),
        hex(&[at("child_encr_r"), at("child_integ_r")].concat())
    );
}

#[test]
fn nist_chain_from_shared_secret_to_rekey() {
    let vectors = Vectors::load();
    let at = |field: &str| vectors.octets(&format!("sha1.{field}"));
    let (ni, nr) = (at("ninit"), at("nresp"));
    let nonces = Nonces {
        initiator: &ni,
        responder: &nr,
    };
    let seed = skeyseed(CBC_SHA1.prf, nonces, &Secret::new(at("gir")));
    assert_eq!(hex(seed.expose()), hex(&at("skeyseed")));

    let (spi_i, spi_r) = (
        vectors.number("sha1.spiinit"),
        vectors.number("sha1.spiresp"),
    );
    let keys = IkeKeys::expand(&CBC_SHA1, &seed, nonces, spi_i, spi_r);
    let stream = in_rfc_order(&CBC_SHA1, &keys);
    assert_eq!(hex(&stream), hex(&at("derivedkeyingmaterial")));

    let new = Secret::new(at("girnew"));
    for (shared, field) in [
        (None, "derivedkeyingmaterialchild"),
        (Some(&new), "derivedkeyingmaterialdh"),
    ] {
        let keymat = child_keymat(
            CBC_SHA1.prf,
            &keys.derivation,
            shared,
            nonces,
            &ESP_CBC_SHA1,
        );
        let both = [keymat.initiator.expose(), keymat.responder.expose()].concat();
        assert_eq!(hex(&both), hex(&at(field)[..both.len()]), "{field}");
    }

    let successor = skeyseed_of_successor(CBC_SHA1.prf, &keys.derivation, nonces, &new);
    assert_eq!(hex(successor.expose()), hex(&at("skeyseedrekey")));
}

#[test]
fn nist_sha2_skeyseed_and_expansion() {
    let vectors = Vectors::load();
    for index in 0..6 {
        let at = |field: &str| vectors.octets(&format!("skeyseed.{index}.{field}"));
        let algorithm = sha2(vectors.text(&format!("skeyseed.{index}.prf")));
        let nonces = at("nonces");
        let (initiator, responder) = nonces.split_at(nonces.len() / 2);
        let shared = Secret::new(at("shared"));
        let seed = skeyseed(
            algorithm,
            Nonces {
                initiator,
                responder,
            },
            &shared,
        );
        assert_eq!(hex(seed.expose()), hex(&at("out")), "skeyseed.{index}");
    }
    for index in 0..6 {
        let at = |field: &str| vectors.octets(&format!("expand.{index}.{field}"));
        let suite = IkeSuite {
            encryption: EncryptionAlgorithm::Aes128Gcm16,
            integrity: None,
            prf: sha2(vectors.text(&format!("expand.{index}.prf"))),
            key_exchange: KeyExchangeMethod::X25519,
        };
        let (seed, expected) = (at("seed"), at("out"));
        let (nonces, spis) = seed.split_at(seed.len() - 16);
        let (initiator, responder) = nonces.split_at(nonces.len() / 2);
        let (spi_i, spi_r) = spis.split_at(8);
        let number = |octets: &[u8]| u64::from_be_bytes(octets.try_into().unwrap());
        let keys = IkeKeys::expand(
            &suite,
            &Secret::new(at("skeyseed")),
            Nonces {
                initiator,
                responder,
            },
            number(spi_i),
            number(spi_r),
        );
        let stream = in_rfc_order(&suite, &keys);
        let common = stream.len().min(expected.len());
        assert_eq!(
            hex(&stream[..common]),
            hex(&expected[..common]),
            "expand.{index}"
        );
    }
}

#[test]
fn the_ends_have_each_others_keys() {
    let nonces = Nonces {
        initiator: &[1; 16],
        responder: &[2; 16],
    };
    let seed = Secret::new(vec![3; 20]);
    let material = |role| {
        let keys = IkeKeys::expand(&CBC_SHA1, &seed, nonces, 1, 2);
        keys.protection.split(role)
    };
    let suite = CBC_SHA1.protection();
    let seal = SealingKey::new(suite, material(Role::Initiator).0.expose());
    let (own, peer) = material(Role::Responder);
    let own_seal = SealingKey::new(suite, own.expose());
    let open = OpeningKey::new(suite, peer.expose());
    let mut packet = vec![0; 8 + 16 + 32 + 12];
    seal.seal(&mut packet, 8, None, 1);
    assert!(open.open(&mut packet.clone(), 8, None).is_ok());
    own_seal.seal(&mut packet, 8, None, 1);
    assert!(open.open(&mut packet, 8, None).is_err(), "no reflection");
}

#[test]
fn a_successor_depends_on_the_old_prf_and_key() {
    let nonces = Nonces {
        initiator: &[1; 16],
        responder: &[2; 16],
    };
    let (old, shared) = (Secret::new(vec![4; 32]), Secret::new(vec![5; 32]));
    let seed = |prf, old: &Secret| hex(skeyseed_of_successor(prf, old, nonces, &shared).expose());
    let sha256 = seed(PrfAlgorithm::HmacSha256, &old);
    assert_eq!(sha256.len(), 64);
    assert_eq!(seed(PrfAlgorithm::HmacSha384, &old).len(), 96);
    assert_ne!(
        sha256,
        seed(PrfAlgorithm::HmacSha256, &Secret::new(vec![6; 32]))
    );
}
