use thiserror::Error;

/// Why octets could not be read. Dense, so that it can index a counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub enum Malformed {
    /// Fewer octets than the fixed part needs.
    #[error("shorter than its fixed part")]
    Truncated,
    /// A length field disagrees with the octets present.
    #[error("a length field disagrees with the octets present")]
    BadLength,
    /// A field holds a value that its definition does not allow.
    #[error("a field holds a value that its definition does not allow")]
    BadValue,
    /// A payload of which only one is allowed appears twice, or too many elements in a list.
    #[error("too many elements")]
    TooMany,
}
