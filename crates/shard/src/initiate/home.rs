use crate::ShardId;

/// The shard that initiates a connection. It goes by the name, so that it stays the same when the
/// configuration is read again.
#[must_use]
pub fn home(connection: &str, shards: u16) -> ShardId {
    // FNV-1a: names are the operator's, nobody chooses them against us.
    let mix = |hash: u32, octet: &u8| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193);
    let hash = connection.as_bytes().iter().fold(0x811c_9dc5, mix);
    let shard = hash % u32::from(shards.clamp(1, 256));
    ShardId(u8::try_from(shard).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_spread_over_the_shards_that_exist() {
        let mut counts = [0; 4];
        for number in 0..400 {
            let ShardId(shard) = home(&format!("branch-{number}"), 4);
            counts[usize::from(shard)] += 1;
        }
        assert!(
            counts.iter().all(|count| (50..150).contains(count)),
            "{counts:?}"
        );
        assert_eq!(home("branch", 1), ShardId(0));
        assert_eq!(home("branch", 0), ShardId(0));
    }
}
