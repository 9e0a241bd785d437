//! The fixed head of an ESP packet (RFC 4303 §2).

use crate::Malformed;
use crate::read::Reader;

/// Octets of SPI and sequence number.
pub const HEADER_LEN: usize = 8;

/// What stands in the clear at the start of an ESP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EspHeader {
    /// Security parameter index; 0 never appears in an ESP packet.
    pub spi: u32,
    /// The sequence number's low 32 bits.
    pub sequence: u32,
}

impl EspHeader {
    /// Reads the first eight octets of a packet.
    ///
    /// # Errors
    /// [`Malformed::Truncated`] below eight octets, [`Malformed::BadValue`] for SPI 0.
    pub fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let spi = reader.u32()?;
        let sequence = reader.u32()?;
        // RFC 4303 §2.1: the value 0 is for local use and is never sent.
        if spi == 0 {
            return Err(Malformed::BadValue);
        }
        Ok(Self { spi, sequence })
    }

    /// The eight octets of the header.
    #[must_use]
    pub fn to_octets(self) -> [u8; HEADER_LEN] {
        let [a, b, c, d] = self.spi.to_be_bytes();
        let [e, f, g, h] = self.sequence.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let header = EspHeader {
            spi: 0xc012_3456,
            sequence: 7,
        };
        assert_eq!(EspHeader::parse(&header.to_octets()), Ok(header));
    }

    #[test]
    fn short_and_reserved_are_refused() {
        assert_eq!(EspHeader::parse(&[1; 7]), Err(Malformed::Truncated));
        assert_eq!(
            EspHeader::parse(&[0, 0, 0, 0, 0, 0, 0, 1]),
            Err(Malformed::BadValue)
        );
    }
}
