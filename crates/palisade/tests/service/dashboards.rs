//! What an operator has on the wall, and what the service manager is told.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;

use crate::stage::Stage;

#[test]
fn the_latest_minutes_are_remembered_and_drawn() {
    let mut stage = Stage::new("history");
    stage.start_peers(4, &["--packets", "20"]);
    stage.wait("a sample with traffic", |stage| {
        let sample = stage.json(&["top", "--once"]);
        sample["established"] == 4 && sample["esp_packets_in"].as_u64() > Some(0)
    });
    let told = stage.text(&["top", "--once"]);
    assert!(told.contains("Peers: 4 established, 0 half-open"), "{told}");
    stage.wait("a probe", |stage| {
        !stage.json(&["top", "--once"])["lateness_p99_ms"].is_null()
    });
    let page = stage.get("/");
    assert_eq!(page.matches("<svg").count(), 8, "{page}");
    assert!(
        page.contains("4 peers</title>") && page.contains("<polyline"),
        "{page}"
    );
    assert!(stage.get("/?span=day").contains("the last day"));
    // A screen needs a terminal, and says what to do without.
    let piped = stage.ask(&["top"]);
    assert!(!piped.status.success());
    assert!(String::from_utf8_lossy(&piped.stderr).contains("--once"));
}

#[test]
fn the_service_manager_is_told() {
    let name = format!("palisade-notify-{}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let manager = UnixDatagram::bind(&path).expect("a socket");
    let patience = Some(Duration::from_secs(20));
    manager.set_read_timeout(patience).expect("a number");
    let mut stage = Stage::with_environment("notify", &[("NOTIFY_SOCKET", path.as_os_str())]);
    let hear_until = |last: &str| {
        let mut heard = String::new();
        while !heard.contains(last) {
            let mut octets = [0; 1_024];
            let length = manager
                .recv(&mut octets)
                .unwrap_or_else(|error| panic!("{last} does not come ({error}); heard:\n{heard}"));
            heard.push_str(&String::from_utf8_lossy(&octets[..length]));
        }
        heard
    };
    assert_eq!(hear_until("READY=1\n"), "READY=1\n");
    let fed = hear_until("STATUS=");
    assert!(
        fed.contains("WATCHDOG=1") && fed.contains("0 peers"),
        "{fed}"
    );
    stage.signal(Signal::HUP);
    let reloaded = hear_until("READY=1\n");
    assert!(reloaded.contains("RELOADING=1"), "{reloaded}");
    assert!(stage.terminate().success());
    hear_until("STOPPING=1");
    std::fs::remove_file(path).expect("it was there");
}
