//! What runs when no configuration is given: the embedded one, with a secret of its own.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use config::Config;
use zeroize::Zeroizing;

use crate::directories;

/// Octets of the generated secret; it is written in hexadecimal.
const SECRET_LEN: usize = 32;

/// What a client has to be told.
pub(super) struct Client {
    swanctl: Zeroizing<String>,
}

impl Client {
    /// Prints the client's half of the configuration to standard output. It holds the secret, which
    /// is why it is no log line.
    pub(super) fn print(&self) {
        println!(
            "# swanctl.conf for a strongSwan client (put it into /etc/swanctl/conf.d/, then `swanctl --load-all`):\n{}",
            *self.swanctl
        );
    }
}

/// Reads the embedded configuration; its secret is made when it is needed for the first time.
pub(super) fn prepare(state: &Path) -> Result<(Config, Client)> {
    directories::make_private(state)?;
    let file = state.join("clients.psk");
    let secret = secret(&file)?;
    let text = config::embedded(&file);
    let config = config::load(&text, Path::new("embedded default"))?;
    let swanctl = Zeroizing::new(config::client_swanctl(&own_address().to_string(), &secret));
    Ok((config, Client { swanctl }))
}

fn secret(file: &Path) -> Result<Zeroizing<String>> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    match created {
        Ok(mut created) => {
            let secret = generate().context("the system gives no random octets")?;
            let written = created
                .write_all(secret.as_bytes())
                .and_then(|()| created.sync_all());
            written.with_context(|| format!("cannot write {}", file.display()))?;
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = std::fs::read_to_string(file).map(Zeroizing::new);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            Ok(Zeroizing::new(text.trim_end().to_owned()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot make {}", file.display())),
    }
}

fn generate() -> std::io::Result<Zeroizing<String>> {
    let mut octets = Zeroizing::new([0; SECRET_LEN]);
    File::open("/dev/urandom")?.read_exact(&mut *octets)?;
    let mut text = Zeroizing::new(String::with_capacity(SECRET_LEN * 2));
    for octet in octets.iter() {
        for nibble in [octet >> 4, octet & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    Ok(text)
}

/// The address by which this machine reaches others. Nothing is sent: connecting a datagram socket
/// only asks the routing table.
fn own_address() -> IpAddr {
    let ask = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // RFC 5737: an address for documentation; any that is not local will do.
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    };
    ask().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_secret_is_made_once_and_kept_private() {
        let state = std::env::temp_dir().join(format!("palisade-state-{}", std::process::id()));
        let first = prepare(&state).expect("prepared");
        let file = state.join("clients.psk");
        let mode = std::fs::metadata(&file)
            .expect("there")
            .permissions()
            .mode();
        let secret = std::fs::read_to_string(&file).expect("readable");
        let second = prepare(&state).expect("prepared");
        std::fs::remove_dir_all(&state).expect("cleaned up");
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(secret.len(), 2 * SECRET_LEN);
        assert!(first.1.swanctl.contains(&secret));
        assert_eq!(*first.1.swanctl, *second.1.swanctl);
        let palisade: ipsec::Identity = config::EMBEDDED_ID.parse().expect("an identity");
        let client = "client1".parse().expect("an identity");
        let key = first
            .0
            .policy
            .secret_for(ipsec::FrontVrf::GLOBAL, &palisade, &client)
            .expect("a secret");
        assert_eq!(key.expose(), secret.as_bytes());
    }
}
