use serde::{Deserialize, Serialize};

/// How far an IKE SA has come, or an exchange of quick mode. In JSON a string such as `established`
/// or `main-mode-3`, where the number is that of the messages so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Stage {
    /// Nothing was said yet.
    #[default]
    Idle,
    /// Main mode.
    Main(u8),
    /// Aggressive mode.
    Aggressive(u8),
    /// Extended authentication.
    Xauth,
    /// Mode configuration.
    ModeConfig,
    /// IKE_SA_INIT.
    Init,
    /// IKE_AUTH.
    Auth,
    /// Both ends are authenticated.
    Established,
    /// It is gone, or about to go.
    Closed,
    /// Quick mode.
    Quick(u8),
    /// Quick mode is complete.
    QuickDone,
}

impl core::fmt::Display for Stage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Main(messages) => return write!(f, "main-mode-{messages}"),
            Self::Aggressive(messages) => return write!(f, "aggressive-mode-{messages}"),
            Self::Quick(messages) => return write!(f, "quick-mode-{messages}"),
            Self::Idle => "idle",
            Self::Xauth => "xauth",
            Self::ModeConfig => "mode-config",
            Self::Init => "ike-sa-init",
            Self::Auth => "ike-auth",
            Self::Established => "established",
            Self::Closed => "closed",
            Self::QuickDone => "quick-mode-done",
        })
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.to_string()
    }
}

impl TryFrom<String> for Stage {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let numbered = |prefix: &str| text.strip_prefix(prefix)?.parse().ok();
        Ok(match text.as_str() {
            "idle" => Self::Idle,
            "xauth" => Self::Xauth,
            "mode-config" => Self::ModeConfig,
            "ike-sa-init" => Self::Init,
            "ike-auth" => Self::Auth,
            "established" => Self::Established,
            "closed" => Self::Closed,
            "quick-mode-done" => Self::QuickDone,
            _ => numbered("main-mode-")
                .map(Self::Main)
                .or_else(|| numbered("aggressive-mode-").map(Self::Aggressive))
                .or_else(|| numbered("quick-mode-").map(Self::Quick))
                .ok_or_else(|| format!("`{text}` is no stage"))?,
        })
    }
}
