//! What a valid configuration means.

mod folder;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use config::{Config, Engine, InnerDevice, LogFormat, LogLevel, embedded, load};
use dpd::{Action, Mode, SuppressOn};
use ipsec::{
    AddressPool, DfPolicy, EncryptionAlgorithm, Identity, IdentityPattern, IntegrityAlgorithm,
    KeyExchangeMethod, ModeConfig, PeerEndpoint, PrfAlgorithm, StartAction, TrafficSelector,
    Versions, Xauth,
};

use folder::Folder;

fn read(text: &str) -> Config {
    load(text, Path::new("test.toml")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn identity(text: &str) -> Identity {
    text.parse().expect("an identity")
}

const FULL: &str = r#"
[headend]
listen = ["192.0.2.1", "2001:db8::1"]
ike_port = 5500
nat_port = 5501
shards = 3
engine = "epoll"
offload = false
elephants = true
elephant_packets = 9000
inner = { device = "tun", name = "ps1", mtu = 1380, addrs = ["10.9.0.1/16"] }
raw_esp = true
install_routes = false
half_open_max = 100
half_open_per_prefix_max = 10
half_open_timeout = "20s"
cookie_threshold = 50
cookie_threshold_per_prefix = 5
retransmit_timeout = "1s"
retransmit_base = 1.8
retransmit_limit = "20s"
retransmit_tries = 5
refusals_per_second = 20
children_max = 8
path_mtu = 1492
nat_keepalive = "15s"
socket_buffer = "8M"
pin_workers = true
shutdown_time = "3s"

[metrics]
listen = "[::1]:9000"

[log]
format = "json"
level = "debug"

[control]
socket = "/run/p/c.sock"

[dpd]
mode = "periodic"
interval = 20
retries = 3

[[dpd.peer]]
id = ["*.slow.example.org", "10.0.0.1"]
interval = "60s"

[dpd.breaker]
share = 10
peers_min = 50
window = "5s"

[dpd.budgets]
verdicts_per_second = 77

[connections.site]
version = 2
local_addrs = "192.0.2.1"
remote_addrs = ["198.51.100.1", "198.51.100.2", "203.0.113.0/24"]
remote_port = 4501
proposals = ["aes256gcm16-prfsha384-ecp384-x25519", "aes128-sha256-modp2048"]
rekey_time = "8h"
over_time = "30m"
rand_time = "2h"
reauth_time = "1d"
fragmentation = "no"
fragment_size = 1400
encap = "yes"
unique = "replace"
initial_contact = false
pools = ["four", "six"]
vips = ["0.0.0.0", "::"]
dpd = { action = "restart", peer = [{ id = "%any", suppress_on = "hello" }] }
local = { id = "gw.example.org", auth = "psk" }
remote = { id = "*.branch.example.org" }

[connections.site.children.lan]
local_ts = ["10.1.0.0/16", "10.2.0.1-10.2.0.9[tcp/80]"]
remote_ts = "10.3.0.0/16"
esp_proposals = ["chacha20poly1305-x25519-esn-noesn"]
mode = "tunnel"
rekey_time = "2h"
life_time = "3h"
rekey_bytes = "10G"
rekey_packets = 1000000
jitter = 20
replay_window = 4096
peer_replay_window = 2048
start_action = "start"
copy_df = false
copy_dscp = false
mss_clamp = 1360

[connections.plain]
dpd_delay = "45s"

[connections.plain.children.net]
dpd_action = "trap"

[pools.four]
addrs = "10.9.0.0/24"
dns = ["10.9.0.1", "2001:db8::53"]

[pools.six]
addrs = "fd00::/64"

[secrets.site]
id = ["*.branch.example.org", "gw.example.org"]
secret = "0x00ff"

[secrets.rest]
secret = "rest"
"#;

#[test]
fn process_settings() {
    let config = read(FULL);
    let headend = &config.headend;
    let addresses: Vec<IpAddr> = vec![
        "192.0.2.1".parse().expect("v4"),
        "2001:db8::1".parse().expect("v6"),
    ];
    assert_eq!(headend.listen, addresses);
    assert_eq!(
        (headend.ike_port, headend.nat_port, headend.shards),
        (5500, 5501, Some(3))
    );
    assert_eq!(headend.engine, Engine::Epoll);
    assert!(headend.offload.is_empty());
    assert!(headend.elephants);
    assert_eq!(headend.elephant_packets, 9_000);
    let addrs = vec![("10.9.0.1".parse().expect("v4"), 16)];
    assert_eq!(
        headend.inner,
        InnerDevice::Tun {
            name: "ps1".into(),
            mtu: 1380,
            addrs
        }
    );
    assert!(headend.raw_esp && !headend.install_routes);
    assert_eq!(
        (headend.half_open_max, headend.half_open_per_prefix_max),
        (100, 10)
    );
    assert_eq!(
        (
            headend.cookie_threshold,
            headend.cookie_threshold_per_prefix
        ),
        (50, 5)
    );
    assert_eq!(headend.half_open_timeout, Duration::from_secs(20));
    assert_eq!(headend.retransmit_timeout, Duration::from_secs(1));
    assert_eq!(headend.retransmit_limit, Duration::from_secs(20));
    assert_eq!(
        (headend.retransmit_base_percent, headend.retransmit_tries),
        (180, 5)
    );
    assert_eq!((headend.refusals_per_second, headend.children_max), (20, 8));
    assert_eq!(headend.shutdown_time, Duration::from_secs(3));
    assert_eq!(
        (
            headend.path_mtu,
            headend.socket_buffer_bytes,
            headend.pin_workers
        ),
        (1492, 8 << 20, true)
    );
    assert_eq!(headend.nat_keepalive, Duration::from_secs(15));
    let breaker = &config.breaker;
    assert_eq!(
        (breaker.enabled, breaker.share_percent, breaker.peers_min),
        (true, 10, 50)
    );
    assert_eq!(breaker.window, Duration::from_secs(5));
    assert_eq!(config.budgets.kills_per_second.get(), 77);
    let untouched = dpd::BudgetPolicy::default().probes_per_second;
    assert_eq!(config.budgets.probes_per_second, untouched);
    assert_eq!(config.metrics.listen, "[::1]:9000".parse().ok());
    assert_eq!(
        (config.log.format, config.log.level),
        (LogFormat::Json, LogLevel::Debug)
    );
    assert_eq!(
        config.control.socket.as_deref(),
        Some(Path::new("/run/p/c.sock"))
    );
}

#[test]
fn a_connection_in_full() {
    let config = read(FULL);
    let site = &config.policy.connections[0];
    assert_eq!(&*site.name, "site");
    assert_eq!(
        site.local_addrs,
        ["192.0.2.1".parse::<IpAddr>().expect("v4")]
    );
    let peers = ["198.51.100.1:4501", "198.51.100.2:4501"]
        .map(|address| PeerEndpoint::Address(address.parse().expect("an address")));
    assert_eq!(site.remote_addrs, peers);
    assert_eq!(site.remote_sources.len(), 3);
    assert_eq!(
        site.remote_sources[2].1,
        "203.0.113.255".parse::<IpAddr>().expect("v4")
    );
    assert_eq!(
        site.proposals[0].encryption,
        [EncryptionAlgorithm::Aes256Gcm16]
    );
    assert_eq!(site.proposals[0].prf, [PrfAlgorithm::HmacSha384]);
    assert_eq!(
        site.proposals[0].key_exchange,
        [KeyExchangeMethod::EcpP384, KeyExchangeMethod::X25519]
    );
    assert_eq!(
        site.proposals[1].integrity,
        [IntegrityAlgorithm::HmacSha256_128]
    );
    // As in strongSwan, the integrity algorithm stands for its pseudorandom function.
    assert_eq!(site.proposals[1].prf, [PrfAlgorithm::HmacSha256]);
    assert_eq!(site.rekey.time, Some(Duration::from_secs(8 * 3600)));
    assert_eq!(
        site.rekey.hard_time,
        Some(Duration::from_secs(8 * 3600 + 1800))
    );
    assert_eq!(site.rekey.jitter_percent, 25);
    assert_eq!(site.reauth_time, Some(Duration::from_secs(86_400)));
    assert!(!site.fragmentation && site.force_encap && site.unique && !site.send_initial_contact);
    assert_eq!(site.fragment_size, 1400);
    assert_eq!(site.request_virtual, (true, true));
    assert_eq!(
        site.pools.iter().map(|pool| &**pool).collect::<Vec<_>>(),
        ["four", "six"]
    );
    assert_eq!(site.local_id, Some(identity("gw.example.org")));
    assert!(site.remote_id.matches(&identity("a.branch.example.org")));
    assert!(!site.remote_id.matches(&identity("a.example.org")));
}

#[test]
fn a_child_in_full() {
    let config = read(FULL);
    let lan = &config.policy.connections[0].children[0];
    let shown: Vec<_> = lan.local_ts.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.1.0.0/16", "10.2.0.1-10.2.0.9[tcp/80]"]);
    assert_eq!(
        lan.proposals[0].encryption,
        [EncryptionAlgorithm::ChaCha20Poly1305]
    );
    assert_eq!(lan.proposals[0].key_exchange, [KeyExchangeMethod::X25519]);
    assert_eq!(lan.proposals[0].esn, [true, false]);
    assert_eq!(lan.rekey.time, Some(Duration::from_secs(7200)));
    assert_eq!(lan.rekey.hard_time, Some(Duration::from_secs(10_800)));
    assert_eq!(
        (lan.rekey.bytes, lan.rekey.packets),
        (Some(10 << 30), Some(1_000_000))
    );
    assert_eq!(lan.rekey.jitter_percent, 20);
    assert_eq!((lan.replay_window, lan.start), (4096, StartAction::Start));
    assert_eq!(lan.peer_replay_window, 2048);
    assert_eq!(
        (lan.df, lan.copy_dscp, lan.mss_clamp),
        (DfPolicy::Clear, false, Some(1360))
    );
}

#[test]
fn defaults_are_strong_and_open() {
    let config = read(FULL);
    let plain = &config.policy.connections[1];
    assert_eq!(plain.remote_id, IdentityPattern::Any);
    assert!(plain.local_addrs.is_empty() && plain.remote_sources.is_empty());
    for proposal in &plain.proposals {
        assert!(!proposal.prf.contains(&PrfAlgorithm::HmacSha1));
        assert!(
            !proposal
                .integrity
                .contains(&IntegrityAlgorithm::HmacSha1_96)
        );
        assert!(!proposal.key_exchange.contains(&KeyExchangeMethod::Modp2048));
    }
    let net = &plain.children[0];
    assert_eq!(
        net.local_ts,
        [TrafficSelector::ANY_V4, TrafficSelector::ANY_V6]
    );
    assert!(net.remote_ts.is_empty());
    assert!(
        net.proposals
            .iter()
            .all(|one| !one.integrity.contains(&IntegrityAlgorithm::HmacSha1_96))
    );
    assert_eq!((net.replay_window, net.peer_replay_window), (1024, 0));
}

#[test]
fn dead_peer_detection_in_three_layers() {
    let config = read(FULL);
    let [site, plain] = &config.policy.connections[..] else {
        panic!("two connections")
    };
    let policy =
        |connection, id: &str| &config.dpd[usize::from(config.dpd_for(connection, &identity(id)))];
    assert_eq!(config.dpd[0].mode, Mode::Periodic);
    assert_eq!(config.dpd[0].interval, Duration::from_secs(20));
    let of_site = &config.dpd[usize::from(site.dpd)];
    assert_eq!(
        (of_site.interval, of_site.action),
        (Duration::from_secs(20), Action::Restart)
    );
    // The connection's own exception goes before the global one.
    let slow = policy(site, "a.slow.example.org");
    assert_eq!(
        (slow.suppress_on, slow.interval),
        (SuppressOn::Hello, Duration::from_secs(20))
    );
    let slow = policy(plain, "a.slow.example.org");
    assert_eq!(
        (slow.interval, slow.action),
        (Duration::from_secs(60), Action::Hold)
    );
    let other = policy(plain, "b.example.org");
    assert_eq!(
        (other.interval, other.retries),
        (Duration::from_secs(45), 3)
    );
    assert_eq!(policy(plain, "10.0.0.1").interval, Duration::from_secs(60));
}

#[test]
fn pools_leave_network_and_broadcast_out() {
    let config = read(FULL);
    let ends = |pool: &AddressPool| (pool.first.to_string(), pool.last.to_string());
    let [four, six] = &config.policy.pools[..] else {
        panic!("two pools")
    };
    assert_eq!(ends(four), ("10.9.0.1".into(), "10.9.0.254".into()));
    assert_eq!(ends(six), ("fd00::1".into(), "fd00::100:0".into()));
    assert_eq!(four.dns.len(), 2);
}

#[test]
fn secrets_are_found_for_their_owners() {
    let config = read(FULL);
    let find = |remote: &str| {
        let key = config.policy.secret_for(
            ipsec::FrontVrf::GLOBAL,
            &identity("gw.example.org"),
            &identity(remote),
        );
        key.map(|key| key.expose().to_vec())
    };
    assert_eq!(find("a.branch.example.org"), Some(vec![0x00, 0xff]));
}

#[test]
fn secrets_come_from_files_beside_the_configuration() {
    let directory = std::env::temp_dir().join(format!("palisade-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    std::fs::write(directory.join("psk"), "from a file\r\n").expect("a file");
    let text = "[connections.a.children.b]\n[secrets.a]\nfile = \"psk\"\n";
    let config = load(text, &directory.join("palisade.toml"));
    std::fs::write(directory.join("psk"), "").expect("a file");
    let empty = load(text, &directory.join("palisade.toml"));
    std::fs::remove_dir_all(&directory).expect("cleaned up");
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    let me = identity("a");
    let key = config
        .policy
        .secret_for(ipsec::FrontVrf::GLOBAL, &me, &me)
        .expect("a secret");
    assert_eq!(key.expose(), b"from a file");
    assert!(empty.is_err());
}

#[test]
fn the_embedded_configuration_is_valid() {
    let directory = std::env::temp_dir().join(format!("palisade-embedded-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let psk = directory.join("a \"quoted\" psk");
    std::fs::write(&psk, "secret").expect("a file");
    let config = load(&embedded(&psk), Path::new("embedded default"));
    std::fs::remove_dir_all(&directory).expect("cleaned up");
    let config = config.unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.metrics.listen, "127.0.0.1:9477".parse().ok());
    assert_eq!(config.policy.pools.len(), 2);
    assert_eq!(config.dpd[0], dpd::DpdPolicy::default());
}

#[test]
fn the_operators_page_explains_every_key() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operating/configuration.md"
    );
    let page = std::fs::read_to_string(path).expect("docs/operating/configuration.md");
    let mut rest = page.as_str();
    for section in config::SECTIONS
        .iter()
        .filter(|section| !section.path.is_empty())
    {
        let title = format!("## `[{}]`\n", section.path).replace("[dpd.peer]", "[[dpd.peer]]");
        let at = rest.find(&title).unwrap_or_else(|| panic!("no {title}"));
        rest = &rest[at + title.len()..];
        let body = rest.split("\n## ").next().unwrap_or(rest);
        let explained: Vec<_> = body
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter_map(|row| row.split('`').next())
            .collect();
        let mut listed = section.keys.to_vec();
        let mut sorted = explained.clone();
        listed.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(sorted, listed, "[{}]", section.path);
    }
}

#[test]
fn the_examples_of_the_operators_page_are_valid() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operating/configuration.md"
    );
    let page = std::fs::read_to_string(path).expect("docs/operating/configuration.md");
    let examples: Vec<_> = page.split("```toml\n").skip(1).collect();
    assert!(examples.len() >= 2);
    let folder = Folder::new("page");
    for example in examples {
        let text = example.split("```").next().expect("an end");
        folder
            .load(text)
            .unwrap_or_else(|faults| panic!("{faults}"));
    }
}

/// Whoever sees no NAT would send protocol 50 to where nobody listens for it.
#[test]
fn without_raw_esp_everything_is_encapsulated() {
    let connection =
        "[connections.a]\n[connections.a.children.c]\n[secrets.s]\nsecret = \"x y z 1 2 3 4 5\"\n";
    assert!(read(connection).policy.connections[0].force_encap);
    let raw = format!("{connection}[headend]\nraw_esp = true\n");
    assert!(!read(&raw).policy.connections[0].force_encap);
    let chosen = raw.replace("[connections.a]\n", "[connections.a]\nencap = true\n");
    assert!(read(&chosen).policy.connections[0].force_encap);
}

const OLD: &str = r#"
[connections.client]
version = "any"
aggressive = true
xauth = { user = "joe", password = "hunter2" }
remote_addrs = "192.0.2.1"
vips = "0.0.0.0"
ios_keepalive = true
[connections.client.children.net]
rekey_bytes = "4608000k"

[connections.server]
version = 1
xauth = "server"
mode_config = "push"
split_include = ["10.1.2.3/16", "10.5.0.1"]
default_domain = "example.org"
banner = "Welcome."
[connections.server.children.net]

[users.joe]
password = "hunter2"
[users."ann@example.org"]
password = "0x6162"

[secrets.peers]
id = "10.2.80.209/255.255.255.255"
secret = "correct horse battery staple"
[secrets.rest]
secret = "another long secret of everybody"
"#;

#[test]
fn ikev1_is_off_unless_named_and_says_what_it_needs() {
    let config = read(OLD);
    let [client, server] = &config.policy.connections[..] else {
        panic!("two connections");
    };
    assert_eq!(client.versions, Versions::ANY);
    assert!(client.v1.aggressive && client.v1.ios_keepalive);
    assert_eq!(format!("{:?}", client.v1.xauth), "Some(Client(joe))");
    assert_eq!(client.v1.mode_config, ModeConfig::Pull);
    assert_eq!(client.children[0].rekey.bytes, Some(4_608_000 << 10));
    assert_eq!(server.versions, Versions::V1);
    assert!(!server.v1.aggressive);
    assert!(matches!(server.v1.xauth, Some(Xauth::Server)));
    assert_eq!(server.v1.mode_config, ModeConfig::Push);
    let prefixes = [("10.1.0.0", 16), ("10.5.0.1", 32)];
    let prefixes = prefixes.map(|(network, length)| (network.parse().expect("IPv4"), length));
    assert_eq!(server.v1.split_include, prefixes);
    assert_eq!(server.v1.default_domain.as_deref(), Some("example.org"));
    assert_eq!(server.v1.banner.as_deref(), Some("Welcome."));
    let users = &config.policy.users;
    assert!(users.verify("joe", b"hunter2") && users.verify("ann@example.org", b"ab"));
    assert!(!users.verify("joe", b"ab") && !users.verify("ann", b"ab"));
    let between = |remote: &str| {
        let (local, remote) = ("192.0.2.1", remote);
        let (local, remote) = (local.parse().expect("IPv4"), remote.parse().expect("IPv4"));
        let key = config
            .policy
            .secrets
            .find_by_address(ipsec::FrontVrf::GLOBAL, local, remote);
        key.map(|key| String::from_utf8_lossy(key.expose()).into_owned())
    };
    assert_eq!(
        between("10.2.80.209").as_deref(),
        Some("correct horse battery staple")
    );
    assert_eq!(
        between("10.2.80.210").as_deref(),
        Some("another long secret of everybody")
    );
    let plain = read("[connections.a.children.c]\n[secrets.s]\nsecret = \"x y z 1 2 3 4 5\"\n");
    assert_eq!(plain.policy.connections[0].versions, Versions::V2);
}

const PEERS: &str = r#"
[connections.site]
remote_port = 4501
remote_addrs = [
    "192.0.2.1",
    { addr = "gw.example.org", dynamic = true },
    { addr = "192.0.2.3", default = true },
    "static.example.org",
    "203.0.113.0/24",
]
[connections.site.children.net]
start_action = "trap"
[secrets.s]
secret = "x y z 1 2 3 4 5"
"#;

#[test]
fn peers_are_addresses_and_names_in_order() {
    let config = read(PEERS);
    let site = &config.policy.connections[0];
    let address = |text: &str| PeerEndpoint::Address(text.parse().expect("an address"));
    let name = |name: &str, dynamic| PeerEndpoint::Name {
        name: name.into(),
        port: 4501,
        dynamic,
    };
    let expected = [
        address("192.0.2.1:4501"),
        name("gw.example.org", true),
        address("192.0.2.3:4501"),
        name("static.example.org", false),
    ];
    assert_eq!(site.remote_addrs, expected);
    assert_eq!(site.default_peer, Some(2));
    assert_eq!(
        site.remote_sources.len(),
        3,
        "names come from nowhere known"
    );
    assert_eq!(config.dpd[usize::from(site.dpd)].action, Action::NextPeer);
}

#[test]
fn only_who_initiates_and_says_nothing_else_goes_to_the_next_peer() {
    let action = |text: &str| {
        let config = read(text);
        config.dpd[usize::from(config.policy.connections[0].dpd)].action
    };
    let waits = PEERS.replace("start_action = \"trap\"", "");
    assert_eq!(action(&waits), Action::Clear);
    let global = format!("{PEERS}[dpd]\naction = \"hold\"\n");
    assert_eq!(action(&global), Action::Hold);
    let own = PEERS.replace("remote_port", "dpd.action = \"restart\"\nremote_port");
    assert_eq!(action(&own), Action::Restart);
    let alone = PEERS
        .lines()
        .filter(|line| !line.contains("example.org") && !line.contains("192.0.2.3"));
    let alone: String = alone.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(action(&alone), Action::Clear);
}

#[test]
fn bounds_on_what_waits_can_be_set() {
    let text = format!(
        "{PEERS}[failover]\npeer_timeout = \"3s\"\nhold_packets = 7\nhold_bytes = \"1k\"\n\
         hold_packets_all = 70\nhold_bytes_all = \"10k\"\nhold_time = \"4s\"\n"
    );
    let failover = read(&text).failover;
    assert_eq!(failover.peer_timeout.as_secs(), 3);
    assert_eq!(failover.hold_time.as_secs(), 4);
    assert_eq!((failover.hold_packets, failover.hold_bytes), (7, 1 << 10));
    assert_eq!(
        (failover.hold_packets_all, failover.hold_bytes_all),
        (70, 10 << 10)
    );
}

const VRFS: &str = r#"
[headend]
listen = "192.0.2.1"
inner = { name = "palisade0" }
[fvrf.red]
device = "eth1"
[fvrf.blue]
namespace = "blue"
listen = ["192.0.2.1", "2001:db8::1"]
ike_port = 1500
[ivrf.customer-a]
name = "tun-a"
addrs = "10.9.0.1/16"
table = 300
[ivrf.customer-b]
namespace = "/run/netns/b"
mtu = 1300
[ivrf.lab]
device = "echo"
[connections.a]
fvrf = "red"
ivrf = "customer-a"
pools = ["a"]
[connections.a.children.net]
[connections.b]
fvrf = "blue"
ivrf = "customer-b"
pools = ["b"]
[connections.b.children.net]
[connections.c]
[connections.c.children.net]
[pools.a]
addrs = "10.9.0.0/16"
ivrf = "customer-a"
[pools.b]
addrs = "10.9.0.0/16"
ivrf = "customer-b"
[secrets.s]
secret = "x y z 1 2 3 4 5"
"#;

#[test]
fn vrfs_have_sockets_devices_and_numbers_of_their_own() {
    let config = read(VRFS);
    let [red, blue] = &config.vrfs.front[..] else {
        panic!("{:?}", config.vrfs.front);
    };
    assert_eq!(red.device.as_deref(), Some("eth1"));
    assert_eq!((red.ike_port, red.nat_port), (500, 4500));
    assert_eq!(red.listen, config::HeadendSettings::default().listen);
    assert_eq!(blue.namespace.as_deref(), Some("blue"));
    assert_eq!((blue.ike_port, blue.listen.len()), (1500, 2));
    let [a, b, lab] = &config.vrfs.inner[..] else {
        panic!("{:?}", config.vrfs.inner);
    };
    assert!(matches!(&a.device, InnerDevice::Tun { name, .. } if name == "tun-a"));
    assert_eq!(a.table, Some(300));
    assert!(matches!(&b.device, InnerDevice::Tun { name, mtu: 1300, .. } if name == "palisade%d"));
    assert_eq!(b.namespace.as_deref(), Some("/run/netns/b"));
    assert_eq!(lab.device, InnerDevice::Echo);
    let numbers: Vec<_> = config
        .policy
        .connections
        .iter()
        .map(|one| (one.fvrf.0, one.ivrf.0))
        .collect();
    assert_eq!(numbers, [(1, 1), (2, 2), (0, 0)]);
    let pools: Vec<_> = config.policy.pools.iter().map(|pool| pool.ivrf.0).collect();
    assert_eq!(pools, [1, 2], "the same addresses in two VRFs");
    for (number, name) in [(0, "global"), (1, "red"), (2, "blue")] {
        let vrf = ipsec::FrontVrf(number);
        assert_eq!(config.vrfs.front_name(vrf), name);
        assert_eq!(config.vrfs.front_named(name), Some(vrf));
    }
    for (number, name) in [(0, "global"), (1, "customer-a"), (3, "lab")] {
        let vrf = ipsec::InnerVrf(number);
        assert_eq!(config.vrfs.inner_name(vrf), name);
        assert_eq!(config.vrfs.inner_named(name), Some(vrf));
    }
    assert_eq!(config.vrfs.inner_named("nobody"), None);
    let moved = VRFS
        .replace("[fvrf.red]", "[fvrf.scarlet]")
        .replace("\"red\"", "\"scarlet\"");
    assert!(!read(&moved).vrfs.numbers_as(&config.vrfs));
    assert!(
        read(&VRFS.replace("eth1", "eth2"))
            .vrfs
            .numbers_as(&config.vrfs)
    );
}

#[test]
fn vrfs_that_contradict_are_refused() {
    for (old, new, complaint) in [
        ("[fvrf.red]", "[fvrf.global]", "`global` is the name"),
        (
            "fvrf = \"red\"",
            "fvrf = \"read\"",
            "there is no fvrf `read`",
        ),
        (
            "ivrf = \"customer-a\"\npools",
            "ivrf = \"customer-x\"\npools",
            "there is no ivrf",
        ),
        (
            "ivrf = \"customer-a\"\npools",
            "pools",
            "belongs to the inner VRF `customer-a`",
        ),
        (
            "device = \"eth1\"",
            "listen = \"192.0.2.1\"",
            "global listens on 192.0.2.1 port 500",
        ),
        (
            "name = \"tun-a\"",
            "name = \"palisade0\"",
            "global has a device `palisade0`",
        ),
        ("ike_port = 1500", "ike_port = 4500", "are the same"),
        (
            "namespace = \"blue\"",
            "namespace = \"\"",
            "no network namespace",
        ),
        ("table = 300", "table = 0", "out of range"),
        (
            "ivrf = \"customer-b\"\n[secrets",
            "ivrf = \"customer-a\"\n[secrets",
            "overlaps pool `a`",
        ),
    ] {
        let text = VRFS.replacen(old, new, 1);
        assert_ne!(text, VRFS, "{old}");
        let faults = config::load(&text, std::path::Path::new("x.toml"));
        let faults = faults
            .err()
            .unwrap_or_else(|| panic!("{new} was taken"))
            .to_string();
        assert!(faults.contains(complaint), "{new}: {faults}");
    }
}

#[test]
fn a_secret_may_be_for_one_vrf() {
    let text = VRFS.replace(
        "[secrets.s]\nsecret = \"x y z 1 2 3 4 5\"",
        "[secrets.r]\nid = \"198.51.100.7\"\nfvrf = \"red\"\nsecret = \"the red one\"\n\
         [secrets.b]\nid = \"198.51.100.7\"\nfvrf = \"blue\"\nsecret = \"the blue one\"",
    );
    let config = read(&text);
    let found = |vrf| {
        let (us, them) = (identity("192.0.2.1"), identity("198.51.100.7"));
        let key = config.policy.secret_for(ipsec::FrontVrf(vrf), &us, &them)?;
        core::str::from_utf8(key.expose()).ok()
    };
    assert_eq!(
        [0, 1, 2].map(found),
        [None, Some("the red one"), Some("the blue one")]
    );
}
