//! Every key that a configuration may hold, section by section. The reader looks keys up here, so
//! that a key cannot be read without being listed; `docs/operating/configuration.md` explains each,
//! and a test holds the two together.

/// A section: its path, with `<name>` for a name that the operator chooses, and its keys.
#[derive(Debug)]
pub struct Section {
    /// Path as it stands in the documentation, such as `connections.<name>.local`.
    pub path: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
    /// Keys of swanctl.conf or of common sense that are not taken here, and what to do about them.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

pub(crate) const ROOT: Section = Section {
    path: "",
    keys: &[
        "headend",
        "dpd",
        "failover",
        "fvrf",
        "ivrf",
        "metrics",
        "log",
        "control",
        "connections",
        "pools",
        "secrets",
        "users",
    ],
    refused: &[(
        "authorities",
        "name the authorities' certificates in `cacerts`, and revocation lists in `crls`, of a connection's `remote`",
    )],
};

pub(crate) const HEADEND: Section = Section {
    path: "headend",
    keys: &[
        "listen",
        "ike_port",
        "nat_port",
        "shards",
        "engine",
        "offload",
        "elephants",
        "elephant_packets",
        "inner",
        "raw_esp",
        "install_routes",
        "half_open_max",
        "half_open_per_prefix_max",
        "half_open_timeout",
        "cookie_threshold",
        "cookie_threshold_per_prefix",
        "puzzle_threshold",
        "puzzle_threshold_per_prefix",
        "puzzle_bits",
        "puzzle_bits_max",
        "puzzle_bits_accepted",
        "retransmit_timeout",
        "retransmit_base",
        "retransmit_limit",
        "retransmit_tries",
        "refusals_per_second",
        "children_max",
        "path_mtu",
        "nat_keepalive",
        "socket_buffer",
        "pin_workers",
        "shutdown_time",
    ],
    refused: &[],
};

pub(crate) const INNER: Section = Section {
    path: "headend.inner",
    keys: &["device", "name", "mtu", "addrs"],
    refused: &[],
};

pub(crate) const FVRF: Section = Section {
    path: "fvrf.<name>",
    keys: &["listen", "ike_port", "nat_port", "device", "namespace"],
    refused: &[],
};

pub(crate) const IVRF: Section = Section {
    path: "ivrf.<name>",
    keys: &["device", "name", "mtu", "addrs", "namespace", "table"],
    refused: &[],
};

pub(crate) const FAILOVER: Section = Section {
    path: "failover",
    keys: &[
        "peer_timeout",
        "hold_packets",
        "hold_bytes",
        "hold_packets_all",
        "hold_bytes_all",
        "hold_time",
    ],
    refused: &[],
};

pub(crate) const METRICS: Section = Section {
    path: "metrics",
    keys: &["listen"],
    refused: &[],
};

pub(crate) const LOG: Section = Section {
    path: "log",
    keys: &["format", "level"],
    refused: &[],
};

pub(crate) const CONTROL: Section = Section {
    path: "control",
    keys: &["socket"],
    refused: &[],
};

const DPD_REFUSED: &[(&str, &str)] = &[
    ("delay", "write `interval`"),
    (
        "timeout",
        "write `retry` and `retries`: a peer is dead when the tries after the first have gone unanswered",
    ),
];

pub(crate) const DPD: Section = Section {
    path: "dpd",
    keys: &[
        "mode",
        "interval",
        "retry",
        "retries",
        "backoff",
        "action",
        "cleanup",
        "jitter",
        "suppress_on",
        "suspect_max",
        "allow_fast",
        "peer",
        "breaker",
        "budgets",
    ],
    refused: DPD_REFUSED,
};

pub(crate) const CONNECTION_DPD: Section = Section {
    path: "connections.<name>.dpd",
    keys: &[
        "mode",
        "interval",
        "retry",
        "retries",
        "backoff",
        "action",
        "cleanup",
        "jitter",
        "suppress_on",
        "suspect_max",
        "allow_fast",
        "peer",
    ],
    refused: &[
        (
            "breaker",
            "the breaker watches all peers: write `[dpd.breaker]`",
        ),
        (
            "budgets",
            "the budgets are those of a worker: write `[dpd.budgets]`",
        ),
    ],
};

pub(crate) const BREAKER: Section = Section {
    path: "dpd.breaker",
    keys: &["enabled", "share", "peers_min", "window"],
    refused: &[],
};

pub(crate) const BUDGETS: Section = Section {
    path: "dpd.budgets",
    keys: &[
        "probes_per_second",
        "verdicts_per_second",
        "initiations_per_second",
        "hints_per_second",
    ],
    refused: &[],
};

pub(crate) const DPD_PEER: Section = Section {
    path: "dpd.peer",
    keys: &[
        "id",
        "mode",
        "interval",
        "retry",
        "retries",
        "backoff",
        "action",
        "cleanup",
        "jitter",
        "suppress_on",
        "suspect_max",
        "allow_fast",
    ],
    refused: DPD_REFUSED,
};

pub(crate) const CONNECTION: Section = Section {
    path: "connections.<name>",
    keys: &[
        "version",
        "aggressive",
        "xauth",
        "mode_config",
        "split_include",
        "default_domain",
        "banner",
        "ios_keepalive",
        "fvrf",
        "ivrf",
        "local_addrs",
        "remote_addrs",
        "remote_port",
        "proposals",
        "rekey_time",
        "reauth_time",
        "over_time",
        "rand_time",
        "jitter",
        "fragmentation",
        "fragment_size",
        "encap",
        "unique",
        "initial_contact",
        "pools",
        "vips",
        "dpd",
        "dpd_delay",
        "local",
        "remote",
        "children",
    ],
    refused: &[
        (
            "mobike",
            "MOBIKE is not supported: remove the line; a peer whose NAT mapping changes is followed without it",
        ),
        (
            "dpd_timeout",
            "a peer is dead when all tries have gone unanswered: write `dpd = { retry = \"2s\", retries = 4 }`",
        ),
        (
            "local_port",
            "the port is the same for all connections: `[headend] ike_port`",
        ),
        ("send_cert", "a certificate is always sent: remove the line"),
        (
            "send_certreq",
            "certificates are always asked for: remove the line",
        ),
        (
            "keyingtries",
            "retransmission limits are built in: remove the line",
        ),
    ],
};

pub(crate) const XAUTH: Section = Section {
    path: "connections.<name>.xauth",
    keys: &["user", "password", "password_file"],
    refused: &[],
};

pub(crate) const USER: Section = Section {
    path: "users.<name>",
    keys: &["password", "password_file"],
    refused: &[],
};

pub(crate) const PEER: Section = Section {
    path: "connections.<name>.remote_addrs",
    keys: &["addr", "dynamic", "default"],
    refused: &[],
};

pub(crate) const LOCAL: Section = Section {
    path: "connections.<name>.local",
    keys: &["id", "auth", "certs", "key"],
    refused: LOCAL_REFUSED,
};

pub(crate) const REMOTE: Section = Section {
    path: "connections.<name>.remote",
    keys: &["id", "auth", "cacerts", "crls", "revocation"],
    refused: REMOTE_REFUSED,
};

const EAP_REFUSED: (&str, &str) = (
    "eap_id",
    "EAP is not supported; authenticate with `auth = \"psk\"` or `auth = \"pubkey\"`",
);

const LOCAL_REFUSED: &[(&str, &str)] = &[
    (
        "pubkeys",
        "bare keys are not supported; write `certs` and `key`",
    ),
    EAP_REFUSED,
];

const REMOTE_REFUSED: &[(&str, &str)] = &[
    (
        "certs",
        "single certificates are not pinned: write `cacerts`, and `id` for whom you mean",
    ),
    ("pubkeys", "bare keys are not supported; write `cacerts`"),
    EAP_REFUSED,
];

pub(crate) const CHILD: Section = Section {
    path: "connections.<name>.children.<name>",
    keys: &[
        "local_ts",
        "remote_ts",
        "esp_proposals",
        "mode",
        "rekey_time",
        "life_time",
        "rand_time",
        "rekey_bytes",
        "rekey_packets",
        "jitter",
        "replay_window",
        "peer_replay_window",
        "start_action",
        "dpd_action",
        "copy_df",
        "copy_dscp",
        "mss_clamp",
    ],
    refused: &[
        (
            "hw_offload",
            "ESP runs in this program and not in the kernel: remove the line",
        ),
        ("ah_proposals", "AH is not supported; write `esp_proposals`"),
        (
            "updown",
            "programs are not run on events: read `palisade events`",
        ),
        (
            "close_action",
            "what a deleted child does next is set by `start_action`",
        ),
        ("ipcomp", "compression is not supported: remove the line"),
        (
            "life_bytes",
            "write `rekey_bytes`; the hard limit follows from it",
        ),
        (
            "life_packets",
            "write `rekey_packets`; the hard limit follows from it",
        ),
        ("rand_bytes", "write `jitter`, in percent"),
        ("rand_packets", "write `jitter`, in percent"),
    ],
};

pub(crate) const POOL: Section = Section {
    path: "pools.<name>",
    keys: &["addrs", "dns", "ivrf"],
    refused: &[(
        "nbns",
        "NetBIOS name servers are not supported: remove the line",
    )],
};

pub(crate) const SECRET: Section = Section {
    path: "secrets.<name>",
    keys: &["id", "fvrf", "secret", "file"],
    refused: &[],
};

/// All sections, for documentation and completion.
pub const SECTIONS: &[&Section] = &[
    &ROOT,
    &HEADEND,
    &INNER,
    &DPD,
    &DPD_PEER,
    &BREAKER,
    &BUDGETS,
    &FVRF,
    &IVRF,
    &FAILOVER,
    &METRICS,
    &LOG,
    &CONTROL,
    &CONNECTION,
    &PEER,
    &CONNECTION_DPD,
    &XAUTH,
    &LOCAL,
    &REMOTE,
    &CHILD,
    &POOL,
    &SECRET,
    &USER,
];
