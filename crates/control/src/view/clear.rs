use serde::{Deserialize, Serialize};

/// Which sessions are to end: those for which everything that is given holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearRequest {
    /// Our outer address, with a port or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<String>,
    /// The peer's outer address, with a port or without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Name of the front-door VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fvrf: Option<String>,
    /// Name of the inner VRF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ivrf: Option<String>,
    /// Identity of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// With nothing of the above: that every session is meant.
    #[serde(default)]
    pub all: bool,
    /// Say what would end, and end nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// As given in the page before; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl ClearRequest {
    /// Whether nothing says which sessions are meant.
    #[must_use]
    pub const fn is_about_all(&self) -> bool {
        self.local.is_none()
            && self.remote.is_none()
            && self.fvrf.is_none()
            && self.ivrf.is_none()
            && self.id.is_none()
    }
}

/// What was ended, or would be: one page.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cleared {
    /// The sessions.
    pub sessions: Vec<SessionView>,
    /// Cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An IKE SA with everything under it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SessionView {
    /// Number of the peer: our SPI of the IKE SA, hexadecimal.
    pub peer: String,
    /// The short number of the IKE SA.
    pub number: u32,
    /// Identity of the peer; empty if it was not authenticated yet.
    pub identity: String,
    /// Connection under which it was accepted.
    pub connection: String,
    /// Our outer address and port.
    pub local: String,
    /// The peer's outer address and port.
    pub remote: String,
    /// Front-door VRF.
    pub fvrf: String,
    /// Inner VRF.
    pub ivrf: String,
    /// Pairs of Child SAs.
    pub child_sas: u32,
    /// Whether the peer was sent a DELETE: it is not before it is authenticated.
    pub told: bool,
}
