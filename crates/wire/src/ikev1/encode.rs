use core::net::IpAddr;
use core::ops::Range;

use super::chain::GENERIC_LEN;
use super::numbers::identification;
use super::parse::LAST_FRAGMENT;
use super::payload::{Attributes, Delete, Fragment, Identification, Notification};
use super::{
    ConfigurationKind, HEADER_LEN, Header, Payload, PayloadType, attribute, security_association,
};

/// Where the header's length stands in a message.
const LENGTH: Range<usize> = 24..HEADER_LEN;

/// Appends a chain of payloads with their generic headers and returns the type of the first, which
/// the header before them has to name ([`PayloadType::NONE`] for an empty chain).
///
/// # Panics
/// If a payload has more octets, SPIs or elements than its length fields can say, or a Delete payload
/// SPIs of several sizes.
pub fn encode_payloads(payloads: &[Payload<'_>], out: &mut Vec<u8>) -> PayloadType {
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads
            .get(index + 1)
            .map_or(PayloadType::NONE, Payload::payload_type);
        let start = out.len();
        out.extend_from_slice(&[next.0, 0, 0, 0]);
        encode_body(payload, out);
        fix_length(out, start, start + 2);
    }
    payloads
        .first()
        .map_or(PayloadType::NONE, Payload::payload_type)
}

/// Builds a whole message. `next_payload` and `length` of the header are computed; the flags are
/// written as they stand, so a message that shall be encrypted says so already: pad it with
/// [`pad_to_block`] and encrypt what follows the header.
///
/// # Panics
/// As [`encode_payloads`].
#[must_use]
pub fn encode_message(header: &Header, payloads: &[Payload<'_>]) -> Vec<u8> {
    let mut chain = Vec::with_capacity(512);
    let first = encode_payloads(payloads, &mut chain);
    let header = Header {
        next_payload: first.0,
        length: message_length(HEADER_LEN + chain.len()),
        ..*header
    };
    let mut out = Vec::with_capacity(HEADER_LEN + chain.len() + 16);
    header.write(&mut out);
    out.extend_from_slice(&chain);
    out
}

/// Where the value of a HASH payload of `hash_len` octets stands in a message whose first payload it is.
/// Write zeros first, compute the hash over what follows the range, and put it in place.
#[must_use]
pub const fn hash_range(hash_len: usize) -> Range<usize> {
    let start = HEADER_LEN + GENERIC_LEN;
    start..start + hash_len
}

/// Appends zeros to a message until what follows the header is a multiple of `block_len` octets
/// (RFC 2409 appendix B), and corrects the header's length.
///
/// # Panics
/// If `message` has no header.
pub fn pad_to_block(message: &mut Vec<u8>, block_len: usize) {
    let body = message.len() - HEADER_LEN;
    message.resize(HEADER_LEN + body.next_multiple_of(block_len), 0);
    let length = message_length(message.len());
    message[LENGTH].copy_from_slice(&length.to_be_bytes());
}

fn message_length(length: usize) -> u32 {
    u32::try_from(length).expect("a message is shorter than 4 GiB")
}

/// Writes the octets since `start` as the 16-bit length at `at`.
pub(super) fn fix_length(out: &mut [u8], start: usize, at: usize) {
    let length = u16::try_from(out.len() - start).expect("a payload has at most 65535 octets");
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// Appends a payload without its generic header: what RFC 2409 §3.2 means by `_b`.
///
/// # Panics
/// As [`encode_payloads`].
pub fn encode_body(payload: &Payload<'_>, out: &mut Vec<u8>) {
    match payload {
        Payload::Sa(sa) => security_association::write(sa, out),
        Payload::Identification(identification) => encode_identification(identification, out),
        Payload::Certificate { encoding, data }
        | Payload::CertificateRequest { encoding, data } => {
            out.push(*encoding);
            out.extend_from_slice(data);
        }
        Payload::Notification(notification) => encode_notification(notification, out),
        Payload::Delete(delete) => encode_delete(delete, out),
        Payload::Attributes(attributes) => encode_attributes(attributes, out),
        Payload::NatOa { address, .. } => encode_original_address(*address, out),
        Payload::Fragment(fragment) => encode_fragment(fragment, out),
        Payload::KeyExchange(data)
        | Payload::Hash(data)
        | Payload::Signature(data)
        | Payload::Nonce(data)
        | Payload::VendorId(data)
        | Payload::NatD { hash: data, .. }
        | Payload::Unknown { data, .. } => out.extend_from_slice(data),
    }
}

fn encode_identification(identification: &Identification<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&[identification.id_type, identification.protocol]);
    out.extend_from_slice(&identification.port.to_be_bytes());
    out.extend_from_slice(identification.data);
}

fn encode_notification(notification: &Notification<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&notification.doi.to_be_bytes());
    out.push(notification.protocol);
    out.push(u8::try_from(notification.spi.len()).expect("an SPI has at most 255 octets"));
    out.extend_from_slice(&notification.notify_type.0.to_be_bytes());
    out.extend_from_slice(notification.spi);
    out.extend_from_slice(notification.data);
}

fn encode_delete(delete: &Delete<'_>, out: &mut Vec<u8>) {
    let spi_len = delete.spis.first().map_or(4, |spi| spi.len());
    assert!(
        delete.spis.iter().all(|spi| spi.len() == spi_len),
        "the SPIs of one payload have one size"
    );
    let count = u16::try_from(delete.spis.len()).expect("at most 65535 SPIs are deleted at once");
    out.extend_from_slice(&delete.doi.to_be_bytes());
    out.push(delete.protocol);
    out.push(u8::try_from(spi_len).expect("an SPI has at most 255 octets"));
    out.extend_from_slice(&count.to_be_bytes());
    for spi in &delete.spis {
        out.extend_from_slice(spi);
    }
}

fn encode_attributes(attributes: &Attributes<'_>, out: &mut Vec<u8>) {
    let kind = match attributes.kind {
        ConfigurationKind::Request => 1,
        ConfigurationKind::Reply => 2,
        ConfigurationKind::Set => 3,
        ConfigurationKind::Ack => 4,
    };
    out.extend_from_slice(&[kind, 0]);
    out.extend_from_slice(&attributes.identifier.to_be_bytes());
    attribute::write(&attributes.attributes, out);
}

fn encode_original_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            out.extend_from_slice(&[identification::IPV4_ADDR, 0, 0, 0]);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.extend_from_slice(&[identification::IPV6_ADDR, 0, 0, 0]);
            out.extend_from_slice(&address.octets());
        }
    }
}

fn encode_fragment(fragment: &Fragment<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&fragment.id.to_be_bytes());
    let flags = if fragment.last { LAST_FRAGMENT } else { 0 };
    out.extend_from_slice(&[fragment.number, flags]);
    out.extend_from_slice(fragment.data);
}
