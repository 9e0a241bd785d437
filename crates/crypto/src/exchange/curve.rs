use aws_lc_rs::agreement::{self, Algorithm, PrivateKey, UnparsedPublicKey};
use crypto_bigint::{NonZero, U256, U320, U384, U448};
use zeroize::{Zeroize, Zeroizing};

use super::InvalidPublicValue;
use crate::{Entropy, KeyExchangeMethod, Secret};

/// SEC 1 §2.3.3: the octet that announces an uncompressed point. IKE leaves it out (RFC 5903 §7).
const UNCOMPRESSED: u8 = 0x04;

/// Order of P-256's base point less one (FIPS 186-4 §D.1.2.3).
const P256_ORDER_LESS_ONE: U256 =
    U256::from_be_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
/// Order of P-384's base point less one (FIPS 186-4 §D.1.2.4).
const P384_ORDER_LESS_ONE: U384 = U384::from_be_hex(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52972",
);

/// A private key on Curve25519, P-256 or P-384.
pub(super) struct CurveKey {
    key: PrivateKey,
    random_curve: bool,
}

impl CurveKey {
    pub(super) fn generate(
        method: KeyExchangeMethod,
        entropy: &mut dyn Entropy,
    ) -> (Self, Box<[u8]>) {
        let (algorithm, scalar): (&'static Algorithm, _) = match method {
            KeyExchangeMethod::EcpP256 => (&agreement::ECDH_P256, p256_scalar(entropy)),
            KeyExchangeMethod::EcpP384 => (&agreement::ECDH_P384, p384_scalar(entropy)),
            _ => (&agreement::X25519, x25519_scalar(entropy)),
        };
        let key = PrivateKey::from_private_key(algorithm, &scalar)
            .expect("the scalar is in the curve's range");
        let public = key
            .compute_public_key()
            .expect("a valid key has a public half");
        let random_curve = method != KeyExchangeMethod::X25519;
        let sent = public
            .as_ref()
            .get(usize::from(random_curve)..)
            .unwrap_or_default();
        let sent = sent.into();
        (Self { key, random_curve }, sent)
    }

    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret, InvalidPublicValue> {
        let mut point = Vec::with_capacity(peer.len() + 1);
        if self.random_curve {
            point.push(UNCOMPRESSED);
        }
        point.extend_from_slice(peer);
        // RFC 6989 §2.3 asks for the curve equation, RFC 8031 §3.2 for a result other than zero;
        // the library checks both.
        agreement::agree(
            &self.key,
            UnparsedPublicKey::new(self.key.algorithm(), point),
            InvalidPublicValue,
            |secret| Ok(Secret::copy_of(secret)),
        )
    }
}

/// The library clamps (RFC 7748 §5), so any 32 octets will do.
fn x25519_scalar(entropy: &mut dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut scalar = Zeroizing::new(vec![0; 32]);
    entropy.fill(&mut scalar);
    scalar
}

/// FIPS 186-5 §A.2.1: 64 bits more than the order has, reduced modulo the order less one, plus
/// one. Unlike trial and error it ends for any source of octets.
fn p256_scalar(entropy: &mut dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new([0; U320::BYTES]);
    entropy.fill(&mut *octets);
    let mut wide = U320::from_be_slice(&*octets);
    let order_less_one = NonZero::new(P256_ORDER_LESS_ONE).expect("not zero");
    let mut scalar = wide.rem(&order_less_one).wrapping_add(&U256::ONE);
    let encoded = Zeroizing::new(scalar.to_be_bytes().as_ref().to_vec());
    wide.zeroize();
    scalar.zeroize();
    encoded
}

/// As [`p256_scalar`].
fn p384_scalar(entropy: &mut dyn Entropy) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new([0; U448::BYTES]);
    entropy.fill(&mut *octets);
    let mut wide = U448::from_be_slice(&*octets);
    let order_less_one = NonZero::new(P384_ORDER_LESS_ONE).expect("not zero");
    let mut scalar = wide.rem(&order_less_one).wrapping_add(&U384::ONE);
    let encoded = Zeroizing::new(scalar.to_be_bytes().as_ref().to_vec());
    wide.zeroize();
    scalar.zeroize();
    encoded
}
