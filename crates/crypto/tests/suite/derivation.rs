//! PRF and prf+ against RFC 2202, RFC 4231 and NIST's numbers for IKEv2.

use crate::support::{octets, prf_named, text};
use crypto::{PRF_PLUS_ROUNDS_MAX, PrfAlgorithm, prf, prf_plus};
use serde_json::Value;

fn vectors(file: &str) -> Value {
    serde_json::from_str(file).expect("JSON")
}

#[test]
fn hmac_vectors_of_the_rfcs() {
    let vectors = vectors(include_str!("../vectors/hmac.json"));
    let cases = vectors.as_array().unwrap();
    assert_eq!(cases.len(), 28);
    for case in cases {
        let key = octets(case, "key");
        let data = octets(case, "data");
        let icv = octets(case, "icv");
        let algorithm = prf_named(text(case, "hash"));
        let whole = prf(algorithm, &key, &[&data]);
        assert_eq!(whole.expose()[..icv.len()], icv, "{}", text(case, "source"));
        let (front, back) = data.split_at(data.len() / 3);
        let in_parts = prf(algorithm, &key, &[front, &[], back]);
        assert_eq!(in_parts.expose(), whole.expose());
    }
}

#[test]
fn nist_skeyseed() {
    let vectors = vectors(include_str!("../vectors/kdf.json"));
    for case in vectors["skeyseed"].as_array().unwrap() {
        // RFC 7296 §2.14: SKEYSEED = prf(Ni | Nr, g^ir)
        let skeyseed = prf(
            prf_named(text(case, "prf")),
            &octets(case, "nonces"),
            &[&octets(case, "g_ir")],
        );
        assert_eq!(skeyseed.expose(), octets(case, "out"));
    }
}

#[test]
fn nist_prf_plus() {
    let vectors = vectors(include_str!("../vectors/kdf.json"));
    let cases = vectors["prf_plus"].as_array().unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let algorithm = prf_named(text(case, "prf"));
        let seed = octets(case, "seed");
        let expected = octets(case, "out");
        let mut out = vec![0; expected.len()];
        let (front, back) = seed.split_at(seed.len() / 2);
        prf_plus(algorithm, &octets(case, "key"), &[front, back], &mut out);
        assert_eq!(out, expected);
    }
}

/// The whole schedule of one SA: initial keys, Child SA without and with a new exchange, rekey.
#[test]
fn nist_key_schedule() {
    let vectors = vectors(include_str!("../vectors/kdf.json"));
    let case = &vectors["ikev2"];
    let algorithm = prf_named(text(case, "prf"));
    let [ni, nr] = ["ni", "nr"].map(|field| octets(case, field));
    let [spi_i, spi_r] = ["spi_i", "spi_r"].map(|field| octets(case, field));
    let [g_ir, g_ir_new] = ["g_ir", "g_ir_new"].map(|field| octets(case, field));
    let nonces = [&ni[..], &nr].concat();

    let skeyseed = prf(algorithm, &nonces, &[&g_ir]);
    assert_eq!(skeyseed.expose(), octets(case, "skeyseed"));

    let expand = |key: &[u8], seed: &[&[u8]], field| {
        let expected = octets(case, field);
        let mut out = vec![0; expected.len()];
        prf_plus(algorithm, key, seed, &mut out);
        assert_eq!(out, expected, "{field}");
        out
    };
    let keys = expand(skeyseed.expose(), &[&ni, &nr, &spi_i, &spi_r], "dkm");
    let sk_d = &keys[..algorithm.output_len()];
    expand(sk_d, &[&ni, &nr], "dkm_child");
    expand(sk_d, &[&g_ir_new, &ni, &nr], "dkm_child_dh");

    // RFC 7296 §2.18: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr)
    let rekeyed = prf(algorithm, sk_d, &[&g_ir_new, &ni, &nr]);
    assert_eq!(rekeyed.expose(), octets(case, "skeyseed_rekey"));
}

#[test]
fn prf_plus_goes_as_far_as_its_counter() {
    let algorithm = PrfAlgorithm::HmacSha256;
    let mut longest = vec![0; PRF_PLUS_ROUNDS_MAX * algorithm.output_len()];
    prf_plus(algorithm, b"key", &[b"seed"], &mut longest);
    // The last round, by its definition.
    let rounds: Vec<&[u8]> = longest.chunks(algorithm.output_len()).collect();
    let last = prf(algorithm, b"key", &[rounds[253], b"seed", &[255]]);
    assert_eq!(rounds[254], last.expose());
    // A shorter output is a prefix.
    let mut short = [0; 33];
    prf_plus(algorithm, b"key", &[b"seed"], &mut short);
    assert_eq!(short, longest[..33]);
}

#[test]
#[should_panic(expected = "255 rounds")]
fn prf_plus_goes_no_further() {
    let algorithm = PrfAlgorithm::HmacSha1;
    let mut out = vec![0; PRF_PLUS_ROUNDS_MAX * algorithm.output_len() + 1];
    prf_plus(algorithm, b"key", &[], &mut out);
}
