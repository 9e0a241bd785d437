use crate::{EncryptionAlgorithm, IntegrityAlgorithm};

/// How one SA protects its packets: an AEAD, or a cipher with a separate integrity algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ProtectionSuite {
    /// The cipher.
    pub encryption: EncryptionAlgorithm,
    /// The integrity algorithm; `None` exactly when `encryption` is an AEAD.
    pub integrity: Option<IntegrityAlgorithm>,
}

impl ProtectionSuite {
    /// Whether the two fit together: an AEAD stands alone, any other cipher needs an integrity
    /// algorithm (RFC 5282 §8, RFC 8221 §4).
    #[must_use]
    pub const fn is_consistent(self) -> bool {
        self.encryption.is_aead() == self.integrity.is_none()
    }

    /// Octets of keying material for one direction: key, then salt, then integrity key
    /// (RFC 7296 §2.17).
    #[must_use]
    pub const fn key_material_len(self) -> usize {
        let cipher = self.encryption.key_len() + self.encryption.salt_len();
        match self.integrity {
            Some(integrity) => cipher + integrity.key_len(),
            None => cipher,
        }
    }

    /// Octets of IV in each packet.
    #[must_use]
    pub const fn iv_len(self) -> usize {
        self.encryption.iv_len()
    }

    /// Octets of ICV in each packet.
    #[must_use]
    pub const fn icv_len(self) -> usize {
        match self.integrity {
            Some(integrity) => integrity.icv_len(),
            None => 16,
        }
    }

    /// The multiple, in octets, to which plaintext is padded before sealing.
    #[must_use]
    pub const fn block_len(self) -> usize {
        self.encryption.block_len()
    }
}

#[cfg(test)]
mod tests {
    use super::ProtectionSuite;
    use crate::{EncryptionAlgorithm, IntegrityAlgorithm};

    #[test]
    fn lengths_follow_the_rfcs() {
        let gcm = ProtectionSuite {
            encryption: EncryptionAlgorithm::Aes256Gcm16,
            integrity: None,
        };
        // RFC 4106 §8.1: 36 octets, the last four are the salt.
        assert_eq!(
            (
                gcm.key_material_len(),
                gcm.iv_len(),
                gcm.icv_len(),
                gcm.block_len()
            ),
            (36, 8, 16, 1)
        );
        let cbc = ProtectionSuite {
            encryption: EncryptionAlgorithm::Aes128Cbc,
            integrity: Some(IntegrityAlgorithm::HmacSha384_192),
        };
        assert_eq!(
            (
                cbc.key_material_len(),
                cbc.iv_len(),
                cbc.icv_len(),
                cbc.block_len()
            ),
            (64, 16, 24, 16)
        );
        assert!(gcm.is_consistent() && cbc.is_consistent());
        assert!(
            !ProtectionSuite {
                integrity: None,
                ..cbc
            }
            .is_consistent()
        );
        assert!(
            !ProtectionSuite {
                integrity: cbc.integrity,
                ..gcm
            }
            .is_consistent()
        );
    }
}
