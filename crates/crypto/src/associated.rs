/// What an AEAD authenticates without encrypting it.
#[derive(Clone, Copy)]
pub(crate) enum Associated<'a> {
    /// RFC 4106 §5: SPI, high half of the sequence number, low half: twelve octets, the first of
    /// them lowest. A number stays in registers, where octets would take a detour through memory.
    Esn(u128),
    /// Any octets.
    Octets(&'a [u8]),
}

const ESN_LEN: usize = 12;

impl<'a> Associated<'a> {
    /// Of the octets that are sent in the clear and the half of the sequence number that is not
    /// sent at all. Octets that cannot be an ESP header stand for themselves.
    #[inline]
    pub(crate) fn new(sent: &'a [u8], esn_high: Option<u32>) -> Self {
        match (esn_high, sent.first_chunk::<8>()) {
            (Some(high), Some(&[s0, s1, s2, s3, l0, l1, l2, l3])) => {
                let spi = u128::from(u32::from_le_bytes([s0, s1, s2, s3]));
                let low = u128::from(u32::from_le_bytes([l0, l1, l2, l3]));
                Self::Esn(spi | u128::from(high.swap_bytes()) << 32 | low << 64)
            }
            _ => Self::Octets(sent),
        }
    }

    /// How many octets they are.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        match self {
            Self::Esn(_) => ESN_LEN,
            Self::Octets(octets) => octets.len(),
        }
    }

    /// Hands `then` the octets.
    pub(crate) fn with_octets<R>(self, then: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Esn(number) => then(&number.to_le_bytes()[..ESN_LEN]),
            Self::Octets(octets) => then(octets),
        }
    }
}
