use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::chain::RawPayload;
use super::numbers::{identification, protocol, selector};
use super::{
    Attribute, Configuration, ConfigurationKind, Delete, Identification, Notify, NotifyType,
    Payload, PayloadType, TrafficSelector, security_association,
};
use crate::Malformed;
use crate::read::Reader;

/// Most traffic selectors in one payload.
pub const SELECTORS_MAX: usize = 64;
/// Most attributes in one Configuration payload.
pub const ATTRIBUTES_MAX: usize = 128;
/// Most SPIs in one Delete payload.
pub const DELETED_SPIS_MAX: usize = 256;

pub(super) fn body<'a>(raw: &RawPayload<'a>) -> Result<Payload<'a>, Malformed> {
    let mut reader = Reader::new(raw.body);
    let reader = &mut reader;
    Ok(match raw.kind {
        PayloadType::SA => Payload::SecurityAssociation(security_association::parse(reader)?),
        PayloadType::KE => key_exchange(reader)?,
        PayloadType::IDI => Payload::IdentificationInitiator(identification(reader)?),
        PayloadType::IDR => Payload::IdentificationResponder(identification(reader)?),
        PayloadType::CERT => Payload::Certificate {
            encoding: reader.u8()?,
            data: reader.rest(),
        },
        PayloadType::CERTREQ => Payload::CertificateRequest {
            encoding: reader.u8()?,
            data: reader.rest(),
        },
        PayloadType::AUTH => authentication(reader)?,
        PayloadType::NONCE => nonce(reader)?,
        PayloadType::NOTIFY => notify(reader)?,
        PayloadType::DELETE => Payload::Delete(delete(reader)?),
        PayloadType::VENDOR_ID => Payload::VendorId(reader.rest()),
        PayloadType::TSI => Payload::TrafficSelectorsInitiator(selectors(reader)?),
        PayloadType::TSR => Payload::TrafficSelectorsResponder(selectors(reader)?),
        PayloadType::CP => Payload::Configuration(configuration(reader)?),
        PayloadType::EAP => Payload::Eap(reader.rest()),
        PayloadType::PS => puzzle_solution(reader)?,
        kind => Payload::Unknown {
            kind,
            critical: raw.critical,
            data: reader.rest(),
        },
    })
}

/// RFC 7296 §3.4.
fn key_exchange<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    let group = reader.u16()?;
    let _reserved = reader.u16()?;
    Ok(Payload::KeyExchange {
        group,
        data: reader.rest(),
    })
}

/// RFC 7296 §3.5.
fn identification<'a>(reader: &mut Reader<'a>) -> Result<Identification<'a>, Malformed> {
    let [kind, _, _, _] = reader.array()?;
    let data = reader.rest();
    let fits = match kind {
        identification::IPV4_ADDR => data.len() == 4,
        identification::IPV6_ADDR => data.len() == 16,
        _ => true,
    };
    if fits {
        Ok(Identification { kind, data })
    } else {
        Err(Malformed::BadLength)
    }
}

/// RFC 7296 §3.8.
fn authentication<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    let [method, _, _, _] = reader.array()?;
    Ok(Payload::Authentication {
        method,
        data: reader.rest(),
    })
}

/// RFC 7296 §3.9: 16 to 256 octets, inclusive.
fn nonce<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    match reader.len() {
        16..=256 => Ok(Payload::Nonce(reader.rest())),
        _ => Err(Malformed::BadLength),
    }
}

/// RFC 8019 §8.2: four keys of one size, and so never empty.
fn puzzle_solution<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    match reader.len() {
        0 => Err(Malformed::BadLength),
        len if !len.is_multiple_of(4) => Err(Malformed::BadLength),
        _ => Ok(Payload::PuzzleSolution(reader.rest())),
    }
}

/// RFC 7296 §3.10.
fn notify<'a>(reader: &mut Reader<'a>) -> Result<Payload<'a>, Malformed> {
    let [protocol, spi_len] = reader.array()?;
    let kind = NotifyType(reader.u16()?);
    let spi = reader
        .take(usize::from(spi_len))
        .map_err(|_| Malformed::BadLength)?;
    Ok(Payload::Notify(Notify {
        protocol,
        spi,
        kind,
        data: reader.rest(),
    }))
}

/// RFC 7296 §3.11.
fn delete(reader: &mut Reader<'_>) -> Result<Delete, Malformed> {
    let [protocol, spi_len] = reader.array()?;
    let count = usize::from(reader.u16()?);
    // The SPI of an IKE SA is in the header already; AH and ESP have four octets.
    let wanted = if protocol == protocol::IKE { 0 } else { 4 };
    if spi_len != wanted {
        return Err(Malformed::BadValue);
    }
    if spi_len == 0 {
        return if reader.is_empty() {
            Ok(Delete {
                protocol,
                spis: Vec::new(),
            })
        } else {
            Err(Malformed::BadLength)
        };
    }
    if count > DELETED_SPIS_MAX {
        return Err(Malformed::TooMany);
    }
    if reader.len() != count * 4 {
        return Err(Malformed::BadLength);
    }
    let mut spis = Vec::with_capacity(count);
    while !reader.is_empty() {
        spis.push(reader.u32()?);
    }
    Ok(Delete { protocol, spis })
}

/// RFC 7296 §3.13.
fn selectors(reader: &mut Reader<'_>) -> Result<Vec<TrafficSelector>, Malformed> {
    let [count, _, _, _] = reader.array()?;
    if usize::from(count) > SELECTORS_MAX {
        return Err(Malformed::TooMany);
    }
    let mut selectors = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        if let Some(selector) = one_selector(reader)? {
            selectors.push(selector);
        }
    }
    if reader.is_empty() {
        Ok(selectors)
    } else {
        Err(Malformed::BadLength)
    }
}

/// RFC 7296 §3.13.1. `None` for a type that we do not know.
fn one_selector(reader: &mut Reader<'_>) -> Result<Option<TrafficSelector>, Malformed> {
    let [kind, protocol] = reader.array()?;
    let length = reader.u16()?;
    let mut body = reader.body(length, 4)?;
    let body = &mut body;
    let addresses: fn(&mut Reader<'_>) -> Result<IpAddr, Malformed> = match kind {
        selector::IPV4_ADDR_RANGE => |r| Ok(IpAddr::V4(Ipv4Addr::from(r.array::<4>()?))),
        selector::IPV6_ADDR_RANGE => |r| Ok(IpAddr::V6(Ipv6Addr::from(r.array::<16>()?))),
        _ => return Ok(None),
    };
    let start_port = body.u16()?;
    let end_port = body.u16()?;
    let start = addresses(body)?;
    let end = addresses(body)?;
    if !body.is_empty() {
        return Err(Malformed::BadLength);
    }
    if start > end {
        return Err(Malformed::BadValue);
    }
    Ok(Some(TrafficSelector {
        protocol,
        start_port,
        end_port,
        start,
        end,
    }))
}

/// RFC 7296 §3.15.
fn configuration<'a>(reader: &mut Reader<'a>) -> Result<Configuration<'a>, Malformed> {
    let [kind, _, _, _] = reader.array()?;
    let kind = match kind {
        1 => ConfigurationKind::Request,
        2 => ConfigurationKind::Reply,
        3 => ConfigurationKind::Set,
        4 => ConfigurationKind::Ack,
        _ => return Err(Malformed::BadValue),
    };
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        if attributes.len() == ATTRIBUTES_MAX {
            return Err(Malformed::TooMany);
        }
        // RFC 7296 §3.15.1: the top bit is reserved and ignored.
        let kind = reader.u16()? & 0x7fff;
        let length = reader.u16()?;
        let value = reader.body(length, 0)?.rest();
        attributes.push(Attribute { kind, value });
    }
    Ok(Configuration { kind, attributes })
}
