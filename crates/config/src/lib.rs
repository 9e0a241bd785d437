//! The configuration file: TOML with swanctl's vocabulary, read with positions, so that every
//! complaint names its line, its column, what is wrong and what to write instead.
//!
//! [`load()`] turns text into a [`Config`] or into all of its faults at once. Nothing that it does not
//! understand is ignored.
#![forbid(unsafe_code)]

mod certificate;
mod child;
mod connection;
mod diagnostic;
mod embedded;
mod failover;
mod headend;
mod identity;
mod keys;
mod liveness;
mod load;
mod parts;
mod peers;
mod pool;
mod proposal;
mod rekey;
mod secret;
mod settings;
mod source;
mod suggest;
mod table;
mod users;
mod value;
mod version;
mod vrf;

pub use certificate::OwnCertificate;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use embedded::{EMBEDDED_ID, client_swanctl, embedded};
pub use keys::{SECTIONS, Section};
pub use load::load;
pub use settings::{
    Config, ControlSettings, Engine, FailoverSettings, FrontVrfSettings, HeadendSettings,
    InnerDevice, InnerVrfSettings, LogFormat, LogLevel, LogSettings, MetricsSettings, Offload,
    PeerDpd, VrfSettings,
};
