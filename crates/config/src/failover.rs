//! Section `failover`.

use core::time::Duration;

use crate::keys::FAILOVER;
use crate::settings::FailoverSettings;
use crate::table::{Fault, Table};
use crate::value::{duration, number_as, size};

pub(crate) fn read(root: &Table<'_, '_>) -> FailoverSettings {
    let default = FailoverSettings::default();
    let Some(table) = root.section("failover", &FAILOVER) else {
        return default;
    };
    let packets = |key, default| {
        table
            .read(key, |value| number_as(value, 0, 1_000_000))
            .unwrap_or(default)
    };
    FailoverSettings {
        peer_timeout: time(&table, "peer_timeout", default.peer_timeout),
        hold_packets: packets("hold_packets", default.hold_packets),
        hold_bytes: octets(&table, "hold_bytes", default.hold_bytes),
        hold_packets_all: packets("hold_packets_all", default.hold_packets_all),
        hold_bytes_all: octets(&table, "hold_bytes_all", default.hold_bytes_all),
        hold_time: time(&table, "hold_time", default.hold_time),
    }
}

fn time(table: &Table<'_, '_>, key: &str, default: Duration) -> Duration {
    let time = table.read(key, |value| {
        let time = duration(value)?;
        if !(Duration::from_secs(1)..=Duration::from_secs(300)).contains(&time) {
            return Err(Fault::new(format!("`{key}` is out of range"))
                .instead("write a time from \"1s\" to \"5m\""));
        }
        Ok(time)
    });
    time.unwrap_or(default)
}

fn octets(table: &Table<'_, '_>, key: &str, default: u64) -> u64 {
    let octets = table.read(key, |value| {
        let octets = size(value)?;
        if octets > 1 << 30 {
            return Err(
                Fault::new(format!("`{key}` is out of range")).instead("write at most \"1G\"")
            );
        }
        Ok(octets)
    });
    octets.unwrap_or(default)
}
