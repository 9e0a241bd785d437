//! The example scenarios are sound, and the operator's page knows every key.

use std::path::{Path, PathBuf};

use palisade_load::cli::Args;
use palisade_load::scenario::{
    CertificateKey, Class, DpdBehaviour, Expect, Network, Scenario, Trouble, TroubleKind, Version,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

#[test]
fn the_examples_can_be_run() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("scenarios")).expect("the folder is there") {
        let path = entry.expect("readable").path();
        let args = Args {
            scenario: Some(path.clone()),
            // Any file will do for a key.
            psk_file: Some(path.clone()),
            ..Args::default()
        };
        let scenario = args.scenario();
        assert!(scenario.is_ok(), "{}: {scenario:?}", path.display());
        count += 1;
    }
    assert!(count >= 4);
}

/// Every key of a scenario, by its full name.
fn keys() -> Vec<String> {
    let mut scenario = Scenario {
        troubles: vec![Trouble {
            kind: TroubleKind::Stop,
            at_s: 1.0,
            for_s: 1.0,
        }],
        expect: Expect {
            established_percent_min: Some(1.0),
            returned_percent_min: Some(1.0),
            lost_max: Some(1.0),
            false_dead_max: Some(1.0),
            missed_dead_max: Some(1.0),
            detection_s_max: Some(1.0),
            verdicts_per_second_max: Some(1.0),
            packet_loss_percent_max: Some(1.0),
            setup_p99_ms_max: Some(1.0),
            return_p99_ms_max: Some(1.0),
            flood_setup_p99_ratio_max: Some(1.0),
            child_rekeys_min: Some(1.0),
            headend_growth_mib_max: Some(1.0),
        },
        classes: vec![Class {
            version: Some(Version::V1),
            packets_per_second: Some(1.0),
            silent_at_s: Some(1.0),
            return_after_s: Some(1.0),
            network: Some(Network::default()),
            ..Class::default()
        }],
        ..Scenario::default()
    };
    scenario.target.ike_port = Some(500);
    scenario.target.identity = Some("gateway.example".into());
    scenario.tunnel.certificate = Some(CertificateKey::EcdsaP256);
    scenario.tunnel.authority = Some("authority".into());
    scenario.tunnel.xauth_user = Some("user-{n}".into());
    scenario.tunnel.inner_base = Some([10, 50, 0, 1].into());
    let mut keys = Vec::new();
    let value = toml::Value::try_from(&scenario).expect("a scenario is TOML");
    collect("", &value, &mut keys);
    keys
}

fn collect(prefix: &str, value: &toml::Value, keys: &mut Vec<String>) {
    let Some(table) = value.as_table() else {
        return;
    };
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value.as_array().and_then(|array| array.first()) {
            Some(first) if first.is_table() => {
                keys.push(name.clone());
                collect(&format!("{name}."), first, keys);
            }
            _ if value.is_table() => collect(&format!("{name}."), value, keys),
            _ => keys.push(name),
        }
    }
}

#[test]
fn the_operators_page_lists_every_key_and_no_other() {
    let page = root().join("../docs/operating/load.md");
    let page = std::fs::read_to_string(page).expect("docs/operating/load.md");
    let mut listed: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .map(str::to_owned)
        .collect();
    let mut known = keys();
    listed.sort();
    known.sort();
    assert_eq!(listed, known);
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let refused = [
        ("peers.count = 0", "peers.count"),
        ("threads = 0", "threads"),
        ("peers.identity = \"all-the-same\"", "{n}"),
        ("arrival.rate_per_second = 0.0", "arrival.rate_per_second"),
        ("traffic.payload_bytes = 10", "payload_bytes"),
        ("peers.source = \"10.0.0.0/33\"", "10.0.0.0/33"),
        ("peers.source = \"::1\"", "families"),
        ("tunnel.replay_window = 1", "replay_window"),
        ("tunnel.xauth_user = \"joe\"", "xauth_password"),
        ("[[class]]\nshare = 0.0", "shares"),
        ("[[class]]\nloss_percent = 101", "loss_percent"),
        ("[[class]]\nanswer_every = 0", "answer_every"),
        ("[[class]]\nmoves_every_s = 1.0", "peers.ports"),
        ("[[class]]\nnetwork.loss_percent = -1.0", "loss_percent"),
        ("network.duplicate_percent = 101.0", "duplicate_percent"),
        ("network.delay_ms = 60001.0", "delay_ms"),
        ("arrival.period_s = 0.0", "arrival.period_s"),
        ("expect.lost_max = -1.0", "expect.lost_max"),
        ("flood.at_s = -1.0", "flood.at_s"),
        (
            "[[trouble]]\nkind = \"stop\"\nat_s = 1.0\nfor_s = -1.0",
            "trouble.for_s",
        ),
    ];
    for (text, word) in refused {
        let mut scenario = Scenario::from_toml(text).expect(text);
        scenario.peers.psk = "key".into();
        let error = scenario.validate().expect_err(text).to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
    for text in [
        "unknown = 1",
        "tunnel.ike = \"rot13\"",
        "tunnel.version = 3",
        "[peers]\nport = 1",
    ] {
        assert!(Scenario::from_toml(text).is_err(), "{text}");
    }
    let error = Scenario::default().validate().expect_err("there is no key");
    assert!(error.to_string().contains("--psk-file"));
}

#[test]
fn options_override_the_file_and_the_key_is_never_shown() {
    let args = Args {
        scenario: Some(root().join("scenarios/deaths.toml")),
        psk_file: Some(root().join("Cargo.toml")),
        peers: Some(7),
        dead: Some(2),
        ..Args::default()
    };
    let scenario = args.scenario().expect("sound");
    assert_eq!((scenario.peers.count, scenario.deaths.count), (7, 2));
    assert_eq!(scenario.classes[1].dpd, DpdBehaviour::Late);
    assert!(!format!("{scenario:?}").contains("[package]"));
    let json = serde_json::to_string(&scenario).expect("JSON");
    assert!(!json.contains("[package]"), "{json}");
}
