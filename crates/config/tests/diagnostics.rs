//! Each kind of mistake: where it is found, what is said, what is proposed instead.

use std::path::Path;

use config::{Diagnostic, Severity, load};

/// A configuration that is right, to be spoilt by one line.
const RIGHT: &str = r#"
[connections.rw]
proposals = ["aes128gcm16-prfsha256-x25519"]
pools = ["p"]

[connections.rw.children.net]
local_ts = ["10.1.0.0/16"]

[pools.p]
addrs = "10.9.0.0/16"

[secrets.all]
secret = "correct horse battery staple"
"#;

fn faults(text: &str) -> Vec<Diagnostic> {
    match load(text, Path::new("test.toml")) {
        Ok(_) => Vec::new(),
        Err(diagnostics) => diagnostics.0,
    }
}

/// Replaces `old` by `new` in the right configuration and expects a single fault at `marked`.
fn spoil(old: &str, new: &str, marked: &str) -> Diagnostic {
    assert!(RIGHT.contains(old), "{old}");
    only(&RIGHT.replacen(old, new, 1), marked)
}

fn only(text: &str, marked: &str) -> Diagnostic {
    let faults = faults(text);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    let fault = faults.into_iter().next().expect("one");
    let underlined: String = fault
        .text
        .chars()
        .skip(fault.column - 1)
        .take(fault.width)
        .collect();
    assert_eq!(underlined, marked, "{fault}");
    assert_eq!(
        text.lines().nth(fault.line - 1),
        Some(fault.text.as_str()),
        "{fault}"
    );
    fault
}

fn proposes(fault: &Diagnostic, instead: &str) {
    let given = fault.instead.as_deref().unwrap_or_default();
    assert!(given.contains(instead), "{fault}");
}

#[test]
fn the_template_is_right() {
    assert_eq!(faults(RIGHT), []);
    assert_eq!(faults(""), []);
}

#[test]
fn lines_that_look_like_headers_do_no_harm() {
    let inside = RIGHT.replace(
        "\"correct horse battery staple\"",
        "\"\"\"\n[connections.rw]\ncorrect horse\"\"\"",
    );
    assert_eq!(faults(&inside), []);
    let list = RIGHT.replace("[\"10.1.0.0/16\"]", "[\n\"10.1.0.0/16\",\n]");
    assert_eq!(faults(&list), []);
    let nested = RIGHT.replace("[\"p\"]", "[\n[\"p\"]\n]");
    assert_eq!(faults(&nested).len(), 1);
    let bare = RIGHT.replace("[\"p\"]", "[\n[connections.other]\n]");
    let torn = faults(&bare);
    assert!(torn[0].message.contains("not TOML"), "{torn:?}");
}

#[test]
fn sections_may_stand_anywhere_and_names_only_once() {
    let apart = "[connections.rw.local]\nid = \"gw.example\"\n";
    assert_eq!(faults(&format!("{RIGHT}{apart}")), []);
    let twice = format!("{RIGHT}[connections.rw]\nencap = true\n");
    let fault = only(&twice, "rw");
    assert!(fault.message.contains("duplicate key"), "{fault}");
    let quoted = RIGHT.replace("[secrets.all]", "[secrets.\"all\"]");
    assert_eq!(faults(&quoted), []);
    let first = quoted.find("[secrets").unwrap();
    let (before, secrets) = quoted.split_at(first);
    assert_eq!(faults(&format!("{secrets}{before}")), []);
    let far = format!("{RIGHT}[secrets.other]\nid = \"other.example\"\nsecrt = \"x\"\n");
    let lines: Vec<usize> = faults(&far).iter().map(|fault| fault.line).collect();
    assert_eq!(
        lines,
        [14, 16],
        "the section that lacks its secret, and the unknown key"
    );
}

#[test]
fn a_diagnostic_shows_the_place_and_the_way_out() {
    let fault = spoil("proposals =", "proposal =", "proposal");
    assert_eq!(
        fault.to_string(),
        "error: unknown key `proposal` in `[connections.rw]`\n \
         --> test.toml:3:1\n  |\n\
         3 | proposal = [\"aes128gcm16-prfsha256-x25519\"]\n  \
           | ^^^^^^^^\n  \
           = did you mean `proposals`?\n"
    );
}

#[test]
fn unknown_keys_are_errors_everywhere() {
    for (section, key, meant) in [
        ("headend", "shard", "shards"),
        ("headend.inner", "devise", "device"),
        ("dpd", "suppress-on", "suppress_on"),
        ("metrics", "listn", "listen"),
        ("log", "fromat", "format"),
        ("control", "sokcet", "socket"),
        ("connections.rw.local", "ident", ""),
        ("connections.rw.remote", "ids", "id"),
        ("connections.rw.children.x", "local-ts", "local_ts"),
        ("pools.q", "addr", "addrs"),
        ("secrets.q", "ids", "id"),
        ("users.q", "pasword", "password"),
    ] {
        let text = format!("{RIGHT}\n[{section}]\n{key} = 1\n");
        let found = faults(&text);
        let fault = found
            .iter()
            .find(|fault| fault.message.contains("unknown key"));
        let fault = fault.unwrap_or_else(|| panic!("{section}.{key}: {found:?}"));
        let line = text.lines().nth(fault.line - 1).expect("a line");
        assert_eq!(line, format!("{key} = 1"));
        proposes(fault, meant);
    }
    let fault = only(&format!("nonsense = 1\n{RIGHT}"), "nonsense");
    assert!(fault.message.contains("at the top of the file"), "{fault}");
}

#[test]
fn words_of_swanctl_that_mean_nothing_here_are_explained() {
    let in_connection = |line: &str| format!("[connections.rw]\n{line}");
    for (line, marked, instead) in [
        ("mobike = true", "mobike", "remove the line"),
        ("aggressive = true", "aggressive", "version = 1"),
        ("banner = \"hello\"", "banner", "version = 1"),
        ("version = 3", "3", "version = 2"),
        ("dpd_timeout = 30", "dpd_timeout", "retries"),
        ("dpd.breaker.share = 9", "breaker", "[dpd.breaker]"),
    ] {
        let fault = spoil("[connections.rw]", &in_connection(line), marked);
        proposes(&fault, instead);
    }
    let fault = spoil(
        "local_ts =",
        "hw_offload = \"no\"\nlocal_ts =",
        "hw_offload",
    );
    proposes(&fault, "remove the line");
}

#[test]
fn impossible_proposals() {
    let right = "\"aes128gcm16-prfsha256-x25519\"";
    for (proposal, message, instead) in [
        (
            "aes128gcm-prfsha256-x25519",
            "unknown algorithm `aes128gcm`",
            "aes128gcm16",
        ),
        (
            "aes128gcm16-prfsha256-x25591",
            "unknown algorithm",
            "x25519",
        ),
        ("des-sha1-modp2048", "`des` is not supported", "aes128"),
        (
            "aes128gcm16-prfsha256-modp768",
            "`modp768` is not supported",
            "modp2048",
        ),
        (
            "aes128gcm16-sha256-x25519",
            "AEAD cipher takes no integrity",
            "prfsha256",
        ),
        (
            "aes128-aes128gcm16-sha256-x25519",
            "mixes AEAD",
            "two proposals",
        ),
        ("aes128-prfsha256-x25519", "needs an integrity", "sha256"),
        (
            "aes128gcm16-x25519",
            "no pseudorandom function",
            "prfsha256",
        ),
        (
            "aes128gcm16-prfsha256",
            "no key exchange",
            "aes128gcm16-prfsha256-x25519",
        ),
        ("prfsha256-x25519", "no cipher", "aes128gcm16"),
        (
            "aes128gcm16-prfsha256-x25519-esn",
            "belongs to ESP",
            "esp_proposals",
        ),
        (
            "aes128gcm16-aes128gcm16-prfsha256-x25519",
            "already",
            "once",
        ),
        (
            "aes128gcm16--x25519",
            "missing between the hyphens",
            "aes128gcm16-prfsha256-x25519",
        ),
        (
            "",
            "missing between the hyphens",
            "aes128gcm16-prfsha256-x25519",
        ),
    ] {
        let quoted = format!("\"{proposal}\"");
        let fault = spoil(right, &quoted, &quoted);
        assert!(fault.message.contains(message), "{fault}");
        proposes(&fault, instead);
    }
    let fault = spoil(
        "local_ts =",
        "esp_proposals = [\"aes128gcm16\", \"aes256gcm16-prfsha256\"]\nlocal_ts =",
        "\"aes256gcm16-prfsha256\"",
    );
    assert!(fault.message.contains("belongs to IKE"), "{fault}");
}

#[test]
fn overlapping_pools() {
    for addrs in [
        "10.9.128.0/24",
        "10.8.0.0-10.9.0.1",
        "10.0.0.0/8",
        "10.9.255.254",
    ] {
        let text = format!("{RIGHT}\n[pools.q]\naddrs = \"{addrs}\"\n");
        let fault = only(&text, &format!("\"{addrs}\""));
        assert_eq!(fault.message, "pool `q` overlaps pool `p` of line 10");
    }
    let text = format!(
        "{RIGHT}\n[pools.q]\naddrs = \"10.10.0.0/16\"\n[pools.six]\naddrs = \"fd00::/64\"\n"
    );
    assert_eq!(faults(&text), []);
}

#[test]
fn pools_without_sense() {
    for addrs in [
        "10.9.0.9-10.9.0.1",
        "10.0.0.0/33",
        "clients",
        "10.0.0.1[tcp]",
        "0.0.0.0/0",
    ] {
        let quoted = format!("\"{addrs}\"");
        spoil("\"10.9.0.0/16\"", &quoted, &quoted);
    }
    let fault = spoil("addrs = \"10.9.0.0/16\"", "dns = [\"10.0.0.1\"]", "p");
    assert!(fault.message.contains("has no addresses"), "{fault}");
}

#[test]
fn dead_peer_detection_out_of_range() {
    for (line, marked) in [
        ("interval = \"5s\"", "\"5s\""),
        ("interval = \"2h\"", "\"2h\""),
        ("retry = 1", "1"),
        ("retries = 0", "0"),
        ("retries = 21", "21"),
        ("retries = -1", "-1"),
        ("backoff = 1.1", "1.1"),
        ("jitter = 51", "51"),
        ("jitter = \"lots\"", "\"lots\""),
        ("mode = \"sometimes\"", "\"sometimes\""),
        ("action = \"panic\"", "\"panic\""),
        ("suppress_on = \"esp\"", "\"esp\""),
        ("cleanup = 600", "600"),
        ("interval = \"soon\"", "\"soon\""),
    ] {
        for section in ["dpd", "connections.rw.dpd"] {
            let text = format!("{RIGHT}\n[{section}]\n{line}\n");
            let fault = only(&text, marked);
            assert_eq!(fault.line, RIGHT.lines().count() + 3, "{fault}");
        }
        let text = format!("{RIGHT}\n[[dpd.peer]]\nid = \"*.example.org\"\n{line}\n");
        only(&text, marked);
    }
    assert_eq!(
        faults("[dpd]\ninterval = \"1s\"\nretry = \"200ms\"\nallow_fast = true\n"),
        []
    );
    assert_eq!(faults("[dpd]\nmode = \"hybrid\"\ncleanup = \"10m\"\n"), []);
    let fault = only("[dpd]\ninterval = \"5s\"\n", "\"5s\"");
    assert!(fault.message.contains("`allow_fast = true`"), "{fault}");
}

#[test]
fn exceptions_say_whom_they_are_about() {
    let fault = &faults("[[dpd.peer]]\nmode = \"off\"\n")[0];
    assert!(fault.message.contains("whom it is about"), "{fault}");
}

#[test]
fn contradictions_in_dead_peer_detection() {
    let both = "[connections.rw]\ndpd_delay = 30\ndpd = { mode = \"periodic\" }";
    let fault = spoil("[connections.rw]", both, "dpd_delay");
    proposes(&fault, "mode = \"periodic\"");
    let other =
        "dpd_action = \"restart\"\n[connections.rw.children.b]\ndpd_action = \"clear\"\nlocal_ts =";
    let fault = spoil("local_ts =", other, "\"clear\"");
    assert!(
        fault.message.contains("differs from that of line 7"),
        "{fault}"
    );
}

#[test]
fn dangling_references() {
    let fault = spoil("pools = [\"p\"]", "pools = [\"q\"]", "\"q\"");
    proposes(&fault, "did you mean `p`?");
    let fault = spoil("pools = [\"p\"]", "pools = [\"p\", \"p\"]", "\"p\"");
    assert!(fault.message.contains("twice"), "{fault}");
    let start = "start_action = \"start\"\nlocal_ts =";
    let fault = spoil("local_ts =", start, "\"start\"");
    proposes(&fault, "remote_addrs");
    let without_secrets = RIGHT.split("[secrets").next().expect("a beginning");
    let fault = &faults(without_secrets)[0];
    assert!(fault.message.contains("no secrets"), "{fault}");
}

#[test]
fn unreadable_secret_files() {
    let line = "secret = \"correct horse battery staple\"";
    let fault = spoil(line, "file = \"no/such/file\"", "\"no/such/file\"");
    assert!(fault.message.contains("cannot read the secret"), "{fault}");
    let fault = spoil(line, "id = \"%any\"", "all");
    assert!(fault.message.contains("holds no secret"), "{fault}");
    let fault = spoil(line, &format!("file = \"x\"\n{line}"), "all");
    assert!(fault.message.contains("given twice"), "{fault}");
}

#[test]
fn duplicate_names_and_identities() {
    let twice = format!("{RIGHT}\n[connections.rw]\nversion = 2\n");
    let faults_of_twice = faults(&twice);
    assert_eq!(faults_of_twice.len(), 1, "{faults_of_twice:?}");
    assert!(
        faults_of_twice[0].message.contains("duplicate key"),
        "{}",
        faults_of_twice[0]
    );
    let again = format!("{RIGHT}\n[secrets.other]\nsecret = \"different\"\n");
    let fault = only(&again, "other");
    assert!(
        fault.message.contains("same identity as secret `all`"),
        "{fault}"
    );
}

#[test]
fn a_secret_is_never_quoted() {
    for text in [
        "[secrets.a]\nsecret = \"0xhunter2\"\n",
        "[secrets.a]\nsecret = \"hunter2\"\nid = \"bad name\"\n",
        "[secrets.a]\nsecret = \"hunter2\n",
        "secrets = { a = { secret = \"hunter2\", idd = \"x\" } }\n",
        "secrets = { a = { secret = 'hunter2', id = 5 } }\n",
        "[secrets]\nsecret = \"hunter2\"\n",
        "[secrets.a]\nsecret = \"\"\"hunter2\nhunter2\"\"\"\nx\n",
    ] {
        let found = faults(text);
        assert!(!found.is_empty(), "{text}");
        for fault in found {
            let shown = format!("{fault} {fault:?}");
            assert!(!shown.contains("unter2"), "{shown}");
        }
    }
}

#[test]
fn wrong_types_and_ranges() {
    for (old, new, marked) in [
        ("pools = [\"p\"]", "pools = 5", "5"),
        ("pools = [\"p\"]", "pools = [5]", "5"),
        ("pools = [\"p\"]", "version = 3", "3"),
        ("pools = [\"p\"]", "fragment_size = 100", "100"),
        (
            "pools = [\"p\"]",
            "rekey_time = \"4 fortnights\"",
            "\"4 fortnights\"",
        ),
        (
            "pools = [\"p\"]",
            "local_addrs = [\"gw.example.org\"]",
            "\"gw.example.org\"",
        ),
        (
            "pools = [\"p\"]",
            "remote_addrs = [\"192.0.2.300\"]",
            "\"192.0.2.300\"",
        ),
        (
            "pools = [\"p\"]",
            "remote_addrs = [{ addr = \"192.0.2.1\", dynamic = true }]",
            "{ addr = \"192.0.2.1\", dynamic = true }",
        ),
        (
            "pools = [\"p\"]",
            "remote_addrs = [{ addr = \"192.0.2.0/24\", default = true }]",
            "{ addr = \"192.0.2.0/24\", default = true }",
        ),
        (
            "pools = [\"p\"]",
            "remote_addrs = [{ addr = \"a.org\", default = true }, { addr = \"b.org\", default = true }]",
            "{ addr = \"b.org\", default = true }",
        ),
        (
            "pools = [\"p\"]",
            "remote_addrs = [{ default = true }]",
            "{ default = true }",
        ),
        ("pools = [\"p\"]", "unique = \"keep\"", "\"keep\""),
        ("pools = [\"p\"]", "vips = [\"10.0.0.1\"]", "\"10.0.0.1\""),
        (
            "pools = [\"p\"]",
            "local.id = \"*.example.org\"",
            "\"*.example.org\"",
        ),
        ("pools = [\"p\"]", "local.auth = \"eap\"", "\"eap\""),
        ("pools = [\"p\"]", "rand_time = \"5h\"", "rand_time"),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "local_ts = [\"10.1.0.0/40\"]",
            "\"10.1.0.0/40\"",
        ),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "local_ts = \"dynamic\"",
            "\"dynamic\"",
        ),
        ("local_ts = [\"10.1.0.0/16\"]", "local_ts = []", "[]"),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "remote_ts = [\"dynamic\", \"10.0.0.0/8\"]",
            "\"dynamic\"",
        ),
        ("local_ts = [\"10.1.0.0/16\"]", "replay_window = 32", "32"),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "replay_window = 9000",
            "9000",
        ),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "mode = \"transport\"",
            "\"transport\"",
        ),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "life_time = \"30m\"",
            "\"30m\"",
        ),
        (
            "local_ts = [\"10.1.0.0/16\"]",
            "rekey_bytes = \"10 apples\"",
            "\"10 apples\"",
        ),
    ] {
        let fault = spoil(old, new, marked);
        assert!(
            fault.instead.is_some() || fault.message.contains("not a"),
            "{fault}"
        );
    }
    for (text, marked) in [
        ("[headend]\nnat_port = 500\n", "500"),
        ("[headend]\nlisten = []\n", "[]"),
        ("[headend]\nlisten = [\"::\", \"::\"]\n", "\"::\""),
        ("[headend]\nshards = 0\n", "0"),
        ("[headend]\nengine = \"uring\"\n", "\"uring\""),
        ("[headend]\noffload = 7\n", "7"),
        (
            "[headend]\noffload = [\"udp-gso\", \"tso\"]\n",
            "[\"udp-gso\", \"tso\"]",
        ),
        ("[headend]\ninner = \"tap\"\n", "\"tap\""),
        ("[headend]\ninner = { mtu = 500 }\n", "500"),
        (
            "[headend]\ninner = { name = \"a name with spaces\" }\n",
            "\"a name with spaces\"",
        ),
        ("[headend]\nretransmit_base = 1.0\n", "1.0"),
        ("[headend]\nhalf_open_timeout = 0\n", "0"),
        ("[headend]\npath_mtu = 576\n", "576"),
        ("[headend]\nsocket_buffer = \"1k\"\n", "\"1k\""),
        ("[dpd.breaker]\nshare = 101\n", "101"),
        ("[dpd.breaker]\nwindow = 0\n", "0"),
        ("[dpd.budgets]\nprobes_per_second = 0\n", "0"),
        ("[metrics]\nlisten = \"9477\"\n", "\"9477\""),
        ("[log]\nlevel = \"loud\"\n", "\"loud\""),
        ("headend = 5\n", "5"),
        ("connections = []\n", "[]"),
    ] {
        only(text, marked);
    }
}

#[test]
fn syntax_errors_have_a_place() {
    let found = faults("[headend\nshards = 2\n");
    assert_eq!(found[0].line, 1, "{found:?}");
    assert!(
        found[0].message.starts_with("this is not TOML"),
        "{found:?}"
    );
}

#[test]
fn all_faults_are_told_at_once_in_the_order_of_the_file() {
    let text = "[log]\nlevel = \"loud\"\n[metrics]\nlisten = 5\n[dpd]\nretries = 99\nx = 1\n";
    let lines: Vec<_> = faults(text).iter().map(|fault| fault.line).collect();
    assert_eq!(lines, [2, 4, 6, 7]);
}

/// A connection of IKEv1 that is right, to be spoilt by one line.
const V1: &str = r#"
[connections.old]
version = 1
proposals = ["aes256-sha256-modp2048"]

[connections.old.children.net]
local_ts = ["10.1.0.0/16"]
esp_proposals = ["aes128-sha1"]

[secrets.all]
id = "10.2.80.0/255.255.255.0"
secret = "correct horse battery staple"
"#;

fn warnings(text: &str) -> Vec<Diagnostic> {
    match load(text, Path::new("test.toml")) {
        Ok(config) => config.warnings,
        Err(faults) => panic!("{faults}"),
    }
}

#[test]
fn ikev1_draws_a_warning_where_it_is_allowed() {
    let warned = warnings(V1);
    assert_eq!(warned.len(), 1, "{warned:#?}");
    assert_eq!(warned[0].line, 3);
    assert_eq!(
        warned[0].to_string(),
        "warning: IKEv1 is deprecated (RFC 9395)\n \
         --> test.toml:3:11\n  |\n\
         3 | version = 1\n  \
           |           ^\n  \
           = write `version = 2` as soon as the peer speaks it\n"
    );
    assert_eq!(warnings(RIGHT), []);
    assert_eq!(
        warnings(&RIGHT.replace("[connections.rw]", "[connections.rw]\nversion = 2")),
        []
    );
}

#[test]
fn weak_algorithms_are_taken_when_named_and_warned_of() {
    let warned = |proposal| warnings(&RIGHT.replace("aes128gcm16-prfsha256-x25519", proposal));
    for (proposal, weak) in [
        ("3des-sha256-ecp256", "`3des`"),
        ("aes128-sha256-modp1024", "`modp1024`"),
        ("aes128-sha256-modp1536", "`modp1536`"),
    ] {
        let warned = warned(proposal);
        assert_eq!(warned.len(), 1, "{warned:#?}");
        assert!(warned[0].message.contains(weak), "{warned:#?}");
        assert_eq!((warned[0].severity, warned[0].line), (Severity::Warning, 3));
    }
    for proposal in [
        "aes192-sha256-modp2048",
        "aes192gcm16-prfsha256-ecp256",
        "default",
    ] {
        assert_eq!(warned(proposal), []);
    }
}

#[test]
fn what_deserves_a_look_in_ikev1_is_told() {
    for (old, new, said) in [
        ("version = 1", "version = 1\naggressive = true", "guessed"),
        (
            "10.2.80.0/255.255.255.0",
            "*.example.org",
            "finds no secret",
        ),
    ] {
        let warned = warnings(&V1.replace(old, new));
        assert!(
            warned.iter().any(|one| one.message.contains(said)),
            "{said}: {warned:#?}"
        );
        assert_eq!(warned.len(), 2, "{warned:#?}");
    }
    // Where the identity is known, or sent in the clear, the secret is found by it.
    let by_name = V1.replace("10.2.80.0/255.255.255.0", "*.example.org");
    let exact = by_name.replace("version = 1", "version = 1\nremote.id = \"a.example.org\"");
    assert_eq!(warnings(&exact).len(), 1);
}

#[test]
fn what_ikev1_cannot_do_is_refused() {
    for (old, new, said) in [
        (
            "aes256-sha256-modp2048",
            "aes256gcm16-prfsha256-ecp256",
            "no proposal",
        ),
        (
            "aes256-sha256-modp2048",
            "aes256-sha256-x25519",
            "no proposal",
        ),
        (
            "version = 1",
            "version = 1\nxauth = \"server\"",
            "there are no users",
        ),
        (
            "version = 1",
            "version = 1\nxauth = \"client\"",
            "is not known here",
        ),
        (
            "version = 1",
            "version = 1\nxauth.user = \"joe\"",
            "holds no password",
        ),
        (
            "version = 1",
            "version = 1\nxauth.password = \"x\"",
            "needs a name",
        ),
        (
            "version = 1",
            "version = 1\nmode_config = \"pul\"",
            "is not known here",
        ),
        (
            "version = 1",
            "version = 1\nsplit_include = \"2001:db8::/32\"",
            "no IPv4 prefix",
        ),
        (
            "version = 1",
            "version = 1\nsplit_include = \"10.0.0.0/33\"",
            "no IPv4 prefix",
        ),
        ("version = 1", "version = 1\nbanner = \"\"", "is empty"),
    ] {
        let told = faults(&V1.replace(old, new));
        let found: Vec<_> = told
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .collect();
        assert_eq!(found.len(), 1, "{new}: {told:#?}");
        assert!(found[0].message.contains(said), "{new}: {found:#?}");
    }
}

#[test]
fn a_password_is_not_quoted() {
    let text = V1.replace(
        "version = 1",
        "version = 1\nxauth = { user = 7, password = \"hunter2\" }",
    );
    for fault in faults(&text) {
        assert!(!fault.to_string().contains("hunter2"), "{fault}");
    }
}
