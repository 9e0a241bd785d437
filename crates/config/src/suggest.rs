//! "Did you mean …?"

/// The candidate that is closest to `word`, if it is close enough to have been meant.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let normal = normalize(word);
    let allowed = (normal.len() / 3).clamp(1, 3);
    let ranked = candidates.map(|candidate| (distance(&normal, &normalize(candidate)), candidate));
    let (distance, candidate) = ranked.min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then_some(candidate)
}

/// `suppress-on`, `SuppressOn` and `suppress_on` are the same slip.
fn normalize(word: &str) -> Vec<char> {
    word.chars()
        .filter(|one| one.is_alphanumeric())
        .map(|one| one.to_ascii_lowercase())
        .collect()
}

/// Edits (insert, remove, replace) between two words. Both are at most as long as a key.
fn distance(one: &[char], other: &[char]) -> usize {
    if one.len() > 64 || other.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, b) in row.iter_mut().skip(1).zip(other) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *slot;
            left = replaced.min(diagonal + 1).min(left + 1);
            *slot = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized_and_strangers_are_not() {
        let keys = ["proposals", "rekey_time", "suppress_on", "pools"];
        let meant = |word| closest(word, keys.into_iter());
        assert_eq!(meant("proposal"), Some("proposals"));
        assert_eq!(meant("rekeytime"), Some("rekey_time"));
        assert_eq!(meant("suppress-on"), Some("suppress_on"));
        assert_eq!(meant("pool"), Some("pools"));
        assert_eq!(meant("certificate"), None);
        assert_eq!(meant(""), None);
    }

    #[test]
    fn distance_counts_edits() {
        let measure = |a: &str, b: &str| distance(&normalize(a), &normalize(b));
        assert_eq!(measure("kitten", "sitting"), 3);
        assert_eq!(measure("", "abc"), 3);
        assert_eq!(measure("abc", "abc"), 0);
    }
}
