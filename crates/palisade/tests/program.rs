//! The program as a shell sees it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn palisade(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_palisade"))
        .args(arguments)
        .output()
        .expect("runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("palisade-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("made");
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("cleaned up");
    }
}

const RIGHT: &str = "[connections.a.children.b]\n[secrets.a]\nsecret = \"hunter2\"\n";

#[test]
fn a_right_configuration_is_called_right() {
    let directory = Directory::new("right");
    let file = directory.file("p.toml", RIGHT);
    let output = palisade(&["check", &file]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("right: 1 connection with 1 child"));
    assert_eq!(text(&palisade(&["check", "--json", &file]).stdout), "[]\n");
}

#[test]
fn a_wrong_configuration_is_explained_and_refused() {
    let directory = Directory::new("wrong");
    let file = directory.file("p.toml", &format!("{RIGHT}[headnd]\n[dpd]\nretries = 99\n"));
    let output = palisade(&["check", &file]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("did you mean `headend`?") && told.contains("2 errors"),
        "{told}"
    );
    assert!(!told.contains("hunter2"), "{told}");
    let output = palisade(&["check", "--json", &file]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        (&found[0]["line"], &found[0]["column"]),
        (&Value::from(4), &Value::from(2))
    );
    let output = palisade(&["run", "--config", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean `headend`?"));
}

#[test]
fn a_missing_file_is_no_configuration() {
    let output = palisade(&["check", "/no/such/file.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot read /no/such/file.toml"));
}

#[test]
fn without_a_service_every_question_says_what_to_do() {
    let directory = Directory::new("none");
    let run = directory.0.display().to_string();
    for question in [
        &["status"][..],
        &["peers"],
        &["sas"],
        &["peer", "x"],
        &["why-dead", "x"],
        &["events"],
        &["initiate", "--child", "x"],
        &["terminate", "x"],
        &["rekey", "x"],
    ] {
        let output = palisade(&[question, &["--run-dir", &run]].concat());
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{question:?}");
        assert!(
            told.contains("control.sock") && told.contains("palisade run"),
            "{told}"
        );
    }
}

#[test]
fn help_shows_examples_and_completions_exist() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["why-dead", "--help"],
        &["demo", "--help"],
    ] {
        assert!(
            text(&palisade(arguments).stdout).contains("palisade"),
            "{arguments:?}"
        );
    }
    assert!(text(&palisade(&["--help"]).stdout).contains("Examples:"));
    assert!(
        !text(&palisade(&["--help"]).stdout).contains("load"),
        "the generator is hidden"
    );
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            text(&palisade(&["completions", shell]).stdout).contains("why-dead"),
            "{shell}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_advice() {
    let directory = Directory::new("taken");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    let configuration = format!(
        "[headend]\nlisten = \"127.0.0.1\"\nike_port = {port}\nnat_port = {}\ninner = \"echo\"\n[metrics]\nlisten = \"off\"\n",
        if port == u16::MAX { port - 1 } else { port + 1 }
    );
    let file = directory.file("p.toml", &configuration);
    let run = directory.0.display().to_string();
    let output = palisade(&["run", "--config", &file, "--run-dir", &run]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains(&port.to_string()) && told.contains("Another program holds the port"),
        "{told}"
    );
    assert!(!Path::new(&run).join("control.sock").exists());
}

#[test]
fn the_demonstration_passes_and_says_so_in_json_alone() {
    let output = palisade(&[
        "demo",
        "--peers",
        "20",
        "--dead",
        "2",
        "--seconds",
        "12",
        "--json",
    ]);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{told}\n{}", text(&output.stdout));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(report["established"], 20);
    assert_eq!(
        (&report["dead_injected"], &report["dead_detected"]),
        (&2.into(), &2.into())
    );
    assert_eq!(
        (&report["false_dead"], &report["esp_errors"]),
        (&0.into(), &0.into())
    );
    let longest = report["detection_s"]["max"].as_f64().expect("a number");
    let bound = report["detection_bound_s"].as_f64().expect("a number");
    assert!(longest > 0.0 && longest <= bound, "{longest} {bound}");
    assert!(
        report["esp_packets_in"]
            .as_u64()
            .is_some_and(|packets| packets > 100),
        "{report}"
    );
    assert!(
        report["dpd_probes_answered"]
            .as_u64()
            .is_some_and(|answers| answers > 20),
        "{report}"
    );
    assert_eq!(told, "", "nothing but JSON when nobody watches");
}

#[test]
fn a_demonstration_that_cannot_be_is_refused() {
    let output = palisade(&["demo", "--peers", "10", "--dead", "11"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--dead 10 or less"));
    let output = palisade(&["demo", "--seconds", "2"]);
    assert!(text(&output.stderr).contains("--seconds"));
}
