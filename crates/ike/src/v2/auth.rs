//! The AUTH payload: what it covers, and its data with a shared key (RFC 7296 §2.15).

use crypto::{PrfAlgorithm, Secret, prf};

/// Mixed in so that a secret used here is of no use elsewhere (RFC 7296 §2.15).
const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// What an end signs: its own first message, the other's nonce, its identity.
pub(crate) struct SignedOctets<'a> {
    /// The IKE_SA_INIT message that this end sent and that the other end answered or accepted,
    /// from the IKE header on (RealMessage1 or RealMessage2).
    pub(crate) message: &'a [u8],
    /// The other end's nonce, data only.
    pub(crate) peer_nonce: &'a [u8],
    /// SK_pi for the initiator, SK_pr for the responder.
    pub(crate) key: &'a Secret,
    /// The body of this end's Identification payload, as [`identification_body`] builds it.
    ///
    /// [`identification_body`]: crate::identity::identification_body
    pub(crate) identification: &'a [u8],
}

impl SignedOctets<'_> {
    /// The octets that an end signs with the key of its certificate.
    pub(crate) fn octets(&self, algorithm: PrfAlgorithm) -> Vec<u8> {
        let maced_id = prf(algorithm, self.key.expose(), &[self.identification]);
        [self.message, self.peer_nonce, maced_id.expose()].concat()
    }
}

/// The data of the AUTH payload, to be sent or to be compared in constant time with what came.
pub(crate) fn shared_key_mic(
    algorithm: PrfAlgorithm,
    secret: &[u8],
    signed: &SignedOctets<'_>,
) -> Secret {
    let padded = prf(algorithm, secret, &[KEY_PAD]);
    let maced_id = prf(algorithm, signed.key.expose(), &[signed.identification]);
    let octets = [signed.message, signed.peer_nonce, maced_id.expose()];
    prf(algorithm, padded.expose(), &octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{Vectors, hex};

    #[test]
    fn published_handshakes_authenticate() {
        let vectors = Vectors::load();
        for name in ["rub", "aosp"] {
            let at = |field: &str| vectors.octets(&format!("{name}.{field}"));
            let key = Secret::new(at("sk_pi"));
            let mic = shared_key_mic(
                PrfAlgorithm::HmacSha1,
                &at("psk"),
                &SignedOctets {
                    message: &at("ike_sa_init_request"),
                    peer_nonce: &at("nr"),
                    key: &key,
                    identification: &at("idi_body"),
                },
            );
            assert_eq!(hex(mic.expose()), hex(&at("auth_i")), "{name}");
        }
    }

    #[test]
    fn every_part_counts() {
        let key = Secret::new(vec![1; 32]);
        let signed = SignedOctets {
            message: b"message",
            peer_nonce: b"nonce",
            key: &key,
            identification: b"\x02\0\0\0gw",
        };
        let mic = |secret: &[u8], signed: &SignedOctets<'_>| {
            hex(shared_key_mic(PrfAlgorithm::HmacSha256, secret, signed).expose())
        };
        let good = mic(b"secret", &signed);
        let other_key = Secret::new(vec![2; 32]);
        assert_eq!(good, mic(b"secret", &signed));
        assert_ne!(good, mic(b"Secret", &signed));
        for wrong in [
            SignedOctets {
                message: b"massage",
                ..signed
            },
            SignedOctets {
                peer_nonce: b"nonse",
                ..signed
            },
            SignedOctets {
                key: &other_key,
                ..signed
            },
            SignedOctets {
                identification: b"\x02\0\0\0gx",
                ..signed
            },
        ] {
            assert_ne!(good, mic(b"secret", &wrong));
        }
    }
}
