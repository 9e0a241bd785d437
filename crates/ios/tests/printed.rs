//! The configurations that Cisco's document prints, as they stand.
#![allow(missing_docs)]

mod house;

use house::{Imported, printed};
use ios::Verdict;

const LIST: &str = "access-list 101 permit ip 172.16.1.0 0.0.0.255 172.16.2.0 0.0.0.255";

fn peers(connection: &ipsec::ConnectionPolicy) -> Vec<String> {
    let text = |peer: &ipsec::PeerEndpoint| match peer {
        ipsec::PeerEndpoint::Address(address) => address.to_string(),
        ipsec::PeerEndpoint::Name { name, .. } => name.to_string(),
    };
    connection.remote_addrs.iter().map(text).collect()
}

#[test]
fn the_keepalive_command_is_dead_peer_detection() {
    let imported = Imported::of(&[("keepalive.cfg", &printed("keepalive.cfg"))]);
    let config = imported.loads();
    let dpd = &config.dpd[0];
    assert_eq!(dpd.mode, dpd::Mode::Periodic);
    assert_eq!(dpd.interval.as_secs(), 10);
    assert_eq!((dpd.retry.as_secs(), dpd.retries), (2, 4));
    assert_eq!(dpd.suppress_on, dpd::SuppressOn::Hello);
    assert!(imported.import.report.missing.is_empty());
    imported.expect(3, Verdict::Translated, "");
}

#[test]
fn a_policy_alone_runs_and_says_what_it_would_be() {
    let imported = Imported::of(&[("policy.cfg", &printed("policy.cfg"))]);
    assert!(imported.loads().policy.connections.is_empty());
    assert!(
        imported
            .toml
            .contains("proposals = [\"aes128-sha1-modp2048\"]"),
        "{}",
        imported.toml
    );
    imported.expect(1, Verdict::NotTranslated, "no connection of IKEv1 uses it");
}

#[test]
fn the_site_waits_for_its_access_list_and_for_nothing_else() {
    let site = printed("site-to-site.cfg");
    let imported = Imported::of(&[("site-to-site.cfg", &site)]);
    let config = imported.loads();
    assert!(
        config.policy.connections.is_empty(),
        "what is incomplete is a comment"
    );
    let [missing] = imported.import.report.missing.as_slice() else {
        panic!("{:?}", imported.import.report.missing);
    };
    assert_eq!(missing.section, "connections.test-1");
    assert!(missing.what.contains("access list 101"), "{missing:?}");
    assert!(
        missing
            .instead
            .contains("--with 'access-list 101 permit ip"),
        "{missing:?}"
    );
    imported.expect(12, Verdict::OutsideIpsec, "");
    imported.expect(7, Verdict::Partly, "");
    assert_eq!(
        imported.import.report.lines[6].waits_in,
        ["connections.test-1"]
    );
    // The key and the keepalive do not wait.
    assert_eq!(config.policy.secrets.entries().len(), 1);
    assert_eq!(config.dpd[0].mode, dpd::Mode::Periodic);
}

/// What is a comment becomes a connection when what is missing is written into it.
#[test]
fn the_comment_is_the_connection() {
    let imported = Imported::of(&[("site-to-site.cfg", &printed("site-to-site.cfg"))]);
    let written = imported.toml.lines().map(|line| {
        let bare = line
            .strip_prefix("# ")
            .filter(|bare| !bare.starts_with("MISSING"));
        let bare = bare.filter(|bare| bare.starts_with('[') || bare.contains(" = "));
        bare.unwrap_or(line)
    });
    let written = written.collect::<Vec<_>>().join("\n");
    let written = written
        .replace("NETWORK BEHIND US", "172.16.1.0/24")
        .replace("NETWORK BEHIND THE PEER", "172.16.2.0/24");
    let config = config::load(&written, std::path::Path::new("written.toml"));
    let config = config.unwrap_or_else(|faults| panic!("{faults}\n{written}"));
    assert_eq!(config.policy.connections.len(), 1);
}

#[test]
fn the_site_runs_with_its_policy_and_its_access_list() {
    let (policy, site) = (printed("policy.cfg"), printed("site-to-site.cfg"));
    let sources = [
        ("policy.cfg", &*policy),
        ("site-to-site.cfg", &*site),
        ("--with", LIST),
    ];
    let imported = Imported::of(&sources);
    let config = imported.loads();
    assert!(imported.import.report.missing.is_empty());
    let [connection] = &config.policy.connections[..] else {
        panic!("{}", imported.toml);
    };
    assert_eq!(&*connection.name, "test-1");
    assert!(connection.versions.v1 && !connection.versions.v2);
    assert!(!connection.v1.aggressive && connection.v1.xauth.is_none());
    assert_eq!(
        connection.local_addrs,
        ["10.1.32.14".parse::<std::net::IpAddr>().expect("one")]
    );
    assert_eq!(peers(connection), ["10.2.80.209:500"]);
    let [proposal] = connection.proposals.as_slice() else {
        panic!()
    };
    assert_eq!(proposal.encryption, [ipsec::EncryptionAlgorithm::Aes128Cbc]);
    assert_eq!(proposal.prf, [ipsec::PrfAlgorithm::HmacSha1]);
    assert_eq!(proposal.key_exchange, [ipsec::KeyExchangeMethod::Modp2048]);
    // IOS's lifetime of a policy that says none.
    assert_eq!(
        connection.rekey.hard_time.map(|time| time.as_secs()),
        Some(86_400)
    );
    let [child] = connection.children.as_slice() else {
        panic!()
    };
    assert_eq!(child.local_ts[0].to_string(), "172.16.1.0/24");
    assert_eq!(child.remote_ts[0].to_string(), "172.16.2.0/24");
    assert_eq!(
        child.rekey.hard_time.map(|time| time.as_secs()),
        Some(3_600)
    );
    assert_eq!(child.start, ipsec::StartAction::Trap);
    let secret = config.policy.secrets.find(
        ipsec::FrontVrf::GLOBAL,
        &"10.1.32.14".parse().expect("one"),
        &"10.2.80.209".parse().expect("one"),
    );
    assert_eq!(secret.expect("its key").expose(), b"kd94j1ksldz");
    assert_eq!(
        config.dpd[usize::from(connection.dpd)].action,
        dpd::Action::Hold
    );
}

#[test]
fn several_peers_wait_for_what_is_not_printed() {
    let imported = Imported::of(&[("several-peers.cfg", &printed("several-peers.cfg"))]);
    assert!(imported.loads().policy.connections.is_empty());
    let missing = &imported.import.report.missing;
    for what in [
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "transform set txfm",
        "access list 101",
    ] {
        assert!(
            missing.iter().any(|one| one.what.contains(what)),
            "{what}: {missing:?}"
        );
    }
    assert_eq!(missing.len(), 5);
    assert!(
        imported
            .toml
            .contains("# remote_addrs = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\"]")
    );
}

#[test]
fn several_peers_are_tried_in_their_order() {
    let with = format!(
        "{LIST}\ncrypto ipsec transform-set txfm esp-aes esp-sha-hmac\ncrypto isakmp key k address 10.0.0.0 255.255.255.0"
    );
    let several = printed("several-peers.cfg");
    let imported = Imported::of(&[("several-peers.cfg", &several), ("--with", &with)]);
    let config = imported.loads();
    assert!(imported.import.report.missing.is_empty());
    let connection = &config.policy.connections[0];
    assert_eq!(
        peers(connection),
        ["10.0.0.1:500", "10.0.0.2:500", "10.0.0.3:500"]
    );
    assert_eq!(
        config.dpd[usize::from(connection.dpd)].action,
        dpd::Action::NextPeer
    );
}
