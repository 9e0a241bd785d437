/// Where NATs stand, as NAT detection found (RFC 7296 §2.23).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nat {
    /// Before us.
    pub local: bool,
    /// Before the peer.
    pub remote: bool,
}

impl Nat {
    /// Whether there is any.
    #[must_use]
    pub fn any(self) -> bool {
        self.local || self.remote
    }
}
