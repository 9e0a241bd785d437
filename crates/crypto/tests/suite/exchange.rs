//! Key exchange against RFC 5903 §8, RFC 7748 §6.1 and, for MODP, plain big-number arithmetic.

use crate::support::{Prepared, Seeded};
use crypto::{InvalidPublicValue, KeyExchangeMethod, KeyPair};
use num_bigint::BigUint;
use proptest::prelude::*;

const METHODS: [KeyExchangeMethod; 8] = [
    KeyExchangeMethod::X25519,
    KeyExchangeMethod::EcpP256,
    KeyExchangeMethod::EcpP384,
    KeyExchangeMethod::Modp1024,
    KeyExchangeMethod::Modp1536,
    KeyExchangeMethod::Modp2048,
    KeyExchangeMethod::Modp3072,
    KeyExchangeMethod::Modp4096,
];

fn unhex(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '\n'], "")).unwrap()
}

/// Entropy from which a pair on a random curve gets exactly the private key `scalar`: the pair
/// takes 64 bits more than the key and adds one.
fn entropy_for_scalar(scalar: &[u8]) -> Prepared {
    let less_one = (BigUint::from_bytes_be(scalar) - 1_u32).to_bytes_be();
    let mut octets = vec![0; scalar.len() + 8 - less_one.len()];
    octets.extend_from_slice(&less_one);
    Prepared(octets)
}

fn check_published(method: KeyExchangeMethod, sides: [(Prepared, &str); 2], secret: &str) {
    let [(mut i_entropy, i_public), (mut r_entropy, r_public)] = sides;
    let initiator = KeyPair::generate(method, &mut i_entropy);
    let responder = KeyPair::generate(method, &mut r_entropy);
    assert_eq!(initiator.public_value(), unhex(i_public));
    assert_eq!(responder.public_value(), unhex(r_public));
    for (own, peer) in [(&initiator, &responder), (&responder, &initiator)] {
        let agreed = own.agree(peer.public_value()).unwrap();
        assert_eq!(agreed.expose(), unhex(secret));
    }
}

#[test]
fn p256_of_rfc_5903() {
    let i = unhex("C88F01F5 10D9AC3F 70A292DA A2316DE5 44E9AAB8 AFE84049 C62A9C57 862D1433");
    let r = unhex("C6EF9C5D 78AE012A 011164AC B397CE20 88685D8F 06BF9BE0 B283AB46 476BEE53");
    check_published(
        KeyExchangeMethod::EcpP256,
        [
            (
                entropy_for_scalar(&i),
                "DAD0B653 94221CF9 B051E1FE CA5787D0 98DFE637 FC90B9EF 945D0C37 72581180
                 5271A046 1CDB8252 D61F1C45 6FA3E59A B1F45B33 ACCF5F58 389E0577 B8990BB3",
            ),
            (
                entropy_for_scalar(&r),
                "D12DFB52 89C8D4F8 1208B702 70398C34 2296970A 0BCCB74C 736FC755 4494BF63
                 56FBF3CA 366CC23E 8157854C 13C58D6A AC23F046 ADA30F83 53E74F33 039872AB",
            ),
        ],
        "D6840F6B 42F6EDAF D13116E0 E1256520 2FEF8E9E CE7DCE03 812464D0 4B9442DE",
    );
}

#[test]
fn p384_of_rfc_5903() {
    let i = unhex(
        "099F3C70 34D4A2C6 99884D73 A375A67F 7624EF7C 6B3C0F16 0647B674 14DCE655
         E35B5380 41E649EE 3FAEF896 783AB194",
    );
    let r = unhex(
        "41CB0779 B4BDB85D 47846725 FBEC3C94 30FAB46C C8DC5060 855CC9BD A0AA2942
         E0308312 916B8ED2 960E4BD5 5A7448FC",
    );
    check_published(
        KeyExchangeMethod::EcpP384,
        [
            (
                entropy_for_scalar(&i),
                "667842D7 D180AC2C DE6F74F3 7551F557 55C7645C 20EF73E3 1634FE72
                 B4C55EE6 DE3AC808 ACB4BDB4 C88732AE E95F41AA 9482ED1F C0EEB9CA
                 FC498462 5CCFC23F 65032149 E0E144AD A0241815 35A0F38E EB9FCFF3
                 C2C947DA E69B4C63 4573A81C",
            ),
            (
                entropy_for_scalar(&r),
                "E558DBEF 53EECDE3 D3FCCFC1 AEA08A89 A987475D 12FD950D 83CFA417
                 32BC509D 0D1AC43A 0336DEF9 6FDA41D0 774A3571 DCFBEC7A ACF31964
                 72169E83 8430367F 66EEBE3C 6E70C416 DD5F0C68 759DD1FF F83FA401
                 42209DFF 5EAAD96D B9E6386C",
            ),
        ],
        "11187331 C279962D 93D60424 3FD592CB 9D0A926F 422E4718 7521287E 7156C5C4
         D6031355 69B9E9D0 9CF5D4A2 70F59746",
    );
}

#[test]
fn x25519_of_rfc_7748() {
    let a = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let b = unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    check_published(
        KeyExchangeMethod::X25519,
        [
            (
                Prepared(a),
                "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            ),
            (
                Prepared(b),
                "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
            ),
        ],
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
}

#[test]
fn both_sides_agree_and_entropy_decides() {
    for method in METHODS {
        let initiator = KeyPair::generate(method, &mut Seeded(1));
        let responder = KeyPair::generate(method, &mut Seeded(2));
        assert_eq!(initiator.method(), method);
        assert_eq!(initiator.public_value().len(), method.public_len());
        assert_ne!(initiator.public_value(), responder.public_value());
        let here = initiator.agree(responder.public_value()).unwrap();
        let there = responder.agree(initiator.public_value()).unwrap();
        assert_eq!(here.expose(), there.expose());
        let again = KeyPair::generate(method, &mut Seeded(1));
        assert_eq!(again.public_value(), initiator.public_value());
    }
}

#[test]
fn values_of_the_wrong_length_are_refused() {
    for method in METHODS {
        let pair = KeyPair::generate(method, &mut Seeded(3));
        let mut value = KeyPair::generate(method, &mut Seeded(4))
            .public_value()
            .to_vec();
        value.insert(0, 0);
        assert!(refused(&pair, &value), "{method:?}");
        assert!(refused(&pair, &value[2..]), "{method:?}");
        assert!(refused(&pair, &[]), "{method:?}");
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for method in [KeyExchangeMethod::EcpP256, KeyExchangeMethod::EcpP384] {
        let pair = KeyPair::generate(method, &mut Seeded(5));
        let mut value = KeyPair::generate(method, &mut Seeded(6))
            .public_value()
            .to_vec();
        value[10] ^= 1;
        assert!(refused(&pair, &value));
        assert!(refused(&pair, &vec![0; method.public_len()]));
        assert!(refused(&pair, &vec![0xff; method.public_len()]));
    }
}

/// RFC 6989 §2.1: 1 < r < p - 1.
#[test]
fn modp_values_out_of_range_are_refused() {
    for (method, prime) in modp_groups() {
        let pair = KeyPair::generate(method, &mut Seeded(7));
        let one = BigUint::from(1_u32);
        let largest = (BigUint::from(1_u32) << (method.public_len() * 8)) - 1_u32;
        for bad in [
            BigUint::ZERO,
            one.clone(),
            &prime - &one,
            prime.clone(),
            largest,
        ] {
            assert!(refused(&pair, &padded(&bad, method)), "{method:?} {bad}");
        }
        for good in [BigUint::from(2_u32), &prime - 2_u32] {
            assert!(!refused(&pair, &padded(&good, method)), "{method:?} {good}");
        }
    }
}

/// Whatever the entropy is, the exponent is a long number: a small one would leave the public
/// value a bare power of two.
#[test]
fn modp_exponents_are_long() {
    for (method, _) in modp_groups() {
        let pair = KeyPair::generate(method, &mut Prepared(vec![0; 64]));
        let value = BigUint::from_bytes_be(pair.public_value());
        assert!(value.count_ones() > 100, "{method:?}");
    }
}

/// A secret with leading zero octets keeps them (RFC 7296 §2.14).
#[test]
fn modp_secrets_are_padded() {
    let (method, prime) = modp_groups().remove(0);
    let exponent_octets = vec![0x80; 32];
    let pair = KeyPair::generate(method, &mut Prepared(exponent_octets.clone()));
    let exponent = BigUint::from_bytes_be(&exponent_octets);
    let padded_secret = (2_u32..)
        .map(BigUint::from)
        .find(|base| base.modpow(&exponent, &prime).bits() <= prime.bits() - 8)
        .map(|base| pair.agree(&padded(&base, method)).unwrap())
        .unwrap();
    assert_eq!(padded_secret.len(), method.public_len());
    assert_eq!(padded_secret.expose()[0], 0);
}

fn refused(pair: &KeyPair, value: &[u8]) -> bool {
    matches!(pair.agree(value), Err(InvalidPublicValue))
}

fn padded(value: &BigUint, method: KeyExchangeMethod) -> Vec<u8> {
    let octets = value.to_bytes_be();
    let mut out = vec![0; method.public_len() - octets.len()];
    out.extend_from_slice(&octets);
    out
}

/// The primes by the formula of RFC 2409 §6.2 and RFC 3526, 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c), so
/// that a slip in the implementation's table cannot repeat itself here.
fn modp_groups() -> Vec<(KeyExchangeMethod, BigUint)> {
    let one = || BigUint::from(1_u32);
    [
        (KeyExchangeMethod::Modp1024, 1024_u32, 129_093_u32),
        (KeyExchangeMethod::Modp1536, 1536, 741_804),
        (KeyExchangeMethod::Modp2048, 2048, 124_476),
        (KeyExchangeMethod::Modp3072, 3072, 1_690_314),
        (KeyExchangeMethod::Modp4096, 4096, 240_904),
    ]
    .into_iter()
    .map(|(method, bits, offset)| {
        let middle = pi_times_two_to(bits - 130) + offset;
        let prime = (one() << bits) - (one() << (bits - 64)) - 1_u32 + (middle << 64);
        (method, prime)
    })
    .collect()
}

/// floor(2^bits * pi), by Machin's formula with 64 guard bits.
fn pi_times_two_to(bits: u32) -> BigUint {
    let one = BigUint::from(1_u32) << (bits + 64);
    let pi = (arctan_inverse(5, &one) * 4_u32 - arctan_inverse(239, &one)) * 4_u32;
    pi >> 64
}

/// arctan(1/x) in units of 1/`one`.
fn arctan_inverse(x: u32, one: &BigUint) -> BigUint {
    let mut power = one / x;
    let mut sum = power.clone();
    let mut divisor = 1_u32;
    let mut subtract = true;
    while power != BigUint::ZERO {
        power /= x * x;
        divisor += 2;
        if subtract {
            sum -= &power / divisor;
        } else {
            sum += &power / divisor;
        }
        subtract = !subtract;
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Montgomery arithmetic against schoolbook arithmetic.
    #[test]
    fn modp_against_plain_numbers(seed: u64, entropy in proptest::collection::vec(any::<u8>(), 48)) {
        for ((method, prime), exponent_len) in modp_groups().into_iter().zip([32, 32, 32, 40, 48]) {
            let mut exponent_octets = entropy[..exponent_len].to_vec();
            let own = KeyPair::generate(method, &mut Prepared(exponent_octets.clone()));
            exponent_octets[0] |= 0x80;
            let exponent = BigUint::from_bytes_be(&exponent_octets);
            let public = BigUint::from(2_u32).modpow(&exponent, &prime);
            prop_assert_eq!(own.public_value(), padded(&public, method));

            let peer = KeyPair::generate(method, &mut Seeded(seed));
            let secret = BigUint::from_bytes_be(peer.public_value()).modpow(&exponent, &prime);
            let agreed = own.agree(peer.public_value()).unwrap();
            prop_assert_eq!(agreed.expose(), padded(&secret, method));
        }
    }
}
