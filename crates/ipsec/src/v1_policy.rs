//! What IKEv1 (RFC 2409) asks of a connection beyond what both versions share.

use core::fmt;
use core::net::Ipv4Addr;
use std::sync::Arc;

use crate::PreSharedKey;

/// A version of IKE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IkeVersion {
    /// RFC 2409, deprecated by RFC 9395.
    V1,
    /// RFC 7296.
    V2,
}

impl IkeVersion {
    /// The number in the header of its messages.
    #[must_use]
    pub const fn major(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// The versions of IKE that a connection speaks. An initiator of both starts with IKEv2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions {
    /// IKEv1.
    pub v1: bool,
    /// IKEv2.
    pub v2: bool,
}

impl Versions {
    /// IKEv1 alone.
    pub const V1: Self = Self {
        v1: true,
        v2: false,
    };
    /// IKEv2 alone.
    pub const V2: Self = Self {
        v1: false,
        v2: true,
    };
    /// Both.
    pub const ANY: Self = Self { v1: true, v2: true };

    /// Whether `version` is among them.
    #[must_use]
    pub const fn allow(self, version: IkeVersion) -> bool {
        match version {
            IkeVersion::V1 => self.v1,
            IkeVersion::V2 => self.v2,
        }
    }
}

impl Default for Versions {
    /// IKEv2 alone: IKEv1 is off unless a connection names it.
    fn default() -> Self {
        Self::V2
    }
}

/// User authentication after phase 1 (draft-beaulieu-ike-xauth-02).
#[derive(Clone)]
pub enum Xauth {
    /// We ask; [`Users`](crate::Users) answers.
    Server,
    /// The peer asks.
    Client {
        /// The name that we give.
        user: Box<str>,
        /// The password that goes with it.
        password: PreSharedKey,
    },
}

impl fmt::Debug for Xauth {
    /// Says the name and never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("Server"),
            Self::Client { user, .. } => write!(f, "Client({user})"),
        }
    }
}

/// Who starts the configuration of a client in a transaction exchange (draft-dukes-ike-mode-cfg-02).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ModeConfig {
    /// Nobody.
    #[default]
    None,
    /// The client requests, the server replies.
    Pull,
    /// The server sets, the client acknowledges.
    Push,
}

/// What a connection that allows IKEv1 does there. The default is main mode and nothing else.
#[derive(Clone, Debug, Default)]
pub struct V1Policy {
    /// Aggressive mode instead of main mode: as initiator it is used, as responder it is accepted.
    /// It shows the identities, and a hash from which a weak secret can be guessed, to everybody.
    pub aggressive: bool,
    /// User authentication after phase 1.
    pub xauth: Option<Xauth>,
    /// Configuration of a client's address.
    pub mode_config: ModeConfig,
    /// Whether we send the keepalives that IOS had before RFC 3706 to a peer without dead peer
    /// detection. They are answered in any case.
    pub ios_keepalive: bool,
    /// Server: the prefixes that the client sends through the tunnel; empty means everything.
    pub split_include: Vec<(Ipv4Addr, u8)>,
    /// Server: the client's default domain.
    pub default_domain: Option<Arc<str>>,
    /// Server: a text that the client shows to its user.
    pub banner: Option<Arc<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_off_unless_named() {
        assert!(!Versions::default().allow(IkeVersion::V1));
        assert!(Versions::default().allow(IkeVersion::V2));
        assert!(Versions::V1.allow(IkeVersion::V1) && !Versions::V1.allow(IkeVersion::V2));
        assert!(Versions::ANY.allow(IkeVersion::V1) && Versions::ANY.allow(IkeVersion::V2));
    }

    #[test]
    fn a_password_is_not_shown() {
        let client = Xauth::Client {
            user: "joe".into(),
            password: PreSharedKey::new(b"hunter2".to_vec()),
        };
        assert_eq!(format!("{client:?}"), "Client(joe)");
    }
}
