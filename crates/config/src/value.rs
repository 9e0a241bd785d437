//! Values with units, and words from a list.

use core::net::{IpAddr, SocketAddr};
use core::str::FromStr;
use core::time::Duration;

use toml::de::DeValue;

use crate::suggest::closest;
use crate::table::{Fault, Value};

/// "10s", "250ms", "4h", "1h30m" or an integer of seconds.
pub(crate) fn duration(value: &Value<'_>) -> Result<Duration, Fault> {
    let wrong = |given: &str| {
        Fault::new(format!("`{given}` is no duration"))
            .instead("write a number and a unit (ms, s, m, h, d), as in \"10s\", \"4h\" or \"1h30m\"; a bare number is seconds")
    };
    match value.value {
        DeValue::Integer(integer) => {
            let seconds = i64::from_str_radix(integer.as_str(), integer.radix());
            let seconds = seconds.ok().and_then(|seconds| u64::try_from(seconds).ok());
            seconds
                .map(Duration::from_secs)
                .ok_or_else(|| wrong(integer.as_str()))
        }
        DeValue::String(text) => parse_duration(text).ok_or_else(|| wrong(text)),
        _ => Err(value.mismatch("a duration such as \"10s\"")),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let end = unit
            .find(|one: char| one.is_ascii_digit())
            .unwrap_or(unit.len());
        let (unit, after) = unit.split_at(end);
        let part = match unit.trim() {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" | "min" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3_600)?),
            "d" => Duration::from_secs(number.checked_mul(86_400)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// A duration as it would be written, for messages.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, name) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{}{name}", millis / unit);
        }
    }
    format!("{millis}ms")
}

/// "10G", "512M", "64k" (powers of 1024) or an integer of octets.
pub(crate) fn size(value: &Value<'_>) -> Result<u64, Fault> {
    let wrong = |given: &str| {
        Fault::new(format!("`{given}` is no size"))
            .instead("write octets with k, M, G or T (powers of 1024), as in \"10G\"")
    };
    match value.value {
        DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| wrong(integer.as_str())),
        DeValue::String(text) => parse_size(text).ok_or_else(|| wrong(text)),
        _ => Err(value.mismatch("a size such as \"10G\"")),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|one: char| !one.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim() {
        "" | "B" => 0,
        "k" | "K" | "kB" | "KiB" => 10,
        "M" | "MB" | "MiB" => 20,
        "G" | "GB" | "GiB" => 30,
        "T" | "TB" | "TiB" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// An integer within a range.
pub(crate) fn number(value: &Value<'_>, min: u64, max: u64) -> Result<u64, Fault> {
    let DeValue::Integer(integer) = value.value else {
        return Err(value.mismatch("a whole number"));
    };
    let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
    let number = number.and_then(|number| u64::try_from(number).ok());
    let within = number.filter(|number| (min..=max).contains(number));
    within.ok_or_else(|| {
        Fault::new(format!("{} is out of range", integer.as_str()))
            .instead(format!("write a number from {min} to {max}"))
    })
}

/// As [`number`], for the smaller types; the range is the caller's.
pub(crate) fn number_as<T: TryFrom<u64>>(
    value: &Value<'_>,
    min: u64,
    max: u64,
) -> Result<T, Fault> {
    let number = number(value, min, max)?;
    T::try_from(number).map_err(|_| Fault::new(format!("{number} is out of range")))
}

/// `true` or `false`; also "yes" and "no", as in swanctl.conf.
pub(crate) fn flag(value: &Value<'_>) -> Result<bool, Fault> {
    match value.value {
        DeValue::Boolean(flag) => Ok(*flag),
        DeValue::String(text) if text == "yes" => Ok(true),
        DeValue::String(text) if text == "no" => Ok(false),
        _ => Err(Fault::new("this is neither true nor false").instead("write `true` or `false`")),
    }
}

/// One word of a list.
pub(crate) fn word<T: Copy>(value: &Value<'_>, words: &[(&str, T)]) -> Result<T, Fault> {
    let given = value.text()?;
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == given) {
        return Ok(*meaning);
    }
    let all = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let fault = Fault::new(format!("`{given}` is not known here"));
    Err(match closest(given, words.iter().map(|(word, _)| *word)) {
        Some(meant) => fault.instead(format!("did you mean \"{meant}\"? Possible: {all}")),
        None => fault.instead(format!("write one of {all}")),
    })
}

/// A percentage or factor: a number with or without a fraction.
pub(crate) fn decimal(value: &Value<'_>) -> Result<f64, Fault> {
    let text = match value.value {
        DeValue::Integer(integer) => integer.as_str(),
        DeValue::Float(float) => float.as_str(),
        DeValue::String(text) => text.trim().trim_end_matches('%'),
        _ => return Err(value.mismatch("a number")),
    };
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| Fault::new(format!("`{text}` is no number")))
}

/// Whole percent: `10` or "10%".
pub(crate) fn percent(value: &Value<'_>) -> Result<u8, Fault> {
    let number = decimal(value)?;
    if !(0.0..=100.0).contains(&number) || number.fract() != 0.0 {
        return Err(Fault::new(format!("{number} is no whole percentage"))
            .instead("write a whole number from 0 to 100"));
    }
    Ok(number as u8)
}

/// An IP address.
pub(crate) fn address(value: &Value<'_>) -> Result<IpAddr, Fault> {
    let text = value.text()?;
    IpAddr::from_str(text).map_err(|_| {
        Fault::new(format!("`{text}` is no IP address"))
            .instead("write it as in \"192.0.2.1\" or \"2001:db8::1\"; names are not resolved")
    })
}

/// An address with a port.
pub(crate) fn socket_address(value: &Value<'_>) -> Result<SocketAddr, Fault> {
    let text = value.text()?;
    SocketAddr::from_str(text).map_err(|_| {
        Fault::new(format!("`{text}` is no address with a port"))
            .instead("write it as in \"127.0.0.1:9477\" or \"[::1]:9477\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_duration("10"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(parse_duration("2d"), Some(Duration::from_secs(172_800)));
        for wrong in [
            "",
            "s",
            "10 parsecs",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "300000000000000000d",
        ] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(show_duration(Duration::from_secs(7_200)), "2h");
        assert_eq!(show_duration(Duration::from_millis(1_500)), "1500ms");
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("10G"), Some(10 << 30));
        assert_eq!(parse_size("64k"), Some(64 << 10));
        assert_eq!(parse_size("7"), Some(7));
        for wrong in ["", "G", "10X", "99999999999T", "-1"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }
}
