use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Network, Version};

/// Numbers that may be missing between two R-U-THERE, plus one, so that the later one still proves
/// life: messages get lost.
const STEP_MAX: u32 = 64;

/// A kind of peer. The default one is truthful: it comes, sends, answers and stays.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Class {
    /// Name, for the report.
    pub name: String,
    /// Its share of all peers; the shares are taken relative to their sum.
    pub share: f64,
    /// The version of IKE that it speaks, instead of the scenario's.
    pub version: Option<Version>,
    /// How it answers probes.
    pub dpd: DpdBehaviour,
    /// Delay of its answers in milliseconds, with `dpd = "late"`.
    pub answer_delay_ms: u32,
    /// How many of a hundred probes it does not see, with `dpd = "lossy"`.
    pub loss_percent: u8,
    /// It answers one probe of so many, with `dpd = "every-kth"`.
    pub answer_every: u32,
    /// Packets per second instead of the scenario's.
    pub packets_per_second: Option<f64>,
    /// Whether its members may be drawn to die.
    pub mortal: bool,
    /// The second of the run at which all its members that are up fall silent.
    pub silent_at_s: Option<f64>,
    /// How many seconds after its silence began a peer comes back, as one does that crashed: with
    /// new SPIs and INITIAL_CONTACT.
    pub return_after_s: Option<f64>,
    /// Liveness checks of its own that it sends per second.
    pub probes_per_second: f64,
    /// By how much the number of each R-U-THERE of its own exceeds the one before (RFC 3706 §6.2
    /// wants 1): 0 repeats it, more skips numbers. IKEv2 has none.
    pub sequence_step: u32,
    /// Every so many seconds a NAT before it maps it to another port; needs two `peers.ports`.
    pub moves_every_s: f64,
    /// Whether anything reaches it once it is up. If not it sends, and hears nothing.
    pub receives: bool,
    /// Whether ESP passes; if not only IKE does.
    pub esp: bool,
    /// Where it stops on its way to a tunnel, and leaves the responder with a half-open SA.
    pub stall: Stall,
    /// Whether it returns cookies (RFC 7296 §2.6), and takes part in other detours of IKE_SA_INIT.
    pub cookies: bool,
    /// Its path, instead of the scenario's.
    pub network: Option<Network>,
}

impl Default for Class {
    fn default() -> Self {
        Self {
            name: "peer".into(),
            share: 1.0,
            version: None,
            dpd: DpdBehaviour::default(),
            answer_delay_ms: 0,
            loss_percent: 0,
            answer_every: 1,
            packets_per_second: None,
            mortal: true,
            silent_at_s: None,
            return_after_s: None,
            probes_per_second: 0.0,
            sequence_step: 1,
            moves_every_s: 0.0,
            receives: true,
            esp: true,
            stall: Stall::default(),
            cookies: true,
            network: None,
        }
    }
}

impl Class {
    /// Whether its members mean to have a tunnel.
    #[must_use]
    pub fn wants_tunnel(&self) -> bool {
        self.stall == Stall::Never && self.cookies
    }

    /// Whether its members give signs of life that a headend may believe (RFC 7296 §2.4), given
    /// the version that they speak and the packets that they send per second: good answers, requests
    /// of their own, or traffic. A peer without any is as good as dead, and a headend that says so is
    /// right.
    #[must_use]
    pub fn shows_life(&self, version: Version, packets_per_second: f64) -> bool {
        let answers = self.receives && self.dpd.is_good();
        // A number that stands still, or leaps each time, may be anybody's repetition.
        let counts = version == Version::V2 || (1..=STEP_MAX).contains(&self.sequence_step);
        let asks = self.receives && self.probes_per_second > 0.0 && counts;
        let sends = self.esp && packets_per_second > 0.0;
        answers || asks || sends
    }

    pub(super) fn validate(&self, ports: u16) -> Result<()> {
        let name = &self.name;
        ensure!(
            self.share >= 0.0 && self.share.is_finite(),
            "the share of class `{name}` must not be negative"
        );
        ensure!(
            self.loss_percent <= 100,
            "loss_percent of class `{name}` must be 0 to 100"
        );
        ensure!(
            self.answer_every >= 1,
            "answer_every of class `{name}` must be at least 1"
        );
        let times = [
            ("packets_per_second", self.packets_per_second.unwrap_or(0.0)),
            ("silent_at_s", self.silent_at_s.unwrap_or(0.0)),
            ("return_after_s", self.return_after_s.unwrap_or(0.0)),
            ("probes_per_second", self.probes_per_second),
            ("moves_every_s", self.moves_every_s),
        ];
        for (key, value) in times {
            ensure!(
                value >= 0.0 && value.is_finite(),
                "{key} of class `{name}` must not be negative"
            );
        }
        ensure!(
            self.moves_every_s == 0.0 || ports >= 2,
            "class `{name}` moves between ports: peers.ports must be at least 2"
        );
        match &self.network {
            Some(network) => network.validate(&format!("the network of class `{name}`")),
            None => Ok(()),
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
    /// One of so many.
    EveryKth,
    /// Twice.
    Twice,
    /// With a message that fails its integrity check; in IKEv1 by acknowledging a number that was
    /// never asked.
    Wrong,
    /// With an older message of its own; in IKEv1 by acknowledging a number long past.
    Old,
    /// Never; only its traffic shows that it lives.
    Ignore,
}

impl DpdBehaviour {
    /// Whether there are answers that prove life.
    fn is_good(self) -> bool {
        !matches!(self, Self::Wrong | Self::Old | Self::Ignore)
    }
}

/// Where a peer stops on its way to a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stall {
    /// Nowhere.
    #[default]
    Never,
    /// After its first message, which it does not repeat.
    Init,
    /// IKEv1: before message 3 of main mode, with which it would prove its address.
    Exchange,
    /// Before its IKE_AUTH, though it took the answer to IKE_SA_INIT; in IKEv1 before the message
    /// that proves who it is.
    Auth,
}
