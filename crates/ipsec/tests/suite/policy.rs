use std::sync::Arc;

use ipsec::{
    AuthPolicy, ConnectionPolicy, FrontVrf, Identity, IdentityPattern, IkeVersion, PolicySnapshot,
    PreSharedKey, RekeyPolicy, SecretEntry, V1Policy, Versions,
};

pub(crate) fn connection(name: &str, remote_id: &str) -> ConnectionPolicy {
    ConnectionPolicy {
        name: name.into(),
        versions: Versions::default(),
        v1: V1Policy::default(),
        dpd: 0,
        fvrf: ipsec::FrontVrf::GLOBAL,
        ivrf: ipsec::InnerVrf::GLOBAL,
        local_addrs: Vec::new(),
        default_peer: None,
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
    version: IkeVersion,
    remote: &str,
    asked_for: Option<&str>,
    peer: &str,
) -> Option<String> {
    let identity = |text: &str| text.parse::<Identity>().unwrap();
    let asked_for = asked_for.map(identity);
    snapshot
        .connections
        .of_peer(
            version,
            FrontVrf::GLOBAL,
            ("192.0.2.1".parse().unwrap(), remote.parse().unwrap()),
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
            .into_iter()
            .collect(),
        ..PolicySnapshot::default()
    };
    let from = |remote, asked_for, peer| chosen(&snapshot, IkeVersion::V2, remote, asked_for, peer);
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
    let between = snapshot.connections.between(
        IkeVersion::V2,
        FrontVrf::GLOBAL,
        "192.0.2.99".parse().unwrap(),
        "203.0.113.7".parse().unwrap(),
    );
    let names: Vec<_> = between.map(|connection| &*connection.name).collect();
    // "lab" and "one" are to a stranger what "everybody" is.
    assert_eq!(names, ["everybody", "elsewhere"]);
}

#[test]
fn a_connection_is_open_to_the_versions_that_it_names() {
    let speaking = |name, versions| {
        let base = connection(name, "%any");
        Arc::new(ConnectionPolicy { versions, ..base })
    };
    let snapshot = PolicySnapshot {
        connections: vec![
            Arc::new(connection("silent about it", "%any")),
            speaking("old", Versions::V1),
            speaking("both", Versions::ANY),
        ]
        .into(),
        ..PolicySnapshot::default()
    };
    let names = |version| {
        let (local, remote) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let between = snapshot
            .connections
            .between(version, FrontVrf::GLOBAL, local, remote);
        between.map(|one| one.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(IkeVersion::V1), ["old", "both"]);
    assert_eq!(names(IkeVersion::V2), ["silent about it", "both"]);
    assert_eq!(snapshot.deprecated().count(), 2);
    let chosen = |version| chosen(&snapshot, version, "192.0.2.2", None, "keyid:x");
    assert_eq!(chosen(IkeVersion::V1), Some("old".to_owned()));
    assert_eq!(chosen(IkeVersion::V2), Some("silent about it".to_owned()));
}

#[test]
fn a_connection_answers_in_its_own_vrf_only() {
    let inside = |name: &str, fvrf| {
        let base = connection(name, "%any");
        Arc::new(ConnectionPolicy { fvrf, ..base })
    };
    let snapshot = PolicySnapshot {
        connections: vec![
            inside("global", FrontVrf::GLOBAL),
            inside("red", FrontVrf(1)),
        ]
        .into(),
        ..PolicySnapshot::default()
    };
    let chosen = |fvrf| {
        let (local, remote) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let peer = "keyid:x".parse().unwrap();
        let connections = &snapshot.connections;
        let found = connections.of_peer(IkeVersion::V2, fvrf, (local, remote), None, &peer);
        found.map(|connection| connection.name.to_string())
    };
    assert_eq!(chosen(FrontVrf::GLOBAL).as_deref(), Some("global"));
    assert_eq!(chosen(FrontVrf(1)).as_deref(), Some("red"));
    assert_eq!(chosen(FrontVrf(2)), None);
}

#[test]
fn main_mode_finds_the_secret_before_it_knows_the_peer() {
    let entry = |owners: &[&str], key: &str| SecretEntry {
        fvrf: None,
        owners: owners.iter().map(|owner| owner.parse().unwrap()).collect(),
        key: PreSharedKey::new(key.as_bytes().to_vec()),
    };
    let snapshot = PolicySnapshot {
        secrets: vec![
            entry(&["198.51.100.0/24"], "the network's"),
            entry(&["hq.example.org"], "headquarters'"),
            entry(&["gw.example.org", "203.0.113.9"], "the pair's"),
        ]
        .into(),
        ..PolicySnapshot::default()
    };
    let found = |remote_id: &str, remote: &str| {
        let mut connection = connection("one", "%any");
        connection.local_id = Some("gw.example.org".parse().unwrap());
        connection.remote_id = remote_id.parse::<IdentityPattern>().unwrap();
        let (local, remote) = ("192.0.2.1".parse().unwrap(), remote.parse().unwrap());
        snapshot
            .secret_by_address(&connection, local, remote)
            .map(|key| String::from_utf8(key.expose().to_vec()).unwrap())
    };
    let is = |key: &str| Some(key.to_owned());
    assert_eq!(found("%any", "198.51.100.7"), is("the network's"));
    assert_eq!(found("hq.example.org", "198.51.100.7"), is("headquarters'"));
    assert_eq!(found("hq.example.org", "192.0.2.77"), is("headquarters'"));
    assert_eq!(found("*.example.org", "192.0.2.77"), None);
    assert_eq!(found("%any", "203.0.113.9"), is("the pair's"));
}
