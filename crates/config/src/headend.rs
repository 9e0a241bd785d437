//! Sections `headend`, `metrics`, `log` and `control`.

use core::net::IpAddr;
use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::keys::{CONTROL, HEADEND, INNER, LOG, METRICS};
use crate::settings::{
    ControlSettings, Engine, HeadendSettings, InnerDevice, LogFormat, LogLevel, LogSettings,
    MetricsSettings, Offload,
};
use crate::table::{Fault, Table, Value};
use crate::value::{address, decimal, duration, flag, number_as, size, socket_address, word};

const ENGINES: &[(&str, Engine)] = &[
    ("auto", Engine::Auto),
    ("io_uring", Engine::IoUring),
    ("epoll", Engine::Epoll),
];

pub(crate) fn read(root: &Table<'_, '_>) -> HeadendSettings {
    let default = HeadendSettings::default();
    let Some(table) = root.section("headend", &HEADEND) else {
        return default;
    };
    let ike_port = table.read("ike_port", |value| number_as(value, 1, 65_535));
    let nat_port = table.read("nat_port", |value| number_as(value, 1, 65_535));
    let ike_port = ike_port.unwrap_or(default.ike_port);
    let nat_port = nat_port.unwrap_or(default.nat_port);
    if ike_port == nat_port {
        let span = table.value("nat_port").or(table.value("ike_port"));
        let span = span.map_or_else(|| table.span.clone(), |value| value.span());
        let fault = Fault::new("`ike_port` and `nat_port` are the same");
        table.report.fault(
            &span,
            fault.instead("write two ports, such as 500 and 4500"),
        );
    }
    let u32_of = |key, min, default| {
        table
            .read(key, |value| number_as(value, min, 10_000_000))
            .unwrap_or(default)
    };
    HeadendSettings {
        listen: listen(&table).unwrap_or(default.listen),
        ike_port,
        nat_port,
        shards: table.read("shards", |value| number_as(value, 1, 256)),
        engine: table
            .read("engine", |value| word(value, ENGINES))
            .unwrap_or(default.engine),
        offload: table.read("offload", offload).unwrap_or(default.offload),
        elephants: table.read("elephants", flag).unwrap_or(default.elephants),
        elephant_packets: u32_of("elephant_packets", 1, default.elephant_packets),
        inner: inner(&table).unwrap_or(default.inner),
        raw_esp: table.read("raw_esp", flag).unwrap_or(default.raw_esp),
        install_routes: table
            .read("install_routes", flag)
            .unwrap_or(default.install_routes),
        half_open_max: u32_of("half_open_max", 1, default.half_open_max),
        half_open_per_prefix_max: u32_of(
            "half_open_per_prefix_max",
            1,
            default.half_open_per_prefix_max,
        ),
        half_open_timeout: time_of(&table, "half_open_timeout", default.half_open_timeout),
        cookie_threshold: u32_of("cookie_threshold", 0, default.cookie_threshold),
        cookie_threshold_per_prefix: u32_of(
            "cookie_threshold_per_prefix",
            0,
            default.cookie_threshold_per_prefix,
        ),
        puzzle_threshold: u32_of("puzzle_threshold", 0, default.puzzle_threshold),
        puzzle_threshold_per_prefix: u32_of(
            "puzzle_threshold_per_prefix",
            0,
            default.puzzle_threshold_per_prefix,
        ),
        // RFC 8019 §4.4: fewer than eight are too easy; more than 24 nobody solves in time.
        puzzle_bits: table
            .read("puzzle_bits", |value| number_as(value, 8, 24))
            .unwrap_or(default.puzzle_bits),
        puzzle_bits_max: table
            .read("puzzle_bits_max", |value| number_as(value, 8, 24))
            .unwrap_or(default.puzzle_bits_max),
        puzzle_bits_accepted: table
            .read("puzzle_bits_accepted", |value| number_as(value, 0, 24))
            .unwrap_or(default.puzzle_bits_accepted),
        retransmit_timeout: time_of(&table, "retransmit_timeout", default.retransmit_timeout),
        retransmit_base_percent: table
            .read("retransmit_base", growth)
            .unwrap_or(default.retransmit_base_percent),
        retransmit_limit: time_of(&table, "retransmit_limit", default.retransmit_limit),
        retransmit_tries: table
            .read("retransmit_tries", |value| number_as(value, 1, 20))
            .unwrap_or(default.retransmit_tries),
        refusals_per_second: u32_of("refusals_per_second", 0, default.refusals_per_second),
        children_max: table
            .read("children_max", |value| number_as(value, 1, 1_024))
            .unwrap_or(default.children_max),
        path_mtu: table
            .read("path_mtu", |value| number_as(value, 1_280, 65_535))
            .unwrap_or(default.path_mtu),
        nat_keepalive: time_of(&table, "nat_keepalive", default.nat_keepalive),
        socket_buffer_bytes: table
            .read("socket_buffer", buffer)
            .unwrap_or(default.socket_buffer_bytes),
        pin_workers: table
            .read("pin_workers", flag)
            .unwrap_or(default.pin_workers),
        shutdown_time: table
            .read("shutdown_time", duration)
            .unwrap_or(default.shutdown_time),
    }
}

/// All of them, none, or a list.
fn offload(value: &Value<'_>) -> Result<BTreeSet<Offload>, Fault> {
    let all = Offload::ALL.iter().map(|(_, offload)| *offload);
    match (flag(value), value.items()) {
        (Ok(true), _) => Ok(all.collect()),
        (Ok(false), _) => Ok(BTreeSet::new()),
        (Err(_), Ok(items)) => items.iter().map(|item| word(item, Offload::ALL)).collect(),
        (Err(_), Err(_)) => Err(value.mismatch("true, false or a list of offloads")),
    }
}

fn buffer(value: &Value<'_>) -> Result<u64, Fault> {
    let octets = size(value)?;
    if !(65_536..=1 << 30).contains(&octets) {
        return Err(Fault::new("the buffer is out of range").instead("write \"64k\" to \"1G\""));
    }
    Ok(octets)
}

fn time_of(
    table: &Table<'_, '_>,
    key: &str,
    default: core::time::Duration,
) -> core::time::Duration {
    let time = table.read(key, |value| {
        let time = duration(value)?;
        if time.is_zero() || time > core::time::Duration::from_secs(3_600) {
            return Err(Fault::new(format!("`{key}` is out of range"))
                .instead("write a time above zero and of at most \"1h\""));
        }
        Ok(time)
    });
    time.unwrap_or(default)
}

/// RFC 7296 §2.4: gaps between transmissions must grow.
fn growth(value: &Value<'_>) -> Result<u32, Fault> {
    let factor = decimal(value)?;
    if !(1.1..=10.0).contains(&factor) {
        return Err(Fault::new(format!("{factor} is out of range"))
            .instead("write a factor from 1.1 to 10"));
    }
    Ok((factor * 100.0).round() as u32)
}

pub(crate) fn listen(table: &Table<'_, '_>) -> Option<Vec<IpAddr>> {
    let mut seen: Vec<IpAddr> = Vec::new();
    let addresses = table.read_list("listen", |value| {
        let address = address(value)?;
        if seen.contains(&address) {
            return Err(Fault::new(format!("{address} is named twice")).instead("name it once"));
        }
        seen.push(address);
        Ok(address)
    })?;
    let value = table.value("listen")?;
    if value.items().is_ok_and(|items| items.is_empty()) {
        let fault = Fault::new("the service would listen nowhere");
        table.report.fault(
            &value.span(),
            fault.instead("name an address, such as \"0.0.0.0\" or \"::\""),
        );
    }
    Some(addresses)
}

#[derive(Clone, Copy)]
enum Kind {
    Tun,
    Echo,
    None,
}

const KINDS: &[(&str, Kind)] = &[
    ("tun", Kind::Tun),
    ("echo", Kind::Echo),
    ("none", Kind::None),
];

fn inner(table: &Table<'_, '_>) -> Option<InnerDevice> {
    let value = table.value("inner")?;
    if value.value.is_str() {
        return table
            .read("inner", |value| word(value, KINDS))
            .map(|kind| match kind {
                Kind::Tun => InnerDevice::default(),
                Kind::Echo => InnerDevice::Echo,
                Kind::None => InnerDevice::None,
            });
    }
    let inner = table.section("inner", &INNER)?;
    Some(inner_device(&inner, "palisade0"))
}

/// A section that describes an inner device.
pub(crate) fn inner_device(table: &Table<'_, '_>, default_name: &str) -> InnerDevice {
    match table
        .read("device", |value| word(value, KINDS))
        .unwrap_or(Kind::Tun)
    {
        Kind::Tun => tun(table, default_name),
        Kind::Echo => InnerDevice::Echo,
        Kind::None => InnerDevice::None,
    }
}

fn tun(table: &Table<'_, '_>, default_name: &str) -> InnerDevice {
    InnerDevice::Tun {
        name: table
            .read("name", device_name)
            .unwrap_or_else(|| default_name.to_owned()),
        // RFC 8200 §5: a link that carries IPv6 takes 1280 octets.
        mtu: table
            .read("mtu", |value| number_as(value, 1_280, 65_535))
            .unwrap_or(1_400),
        addrs: table
            .read_list("addrs", interface_address)
            .unwrap_or_default(),
    }
}

pub(crate) fn device_name(value: &Value<'_>) -> Result<String, Fault> {
    let text = value.text()?;
    let allowed = |one: u8| one.is_ascii_alphanumeric() || b"-_.%".contains(&one);
    // Linux: IFNAMSIZ is 16 with the terminator.
    if text.is_empty() || text.len() > 15 || !text.bytes().all(allowed) {
        return Err(Fault::new(format!("`{text}` is no name for a device"))
            .instead("write at most 15 letters, digits, `-`, `_` or `.`"));
    }
    Ok(text.to_owned())
}

fn interface_address(value: &Value<'_>) -> Result<(IpAddr, u8), Fault> {
    let text = value.text()?;
    let wrong = || {
        Fault::new(format!("`{text}` is no address with a prefix length"))
            .instead("write it as in \"10.9.0.1/16\"")
    };
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length: u8 = length.parse().map_err(|_| wrong())?;
    if length > longest {
        Err(wrong())
    } else {
        Ok((address, length))
    }
}

pub(crate) fn metrics(root: &Table<'_, '_>) -> MetricsSettings {
    let default = MetricsSettings::default();
    let Some(table) = root.section("metrics", &METRICS) else {
        return default;
    };
    let listen = table.read("listen", |value| match value.value.as_str() {
        Some("off") => Ok(None),
        _ => socket_address(value).map(Some),
    });
    MetricsSettings {
        listen: listen.unwrap_or(default.listen),
    }
}

pub(crate) fn log(root: &Table<'_, '_>) -> LogSettings {
    const LEVELS: [LogLevel; 5] = [
        LogLevel::Error,
        LogLevel::Warn,
        LogLevel::Info,
        LogLevel::Debug,
        LogLevel::Trace,
    ];
    let Some(table) = root.section("log", &LOG) else {
        return LogSettings::default();
    };
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = LEVELS.map(|level| (level.as_str(), level));
    LogSettings {
        format: table
            .read("format", |value| word(value, &formats))
            .unwrap_or_default(),
        level: table
            .read("level", |value| word(value, &levels))
            .unwrap_or_default(),
    }
}

pub(crate) fn control(root: &Table<'_, '_>) -> ControlSettings {
    let Some(table) = root.section("control", &CONTROL) else {
        return ControlSettings::default();
    };
    let socket = table.read("socket", |value| {
        let path = PathBuf::from(value.text()?);
        // Linux: sun_path holds 108 octets with the terminator.
        if path.as_os_str().len() > 107 || path.as_os_str().is_empty() {
            return Err(Fault::new("a unix socket cannot have this path")
                .instead("write a path of at most 107 octets"));
        }
        Ok(path)
    });
    ControlSettings { socket }
}
