//! Whole configurations of routers, and what they mean.
#![allow(missing_docs)]

mod house;

use house::{Imported, read};
use ios::Verdict;
use ipsec::{ConnectionPolicy, ModeConfig, Xauth};

fn imported(router: &str) -> Imported {
    Imported::of(&[(router, &read(&format!("tests/routers/{router}")))])
}

fn connection(config: &config::Config, name: &str) -> ConnectionPolicy {
    let mut connections = config.policy.connections.iter();
    let found = connections.find(|one| &*one.name == name);
    found
        .unwrap_or_else(|| panic!("no {name}"))
        .as_ref()
        .clone()
}

fn secret(config: &config::Config, local: &str, remote: &str) -> Option<Vec<u8>> {
    let read = |id: &str| id.parse().expect("an identity");
    let found = config
        .policy
        .secrets
        .find(ipsec::FrontVrf::GLOBAL, &read(local), &read(remote));
    found.map(|key| key.expose().to_vec())
}

#[test]
fn a_site_has_what_its_crypto_map_says() {
    let config = imported("headquarters.cfg").loads();
    let site = connection(&config, "CM-10");
    assert!(site.versions.v1 && !site.v1.aggressive);
    assert!(site.v1.xauth.is_none(), "its key says no-xauth");
    assert_eq!(site.proposals.len(), 2, "policy 30 is too weak");
    assert_eq!(
        site.local_id.as_ref().map(ToString::to_string).as_deref(),
        Some("hq.example.org")
    );
    let [servers, web] = site.children.as_slice() else {
        panic!("{:?}", site.children)
    };
    assert_eq!(servers.remote_ts[0].to_string(), "10.7.0.0/16");
    assert_eq!(web.local_ts[0].to_string(), "10.1.0.0/16[tcp]");
    assert_eq!(web.remote_ts[0].to_string(), "10.8.0.1/32[tcp/80]");
    assert_eq!(
        web.proposals[0].key_exchange,
        [ipsec::KeyExchangeMethod::Modp2048]
    );
    assert_eq!(web.rekey.hard_time.map(|time| time.as_secs()), Some(1_800));
    assert_eq!(web.rekey.bytes, Some(102_400 * 1_024));
    assert_eq!(web.df, ipsec::DfPolicy::Clear);
    assert_eq!(config.headend.nat_keepalive.as_secs(), 15);
    let dpd = &config.dpd[usize::from(site.dpd)];
    assert_eq!(
        (dpd.mode, dpd.interval.as_secs(), dpd.retry.as_secs()),
        (dpd::Mode::OnDemand, 30, 5)
    );
}

#[test]
fn a_group_of_clients_gets_addresses_from_its_pool() {
    let imported = imported("headquarters.cfg");
    let config = imported.loads();
    let staff = connection(&config, "STAFF");
    assert!(staff.v1.aggressive, "{}", imported.toml);
    assert!(matches!(staff.v1.xauth, Some(Xauth::Server)));
    assert_eq!(staff.v1.mode_config, ModeConfig::Pull);
    assert_eq!(staff.v1.default_domain.as_deref(), Some("example.org"));
    assert_eq!(staff.v1.banner.as_deref(), Some("Welcome\nto the staff"));
    let split: Vec<String> = staff
        .v1
        .split_include
        .iter()
        .map(|(net, len)| format!("{net}/{len}"))
        .collect();
    assert_eq!(split, ["10.1.0.0/16", "10.5.0.0/16"]);
    let behind: Vec<String> = staff
        .children
        .iter()
        .map(|child| child.local_ts[0].to_string())
        .collect();
    assert_eq!(behind, split);
    assert!(
        staff
            .children
            .iter()
            .all(|child| child.remote_ts.is_empty()),
        "their own address"
    );
    assert_eq!(
        secret(&config, "hq.example.org", "keyid:STAFF").as_deref(),
        Some(&b"groupkey"[..])
    );
    let pool = &config.policy.pools[0];
    assert_eq!(
        (pool.first.to_string(), pool.last.to_string()),
        ("10.9.0.10".into(), "10.9.0.99".into())
    );
    assert_eq!(pool.dns.len(), 2);
    imported.expect(13, Verdict::Translated, "");
    imported.expect(14, Verdict::NotTranslated, "only a hash of it is stored");
    imported.expect(44, Verdict::Translated, "");
}

#[test]
fn ikev2_profiles_bring_their_keyring_and_their_probes() {
    let config = imported("headquarters.cfg").loads();
    let branch = connection(&config, "CM-20");
    assert!(branch.versions.v2 && !branch.versions.v1);
    assert_eq!(branch.remote_id.to_string(), "b9.example.org");
    assert_eq!(branch.proposals.len(), 2, "AEAD ciphers stand apart");
    for peer in ["198.51.100.9", "b9.example.org"] {
        assert_eq!(
            secret(&config, "hq.example.org", peer).as_deref(),
            Some(&b"k9"[..]),
            "{peer}"
        );
    }
    let dpd = &config.dpd[usize::from(branch.dpd)];
    assert_eq!(
        (dpd.interval.as_secs(), dpd.action),
        (10, dpd::Action::Hold)
    );
}

#[test]
fn what_is_outside_and_what_is_refused_are_told_apart() {
    let imported = imported("headquarters.cfg");
    imported.expect(5, Verdict::OutsideIpsec, "");
    imported.expect(28, Verdict::NotTranslated, "policy 30 is left out");
    imported.expect(50, Verdict::Unneeded, "tunnel mode");
    imported.expect(57, Verdict::Partly, "WEAK is not supported");
    imported.expect(115, Verdict::NotTranslated, "no holes");
    imported.expect(118, Verdict::Unneeded, "nothing that it denies");
    imported.expect(123, Verdict::NotTranslated, "certificates");
    let line = &imported.import.report.lines[106];
    assert_eq!(line.text, "neighbor 10.0.0.1 password ****");
}

#[test]
fn a_profile_changes_the_connections_that_name_it() {
    let imported = imported("branches.cfg");
    let config = imported.loads();
    let hub = connection(&config, "HUB-10");
    assert!(hub.v1.aggressive);
    assert_eq!(hub.remote_id.to_string(), "203.0.113.0/24");
    assert_eq!(hub.local_addrs[0].to_string(), "192.0.2.9", "local-address");
    assert_eq!((hub.remote_addrs.len(), hub.default_peer), (3, Some(1)));
    let named = &hub.remote_addrs[2];
    assert!(
        matches!(named, ipsec::PeerEndpoint::Name { name, dynamic: true, .. } if &**name == "b3.example.net"),
        "{named:?}"
    );
    assert_eq!(
        hub.children.len(),
        2,
        "the line with the odd mask is left out"
    );
    assert_eq!(hub.children[0].replay_window, 512);
    let dpd = &config.dpd[usize::from(hub.dpd)];
    assert_eq!(
        (dpd.mode, dpd.interval.as_secs()),
        (dpd::Mode::OnDemand, 20)
    );
    assert_eq!(
        secret(&config, "hub.example.net", "203.0.113.77").as_deref(),
        Some(&b"ringkey"[..])
    );
    assert_eq!(
        secret(&config, "hub.example.net", "198.51.100.77").as_deref(),
        Some(&b"wildcard"[..])
    );
}

#[test]
fn vrfs_of_interfaces_and_profiles_become_those_of_connections() {
    let imported = imported("branches.cfg");
    let config = imported.loads();
    let hub = connection(&config, "HUB-10");
    // The global one is no section.
    let front = &config.vrfs.front[hub.fvrf.index() - 1];
    assert_eq!(front.name.as_ref(), "INTERNET");
    assert_eq!(config.vrfs.front[0].device.as_deref(), Some("INTERNET"));
    assert_eq!(config.vrfs.inner[0].name.as_ref(), "CUSTOMER");
    assert_eq!(config.vrfs.inner[0].table, Some(1_001));
    let other = connection(&config, "HUB-40");
    assert_ne!(other.ivrf, hub.ivrf, "its own is that of the interface");
    assert_eq!(other.fvrf, hub.fvrf);
}

#[test]
fn what_cannot_run_is_a_comment_with_its_reasons() {
    let imported = imported("branches.cfg");
    let names: Vec<String> = imported
        .loads()
        .policy
        .connections
        .iter()
        .map(|one| one.name.to_string())
        .collect();
    assert_eq!(names, ["HUB-10", "HUB-40"]);
    let missing = |section: &str| -> String {
        let all = imported.import.report.missing.iter();
        all.filter(|one| one.section == section)
            .map(|one| one.what.as_str())
            .collect()
    };
    assert!(missing("connections.HUB-20").contains("`set pfs` asks for a group"));
    assert!(missing("connections.HUB-20").contains("no transform set"));
    assert!(missing("connections.FIELD").contains("RADIUS"));
    assert!(missing("connections.FIELD").contains("aggressive-mode disable"));
}

/// Keys that could be read are in files; the text names them.
#[test]
fn secrets_go_into_files_of_their_own() {
    let imported = imported("headquarters.cfg");
    let rendered = imported.import.render(ios::Secrets::Files);
    let file = |name: &str| {
        rendered
            .files
            .iter()
            .find(|file| file.name == name)
            .map(|file| file.content.to_string())
    };
    assert_eq!(file("198.51.100.7.psk").as_deref(), Some("s2skey\n"));
    assert_eq!(file("keyid-STAFF.psk").as_deref(), Some("groupkey\n"));
    assert_eq!(file("user-joe.psk").as_deref(), Some("cisco\n"));
    assert_eq!(file("198.51.100.8.psk"), None, "it could not be read");
    assert!(rendered.toml.contains("file = \"198.51.100.7.psk\""));
    for secret in ["s2skey", "groupkey", "k9", "s3cret"] {
        assert!(
            !rendered.toml.contains(&format!("\"{secret}\"")),
            "{secret}"
        );
    }
}

/// The same configuration without its indentation means the same.
#[test]
fn indentation_is_not_needed() {
    for router in ["headquarters.cfg", "branches.cfg"] {
        let text = read(&format!("tests/routers/{router}"));
        let flat: Vec<&str> = text.lines().map(str::trim_start).collect();
        let without_comments = |toml: &str| {
            let lines = toml
                .lines()
                .map(|line| line.split("  # ").next().unwrap_or_default().to_owned());
            lines.collect::<Vec<_>>()
        };
        let (indented, flat) = (
            Imported::of(&[(router, &text)]),
            Imported::of(&[(router, &flat.join("\n"))]),
        );
        assert_eq!(
            without_comments(&indented.toml),
            without_comments(&flat.toml),
            "{router}"
        );
    }
}

/// IOS takes the first entry that permits a packet, Palisade the one with the narrowest destination.
#[test]
fn a_narrow_list_behind_a_wide_one_is_remarked_on() {
    let entry = |number: u32, peer: &str, list: u32| {
        format!(
            "crypto map m {number} ipsec-isakmp\n set peer {peer}\n set transform-set t\n match address {list}\n"
        )
    };
    let lists = "\
access-list 101 permit ip 10.1.0.0 0.0.255.255 10.0.0.0 0.255.255.255
access-list 102 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255
access-list 103 permit ip 10.9.0.0 0.0.255.255 10.2.0.0 0.0.255.255
crypto isakmp key k address 0.0.0.0
crypto ipsec transform-set t esp-aes esp-sha-hmac
";
    let text = |first: u32, second: u32, third: u32| {
        let entries = [
            entry(first, "192.0.2.1", 101),
            entry(second, "192.0.2.2", 102),
            entry(third, "192.0.2.3", 103),
        ];
        format!("{lists}{}", entries.concat())
    };
    let wide_first = Imported::of(&[("a.cfg", &text(10, 20, 30))]);
    wide_first.expect(1, Verdict::Translated, "");
    wide_first.expect(2, Verdict::Partly, "entry 10 permits some of this too");
    wide_first.expect(3, Verdict::Translated, "");
    let narrow_first = Imported::of(&[("a.cfg", &text(30, 10, 20))]);
    narrow_first.expect(1, Verdict::Translated, "");
    narrow_first.expect(2, Verdict::Translated, "");
}

#[test]
fn two_keys_for_the_same_peer_are_not_told_apart() {
    let imported = Imported::of(&[(
        "a.cfg",
        "crypto isakmp key one address 10.0.0.1\ncrypto isakmp key two address 10.0.0.1\ncrypto isakmp key one address 10.0.0.1\n",
    )]);
    imported.loads();
    imported.expect(1, Verdict::Translated, "");
    imported.expect(
        2,
        Verdict::NotTranslated,
        "another key is in use for `10.0.0.1`",
    );
    imported.expect(3, Verdict::Translated, "");
}

#[test]
fn keepalives_have_the_ranges_of_ios() {
    for (line, verdict) in [
        ("crypto isakmp keepalive 10", Verdict::Translated),
        (
            "crypto isakmp keepalive 3600 60 on-demand",
            Verdict::Translated,
        ),
        ("crypto isakmp keepalive 10 3 periodic", Verdict::Translated),
        ("crypto isakmp keepalive 9", Verdict::NotTranslated),
        ("crypto isakmp keepalive 3601", Verdict::NotTranslated),
        ("crypto isakmp keepalive 10 1", Verdict::NotTranslated),
        (
            "crypto isakmp keepalive 10 61 periodic",
            Verdict::NotTranslated,
        ),
        (
            "crypto isakmp keepalive 10 2 sometimes",
            Verdict::NotTranslated,
        ),
    ] {
        let imported = Imported::of(&[("a.cfg", line)]);
        imported.loads();
        assert_eq!(imported.import.report.lines[0].verdict, verdict, "{line}");
        let shown = imported.toml.contains("mode = \"on-demand\"");
        assert_eq!(
            shown,
            verdict == Verdict::Translated && !line.contains("periodic"),
            "{line}"
        );
    }
}
