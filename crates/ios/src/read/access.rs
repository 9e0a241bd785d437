//! Access lists, numbered and named.

use core::net::Ipv4Addr;

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::line::LineId;
use crate::model::{AccessEntry, AccessList, End, Match, Rule};
use crate::modes::Mode;
use crate::read::isakmp::network;
use crate::read::{Reader, find_or_push};

const GLOBAL: &[Mode] = &[Mode::Global];
const EXTENDED: &[Mode] = &[Mode::ExtendedList];
const STANDARD: &[Mode] = &[Mode::StandardList];

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        ("access-list", "NUMBER permit|deny|remark …"),
        "as in `ip access-list`",
        Unused::Outside,
        numbered,
    ),
    Command::read(
        GLOBAL,
        ("ip access-list extended", "NAME"),
        "the children of the crypto maps that name it",
        Unused::Outside,
        extended,
    ),
    Command::read(
        GLOBAL,
        ("ip access-list standard", "NAME"),
        "`split_include` of the groups that name it",
        Unused::Outside,
        standard,
    ),
    Command::read(
        EXTENDED,
        (
            "permit",
            "ip|tcp|udp|icmp|gre|esp|… SOURCE [eq|range|gt|lt PORT…] DESTINATION [eq|range|gt|lt PORT…] [log]; an end is any, host ADDRESS or ADDRESS WILDCARD",
        ),
        "a child: source becomes `local_ts`, destination `remote_ts`, protocol and ports stand behind them in brackets",
        Unused::Outside,
        permit,
    ),
    Command::read(
        EXTENDED,
        ("deny", "as permit"),
        "nothing if no later line permits the same; else it is reported, for selectors have no holes",
        Unused::Outside,
        deny,
    ),
    Command::read(
        EXTENDED,
        ("remark", "TEXT"),
        "a comment",
        Unused::Outside,
        remark,
    ),
    Command::read(
        STANDARD,
        ("permit", "any | host ADDRESS | ADDRESS [WILDCARD]"),
        "one of `split_include`",
        Unused::Outside,
        permit_source,
    ),
    Command::read(
        STANDARD,
        ("deny", "as permit"),
        "nothing, and it is reported",
        Unused::Outside,
        deny_source,
    ),
    Command::read(
        STANDARD,
        ("remark", "TEXT"),
        "a comment",
        Unused::Outside,
        remark,
    ),
];

fn list(reader: &mut Reader<'_>, name: &str, line: Option<LineId>) -> usize {
    find_or_push(
        &mut reader.router.lists,
        |list| list.name == name,
        || AccessList {
            name: name.to_owned(),
            line,
            entries: Vec::new(),
        },
    )
}

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>, mode: Mode) -> Handled {
    let name = args.name("a name")?;
    args.end()?;
    let index = list(reader, &name, Some(args.line));
    reader.open(mode, index);
    Ok(())
}

fn extended(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    open(reader, args, Mode::ExtendedList)
}

fn standard(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    open(reader, args, Mode::StandardList)
}

/// Numbers below 100 and from 1300 to 1999 are standard lists, which name sources only.
fn is_standard(number: u32) -> bool {
    number < 100 || (1_300..2_000).contains(&number)
}

fn numbered(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a number")?;
    let number = name.parse().unwrap_or(0);
    reader.index = list(reader, &name, None);
    let standard = is_standard(number);
    match args.want("what it does")? {
        "remark" => remark(reader, args),
        "permit" if standard => permit_source(reader, args),
        "deny" if standard => deny_source(reader, args),
        "permit" => permit(reader, args),
        "deny" => deny(reader, args),
        _ => {
            unknown(reader, args.line, reader.index);
            Ok(())
        }
    }
}

/// A line that is not understood is still a line of the list; whether that matters depends on who
/// uses the list.
pub(super) fn unknown(reader: &mut Reader<'_>, line: LineId, index: usize) {
    reader.ledger.hold(line, Unused::Outside);
    let why = "the import does not know this line of an access list".to_owned();
    if let Some(list) = reader.router.lists.get_mut(index) {
        let rule = Rule::Unknown(why);
        list.entries.push(AccessEntry { line, rule });
    }
}

fn push(reader: &mut Reader<'_>, line: LineId, rule: Rule) -> Handled {
    let index = reader.index;
    let list = Reader::item(&mut reader.router.lists, index)?;
    list.entries.push(AccessEntry { line, rule });
    Ok(())
}

fn remark(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let text = args.rest();
    push(reader, args.line, Rule::Remark(text))
}

fn permit(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let rule = extended_match(args).map_or_else(|why| Rule::Unknown(why.0), Rule::Permit);
    push(reader, args.line, rule)
}

fn deny(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let rule = extended_match(args).map_or_else(|why| Rule::Unknown(why.0), Rule::Deny);
    push(reader, args.line, rule)
}

fn permit_source(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let rule = source_match(args).map_or_else(|why| Rule::Unknown(why.0), Rule::Permit);
    push(reader, args.line, rule)
}

fn deny_source(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let rule = source_match(args).map_or_else(|why| Rule::Unknown(why.0), Rule::Deny);
    push(reader, args.line, rule)
}

const ANY: End = End {
    network: Ipv4Addr::UNSPECIFIED,
    length: 0,
    ports: (0, u16::MAX),
};

fn source_match(args: &mut Args<'_>) -> Result<Match, Refusal> {
    let bare = args.ahead(1).is_none() && args.peek().is_none_or(|word| word != "any");
    let source = if bare {
        End {
            network: args.address()?,
            length: 32,
            ..ANY
        }
    } else {
        end_of(args)?
    };
    args.keyword("log");
    args.end()?;
    Ok(Match {
        protocol: 0,
        source,
        destination: ANY,
    })
}

fn extended_match(args: &mut Args<'_>) -> Result<Match, Refusal> {
    let protocol = protocol(args.want("a protocol")?)?;
    let source = with_ports(args, protocol)?;
    let destination = with_ports(args, protocol)?;
    if !args.keyword("log") {
        args.keyword("log-input");
    }
    if let Some(word) = args.peek() {
        return Err(Refusal::new(format!(
            "`{word}` cannot be told in a traffic selector"
        )));
    }
    Ok(Match {
        protocol,
        source,
        destination,
    })
}

/// Numbers of protocols by IOS's names for them.
fn protocol(word: &str) -> Result<u8, Refusal> {
    Ok(match word {
        "ip" => 0,
        "icmp" => 1,
        "igmp" => 2,
        "ipinip" => 4,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ahp" => 51,
        "eigrp" => 88,
        "ospf" => 89,
        "nos" => 94,
        "pim" => 103,
        "pcp" => 108,
        "sctp" => 132,
        number => number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| {
                Refusal::new(format!(
                    "`{number}` is no protocol that can stand in a traffic selector"
                ))
            })?,
    })
}

fn end_of(args: &mut Args<'_>) -> Result<End, Refusal> {
    if args.keyword("any") {
        return Ok(ANY);
    }
    if args.keyword("host") {
        let network = args.address()?;
        return Ok(End {
            network,
            length: 32,
            ..ANY
        });
    }
    if let Some(word @ ("object-group" | "addrgroup")) = args.peek() {
        return Err(Refusal::new(format!(
            "`{word}` is not supported: write its members out"
        )));
    }
    let address = args.address()?;
    let wildcard = args.address()?;
    // A wildcard mask has ones where anything may stand.
    let bits = wildcard.to_bits();
    let free = bits.trailing_ones();
    if bits.checked_shr(free).unwrap_or(0) != 0 {
        return Err(Refusal::new(format!(
            "the wildcard mask `{wildcard}` is no prefix: write a line for each network"
        )));
    }
    let length = u8::try_from(32_u32.saturating_sub(free)).unwrap_or(0);
    Ok(End {
        network: network(address, length),
        length,
        ..ANY
    })
}

fn with_ports(args: &mut Args<'_>, protocol: u8) -> Result<End, Refusal> {
    let end = end_of(args)?;
    let has_ports = matches!(protocol, 6 | 17 | 132);
    if !has_ports {
        return Ok(end);
    }
    let ports = if args.keyword("eq") {
        let port = port(args)?;
        if args.peek().is_some_and(|word| port_number(word).is_some()) {
            return Err(Refusal::new(
                "several ports in a line: write a line for each",
            ));
        }
        (port, port)
    } else if args.keyword("range") {
        (port(args)?, port(args)?)
    } else if args.keyword("gt") {
        let least = port(args)?.checked_add(1);
        (
            least.ok_or_else(|| Refusal::new("no port is above 65535"))?,
            u16::MAX,
        )
    } else if args.keyword("lt") {
        let most = port(args)?.checked_sub(1);
        (0, most.ok_or_else(|| Refusal::new("no port is below 0"))?)
    } else if args.keyword("neq") {
        return Err(Refusal::new(
            "`neq` cannot be told in a traffic selector: write two ranges",
        ));
    } else {
        end.ports
    };
    if ports.0 > ports.1 {
        return Err(Refusal::new("the last port is below the first"));
    }
    Ok(End { ports, ..end })
}

fn port(args: &mut Args<'_>) -> Result<u16, Refusal> {
    let word = args.want("a port")?;
    port_number(word)
        .ok_or_else(|| Refusal::new(format!("`{word}` is not known as a port: write its number")))
}

/// Ports by IOS's names for them, those that are the same for TCP and UDP or exist for one only.
fn port_number(word: &str) -> Option<u16> {
    let number = match word {
        "ftp-data" => 20,
        "ftp" => 21,
        "22" | "ssh" => 22,
        "telnet" => 23,
        "smtp" => 25,
        "time" => 37,
        "nameserver" => 42,
        "tacacs" => 49,
        "domain" => 53,
        "bootps" => 67,
        "bootpc" => 68,
        "tftp" => 69,
        "www" => 80,
        "pop3" => 110,
        "sunrpc" => 111,
        "nntp" => 119,
        "ntp" => 123,
        "netbios-ns" => 137,
        "netbios-dgm" => 138,
        "netbios-ss" => 139,
        "snmp" => 161,
        "snmptrap" => 162,
        "bgp" => 179,
        "isakmp" => 500,
        "syslog" => 514,
        "rip" => 520,
        "non500-isakmp" => 4_500,
        number => return number.parse().ok(),
    };
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let matched = extended_match(&mut Args::new(0, &words, 0)).map_err(|why| why.0)?;
        let end = |end: End| {
            format!(
                "{}/{} {}-{}",
                end.network, end.length, end.ports.0, end.ports.1
            )
        };
        Ok(format!(
            "{} {} {}",
            matched.protocol,
            end(matched.source),
            end(matched.destination)
        ))
    }

    #[test]
    fn ends_of_every_form() {
        assert_eq!(
            read("ip 10.1.32.7 0.0.0.255 any").as_deref(),
            Ok("0 10.1.32.0/24 0-65535 0.0.0.0/0 0-65535")
        );
        assert_eq!(
            read("tcp host 10.0.0.1 10.2.0.0 0.0.255.255 eq www log").as_deref(),
            Ok("6 10.0.0.1/32 0-65535 10.2.0.0/16 80-80")
        );
        assert_eq!(
            read("udp any range 1000 2000 any gt 1023").as_deref(),
            Ok("17 0.0.0.0/0 1000-2000 0.0.0.0/0 1024-65535")
        );
        assert_eq!(
            read("gre host 10.0.0.1 host 10.0.0.2").as_deref(),
            Ok("47 10.0.0.1/32 0-65535 10.0.0.2/32 0-65535")
        );
    }

    #[test]
    fn what_no_selector_can_tell_is_refused() {
        for text in [
            "ip 10.0.0.0 0.255.0.255 any",
            "tcp any any established",
            "tcp any any neq 80",
            "tcp any eq 80 443 any",
            "icmp any any echo",
            "object-group X any any",
            "ip object-group A any",
            "tcp any range 9 1 any",
            "tcp any gt 65535 any",
            "ip any",
            "ip",
            "ip 10.0.0.0 255.255.255.0 any",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
