/// Which end of an IKE SA's first exchange, or of its last rekey, we were.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// We sent the first request.
    Initiator,
    /// We answered it.
    Responder,
}

impl Role {
    /// The role of the other end.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}
