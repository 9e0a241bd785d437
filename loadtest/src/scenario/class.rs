use serde::{Deserialize, Serialize};

/// A kind of peer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Class {
    /// Name, for the report.
    pub name: String,
    /// Its share of all peers; the shares are taken relative to their sum.
    pub share: f64,
    /// How it answers probes.
    pub dpd: DpdBehaviour,
    /// Delay of its answers in milliseconds, with `dpd = "late"`.
    pub answer_delay_ms: u32,
    /// How many of a hundred probes it does not see, with `dpd = "lossy"`.
    pub loss_percent: u8,
    /// Packets per second instead of the scenario's.
    pub packets_per_second: Option<f64>,
    /// Whether its members may be drawn to die.
    pub mortal: bool,
}

impl Default for Class {
    fn default() -> Self {
        Self {
            name: "peer".into(),
            share: 1.0,
            dpd: DpdBehaviour::default(),
            answer_delay_ms: 0,
            loss_percent: 0,
            packets_per_second: None,
            mortal: true,
        }
    }
}

/// How a living peer answers a liveness check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DpdBehaviour {
    /// At once.
    #[default]
    Answer,
    /// After a delay.
    Late,
    /// Some are lost on their way.
    Lossy,
    /// Never; only its traffic shows that it lives.
    Ignore,
}
