//! A scenario's file has parts that are laid over others: its short version over the whole, and what
//! it wants of the headend over a configuration.

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::Scenario;

/// The configuration of a headend for load tests on loopback, on which each scenario builds.
const HEADEND: &str = include_str!("../../headend.toml");
/// What is laid over it where peers have certificates.
const CERTIFIED: &str = "[connections.peers]\n\
    local = { auth = \"pubkey\", certs = \"headend.pem\", key = \"headend.key\" }\n\
    remote = { auth = \"pubkey\", cacerts = \"ca.pem\" }\n";
/// Section of a scenario's file.
const SHORT: &str = "short";

impl Scenario {
    /// Reads a scenario file. It still has to be [validated](Self::validate).
    ///
    /// # Errors
    /// Syntax errors and unknown keys.
    pub fn from_toml(text: &str) -> Result<Self> {
        let (whole, _) = parts(text)?;
        read(whole)
    }

    /// Reads a scenario file with its section `short` laid over it.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml), and if there is no such section.
    pub fn short_from_toml(text: &str) -> Result<Self> {
        let (mut whole, short) = parts(text)?;
        let Some(short) = short else {
            bail!("it has no section `{SHORT}`");
        };
        lay_over(&mut whole, short);
        read(whole)
    }

    /// The configuration of a headend that serves the scenario on two ports of loopback, with its secret in the
    /// file `psk` beside it, and its certificate, where it needs one, in `headend.pem`.
    ///
    /// # Errors
    /// When it cannot be written as TOML.
    pub fn headend_configuration(&self, ike_port: u16, nat_port: u16) -> Result<String> {
        let mut whole: Table = HEADEND.parse().context("in headend.toml")?;
        lay_over(&mut whole, self.headend.clone());
        let ports = [("ike_port", ike_port), ("nat_port", nat_port)];
        let ports = ports.map(|(key, port)| (key.to_owned(), Value::from(i64::from(port))));
        let own = Table::from_iter([
            ("headend".to_owned(), Value::Table(Table::from_iter(ports))),
            (
                "metrics".to_owned(),
                Value::Table(Table::from_iter([(
                    "listen".to_owned(),
                    Value::from("off"),
                )])),
            ),
        ]);
        lay_over(&mut whole, own);
        if self.tunnel.certificate.is_some() {
            lay_over(&mut whole, CERTIFIED.parse()?);
        }
        Ok(toml::to_string(&whole)?)
    }
}

fn read(table: Table) -> Result<Scenario> {
    // Through text, so that an error names its line's words.
    Ok(toml::from_str(&toml::to_string(&table)?)?)
}

/// The scenario, and its short version's differences.
fn parts(text: &str) -> Result<(Table, Option<Table>)> {
    let mut whole: Table = text.parse()?;
    let short = match whole.remove(SHORT) {
        None => None,
        Some(Value::Table(short)) => Some(short),
        Some(_) => bail!("`{SHORT}` must be a section"),
    };
    Ok((whole, short))
}

/// Replaces what `over` gives; sections are laid over each other, lists replaced as wholes.
fn lay_over(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => lay_over(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "duration_s = 60.0\n[peers]\ncount = 9\nports = 2\n\
                        [headend.dpd]\ninterval = \"20s\"\n\
                        [short]\nduration_s = 6.0\npeers.count = 3\n";

    #[test]
    fn the_short_version_differs_where_it_says_so() {
        let full = Scenario::from_toml(TEXT).unwrap();
        let short = Scenario::short_from_toml(TEXT).unwrap();
        assert_eq!((full.duration_s, full.peers.count), (60.0, 9));
        assert_eq!((short.duration_s, short.peers.count), (6.0, 3));
        assert_eq!(short.peers.ports, 2);
        assert!(Scenario::short_from_toml("duration_s = 1.0").is_err());
    }

    #[test]
    fn a_headend_is_configured_as_the_scenario_wants() {
        let scenario = Scenario::from_toml(TEXT).unwrap();
        let text = scenario.headend_configuration(1, 2).unwrap();
        let table: Table = text.parse().unwrap();
        assert_eq!(table["dpd"]["interval"].as_str(), Some("20s"));
        assert_eq!(table["dpd"]["mode"].as_str(), Some("periodic"));
        assert_eq!(table["headend"]["nat_port"].as_integer(), Some(2));
        assert!(table["connections"]["peers"]["local"].get("auth").is_none());
        let text = format!("tunnel.certificate = \"rsa-2048\"\n{TEXT}");
        let certified = Scenario::from_toml(&text).unwrap();
        let text = certified.headend_configuration(1, 2).unwrap();
        let table: Table = text.parse().unwrap();
        let local = &table["connections"]["peers"]["local"];
        assert_eq!(local["auth"].as_str(), Some("pubkey"));
        assert_eq!(local["id"].as_str(), Some("headend.example"));
    }
}
