//! The running service, with peers of the generator, asked through its own command line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

mod dashboards;
mod stage;
mod verbs;

use stage::{PROGRAM, SECRET, Stage};

#[test]
fn peers_and_their_sas_can_be_looked_at_and_changed() {
    let mut stage = Stage::new("look");
    stage.start_peers(8, &["--packets", "20"]);
    let peers = stage.json(&["peers"]);
    let peers = peers.as_array().expect("a list");
    assert_eq!(peers.len(), 8);
    assert!(
        peers
            .iter()
            .all(|peer| peer["state"] == "established" && peer["connection"] == "load")
    );
    // A list goes on after the peer that was listed last.
    let first = stage.json(&["peers", "--limit", "3"]);
    assert_eq!(first.as_array().map(Vec::len), Some(3));
    let last = first[2]["id"].as_str().expect("a number");
    let rest = stage.json(&["peers", "--after", last]);
    assert_eq!(rest.as_array().map(Vec::len), Some(5));
    let ids = |list: &Value| -> Vec<String> {
        let peers = list.as_array().into_iter().flatten();
        peers.map(|peer| peer["id"].to_string()).collect()
    };
    assert_eq!(
        [ids(&first), ids(&rest)].concat(),
        ids(&Value::Array(peers.clone()))
    );
    assert_eq!(
        stage.json(&["peers", "--connection", "x"]),
        Value::Array(Vec::new())
    );
    assert!(stage.text(&["peers"]).contains("peer-3@load.example"));

    let detail = stage.json(&["peer", "peer-3@load.example"]);
    let id = detail["id"].as_str().expect("a number").to_owned();
    assert_eq!(
        stage.json(&["peer", &id])["identity"],
        "peer-3@load.example"
    );
    let inner = detail["virtual_addresses"][0].as_str().expect("an address");
    assert_eq!(stage.json(&["peer", inner])["id"], id.as_str());
    assert_eq!(detail["detection_bound_s"], 2.0);
    assert_eq!(
        stage.json(&["peer", "peer-0@load.example"])["detection_bound_s"],
        3.0
    );
    assert!(stage.text(&["peer", &id]).contains("child net"));
    let nobody = stage.ask(&["peer", "nobody@example.org"]);
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("palisade peers"));

    stage.wait("traffic", |stage| {
        let sas = stage.json(&["sas"]);
        let sas = sas.as_array().expect("a list");
        sas.len() == 8
            && sas
                .iter()
                .all(|sa| sa["inbound"]["packets"].as_u64() > Some(2))
    });
    assert!(stage.text(&["sas"]).contains("aes128gcm16"));

    let spi = |stage: &Stage| stage.json(&["peer", &id])["children"][0]["spi_in"].clone();
    let before = spi(&stage);
    assert!(
        stage
            .text(&["rekey", &id, "--child", "net"])
            .contains("rekeying `net`")
    );
    stage.wait("another Child SA", |stage| {
        let children = stage.json(&["peer", &id])["children"].clone();
        let children = children.as_array().expect("a list");
        children
            .iter()
            .any(|child| child["state"] == "installed" && child["spi_in"] != before)
    });
    assert!(
        stage
            .text(&["rekey", "peer-3@load.example"])
            .contains("rekeying the IKE SA")
    );
    stage.wait("another IKE SA", |stage| {
        stage.json(&["peer", "peer-3@load.example"])["id"] != id.as_str()
    });
    assert!(
        stage
            .text(&["terminate", "peer-5@load.example"])
            .contains("deleting the IKE SA")
    );
    stage.wait("a deletion", |stage| {
        !stage.ask(&["peer", "peer-5@load.example"]).status.success()
    });
    let missing = stage.ask(&["initiate", "--child", "nothing"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("no such connection or child"));
    let nowhere = stage.ask(&["initiate", "--connection", "load"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("remote_addrs"));
}

#[test]
fn a_death_is_found_and_explained() {
    let mut stage = Stage::new("death");
    let mut events = Command::new(PROGRAM)
        .args(["events", "--json", "--run-dir"])
        .arg(&stage.directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    stage.wait("a reader of events", |stage| {
        stage
            .get("/metrics")
            .contains("palisade_event_subscribers 1\n")
    });
    stage.start_peers(4, &["--dead", "1", "--dead-delay", "0.5"]);
    let lines = BufReader::new(events.stdout.take().expect("piped")).lines();
    let mut seen = Vec::new();
    for line in lines {
        let event: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let last = event["event"] == "dead";
        seen.push(event);
        if last {
            break;
        }
    }
    events.kill().expect("ends");
    events.wait().expect("ended");
    let count = |kind: &str| seen.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("established"), count("child-established")), (4, 4));
    let dead = seen.last().expect("a death");
    let identity = dead["identity"].as_str().expect("an identity");
    assert!(
        dead["evidence"]["tries"]
            .as_array()
            .is_some_and(|tries| tries.len() == 5),
        "{dead}"
    );
    assert!(dead["unix_ns"].as_u64() > Some(1_600_000_000_000_000_000));

    let why = stage.json(&["why-dead", identity]);
    assert_eq!(why[0]["identity"], identity);
    assert_eq!(why[0]["silent_s"], dead["evidence"]["silent_s"]);
    let told = stage.text(&["why-dead", identity]);
    assert!(
        told.contains("try 5") && told.contains("last proof of life"),
        "{told}"
    );
    assert!(
        !stage
            .ask(&["why-dead", "nobody@example.org"])
            .status
            .success()
    );
    assert_eq!(stage.json(&["status"])["dead"], 1);
}

#[test]
fn an_exception_holds_for_its_peer_and_for_no_other() {
    let mut stage = Stage::new("exception");
    // Without traffic, so that the last proof of life is one that puts probes off.
    let mortal = ["--packets", "0", "--dead", "3", "--dead-delay", "0.5"];
    stage.start_peers(3, &mortal);
    stage.wait("three verdicts", |stage| {
        stage.json(&["status"])["dead"] == 3
    });
    let silent = |identity: &str| {
        let why = stage.json(&["why-dead", identity]);
        let silent = why[0]["silent_s"].as_f64().expect("a duration");
        (silent, why[0]["bound_s"].as_f64().expect("a bound"))
    };
    let (of_exception, bound) = silent("peer-0@load.example");
    assert_eq!(bound, 3.0);
    // The probe comes a tenth of the interval early at most.
    assert!(of_exception > 2.7, "{of_exception}");
    let (of_others, bound) = silent("peer-1@load.example");
    assert_eq!(bound, 2.0);
    assert!(of_others < 2.5, "{of_others}");
}

#[test]
fn a_reload_changes_what_holds_and_keeps_who_is_there() {
    let mut stage = Stage::new("reload");
    stage.start_peers(3, &[]);
    let before = stage.json(&["peer", "peer-1@load.example"]);
    let file = stage.directory.join("palisade.toml");
    let right = std::fs::read_to_string(&file).expect("readable");
    let said = |stage: &Stage, what: &str| stage.log().contains(what);

    std::fs::write(&file, right.replace("retry = ", "retrie = ")).expect("written");
    stage.signal(rustix::process::Signal::HUP);
    stage.wait("a refusal", |stage| {
        said(stage, "the one before stays in force")
    });
    assert!(said(&stage, "unknown key `retrie`"), "{}", stage.log());
    assert_eq!(
        stage.json(&["peer", "peer-1@load.example"])["detection_bound_s"],
        2.0
    );

    let changed = right
        .replace("interval = \"1s\"", "interval = \"4s\"")
        .replace("shards = 2", "shards = 1");
    std::fs::write(&file, changed).expect("written");
    stage.signal(rustix::process::Signal::HUP);
    stage.wait("the change", |stage| {
        said(stage, "the configuration was read again")
    });
    assert!(said(&stage, "takes effect with the next start"));
    let after = stage.json(&["peer", "peer-1@load.example"]);
    assert_eq!(after["detection_bound_s"], 5.0);
    assert_eq!(after["id"], before["id"]);
    assert_eq!(
        after["children"][0]["spi_in"],
        before["children"][0]["spi_in"]
    );
    assert_eq!(stage.json(&["status"])["ike_established"], 3);
    assert!(stage.terminate().success());
}

#[test]
fn every_metric_is_exposed_and_the_linter_agrees() {
    let mut stage = Stage::new("metrics");
    stage.start_peers(3, &[]);
    let body = stage.get("/metrics");
    let exposed: Vec<_> = body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let mut catalogue: Vec<_> = metrics::catalogue::ALL
        .iter()
        .map(|metric| metric.name)
        .collect();
    catalogue.sort_unstable();
    assert_eq!(exposed, catalogue);
    assert!(
        body.contains("palisade_ike_sas{state=\"established\"} 3\n"),
        "{body}"
    );
    assert!(body.contains("palisade_ready 1\n"), "{body}");
    let series = body.lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 1_000, "{series}");
    assert!(!body.contains("load.example"), "no series is about a peer");
    assert!(stage.get("/readyz").contains("\"ready\":true"));
    assert!(stage.get("/").contains("3 peers"));

    let linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut linter) = linter else {
        eprintln!("not run: promtool is not installed (Debian package `prometheus`)");
        return;
    };
    linter
        .stdin
        .take()
        .expect("piped")
        .write_all(body.as_bytes())
        .expect("read");
    let output = linter.wait_with_output().expect("ends");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
}

#[test]
fn the_service_says_goodbye_and_its_log_holds_no_secret() {
    let mut stage = Stage::new("goodbye");
    stage.start_peers(5, &[]);
    let started = Instant::now();
    let status = stage.terminate();
    assert!(status.success(), "{status}");
    assert!(started.elapsed() < Duration::from_secs(6));
    assert!(!stage.directory.join("control.sock").exists());
    let log = stage.log();
    assert!(!log.contains(SECRET), "{log}");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let with = |message: &str| {
        lines
            .iter()
            .filter(|line| line["message"] == message)
            .count()
    };
    assert_eq!(with("established"), 5);
    assert_eq!(with("all peers are gone; the service ends"), 1, "{log}");
    let established = lines
        .iter()
        .find(|line| line["message"] == "established")
        .expect("one");
    assert!(
        established["peer"]
            .as_str()
            .is_some_and(|peer| peer.ends_with("@load.example"))
    );
}
