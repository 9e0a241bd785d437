use core::net::IpAddr;

use super::numbers::{protocol, selector};
use super::{
    Configuration, ConfigurationKind, Delete, HEADER_LEN, Header, Identification, Notify, Payload,
    PayloadType, TrafficSelector, security_association,
};

/// Where these fields stand in the header (RFC 7296 §3.1).
const NEXT_PAYLOAD: usize = 16;
const LENGTH: usize = 24;

impl Payload<'_> {
    /// The type under which it is announced.
    #[must_use]
    pub const fn payload_type(&self) -> PayloadType {
        match self {
            Self::SecurityAssociation(_) => PayloadType::SA,
            Self::KeyExchange { .. } => PayloadType::KE,
            Self::IdentificationInitiator(_) => PayloadType::IDI,
            Self::IdentificationResponder(_) => PayloadType::IDR,
            Self::Certificate { .. } => PayloadType::CERT,
            Self::CertificateRequest { .. } => PayloadType::CERTREQ,
            Self::Authentication { .. } => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TrafficSelectorsInitiator(_) => PayloadType::TSI,
            Self::TrafficSelectorsResponder(_) => PayloadType::TSR,
            Self::Configuration(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::PuzzleSolution(_) => PayloadType::PS,
            Self::Unknown { kind, .. } => *kind,
        }
    }
}

/// Appends a chain of payloads with their generic headers and returns the type of the first, which
/// the header before them has to name ([`PayloadType::NONE`] for an empty chain).
///
/// # Panics
/// If a payload has more octets, SPIs or elements than its length fields can say.
pub fn encode_payloads(payloads: &[Payload<'_>], out: &mut Vec<u8>) -> PayloadType {
    encode_chain(payloads, PayloadType::NONE, out)
}

/// Builds a whole message in the clear. `next_payload` and `length` of the header are computed.
///
/// # Panics
/// As [`encode_payloads`].
#[must_use]
pub fn encode_message(header: &Header, payloads: &[Payload<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    encode_message_into(header, payloads, &mut out);
    out
}

/// As [`encode_message`], in place of what `out` held, so that many messages need its memory once.
///
/// # Panics
/// As [`encode_payloads`].
pub fn encode_message_into(header: &Header, payloads: &[Payload<'_>], out: &mut Vec<u8>) {
    out.clear();
    let first = start_message(header, payloads, PayloadType::NONE, out);
    let length = out.len();
    finish_header(first, length, out);
}

/// Builds everything of a message that stands before the IV of its Encrypted payload: the header,
/// payloads in the clear (usually none) and the generic header of SK, or of SKF with fragment number
/// and total. All lengths are final: `sealed_len` octets (IV, ciphertext, ICV) have to follow.
///
/// # Panics
/// As [`encode_payloads`].
#[must_use]
pub fn encode_encrypted_head(
    header: &Header,
    clear: &[Payload<'_>],
    first_inside: PayloadType,
    fragment: Option<(u16, u16)>,
    sealed_len: usize,
) -> Vec<u8> {
    let kind = if fragment.is_some() {
        PayloadType::SKF
    } else {
        PayloadType::SK
    };
    let mut out = Vec::with_capacity(HEADER_LEN + 8 + sealed_len);
    let first = start_message(header, clear, kind, &mut out);
    let fragment_len = if fragment.is_some() { 4 } else { 0 };
    out.extend_from_slice(&[first_inside.0, 0]);
    out.extend_from_slice(&length_octets(4 + fragment_len + sealed_len));
    if let Some((number, total)) = fragment {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&total.to_be_bytes());
    }
    let length = out.len() + sealed_len;
    finish_header(first, length, &mut out);
    out
}

fn start_message(
    header: &Header,
    payloads: &[Payload<'_>],
    after: PayloadType,
    out: &mut Vec<u8>,
) -> PayloadType {
    header.write(out);
    encode_chain(payloads, after, out)
}

/// Enters what is known at last (RFC 7296 §3.1).
fn finish_header(first: PayloadType, length: usize, out: &mut [u8]) {
    let length = u32::try_from(length).expect("a message has at most 65535 octets");
    out[NEXT_PAYLOAD] = first.0;
    out[LENGTH..HEADER_LEN].copy_from_slice(&length.to_be_bytes());
}

fn encode_chain(payloads: &[Payload<'_>], after: PayloadType, out: &mut Vec<u8>) -> PayloadType {
    for (index, payload) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(after, Payload::payload_type);
        encode_one(payload, next, out);
    }
    payloads.first().map_or(after, Payload::payload_type)
}

fn encode_one(payload: &Payload<'_>, next: PayloadType, out: &mut Vec<u8>) {
    let start = out.len();
    let critical = matches!(payload, Payload::Unknown { critical: true, .. });
    out.extend_from_slice(&[next.0, if critical { 0x80 } else { 0 }, 0, 0]);
    encode_body(payload, out);
    fix_length(out, start, start + 2);
}

/// Writes the octets since `start` as the 16-bit length at `at`.
pub(super) fn fix_length(out: &mut [u8], start: usize, at: usize) {
    let length = length_octets(out.len() - start);
    out[at..at + 2].copy_from_slice(&length);
}

fn length_octets(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("a payload has at most 65535 octets")
        .to_be_bytes()
}

fn encode_body(payload: &Payload<'_>, out: &mut Vec<u8>) {
    match payload {
        Payload::SecurityAssociation(proposals) => security_association::write(proposals, out),
        Payload::KeyExchange { group, data } => {
            out.extend_from_slice(&group.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(data);
        }
        Payload::IdentificationInitiator(Identification { kind, data })
        | Payload::IdentificationResponder(Identification { kind, data })
        | Payload::Authentication { method: kind, data } => {
            out.extend_from_slice(&[*kind, 0, 0, 0]);
            out.extend_from_slice(data);
        }
        Payload::Certificate { encoding, data }
        | Payload::CertificateRequest { encoding, data } => {
            out.push(*encoding);
            out.extend_from_slice(data);
        }
        Payload::Notify(notify) => encode_notify(notify, out),
        Payload::Delete(delete) => encode_delete(delete, out),
        Payload::TrafficSelectorsInitiator(selectors)
        | Payload::TrafficSelectorsResponder(selectors) => encode_selectors(selectors, out),
        Payload::Configuration(configuration) => encode_configuration(configuration, out),
        Payload::Nonce(data)
        | Payload::VendorId(data)
        | Payload::Eap(data)
        | Payload::PuzzleSolution(data)
        | Payload::Unknown { data, .. } => out.extend_from_slice(data),
    }
}

fn encode_notify(notify: &Notify<'_>, out: &mut Vec<u8>) {
    out.push(notify.protocol);
    out.push(u8::try_from(notify.spi.len()).expect("an SPI has at most eight octets"));
    out.extend_from_slice(&notify.kind.0.to_be_bytes());
    out.extend_from_slice(notify.spi);
    out.extend_from_slice(notify.data);
}

fn encode_delete(delete: &Delete, out: &mut Vec<u8>) {
    out.push(delete.protocol);
    out.push(if delete.protocol == protocol::IKE {
        0
    } else {
        4
    });
    let count = u16::try_from(delete.spis.len()).expect("at most 65535 SPIs are deleted at once");
    out.extend_from_slice(&count.to_be_bytes());
    for spi in &delete.spis {
        out.extend_from_slice(&spi.to_be_bytes());
    }
}

fn encode_selectors(selectors: &[TrafficSelector], out: &mut Vec<u8>) {
    let count = u8::try_from(selectors.len()).expect("at most 255 selectors in one payload");
    out.extend_from_slice(&[count, 0, 0, 0]);
    for selector in selectors {
        let (kind, length) = match selector.start {
            IpAddr::V4(_) => (selector::IPV4_ADDR_RANGE, 16),
            IpAddr::V6(_) => (selector::IPV6_ADDR_RANGE, 40),
        };
        out.extend_from_slice(&[kind, selector.protocol, 0, length]);
        out.extend_from_slice(&selector.start_port.to_be_bytes());
        out.extend_from_slice(&selector.end_port.to_be_bytes());
        write_address(selector.start, out);
        write_address(selector.end, out);
    }
}

fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}

fn encode_configuration(configuration: &Configuration<'_>, out: &mut Vec<u8>) {
    let kind = match configuration.kind {
        ConfigurationKind::Request => 1,
        ConfigurationKind::Reply => 2,
        ConfigurationKind::Set => 3,
        ConfigurationKind::Ack => 4,
    };
    out.extend_from_slice(&[kind, 0, 0, 0]);
    for attribute in &configuration.attributes {
        out.extend_from_slice(&(attribute.kind & 0x7fff).to_be_bytes());
        out.extend_from_slice(&length_octets(attribute.value.len()));
        out.extend_from_slice(attribute.value);
    }
}
