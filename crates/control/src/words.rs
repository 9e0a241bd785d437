//! Amounts as people read them.

/// `1.5 MiB`.
#[must_use]
pub fn octets(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return if unit == "B" {
                format!("{count} B")
            } else {
                format!("{value:.1} {unit}")
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::octets;

    #[test]
    fn octets_are_readable() {
        assert_eq!(octets(1023), "1023 B");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets(1 << 30), "1.0 GiB");
        assert_eq!(octets(5 << 40), "5.0 TiB");
    }
}
