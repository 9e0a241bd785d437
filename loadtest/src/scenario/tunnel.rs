use core::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use ipsec::IkeVersion;
use serde::{Deserialize, Serialize};

use super::{EspSuite, IkeSuite, Psk};

/// What the peers propose.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tunnel {
    /// Version of IKE, 2 or 1; a class may speak the other.
    pub version: Version,
    /// IKE suite in swanctl's words, such as `aes128gcm16-prfsha256-x25519`.
    pub ike: IkeSuite,
    /// The suite of phase 1, such as `aes128-sha256-ecp256`, of those that speak IKEv1.
    pub ike_v1: IkeSuite,
    /// ESP suite in swanctl's words, such as `aes128gcm16` or `aes256-sha256-x25519`.
    pub esp: EspSuite,
    /// IKEv2: the peers and the headend prove themselves by certificate, the peers with keys of this kind,
    /// instead of the key that they share.
    pub certificate: Option<CertificateKey>,
    /// Folder with `ca.pem` and `ca.key` of the authority that certifies the peers. Without it, one is made
    /// for the run, and with it the headend's certificate.
    pub authority: Option<PathBuf>,
    /// IKEv1: aggressive mode instead of main mode.
    pub aggressive: bool,
    /// IKEv1: how a peer without `inner_base` gets its address.
    pub mode_config: ModeConfig,
    /// IKEv1: the name that a peer gives when it is asked for its user; `{n}` stands for the number.
    pub xauth_user: Option<String>,
    /// The password that goes with it; `{n}` stands for the number here, too.
    pub xauth_password: Psk,
    /// First inner address when the peers do not ask for virtual ones: peer n has the nth and
    /// proposes it as its traffic selector.
    pub inner_base: Option<IpAddr>,
    /// What is behind the responder.
    pub remote_ts: Vec<ipnet::IpNet>,
    /// Replay window in packets.
    pub replay_window: u32,
    /// Pretend to be behind a NAT, so that ESP always goes in UDP.
    pub force_encap: bool,
}

impl Default for Tunnel {
    fn default() -> Self {
        Self {
            version: Version::default(),
            ike: IkeSuite::default(),
            ike_v1: IkeSuite::default_v1(),
            esp: EspSuite::default(),
            certificate: None,
            authority: None,
            aggressive: false,
            mode_config: ModeConfig::default(),
            xauth_user: None,
            xauth_password: "".into(),
            inner_base: None,
            remote_ts: vec![ipnet::IpNet::V4(ipnet::Ipv4Net::default())],
            replay_window: 64,
            force_encap: true,
        }
    }
}

impl Tunnel {
    pub(super) fn validate(&self) -> Result<()> {
        ensure!(
            (64..=8_192).contains(&self.replay_window),
            "tunnel.replay_window must be 64 to 8192"
        );
        ensure!(
            self.xauth_user.is_none() || !self.xauth_password.is_empty(),
            "tunnel.xauth_user needs tunnel.xauth_password"
        );
        ensure!(
            self.authority.is_none() || self.certificate.is_some(),
            "tunnel.authority needs tunnel.certificate"
        );
        Ok(())
    }
}

/// A version of IKE, written as its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Version {
    /// RFC 2409.
    V1,
    /// RFC 7296.
    #[default]
    V2,
}

impl TryFrom<u8> for Version {
    type Error = anyhow::Error;

    fn try_from(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            _ => bail!("there are the versions 1 and 2 of IKE, not {number}"),
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        IkeVersion::from(version).major()
    }
}

impl From<Version> for IkeVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => Self::V1,
            Version::V2 => Self::V2,
        }
    }
}

/// What kind of key is certified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CertificateKey {
    /// ECDSA on P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA on P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// Ed25519.
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA with 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
}

/// Who speaks first when a peer of IKEv1 is given its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeConfig {
    /// The peer asks.
    #[default]
    Pull,
    /// The responder tells.
    Push,
}
