//! The configuration that holds when no file is given, and the client's half of it.

use core::fmt::Write as _;
use std::path::Path;

/// Identity of the headend in the embedded configuration.
pub const EMBEDDED_ID: &str = "palisade";

/// The embedded configuration: anybody who knows the secret in `secret_file` gets a virtual address
/// and reaches everything that the headend reaches.
#[must_use]
pub fn embedded(secret_file: &Path) -> String {
    let file = secret_file
        .to_string_lossy()
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    format!(
        r#"# The configuration that Palisade runs with when no file is given.

[headend]
listen = ["0.0.0.0", "::"]
inner = {{ device = "tun", name = "palisade0", mtu = 1400, addrs = ["10.77.0.1/16", "fd77::1/104"] }}

[metrics]
listen = "127.0.0.1:9477"

[connections.clients]
pools = ["clients4", "clients6"]
unique = "replace"
local.id = "{EMBEDDED_ID}"
remote.id = "%any"

[connections.clients.children.net]
local_ts = ["0.0.0.0/0", "::/0"]
remote_ts = "dynamic"

[pools.clients4]
addrs = "10.77.0.2-10.77.255.254"

[pools.clients6]
addrs = "fd77::2-fd77::ff:ffff"

[secrets.clients]
file = "{file}"
"#
    )
}

/// A `swanctl.conf` for a strongSwan client of the embedded configuration. `secret` is written into
/// it as it is; the caller sees to it that it holds neither quotes nor backslashes.
#[must_use]
pub fn client_swanctl(headend: &str, secret: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"connections {{
  palisade {{
    version = 2
    remote_addrs = {headend}
    vips = 0.0.0.0, ::
    proposals = aes128gcm16-prfsha256-x25519
    dpd_delay = 30s
    local {{
      auth = psk
      id = client1
    }}
    remote {{
      auth = psk
      id = {EMBEDDED_ID}
    }}
    children {{
      net {{
        # What goes through the tunnel; 0.0.0.0/0, ::/0 for everything.
        remote_ts = 10.77.0.0/16, fd77::/104
        esp_proposals = aes128gcm16
        start_action = trap
      }}
    }}
  }}
}}
secrets {{
  ike-palisade {{
    id = {EMBEDDED_ID}
    secret = "{secret}"
  }}
}}
"#
    );
    text
}
