//! Keys of a Child SA (RFC 2409 §5.5).

use crypto::{OpeningKey, PrfAlgorithm, ProtectionSuite, SealingKey, Secret, prf};
use ipsec::EspSpi;

/// The number of ESP among the protocols of the IPsec DOI (RFC 2407 §4.4.1).
const ESP: u8 = 3;

/// What all the keys of one quick mode come from.
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    /// The function negotiated in phase 1.
    pub(super) algorithm: PrfAlgorithm,
    /// SKEYID_d.
    pub(super) derivation: &'a Secret,
    /// The secret of the exchange's own key exchange, with perfect forward secrecy.
    pub(super) shared: Option<&'a Secret>,
    /// Ni_b of the quick mode.
    pub(super) initiator_nonce: &'a [u8],
    /// Nr_b of the quick mode.
    pub(super) responder_nonce: &'a [u8],
}

/// The keys of both directions. Each comes from the SPI of its receiver, so that the roles of the
/// exchange do not matter here.
pub(super) fn child_keys(
    seed: Seed<'_>,
    suite: ProtectionSuite,
    inbound: EspSpi,
    outbound: EspSpi,
) -> (SealingKey, OpeningKey) {
    let len = suite.key_material_len();
    let sealing = keymat(seed, outbound, len);
    let opening = keymat(seed, inbound, len);
    (
        SealingKey::new(suite, sealing.expose()),
        OpeningKey::new(suite, opening.expose()),
    )
}

/// KEYMAT = K1 | K2 | …, where K1 = prf(SKEYID_d, S) and Kn = prf(SKEYID_d, Kn-1 | S) for
/// S = [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b.
fn keymat(seed: Seed<'_>, spi: EspSpi, len: usize) -> Secret {
    let spi = spi.0.to_be_bytes();
    let shared = seed.shared.map_or(&[][..], Secret::expose);
    let mut out = Secret::zeroed(len);
    let mut block: Option<Secret> = None;
    for chunk in out.expose_mut().chunks_mut(seed.algorithm.output_len()) {
        let next = prf(
            seed.algorithm,
            seed.derivation.expose(),
            &[
                block.as_ref().map_or(&[][..], Secret::expose),
                shared,
                &[ESP],
                &spi,
                seed.initiator_nonce,
                seed.responder_nonce,
            ],
        );
        for (octet, from) in chunk.iter_mut().zip(next.expose()) {
            *octet = *from;
        }
        block = Some(next);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text).expect("hexadecimal digits")
    }

    /// A quick mode of the test suite of IPsec-StateMachineExtractor (Ruhr University Bochum,
    /// Apache-2.0), `testComputeKeyMaterial`: HMAC-SHA1, no perfect forward secrecy, AES-128-CBC
    /// with HMAC-SHA1-96, which is more than one output of the function.
    #[test]
    fn published_key_material_comes_out() {
        let derivation = Secret::new(hex("b6cd873cdfe99dee9a42202ba0d43f61da3e6a99"));
        let nonces = (
            hex("cec1ae1e6e1d7f5b6d59a658ce2933eb"),
            hex("8ee957f9076b169465d28c0075bfadde31f9bf5a7cf6f48ca3e63d729dc36992"),
        );
        let seed = Seed {
            algorithm: PrfAlgorithm::HmacSha1,
            derivation: &derivation,
            shared: None,
            initiator_nonce: &nonces.0,
            responder_nonce: &nonces.1,
        };
        for (spi, expected) in [
            (
                0xc6af_22ee,
                "7a4a4c9117705ff453f50a8914bd7726665f3b5e5c90cc1d039138a0273a2b4e0f2cc3d2",
            ),
            (
                0xbc87_cf3f,
                "9b7ef7409cf03c5c960e8ea3a832919ea877cbc00d1bdf385e94eec05b91fc40b43585f8",
            ),
        ] {
            assert_eq!(keymat(seed, EspSpi(spi), 36).expose(), hex(expected));
        }
    }

    #[test]
    fn forward_secrecy_and_each_input_change_the_keys() {
        let derivation = Secret::new(vec![1; 32]);
        let shared = Secret::new(vec![2; 32]);
        let seed = Seed {
            algorithm: PrfAlgorithm::HmacSha256,
            derivation: &derivation,
            shared: None,
            initiator_nonce: &[3; 16],
            responder_nonce: &[4; 16],
        };
        let plain = keymat(seed, EspSpi(256), 64);
        let others = [
            keymat(
                Seed {
                    shared: Some(&shared),
                    ..seed
                },
                EspSpi(256),
                64,
            ),
            keymat(seed, EspSpi(257), 64),
            keymat(
                Seed {
                    initiator_nonce: &[4; 16],
                    ..seed
                },
                EspSpi(256),
                64,
            ),
            keymat(
                Seed {
                    responder_nonce: &[3; 16],
                    ..seed
                },
                EspSpi(256),
                64,
            ),
        ];
        for other in &others {
            assert_ne!(other.expose(), plain.expose());
        }
        let longer = keymat(seed, EspSpi(256), 68);
        assert_eq!(longer.expose().get(..64), Some(plain.expose()));
    }
}
