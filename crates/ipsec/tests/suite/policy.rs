use std::sync::Arc;

use ipsec::{AuthPolicy, ConnectionPolicy, Identity, PolicySnapshot, RekeyPolicy};

fn connection(name: &str, remote_id: &str) -> ConnectionPolicy {
    ConnectionPolicy {
        name: name.into(),
        dpd: 0,
        local_addrs: Vec::new(),
        remote_addrs: Vec::new(),
        remote_sources: Vec::new(),
        local_id: None,
        remote_id: remote_id.parse().unwrap(),
        local_auth: AuthPolicy::Psk,
        remote_auth: AuthPolicy::Psk,
        proposals: Vec::new(),
        children: Vec::new(),
        pools: Vec::new(),
        request_virtual: (false, false),
        rekey: RekeyPolicy {
            time: None,
            bytes: None,
            packets: None,
            hard_time: None,
            jitter_percent: 0,
        },
        reauth_time: None,
        fragmentation: true,
        fragment_size: 1280,
        send_initial_contact: false,
        unique: true,
        force_encap: false,
    }
}

fn chosen(
    snapshot: &PolicySnapshot,
    remote: &str,
    asked_for: Option<&str>,
    peer: &str,
) -> Option<String> {
    let identity = |text: &str| text.parse::<Identity>().unwrap();
    let asked_for = asked_for.map(identity);
    snapshot
        .connection_for(
            "192.0.2.1".parse().unwrap(),
            remote.parse().unwrap(),
            asked_for.as_ref(),
            &identity(peer),
        )
        .map(|connection| connection.name.to_string())
}

#[test]
fn the_connection_that_fits_closest_is_chosen() {
    let mut branch = connection("branch", "*.branch.example.org");
    branch.remote_sources = vec![(
        "198.51.100.0".parse().unwrap(),
        "198.51.100.255".parse().unwrap(),
    )];
    let mut lab = connection("lab", "*.branch.example.org");
    lab.local_id = Some("lab.example.org".parse().unwrap());
    let mut elsewhere = connection("elsewhere", "b.branch.example.org");
    elsewhere.local_addrs = vec!["192.0.2.99".parse().unwrap()];
    let everybody = connection("everybody", "%any");
    let one = connection("one", "a.branch.example.org");
    let snapshot = PolicySnapshot {
        connections: [everybody, branch, lab, elsewhere, one]
            .map(Arc::new)
            .into(),
        ..PolicySnapshot::default()
    };
    let from = |remote, asked_for, peer| chosen(&snapshot, remote, asked_for, peer);
    let name = |name: &str| Some(name.to_string());
    assert_eq!(
        from("198.51.100.7", None, "a.branch.example.org"),
        name("one")
    );
    assert_eq!(
        from("198.51.100.7", None, "b.branch.example.org"),
        name("branch")
    );
    assert_eq!(
        from("203.0.113.7", None, "b.branch.example.org"),
        name("lab")
    );
    assert_eq!(
        from(
            "203.0.113.7",
            Some("gw.example.org"),
            "b.branch.example.org"
        ),
        name("everybody")
    );
    assert_eq!(from("2001:db8::7", None, "keyid:x"), name("everybody"));
    let between = snapshot.connections_between(
        "192.0.2.99".parse().unwrap(),
        "203.0.113.7".parse().unwrap(),
    );
    let names: Vec<_> = between.map(|connection| &*connection.name).collect();
    assert_eq!(names, ["everybody", "lab", "elsewhere", "one"]);
}
