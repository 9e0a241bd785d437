//! Watching peers, ending them, and looking at them as IOS does.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::stage::{PROGRAM, Stage};

/// A watch that runs beside the test and ends by itself.
fn watching(stage: &Stage, arguments: &[&str]) -> std::process::Child {
    let before = watchers(stage);
    let child = Command::new(PROGRAM)
        .arg("debug")
        .args(arguments)
        .arg("--run-dir")
        .arg(&stage.directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    stage.wait("a watcher", |stage| watchers(stage) > before);
    child
}

fn watchers(stage: &Stage) -> u32 {
    let metrics = stage.get("/metrics");
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("palisade_trace_watchers "));
    line.and_then(|count| count.parse().ok()).expect("a count")
}

fn told(child: std::process::Child) -> String {
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn what_peers_go_through_can_be_watched_while_it_happens() {
    let mut stage = Stage::new("watch");
    let all = watching(&stage, &["ikev2", "--format", "json", "--count", "12"]);
    let one = watching(
        &stage,
        &["dpd", "--peer", "peer-1@load.example", "--count", "3"],
    );
    let nobody = watching(
        &stage,
        &["ikev2", "--peer", "203.0.113.9", "--seconds", "6"],
    );
    stage.start_peers(3, &[]);
    let records: Vec<Value> = told(all)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(records.len(), 12);
    let first = &records[0];
    assert_eq!(
        (&first["step"], &first["exchange"], &first["version"]),
        (&"received".into(), &"IKE_SA_INIT".into(), &2.into())
    );
    let lines = told(one);
    let lines: Vec<_> = lines.lines().collect();
    assert!(
        lines[0].ends_with("IKE DPD is enabled, initializing timers"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP")
            && lines[1].ends_with("Id: peer-1@load.example"),
        "{lines:?}"
    );
    assert!(
        lines[2].ends_with("Sending DPD/liveness query"),
        "{lines:?}"
    );
    assert_eq!(told(nobody), "", "nobody is at that address");
    stage.wait("the end of the watches", |stage| watchers(stage) == 0);
    let wrong = stage.ask(&["debug", "dpd", "--peer", ""]);
    assert!(!wrong.status.success());
}

fn established(stage: &Stage) -> Option<u64> {
    stage.json(&["status"])["ike_established"].as_u64()
}

#[test]
fn exactly_the_sessions_that_match_are_cleared() {
    let mut stage = Stage::new("clear");
    stage.start_peers(250, &[]);
    let list = stage.json(&["peers"]);
    let remote_of = |peer: &Value| peer["remote"].as_str().expect("an address").to_owned();
    let victim = remote_of(&list[17]);
    let (address, _) = victim.rsplit_once(':').expect("a port");
    let same_address = list
        .as_array()
        .expect("a list")
        .iter()
        .filter(|peer| remote_of(peer).starts_with(&format!("{address}:")))
        .count();

    let would = stage.json(&["clear", "session", "--remote", address, "--dry-run"]);
    assert_eq!(would["dry_run"], true);
    assert_eq!(would["ike_sas"], same_address);
    assert_eq!(established(&stage), Some(250), "a dry run ends nothing");

    let text = stage.text(&["clear", "session", "--id", "peer-5@load.example"]);
    assert!(text.contains("sent a DELETE"), "{text}");
    assert!(
        text.ends_with("ended 1 IKE SA and 1 pair of IPsec SAs\n"),
        "{text}"
    );
    assert!(!stage.ask(&["peer", "peer-5@load.example"]).status.success());
    assert_eq!(established(&stage), Some(249));

    let nobody = [
        ["--remote", "203.0.113.9"],
        ["--id", "peer-5@load.example"],
        ["--local", "127.0.0.1:1"],
    ];
    for filter in nobody {
        let text = stage.text(&[&["clear", "session"], &filter[..]].concat());
        assert_eq!(text, "no session matches\n");
    }
    assert_eq!(established(&stage), Some(249));
    let elsewhere = stage.ask(&["clear", "session", "--fvrf", "nowhere"]);
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("no front-door VRF `nowhere`"));

    let unasked = stage.ask(&["clear", "session"]);
    assert!(!unasked.status.success(), "nobody said that all are meant");
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("all 249 sessions"));
    let rest = stage.json(&["clear", "session", "--fvrf", "global", "--ivrf", "global"]);
    assert_eq!(
        (&rest["ike_sas"], &rest["child_sas"]),
        (&249.into(), &249.into())
    );
    assert_eq!(established(&stage), Some(0));
    assert_eq!(
        stage.text(&["clear", "session", "--all"]),
        "no session matches\n"
    );
}

#[test]
fn the_layouts_of_ios_show_who_is_there() {
    let mut stage = Stage::new("show");
    stage.start_peers(3, &["--packets", "20"]);
    stage.wait("traffic", |stage| {
        let sas = stage.json(&["sas"]);
        let sas = sas.as_array().expect("a list").iter();
        sas.filter(|sa| sa["inbound"]["packets"].as_u64() > Some(2))
            .count()
            == 3
    });
    let show = |what: &[&str]| stage.text(&[&["show", "crypto"], what].concat());
    let session = show(&["session", "detail"]);
    assert_eq!(session.matches("Session status: UP-ACTIVE\n").count(), 3);
    assert!(
        session.contains("      Phase1_id: peer-2@load.example\n"),
        "{session}"
    );
    assert!(
        session.contains("  IKEv2 SA: local 127.0.0.1/"),
        "{session}"
    );
    assert!(session.contains("Capabilities:CDN"), "{session}");
    assert!(
        session.contains("  IPSEC FLOW: permit ip 0.0.0.0/0.0.0.0 host 10.64."),
        "{session}"
    );
    let ikev2 = show(&["ikev2", "sa", "detailed"]);
    assert_eq!(ikev2.matches(" READY\n").count(), 3, "{ikev2}");
    assert!(ikev2.contains("Encr: AES-GCM, keysize: "), "{ikev2}");
    let ipsec = show(&["ipsec", "sa"]);
    assert_eq!(ipsec.matches("inbound esp sas:\n      spi: 0x").count(), 3);
    assert!(!ipsec.contains("#pkts decaps: 0,"), "{ipsec}");
    assert!(
        !show(&["isakmp", "sa"]).contains("QM_IDLE"),
        "nobody speaks IKEv1"
    );
    let json = stage.json(&["show", "crypto", "session"]);
    assert_eq!(json["peers"][0]["version"], 2);
    assert_eq!(json["sas"].as_array().map(Vec::len), Some(3));
}
