use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use crate::TrafficSelector;

/// Why a text is not a traffic selector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelectorParseError {
    /// The part before `[` is neither an address nor a prefix nor a range in order.
    BadAddress,
    /// A prefix length exceeds 32 (IPv4) or 128 (IPv6).
    BadPrefix,
    /// A protocol that is neither a number below 256 nor one of the names known.
    BadProtocol,
    /// A port that is no number below 65536, or a range in the wrong order.
    BadPort,
    /// A `[` without its `]` at the end.
    BadBrackets,
}

impl fmt::Display for SelectorParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadAddress => {
                "write an address, a prefix such as 10.0.0.0/24, or a range such as \
                 10.0.0.1-10.0.0.9"
            }
            Self::BadPrefix => "a prefix length must be 0-32 for IPv4 and 0-128 for IPv6",
            Self::BadProtocol => "a protocol is tcp, udp, sctp, icmp, ipv6-icmp or a number 0-255",
            Self::BadPort => "a port is 0-65535, a range such as 1000-2000, or opaque",
            Self::BadBrackets => "protocol and port stand in brackets at the end: [tcp/80]",
        })
    }
}

impl std::error::Error for SelectorParseError {}

impl FromStr for TrafficSelector {
    type Err = SelectorParseError;

    /// Reads what `Display` writes: `10.0.0.0/24[tcp/80]`, `10.0.0.1-10.0.0.9`, `2001:db8::/32[17]`,
    /// `10.0.0.1[udp/1000-2000]`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((addresses, rest)) = text.split_once('[') else {
            return parse_addresses(text);
        };
        let inside = rest
            .strip_suffix(']')
            .ok_or(SelectorParseError::BadBrackets)?;
        let (protocol, ports) = inside.split_once('/').unwrap_or((inside, ""));
        let (start_port, end_port) = parse_ports(ports)?;
        Ok(parse_addresses(addresses)?
            .with_protocol(parse_protocol(protocol)?)
            .with_ports(start_port, end_port))
    }
}

fn parse_addresses(text: &str) -> Result<TrafficSelector, SelectorParseError> {
    let address = |text: &str| {
        text.parse::<IpAddr>()
            .map_err(|_| SelectorParseError::BadAddress)
    };
    if let Some((network, length)) = text.split_once('/') {
        let length = length.parse().map_err(|_| SelectorParseError::BadPrefix)?;
        return TrafficSelector::from_prefix(address(network)?, length)
            .ok_or(SelectorParseError::BadPrefix);
    }
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let selector = TrafficSelector::range(address(start)?, address(end)?);
    selector
        .is_valid()
        .then_some(selector)
        .ok_or(SelectorParseError::BadAddress)
}

fn parse_protocol(text: &str) -> Result<u8, SelectorParseError> {
    match text {
        "" | "%any" => Ok(0),
        "icmp" => Ok(1),
        "tcp" => Ok(6),
        "udp" => Ok(17),
        "ipv6-icmp" => Ok(58),
        "sctp" => Ok(132),
        number => number.parse().map_err(|_| SelectorParseError::BadProtocol),
    }
}

fn parse_ports(text: &str) -> Result<(u16, u16), SelectorParseError> {
    match text {
        "" | "%any" => return Ok((0, u16::MAX)),
        "opaque" => return Ok((u16::MAX, 0)),
        _ => {}
    }
    let port = |text: &str| text.parse::<u16>().map_err(|_| SelectorParseError::BadPort);
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (port(start)?, port(end)?);
    (start <= end)
        .then_some((start, end))
        .ok_or(SelectorParseError::BadPort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::narrow;

    fn ts(text: &str) -> TrafficSelector {
        text.parse().unwrap()
    }

    #[test]
    fn selectors_are_read_and_written_alike() {
        for text in [
            "10.0.0.0/24",
            "10.0.0.0/24[tcp/80]",
            "10.0.0.1/32[udp/1000-2000]",
            "10.0.0.1-10.0.0.9",
            "2001:db8::/32[ipv6-icmp]",
            "0.0.0.0/0[/53]",
            "::/0[47]",
            "10.0.0.0/8[sctp/opaque]",
        ] {
            assert_eq!(ts(text).to_string(), text);
        }
        assert_eq!(ts("10.0.0.7").to_string(), "10.0.0.7/32");
        assert_eq!(ts("10.0.0.7/24[%any/%any]").to_string(), "10.0.0.0/24");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (text, error) in [
            ("10.0.0.0/33", SelectorParseError::BadPrefix),
            ("10.0.0.9-10.0.0.1", SelectorParseError::BadAddress),
            ("10.0.0.1-::1", SelectorParseError::BadAddress),
            ("host", SelectorParseError::BadAddress),
            ("10.0.0.0/8[tcp", SelectorParseError::BadBrackets),
            ("10.0.0.0/8[tpc]", SelectorParseError::BadProtocol),
            ("10.0.0.0/8[256]", SelectorParseError::BadProtocol),
            ("10.0.0.0/8[tcp/90-80]", SelectorParseError::BadPort),
            ("10.0.0.0/8[tcp/65536]", SelectorParseError::BadPort),
        ] {
            assert_eq!(text.parse::<TrafficSelector>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_packet_is_inside_by_address_protocol_and_port() {
        let web = ts("10.0.0.0/24[tcp/80]");
        let inside = "10.0.0.255".parse().unwrap();
        assert!(web.contains(inside, 6, Some(80)));
        assert!(!web.contains(inside, 17, Some(80)));
        assert!(!web.contains(inside, 6, Some(81)));
        assert!(!web.contains(inside, 6, None));
        assert!(!web.contains("10.0.1.0".parse().unwrap(), 6, Some(80)));
        assert!(ts("10.0.0.0/24[udp]").contains(inside, 17, None));
        assert!(ts("10.0.0.0/24[udp/opaque]").contains(inside, 17, None));
        assert!(!ts("10.0.0.0/24[udp/opaque]").contains(inside, 17, Some(9)));
        assert!(!TrafficSelector::ANY_V6.contains_address(inside));
    }

    #[test]
    fn intersections_are_what_both_mean() {
        let cut = |a: &str, b: &str| ts(a).intersect(&ts(b)).map(|ts| ts.to_string());
        assert_eq!(
            cut("10.0.0.0/8", "10.1.0.0/16[tcp]").as_deref(),
            Some("10.1.0.0/16[tcp]")
        );
        assert_eq!(
            cut("10.0.0.0/8[/80-90]", "10.0.0.0/8[tcp/85-99]").as_deref(),
            Some("10.0.0.0/8[tcp/85-90]")
        );
        assert_eq!(cut("10.0.0.0/8[udp]", "10.0.0.0/8[tcp]"), None);
        assert_eq!(cut("10.0.0.0/8", "11.0.0.0/8"), None);
        assert_eq!(cut("0.0.0.0/0", "::/0"), None);
        assert_eq!(
            cut("10.0.0.0/8[/opaque]", "10.0.0.0/8").as_deref(),
            Some("10.0.0.0/8[/opaque]")
        );
        assert_eq!(cut("10.0.0.0/8[/opaque]", "10.0.0.0/8[/7]"), None);
        assert!(ts("10.1.0.0/16[tcp/80]").is_subset_of(&ts("10.0.0.0/8")));
        assert!(!ts("10.0.0.0/8").is_subset_of(&ts("10.1.0.0/16")));
    }

    #[test]
    fn narrowing_keeps_what_is_allowed() {
        let text = |narrowed: Vec<TrafficSelector>| {
            narrowed
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let allowed = [ts("10.1.0.0/16"), ts("10.2.0.0/16")];
        assert_eq!(
            text(narrow(&[TrafficSelector::ANY_V4], &allowed)),
            "10.1.0.0/16 10.2.0.0/16"
        );
        assert_eq!(
            text(narrow(
                &[ts("10.1.2.3[tcp/9]"), ts("10.1.2.0/24")],
                &allowed
            )),
            "10.1.2.0/24"
        );
        assert!(narrow(&[ts("192.0.2.0/24")], &allowed).is_empty());
        assert!(narrow(&[TrafficSelector::ANY_V6], &allowed).is_empty());
        let hosts: Vec<_> = (0..255).map(|host| ts(&format!("10.1.{host}.1"))).collect();
        assert_eq!(narrow(&hosts, &allowed), hosts[..crate::SELECTORS_MAX]);
    }
}
