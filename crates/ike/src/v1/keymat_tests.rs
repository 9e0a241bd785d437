use crypto::{EncryptionAlgorithm, KeyExchangeMethod};

use super::*;
use crate::v1::AuthMethod;
use crate::v1::cipher::Cipher;
use crate::v1::hashes::{End, phase_one_hash};
use crate::v1::iv::Iv;
use crate::vectors::{Vectors, hex};

/// The suite of the published handshakes, but for the group, on which no key depends.
const SUITE: Suite = Suite {
    encryption: EncryptionAlgorithm::Aes128Cbc,
    hash: PrfAlgorithm::HmacSha1,
    key_exchange: KeyExchangeMethod::Modp2048,
    method: AuthMethod::PreSharedKey,
};

const BLOCK: usize = 16;

/// The inputs of one published handshake.
struct Published {
    vectors: Vectors,
    name: &'static str,
}

impl Published {
    fn new(name: &'static str) -> Self {
        let vectors = Vectors::load();
        Self { vectors, name }
    }

    fn at(&self, field: &str) -> Vec<u8> {
        self.vectors.octets(&format!("{}.{field}", self.name))
    }

    fn cookies(&self) -> Cookies {
        let number = |field: &str| self.vectors.number(&format!("{}.{field}", self.name));
        Cookies {
            initiator: number("cky_i"),
            responder: number("cky_r"),
        }
    }

    fn skeyid(&self) -> Secret {
        let (initiator, responder) = (self.at("ni_b"), self.at("nr_b"));
        let nonces = Nonces {
            initiator: &initiator,
            responder: &responder,
        };
        skeyid(PrfAlgorithm::HmacSha1, b"AAAA", nonces)
    }

    fn keys(&self) -> PhaseOneKeys {
        let shared = Secret::new(self.at("g_xy"));
        PhaseOneKeys::derive(&SUITE, &self.skeyid(), &shared, self.cookies())
    }

    fn iv(&self) -> Iv {
        Iv::of_phase_one(SUITE.hash, BLOCK, &self.at("g_xi"), &self.at("g_xr"))
    }
}

#[test]
fn published_handshakes_yield_their_keys() {
    for (name, suffix) in [("v1a", ""), ("v1b", ""), ("v1c", "_computed")] {
        let published = Published::new(name);
        let keys = published.keys();
        let expected = |field: &str| hex(&published.at(&format!("{field}{suffix}")));
        assert_eq!(hex(published.skeyid().expose()), expected("skeyid"));
        assert_eq!(hex(keys.derivation.expose()), expected("skeyid_d"));
        assert_eq!(hex(keys.authentication.expose()), expected("skeyid_a"));
        assert_eq!(hex(keys.encryption.expose()), hex(&published.at("enc_key")));
        assert_eq!(
            hex(published.iv().octets()),
            hex(&published.at("phase1_iv"))
        );
    }
}

#[test]
fn published_responders_prove_themselves() {
    for (name, field) in [
        ("v1a", "hash_r"),
        ("v1b", "hash_r"),
        ("v1c", "hash_r_computed"),
    ] {
        let published = Published::new(name);
        let cookies = published.cookies();
        let (g_xi, g_xr) = (published.at("g_xi"), published.at("g_xr"));
        let responder = End {
            public: &g_xr,
            cookie: cookies.responder,
        };
        let initiator = End {
            public: &g_xi,
            cookie: cookies.initiator,
        };
        let (skeyid, offer) = (published.skeyid(), published.at("sai_b"));
        let of = |prover, other, id: &[u8]| {
            phase_one_hash(SUITE.hash, &skeyid, prover, other, &offer, id)
        };
        let id = published.at("idir_b");
        let hash_r = of(responder, initiator, &id);
        assert_eq!(hex(hash_r.expose()), hex(&published.at(field)));
        let hash_i = of(initiator, responder, &id);
        assert_ne!(hash_i.expose(), hash_r.expose(), "the ends are told apart");
    }
}

#[test]
fn nist_derives_the_same_keys() {
    let vectors = Vectors::load();
    let at = |field: &str| vectors.octets(&format!("v1nist.{field}"));
    let (initiator, responder) = (at("ninit"), at("nresp"));
    let nonces = Nonces {
        initiator: &initiator,
        responder: &responder,
    };
    let skeyid = skeyid(PrfAlgorithm::HmacSha1, &at("presharedkey"), nonces);
    assert_eq!(hex(skeyid.expose()), hex(&at("skeyid")));
    let cookies = Cookies {
        initiator: vectors.number("v1nist.ckyinit"),
        responder: vectors.number("v1nist.ckyresp"),
    };
    let keys = PhaseOneKeys::derive(&SUITE, &skeyid, &Secret::new(at("gxy")), cookies);
    assert_eq!(hex(keys.derivation.expose()), hex(&at("skeyidd")));
    assert_eq!(hex(keys.authentication.expose()), hex(&at("skeyida")));
    let skeyid_e = hex(&at("skeyide"));
    assert_eq!(
        Some(hex(keys.encryption.expose()).as_str()),
        skeyid_e.get(..32)
    );
}

/// RFC 2409 appendix B prints the construction for a cipher that needs 320 bits of a function that
/// gives 120; here spelt out for 256 bits of one that gives 160.
#[test]
fn a_long_cipher_key_does_not_begin_with_skeyid_e() {
    let skeyid_e = Secret::new(vec![7; 20]);
    let k1 = prf(PrfAlgorithm::HmacSha1, skeyid_e.expose(), &[&[0]]);
    let k2 = prf(PrfAlgorithm::HmacSha1, skeyid_e.expose(), &[k1.expose()]);
    let expected = [k1.expose(), &k2.expose()[..12]].concat();
    let key = cipher_key(PrfAlgorithm::HmacSha1, &skeyid_e, 32);
    assert_eq!(hex(key.expose()), hex(&expected));
    let exact = cipher_key(PrfAlgorithm::HmacSha1, &skeyid_e, 20);
    assert_eq!(exact.expose(), skeyid_e.expose());
}

#[test]
fn a_published_exchange_begins_with_its_iv() {
    let published = Published::new("v1b");
    // The test that published it encrypted nothing in phase 1.
    let id = published.vectors.number("v1b.msgid");
    let iv = Iv::of_exchange(SUITE.hash, &published.iv(), u32::try_from(id).unwrap());
    assert_eq!(hex(iv.octets()), hex(&published.at("phase2_iv")));
}

#[test]
fn a_published_message_opens_and_closes() {
    let vectors = Vectors::load();
    let message = vectors.octets("v1m.msg");
    let key = Secret::new(vectors.octets("v1m.key"));
    let cipher = Cipher::new(EncryptionAlgorithm::Aes128Cbc, key);
    let iv = Iv::of_phase_one(SUITE.hash, BLOCK, &[], &[]).after(&vectors.octets("v1m.iv"));
    let mut text = message[28..].to_vec();
    let next = cipher.decrypt(&iv, &mut text).unwrap();
    let plain = vectors.octets("v1m.plaintext_without_padding");
    assert_eq!(hex(&text[..plain.len()]), hex(&plain));
    assert!(text[plain.len()..].iter().all(|octet| *octet == 0));
    assert_eq!(next.octets(), &message[message.len() - BLOCK..]);
    assert_eq!(cipher.encrypt(&iv, &mut text), next);
    assert_eq!(hex(&text), hex(&message[28..]));
    let mut ragged = vec![0; 17];
    assert!(cipher.decrypt(&iv, &mut ragged).is_err());
    assert!(cipher.decrypt(&iv, &mut []).is_err());
}
