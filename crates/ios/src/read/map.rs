//! `crypto map` and `crypto dynamic-map`.

use crate::args::{Args, Handled, Refusal};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{At, Lifetime, MapEntry, MapSettings, Peer};
use crate::modes::Mode;
use crate::read::ipsec::{read_lifetime, window};
use crate::read::isakmp::host_name;
use crate::read::policy::group_word;
use crate::read::profile::direction;
use crate::read::{Reader, find_or_push};

const GLOBAL: &[Mode] = &[Mode::Global];
const ENTRY: &[Mode] = &[Mode::CryptoMap, Mode::DynamicMap];
const STATIC: &[Mode] = &[Mode::CryptoMap];
const UNUSED: Unused = Unused::Because("its crypto map has no entry that is imported");
const DYNAMIC_UNUSED: Unused = Unused::Because("no crypto map names the dynamic map");

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        (
            "crypto map",
            "NAME NUMBER ipsec-isakmp [dynamic DYNAMIC-MAP]",
        ),
        "`[connections.NAME-NUMBER]`",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        ("crypto map", "NAME client authentication list LIST"),
        "`xauth = \"server\"`",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        (
            "crypto map",
            "NAME client configuration address respond | initiate",
        ),
        "`mode_config = \"pull\"` or `\"push\"`, and `pools`",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        ("crypto map", "NAME isakmp authorization list LIST"),
        "a connection for each `crypto isakmp client configuration group`",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        ("crypto map", "NAME local-address INTERFACE"),
        "`local_addrs`",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        ("crypto map", "NAME isakmp-profile PROFILE"),
        "that profile for all entries that name none",
        UNUSED,
        open,
    ),
    Command::read(
        GLOBAL,
        ("crypto dynamic-map", "NAME NUMBER"),
        "`[connections.…]` for peers at any address",
        DYNAMIC_UNUSED,
        open_dynamic,
    ),
    Command::read(
        ENTRY,
        ("set peer", "ADDRESS | NAME [dynamic] [default]"),
        "`remote_addrs`; with several peers `dpd.action = \"next-peer\"`",
        UNUSED,
        peer,
    ),
    Command::read(
        ENTRY,
        ("set transform-set", "NAME…"),
        "`esp_proposals` of the children",
        UNUSED,
        transform_sets,
    ),
    Command::read(
        ENTRY,
        (
            "set pfs",
            "group2 | group5 | group14 | group15 | group16 | group19 | group20",
        ),
        "the key exchange in `esp_proposals`",
        UNUSED,
        pfs,
    ),
    Command::read(
        ENTRY,
        (
            "set security-association lifetime",
            "seconds NUMBER | kilobytes NUMBER|disable",
        ),
        "`rekey_time` and `life_time`, `rekey_bytes` of the children",
        UNUSED,
        lifetime,
    ),
    Command::read(
        ENTRY,
        ("set security-association replay window-size", "NUMBER"),
        "`replay_window` of the children",
        UNUSED,
        replay,
    ),
    Command::read(
        ENTRY,
        ("match address", "LIST"),
        "a child for each line of the list that permits: `local_ts` and `remote_ts`",
        UNUSED,
        list,
    ),
    Command::read(
        ENTRY,
        ("set isakmp-profile", "NAME"),
        "the settings of that profile",
        UNUSED,
        isakmp_profile,
    ),
    Command::read(
        STATIC,
        ("set ikev2-profile", "NAME"),
        "`version = 2`, and the settings of that profile",
        UNUSED,
        ikev2_profile,
    ),
    Command::read(
        ENTRY,
        ("reverse-route", "[static]"),
        "nothing: routes to what is negotiated are installed (`install_routes`)",
        UNUSED,
        reverse_route,
    ),
    Command::read(
        ENTRY,
        ("description", "TEXT"),
        "a comment",
        UNUSED,
        description,
    ),
    Command::refused(
        ENTRY,
        ("set security-association idle-time", "SECONDS [default]"),
        "idle tunnels are not taken down",
    ),
    Command::refused(
        ENTRY,
        ("set security-association level per-host", ""),
        "a tunnel is for the networks of its selectors, not for each pair of hosts",
    ),
    Command::refused(
        ENTRY,
        ("set security-association dummy", "…"),
        "dummy packets are not sent",
    ),
    Command::refused(
        ENTRY,
        ("set security-association replay disable", ""),
        "replay protection cannot be switched off; write a `replay_window` of up to 8192 where packets overtake each other far",
    ),
    Command::refused(
        ENTRY,
        ("set identity", "NAME"),
        "it names certificates, and Palisade authenticates with pre-shared keys",
    ),
    Command::refused(
        ENTRY,
        ("set nat demux", ""),
        "it is about L2TP in transport mode",
    ),
    Command::refused(
        ENTRY,
        ("set ip access-group", "…"),
        "packets are filtered by the system's firewall",
    ),
    Command::refused(
        ENTRY,
        ("qos pre-classify", ""),
        "the DSCP is copied to the outer header (`copy_dscp`)",
    ),
    Command::refused(
        ENTRY,
        ("reverse-route remote-peer", "…"),
        "a route to the peer itself is the system's: set it there",
    ),
    Command::refused(
        ENTRY,
        ("reverse-route tag", "NUMBER"),
        "routes carry no tags; `reverse-route` itself holds anyway",
    ),
    Command::refused(
        ENTRY,
        ("set reverse-route", "…"),
        "distances and tags of routes are not set; `reverse-route` itself holds anyway",
    ),
];

/// Why a crypto map without IKE is nothing for Palisade.
const MANUAL: &str = "keys that are set by hand are not supported: use IKE";
const GDOI: &str = "group encryption (GET VPN) is another protocol";

fn open(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let map = args.name("a name")?;
    if args.peek().is_none_or(|word| word.parse::<u32>().is_err()) {
        return setting(reader, args, &map);
    }
    let number = args.number("the number", 1..=65_535)?;
    let dynamic = match args.next() {
        Some("ipsec-isakmp") if args.keyword("dynamic") => Some(args.name("a dynamic map")?),
        // Without a word it is an entry that exists already.
        Some("ipsec-isakmp") | None => None,
        Some("ipsec-manual") => return Err(Refusal::new(MANUAL)),
        Some("gdoi") => return Err(Refusal::new(GDOI)),
        Some(word) => return Err(Refusal::new(format!("`{word}` is not understood here"))),
    };
    if dynamic.is_some() && args.keyword("discover") {
        let why = "peers are not discovered by probes (TED); the rest of the line is translated";
        reader.ledger.remark(args.line, why);
    }
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.maps,
        |entry| entry.map == map && entry.number == number,
        || entry(map.clone(), number, line),
    );
    let entry = Reader::item(&mut reader.router.maps, index)?;
    if dynamic.is_some() {
        entry.dynamic = dynamic;
    }
    reader.open(Mode::CryptoMap, index);
    Ok(())
}

fn open_dynamic(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let map = args.name("a name")?;
    let number = args.number("the number", 1..=65_535)?;
    args.end()?;
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.dynamic_maps,
        |entry| entry.map == map && entry.number == number,
        || entry(map.clone(), number, line),
    );
    reader.open(Mode::DynamicMap, index);
    Ok(())
}

fn entry(map: String, number: u32, line: usize) -> MapEntry {
    MapEntry {
        map,
        number,
        line,
        dynamic: None,
        peers: Vec::new(),
        preferred: None,
        transform_sets: Vec::new(),
        pfs: None,
        lifetime: Lifetime::default(),
        replay: None,
        list: None,
        isakmp_profile: None,
        ikev2_profile: None,
        reverse_route: None,
        description: None,
    }
}

/// What holds for a whole crypto map.
fn setting(reader: &mut Reader<'_>, args: &mut Args<'_>, map: &str) -> Handled {
    let line = args.line;
    let index = find_or_push(
        &mut reader.router.map_settings,
        |settings| settings.map == map,
        || MapSettings {
            map: map.to_owned(),
            ..MapSettings::default()
        },
    );
    let settings = Reader::item(&mut reader.router.map_settings, index)?;
    let words = (args.want("a setting")?, args.next(), args.peek());
    match words {
        ("client", Some("authentication"), Some("list")) => {
            args.next();
            let value = args.name("a list")?;
            settings.clients.authentication = Some(At { value, line });
        }
        ("client", Some("configuration"), Some("address")) => {
            args.next();
            let direction = direction(args)?;
            settings.clients.configuration.push(direction);
        }
        ("isakmp", Some("authorization"), Some("list")) => {
            args.next();
            let value = args.name("a list")?;
            settings.clients.authorization = Some(At { value, line });
        }
        ("local-address", Some(interface), _) => {
            let value = interface.to_owned();
            settings.local_address = Some(At { value, line });
        }
        ("isakmp-profile", Some(profile), _) => {
            let value = profile.to_owned();
            settings.isakmp_profile = Some(At { value, line });
        }
        ("client", Some("accounting"), _) => return Err(Refusal::new("there is no accounting")),
        ("redundancy", ..) => {
            return Err(Refusal::new("state is not shared with a stand-by gateway"));
        }
        (word, ..) => return Err(Refusal::new(format!("`{word}` is not understood here"))),
    }
    args.end()
}

fn current<'r>(reader: &'r mut Reader<'_>) -> Result<&'r mut MapEntry, Refusal> {
    let index = reader.index;
    match reader.mode {
        Mode::DynamicMap => Reader::item(&mut reader.router.dynamic_maps, index),
        _ => Reader::item(&mut reader.router.maps, index),
    }
}

fn peer(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let word = args.peek().unwrap_or_default();
    let value = match word.parse() {
        Ok(address) => {
            args.next();
            Peer::Address(address)
        }
        Err(_) => {
            let name = host_name(args)?;
            Peer::Host(name, args.keyword("dynamic"))
        }
    };
    let preferred = args.keyword("default");
    args.end()?;
    let line = args.line;
    let entry = current(reader)?;
    if preferred {
        entry.preferred = Some(entry.peers.len());
    }
    entry.peers.push(At { value, line });
    Ok(())
}

fn transform_sets(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let mut names = vec![args.name("a transform set")?];
    while let Some(name) = args.next() {
        names.push(name.to_owned());
    }
    let names = names.into_iter().map(|value| At { value, line });
    current(reader)?.transform_sets.extend(names);
    Ok(())
}

fn pfs(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let given = args.next();
    args.end()?;
    let value = given.and_then(|group| group_word(group.strip_prefix("group")?));
    current(reader)?.pfs = Some(At { value, line });
    match (value, given) {
        (Some(_), _) => Ok(()),
        (None, None) => Err(Refusal::new(
            "without a group IOS means group 1, which is too weak: name a group on both ends",
        )),
        (None, Some(given)) => Err(Refusal::new(format!(
            "`{given}` is too weak or is not supported: use group14 or better on both ends"
        ))),
    }
}

fn lifetime(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    read_lifetime(args, &mut current(reader)?.lifetime)
}

fn replay(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let window = window(args)?;
    current(reader)?.replay = Some(window);
    Ok(())
}

fn list(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("an access list")?;
    current(reader)?.list = Some(name);
    Ok(())
}

fn isakmp_profile(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a profile")?;
    current(reader)?.isakmp_profile = Some(name);
    Ok(())
}

fn ikev2_profile(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.last_name("a profile")?;
    current(reader)?.ikev2_profile = Some(name);
    Ok(())
}

fn reverse_route(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let always = args.keyword("static");
    args.end()?;
    current(reader)?.reverse_route = Some(line);
    let why = if always {
        "routes are there while the tunnel is up, or its child has `start_action = \"trap\"`"
    } else {
        "routes to what is negotiated are installed anyway (`install_routes`)"
    };
    reader.ledger.unneeded(line, why);
    Ok(())
}

fn description(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let line = args.line;
    let value = args.rest();
    current(reader)?.description = Some(At { value, line });
    Ok(())
}
