use crate::associated::Associated;
#[cfg(target_arch = "x86_64")]
use crate::gcm::GcmKey;
use crate::library::LibraryKey;
use crate::{EncryptionAlgorithm, IcvMismatch};

/// Who computes an AEAD. All give the same octets; the tests hold them against each other.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Provider {
    /// The fastest that was measured: AES-GCM by our own code where the processor has AVX-512, VAES
    /// and VPCLMULQDQ, everything else by AWS-LC.
    #[cfg_attr(
        not(any(
            feature = "copy-cipher-for-benches",
            feature = "aws-lc",
            feature = "portable"
        )),
        default
    )]
    Fastest,
    /// AWS-LC: assembly for the processor at hand. Its key schedule lives behind a pointer.
    #[cfg_attr(
        all(
            feature = "aws-lc",
            not(any(feature = "copy-cipher-for-benches", feature = "portable"))
        ),
        default
    )]
    AwsLc,
    /// Pure Rust: the check on the others.
    #[cfg_attr(
        all(feature = "portable", not(feature = "copy-cipher-for-benches")),
        default
    )]
    Portable,
    /// Nobody: a copy, in builds for benches only, where it is the usual one.
    #[cfg(feature = "copy-cipher-for-benches")]
    #[default]
    Copy,
}

pub(crate) const ICV_LEN: usize = 16;
pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const SALT_LEN: usize = 4;
pub(crate) const IV_LEN: usize = 8;

const ROOM: &str = "room for IV and ICV";

/// An AEAD key with its salt.
#[derive(Clone)]
#[cfg_attr(
    target_arch = "x86_64",
    expect(
        clippy::large_enum_variant,
        reason = "the usual key lies inline, so that an SA's cache lines hold it"
    )
)]
pub(crate) enum AeadKey {
    #[cfg(target_arch = "x86_64")]
    Gcm(GcmKey),
    Library {
        key: LibraryKey,
        salt: [u8; SALT_LEN],
    },
    #[cfg(feature = "copy-cipher-for-benches")]
    Copy,
}

impl AeadKey {
    /// # Panics
    /// When `key` has not the length of the algorithm's key, or the algorithm is not an AEAD.
    pub(crate) fn new(
        provider: Provider,
        algorithm: EncryptionAlgorithm,
        key: &[u8],
        salt: [u8; SALT_LEN],
    ) -> Self {
        let key = match provider {
            Provider::Fastest => {
                if let Some(own) = Self::own(algorithm, key, salt) {
                    return own;
                }
                LibraryKey::aws_lc(algorithm, key)
            }
            Provider::AwsLc => LibraryKey::aws_lc(algorithm, key),
            Provider::Portable => LibraryKey::portable(algorithm, key),
            #[cfg(feature = "copy-cipher-for-benches")]
            Provider::Copy => return Self::Copy,
        };
        Self::Library { key, salt }
    }

    #[cfg(target_arch = "x86_64")]
    fn own(algorithm: EncryptionAlgorithm, key: &[u8], salt: [u8; SALT_LEN]) -> Option<Self> {
        match algorithm {
            EncryptionAlgorithm::Aes128Gcm16 | EncryptionAlgorithm::Aes256Gcm16 => {
                GcmKey::new(key, salt).map(Self::Gcm)
            }
            _ => None,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    const fn own(_: EncryptionAlgorithm, _: &[u8], _: [u8; SALT_LEN]) -> Option<Self> {
        None
    }

    /// Writes the IV at the start of `packet`, encrypts in place what lies between IV and ICV, and
    /// writes the ICV.
    ///
    /// # Panics
    /// When `packet` has no room for IV and ICV, or its text is longer than the cipher's
    /// limit, 64 GiB: no packet is.
    #[inline]
    pub(crate) fn seal(&self, iv: u64, associated: Associated<'_>, packet: &mut [u8]) {
        *packet.first_chunk_mut().expect(ROOM) = iv.to_be_bytes();
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gcm(key) => {
                let end = packet.len().checked_sub(ICV_LEN).expect(ROOM);
                let icv = key.seal(iv, associated, packet, IV_LEN..end);
                *packet.last_chunk_mut().expect(ROOM) = icv;
            }
            Self::Library { key, salt } => {
                let (text, icv) = text_and_icv(packet).expect(ROOM);
                associated.with_octets(|associated| {
                    key.seal(&nonce(*salt, iv), associated, text, icv);
                });
            }
            #[cfg(feature = "copy-cipher-for-benches")]
            Self::Copy => crate::copy::seal(packet),
        }
    }

    /// Verifies and decrypts in place what lies in `packet` between IV and ICV; on failure its content
    /// is unspecified.
    #[inline]
    pub(crate) fn open(
        &self,
        associated: Associated<'_>,
        packet: &mut [u8],
    ) -> Result<(), IcvMismatch> {
        let iv = u64::from_be_bytes(*packet.first_chunk().ok_or(IcvMismatch)?);
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Gcm(key) => {
                let end = packet.len().checked_sub(ICV_LEN).ok_or(IcvMismatch)?;
                let icv = *packet.last_chunk().ok_or(IcvMismatch)?;
                if IV_LEN <= end && key.open(iv, associated, packet, IV_LEN..end, icv) {
                    Ok(())
                } else {
                    Err(IcvMismatch)
                }
            }
            Self::Library { key, salt } => {
                let (text, icv) = text_and_icv(packet).ok_or(IcvMismatch)?;
                associated
                    .with_octets(|associated| key.open(&nonce(*salt, iv), associated, text, icv))
            }
            #[cfg(feature = "copy-cipher-for-benches")]
            Self::Copy => crate::copy::open(packet),
        }
    }
}

fn text_and_icv(packet: &mut [u8]) -> Option<(&mut [u8], &mut [u8; ICV_LEN])> {
    packet.get_mut(IV_LEN..)?.split_last_chunk_mut()
}

/// RFC 4106 §4, RFC 7634 §2: salt, then the IV of the packet.
#[inline]
const fn nonce(salt: [u8; SALT_LEN], iv: u64) -> [u8; NONCE_LEN] {
    let ([s, t, u, v], [a, b, c, d, e, f, g, h]) = (salt, iv.to_be_bytes());
    [s, t, u, v, a, b, c, d, e, f, g, h]
}

pub(crate) fn not_an_aead() -> ! {
    panic!("a CBC suite is built with an integrity algorithm, not as an AEAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_provider_is_the_fastest_unless_the_build_wants_another() {
        let wanted = if cfg!(feature = "portable") {
            Provider::Portable
        } else if cfg!(feature = "aws-lc") {
            Provider::AwsLc
        } else {
            Provider::Fastest
        };
        assert_eq!(Provider::default() == wanted, crate::ENCRYPTS);
    }
}
