use serde::{Deserialize, Serialize};

/// On what both ends of an IKE SA agreed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct IkeTerms {
    /// Cipher, in swanctl's word.
    pub encryption: String,
    /// Integrity algorithm; empty with an AEAD and in IKEv1.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub integrity: String,
    /// Pseudorandom function; IKEv1: its hash.
    pub prf: String,
    /// Number of the key exchange method (RFC 7296 §3.3.2).
    pub group: u16,
    /// IKEv1: a user has to be named, too.
    pub xauth: bool,
    /// Long messages go in fragments.
    pub fragments: bool,
    /// Seconds for which it may stand, by our configuration; absent without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<f64>,
    /// Seconds until it must be gone; absent when it may stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_s: Option<f64>,
}

/// Settings of dead peer detection.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct DpdSettings {
    /// `on-demand`, `periodic`, `hybrid` or `respond-only`.
    pub mode: String,
    /// Time between probes, or of silence before traffic asks, in seconds.
    pub interval_s: f64,
    /// Time between tries, in seconds.
    pub retry_s: f64,
    /// Tries after the first.
    pub retries: u8,
}
