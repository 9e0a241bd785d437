use anyhow::{Result, bail, ensure};

use super::{Scenario, Sources, Version};
use crate::scenario::numbered;

/// Peers that fit into the SPIs which this program chooses.
const PEERS_MAX: u32 = 1 << 22;

impl Scenario {
    /// Whether some peer proves itself by a key that it shares: certificates are for IKEv2.
    fn needs_psk(&self) -> bool {
        let speaks_v1 = |version| version == Version::V1;
        let mut of_classes = self.classes.iter().filter_map(|class| class.version);
        self.tunnel.certificate.is_none()
            || speaks_v1(self.tunnel.version)
            || of_classes.any(speaks_v1)
    }

    /// Whether the scenario makes sense.
    ///
    /// # Errors
    /// The first thing that does not, in a sentence.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            (1..=PEERS_MAX).contains(&self.peers.count),
            "peers.count is {}, and must be 1 to {PEERS_MAX}",
            self.peers.count
        );
        ensure!(
            (1..=256).contains(&self.threads),
            "threads is {}, and must be 1 to 256",
            self.threads
        );
        ensure!(self.peers.ports >= 1, "peers.ports must be at least 1");
        ensure!(
            self.peers.count == 1
                || numbered(&self.peers.identity, 1) != numbered(&self.peers.identity, 2),
            "peers.identity must contain {{n}}, so that each peer has its own"
        );
        ensure!(
            !self.peers.psk.is_empty() || !self.needs_psk(),
            "there is no pre-shared key: give peers.psk or --psk-file"
        );
        self.validate_times()?;
        self.validate_addresses()?;
        self.network.validate("network")?;
        self.flood.validate()?;
        self.expect.validate()?;
        for trouble in &self.troubles {
            trouble.validate()?;
        }
        for class in &self.classes {
            class.validate(self.peers.ports)?;
        }
        if !self.classes.is_empty()
            && self.classes.iter().map(|class| class.share).sum::<f64>() <= 0.0
        {
            bail!("the shares of the classes add up to nothing");
        }
        Ok(())
    }

    fn validate_times(&self) -> Result<()> {
        let positive = [
            ("duration_s", self.duration_s),
            ("arrival.rate_per_second", self.arrival.rate_per_second),
            ("arrival.period_s", self.arrival.period_s),
        ];
        for (name, value) in positive {
            ensure!(value > 0.0 && value.is_finite(), "{name} must be above 0");
        }
        let not_negative = [
            (
                "traffic.packets_per_second",
                self.traffic.packets_per_second,
            ),
            ("rekey.child_s", self.rekey.child_s),
            ("rekey.ike_s", self.rekey.ike_s),
            ("deaths.delay_s", self.deaths.delay_s),
            ("deaths.spread_s", self.deaths.spread_s),
        ];
        for (name, value) in not_negative {
            ensure!(
                value >= 0.0 && value.is_finite(),
                "{name} must not be negative"
            );
        }
        Ok(())
    }

    fn validate_addresses(&self) -> Result<()> {
        let sources = Sources::parse(&self.peers.source)?;
        ensure!(
            sources.address(0).is_ipv4() == self.target.address.is_ipv4(),
            "peers.source and target.address are of different families"
        );
        ensure!(
            (24..=1_400).contains(&self.traffic.payload_bytes),
            "traffic.payload_bytes must be 24 to 1400"
        );
        if let Some(base) = self.tunnel.inner_base {
            ensure!(
                base.is_ipv4() == self.traffic.destination.is_ipv4(),
                "tunnel.inner_base and traffic.destination are of different families"
            );
        }
        self.tunnel.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{CertificateKey, Class};

    #[test]
    fn only_who_has_no_certificate_needs_a_key() {
        let mut scenario = Scenario::default();
        assert!(scenario.validate().is_err());
        scenario.tunnel.certificate = Some(CertificateKey::EcdsaP256);
        scenario.validate().expect("everybody has a certificate");
        scenario.classes = vec![Class {
            version: Some(Version::V1),
            ..Class::default()
        }];
        assert!(scenario.validate().is_err());
        scenario.peers.psk = "secret".into();
        scenario.validate().expect("some have a key");
    }
}
