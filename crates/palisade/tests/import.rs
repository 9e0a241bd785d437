//! `palisade import` as a shell sees it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const SITE: &str = "\
crypto isakmp policy 1
 encryption aes
 authentication pre-share
 group 14
crypto isakmp key kd94j1ksldz address 10.2.80.209 255.255.255.0
crypto isakmp keepalive 10 periodic
crypto ipsec transform-set Trans1 esp-aes esp-sha-hmac
crypto map test 1 ipsec-isakmp
 set peer 10.2.80.209
 set transform-set Trans1
 match address 101
interface FastEthernet0
 ip address 10.1.32.14 255.255.255.0
 speed auto
 crypto map test
";
const KEY: &str = "kd94j1ksldz";
const LIST: &str = "access-list 101 permit ip 172.16.1.0 0.0.0.255 172.16.2.0 0.0.0.255";

/// A folder with the router's configuration in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("palisade-import-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("made");
        std::fs::write(path.join("router.cfg"), SITE).expect("written");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn import(&self, arguments: &[&str]) -> Output {
        palisade(&[&["import", "ios", &self.path("router.cfg")], arguments].concat())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("cleaned up");
    }
}

fn palisade(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_palisade"));
    command.args(arguments).output().expect("runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn an_import_to_standard_output_is_a_configuration() {
    let folder = Folder::new("stdout");
    let output = folder.import(&["--with", LIST]);
    let (toml, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(
        toml.contains("[connections.test-1]") && toml.contains(KEY),
        "{toml}"
    );
    assert!(
        told.contains("holds secrets") && !told.contains(KEY),
        "{told}"
    );
    let file = folder.path("p.toml");
    std::fs::write(&file, toml).expect("written");
    let checked = palisade(&["check", &file]);
    assert!(
        text(&checked.stdout).contains("right: 1 connection with 1 child"),
        "{}",
        text(&checked.stderr)
    );
}

#[test]
fn help_shows_examples_and_completions_exist() {
    let help = text(&palisade(&["import", "ios", "--help"]).stdout);
    assert!(
        help.contains("--with 'access-list 101") && help.contains("Exit status"),
        "{help}"
    );
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
    for shell in ["bash", "zsh", "fish"] {
        let completions = text(&palisade(&["completions", shell]).stdout);
        assert!(
            completions.contains("import") && completions.contains("with"),
            "{shell}"
        );
    }
}

#[test]
fn keys_are_written_into_private_files() {
    let folder = Folder::new("files");
    let file = folder.path("p.toml");
    let arguments = ["--with", LIST, "--output", &file, "--check"];
    let output = folder.import(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "the result runs\n");
    let toml = std::fs::read_to_string(&file).expect("written");
    assert!(
        !toml.contains(KEY) && toml.contains("file = \"10.2.80.0-24.psk\""),
        "{toml}"
    );
    let key = folder.path("10.2.80.0-24.psk");
    assert_eq!(
        std::fs::read_to_string(&key).expect("written"),
        format!("{KEY}\n")
    );
    for path in [&file, &key] {
        let mode = std::fs::metadata(path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{path}");
    }
    assert!(palisade(&["check", &file]).status.success());

    let again = folder.import(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        text(&again.stderr).contains("exists; --force replaces it"),
        "{}",
        text(&again.stderr)
    );
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(
        folder
            .import(&[&arguments[..], &["--force"]].concat())
            .status
            .success()
    );
    let mode = std::fs::metadata(&key).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "replaced, and not written into");
}

#[test]
fn what_is_missing_fails_the_check_and_is_told() {
    let folder = Folder::new("missing");
    let output = folder.import(&["--check"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told.contains("access list 101") && told.contains("--with 'access-list 101 permit ip"),
        "{told}"
    );
    assert!(text(&output.stdout).contains("without what is incomplete: 1 missing"));
    assert!(!told.contains("speed auto"), "{told}");
    let output = folder.import(&["--check", "--verbose"]);
    assert!(text(&output.stderr).contains("speed auto"));
}

#[test]
fn the_report_as_json_holds_every_line_and_no_key() {
    let folder = Folder::new("json");
    let output = folder.import(&["--json", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(!told.contains(KEY), "{told}");
    let report: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(
        report["lines"].as_array().map(Vec::len),
        Some(SITE.lines().count())
    );
    assert_eq!(report["lines"][13]["verdict"], "outside-ipsec");
    assert_eq!(report["lines"][4]["verdict"], "translated");
    assert_eq!(report["missing"][0]["section"], "connections.test-1");
    assert_eq!(report["runs"], true);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn standard_input_and_several_files_are_read() {
    let folder = Folder::new("several");
    let list = folder.path("lists.cfg");
    std::fs::write(&list, LIST).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .args(["import", "ios", "-", &list, "--check"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(SITE.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("ends");
    assert_eq!(text(&output.stdout), "the result runs\n");
    let missing = palisade(&["import", "ios", "/no/such/router.cfg"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("cannot read /no/such/router.cfg"));
}

/// The example of the migration guide comes out as it is shown there.
#[test]
fn the_guide_shows_what_an_import_writes() {
    let guide = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/operating/migrating-from-ios.md"
    );
    let guide = std::fs::read_to_string(guide).expect("the guide");
    let part = guide
        .split("## What an import looks like")
        .nth(1)
        .expect("the part");
    let mut fences = part.split("```");
    let router = fences.nth(1).expect("a router").trim_start();
    let shown = fences
        .nth(1)
        .expect("a result")
        .trim_start_matches("toml")
        .trim();
    let folder = Folder::new("guide");
    std::fs::write(folder.0.join("router.cfg"), router).expect("written");
    let file = folder.path("p.toml");
    assert!(
        folder
            .import(&["--output", &file, "--check"])
            .status
            .success()
    );
    let written = std::fs::read_to_string(Path::new(&file)).expect("written");
    let bare = |line: &str| line.split("  # ").next().unwrap_or_default().to_owned();
    let written = written
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(bare);
    let written: Vec<String> = written.collect();
    assert_eq!(written.join("\n").trim(), shown);
}
