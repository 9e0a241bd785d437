use crate::Malformed;
use crate::read::Reader;

/// The 28 octets at the start of a message of either version (RFC 2408 §3.1, RFC 7296 §3.1). What
/// the exchange type and the flags mean is for the versions to say.
pub(crate) struct Layout {
    /// CKY-I, or the initiator's SPI.
    pub(crate) initiator: u64,
    /// CKY-R, or the responder's SPI.
    pub(crate) responder: u64,
    pub(crate) next_payload: u8,
    pub(crate) major: u8,
    pub(crate) minor: u8,
    pub(crate) exchange: u8,
    pub(crate) flags: u8,
    pub(crate) message_id: u32,
    pub(crate) length: u32,
}

impl Layout {
    pub(crate) fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(message);
        let (initiator, responder) = (reader.u64()?, reader.u64()?);
        let [next_payload, version, exchange, flags] = reader.array()?;
        Ok(Self {
            initiator,
            responder,
            next_payload,
            major: version >> 4,
            minor: version & 0x0f,
            exchange,
            flags,
            message_id: reader.u32()?,
            length: reader.u32()?,
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.initiator.to_be_bytes());
        out.extend_from_slice(&self.responder.to_be_bytes());
        out.push(self.next_payload);
        out.push((self.major << 4) | (self.minor & 0x0f));
        out.push(self.exchange);
        out.push(self.flags);
        out.extend_from_slice(&self.message_id.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
    }
}
