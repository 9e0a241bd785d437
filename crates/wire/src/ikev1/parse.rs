use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::numbers::identification;
use super::payload::{
    Attributes, Delete, Fragment, Identification, NatNumbers, Notification, NotifyType, Payload,
    PayloadType,
};
use super::{ConfigurationKind, attribute, security_association};
use crate::Malformed;
use crate::read::Reader;

/// Most attributes in one Attributes payload.
pub const CONFIGURATION_ATTRIBUTES_MAX: usize = 128;
/// Most SPIs in one Delete payload.
pub const DELETED_SPIS_MAX: usize = 256;

/// Flag of a fragment: it is the last.
pub(super) const LAST_FRAGMENT: u8 = 0x01;

pub(super) fn body(kind: PayloadType, octets: &[u8]) -> Result<Payload<'_>, Malformed> {
    let mut reader = Reader::new(octets);
    let reader = &mut reader;
    Ok(match kind {
        PayloadType::SA => Payload::Sa(security_association::parse(reader)?),
        PayloadType::KE => Payload::KeyExchange(reader.rest()),
        PayloadType::ID => Payload::Identification(identification(reader)?),
        PayloadType::CERT => Payload::Certificate {
            encoding: reader.u8()?,
            data: reader.rest(),
        },
        PayloadType::CERTREQ => Payload::CertificateRequest {
            encoding: reader.u8()?,
            data: reader.rest(),
        },
        PayloadType::HASH => Payload::Hash(reader.rest()),
        PayloadType::SIG => Payload::Signature(reader.rest()),
        PayloadType::NONCE => nonce(reader)?,
        PayloadType::NOTIFICATION => Payload::Notification(notification(reader)?),
        PayloadType::DELETE => Payload::Delete(delete(reader)?),
        PayloadType::VENDOR_ID => Payload::VendorId(reader.rest()),
        PayloadType::ATTRIBUTES => Payload::Attributes(attributes(reader)?),
        PayloadType::NAT_D => nat_detection(NatNumbers::Rfc3947, reader),
        PayloadType::NAT_D_DRAFTS => nat_detection(NatNumbers::Drafts, reader),
        PayloadType::NAT_OA => original_address(NatNumbers::Rfc3947, reader)?,
        PayloadType::NAT_OA_DRAFTS => original_address(NatNumbers::Drafts, reader)?,
        PayloadType::FRAGMENT => Payload::Fragment(fragment(reader)?),
        kind => Payload::Unknown {
            kind,
            data: reader.rest(),
        },
    })
}

/// RFC 2407 §4.6.2.
fn identification<'a>(reader: &mut Reader<'a>) -> Result<Identification<'a>, Malformed> {
    let [id_type, protocol] = reader.array()?;
    let port = reader.u16()?;
    let data = reader.rest();
    let wanted = match id_type {
        identification::IPV4_ADDR => Some(4),
        identification::IPV6_ADDR => Some(16),
        identification::IPV4_ADDR_SUBNET | identification::IPV4_ADDR_RANGE => Some(8),
        identification::IPV6_ADDR_SUBNET | identification::IPV6_ADDR_RANGE => Some(32),
        _ => None,
    };
    if wanted.is_some_and(|wanted| data.len() != wanted) {
        return Err(Malformed::BadLength);
    }
    Ok(Identification {
        id_type,
        protocol,
        port,
        data,
    })
}

/// RFC 2409 §5: 8 to 256 octets, inclusive.
fn nonce<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    match reader.len() {
        8..=256 => Ok(Payload::Nonce(reader.rest())),
        _ => Err(Malformed::BadLength),
    }
}

/// RFC 2408 §3.14.
fn notification<'a>(reader: &mut Reader<'a>) -> Result<Notification<'a>, Malformed> {
    let doi = reader.u32()?;
    let [protocol, spi_len] = reader.array()?;
    let notify_type = NotifyType(reader.u16()?);
    let spi = reader
        .take(usize::from(spi_len))
        .map_err(|_| Malformed::BadLength)?;
    Ok(Notification {
        doi,
        protocol,
        spi,
        notify_type,
        data: reader.rest(),
    })
}

/// RFC 2408 §3.15.
fn delete<'a>(reader: &mut Reader<'a>) -> Result<Delete<'a>, Malformed> {
    let doi = reader.u32()?;
    let [protocol, spi_len] = reader.array()?;
    let count = usize::from(reader.u16()?);
    if spi_len == 0 {
        return Err(Malformed::BadValue);
    }
    if count > DELETED_SPIS_MAX {
        return Err(Malformed::TooMany);
    }
    let spi_len = usize::from(spi_len);
    if reader.len() != count * spi_len {
        return Err(Malformed::BadLength);
    }
    let mut spis = Vec::with_capacity(count);
    while !reader.is_empty() {
        spis.push(reader.take(spi_len)?);
    }
    Ok(Delete {
        doi,
        protocol,
        spis,
    })
}

/// draft-dukes-ike-mode-cfg §3.2.
fn attributes<'a>(reader: &mut Reader<'a>) -> Result<Attributes<'a>, Malformed> {
    let [kind, _reserved] = reader.array()?;
    let kind = match kind {
        1 => ConfigurationKind::Request,
        2 => ConfigurationKind::Reply,
        3 => ConfigurationKind::Set,
        4 => ConfigurationKind::Ack,
        _ => return Err(Malformed::BadValue),
    };
    let identifier = reader.u16()?;
    Ok(Attributes {
        kind,
        identifier,
        attributes: attribute::parse(reader, CONFIGURATION_ATTRIBUTES_MAX)?,
    })
}

/// RFC 3947 §3.2: as long as the negotiated hash, which is not known here.
const fn nat_detection<'a>(numbers: NatNumbers, reader: &Reader<'a>) -> Payload<'a> {
    Payload::NatD {
        numbers,
        hash: reader.rest(),
    }
}

/// RFC 3947 §5.2.
fn original_address<'a>(
    numbers: NatNumbers,
    reader: &mut Reader<'a>,
) -> Result<Payload<'a>, Malformed> {
    let [id_type, _, _, _] = reader.array()?;
    let address = match id_type {
        identification::IPV4_ADDR => IpAddr::V4(Ipv4Addr::from(reader.array::<4>()?)),
        identification::IPV6_ADDR => IpAddr::V6(Ipv6Addr::from(reader.array::<16>()?)),
        _ => return Err(Malformed::BadValue),
    };
    if reader.is_empty() {
        Ok(Payload::NatOa { numbers, address })
    } else {
        Err(Malformed::BadLength)
    }
}

fn fragment<'a>(reader: &mut Reader<'a>) -> Result<Fragment<'a>, Malformed> {
    let id = reader.u16()?;
    let [number, flags] = reader.array()?;
    if number == 0 {
        return Err(Malformed::BadValue);
    }
    Ok(Fragment {
        id,
        number,
        last: flags & LAST_FRAGMENT != 0,
        data: reader.rest(),
    })
}
