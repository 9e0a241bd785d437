//! The status page in a browser. It must be installed, so this test stands behind the feature `chromium`,
//! which `cargo xtask test` turns on where it can.

use std::path::Path;
use std::process::{Command, Output};

#[path = "service/stage.rs"]
#[allow(dead_code, reason = "the tests of the service need more of it")]
mod stage;

use stage::Stage;

/// Colours of the first two lines of a plot.
const LINES: [[u8; 3]; 2] = [[0x35, 0x72, 0xb0], [0xc8, 0x74, 0x2c]];

fn browse(profile: &Path, arguments: &[&str]) -> Output {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--window-size=1300,1800",
            "--hide-scrollbars",
            "--timeout=20000",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(arguments)
        .output()
        .expect("chromium is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// How many pixels have nearly a colour: edges are smoothed.
fn pixels(picture: &Path, colour: [u8; 3]) -> usize {
    let file = std::fs::File::open(picture).expect("a picture");
    let decoder = png::Decoder::new(std::io::BufReader::new(file));
    let mut reader = decoder.read_info().expect("a PNG");
    let mut octets = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut octets).expect("a frame");
    let near = |pixel: &&[u8]| {
        pixel
            .iter()
            .zip(colour)
            .all(|(is, wanted)| is.abs_diff(wanted) < 48)
    };
    octets
        .chunks(info.color_type.samples())
        .filter(near)
        .count()
}

#[test]
fn the_status_page_is_drawn() {
    let mut stage = Stage::new("browser");
    stage.start_peers(4, &["--packets", "20"]);
    stage.wait("five samples", |stage| {
        let page = stage.get("/");
        let points = page.split("points=\"").nth(1);
        let points = points.and_then(|rest| rest.split('"').next());
        points.is_some_and(|points| points.split_whitespace().count() >= 5)
    });
    let profile = stage.directory.join("profile");
    let picture = stage.directory.join("page.png");
    let address = format!("http://127.0.0.1:{}/", stage.metrics);

    let dom = browse(&profile, &["--dump-dom", &address]).stdout;
    let dom = String::from_utf8_lossy(&dom).into_owned();
    assert_eq!(dom.matches("<svg").count(), 8, "{dom}");
    for words in [
        "accepting peers",
        "peers established",
        "Lateness of DPD timers",
        "worker",
    ] {
        assert!(dom.contains(words), "{words}: {dom}");
    }

    browse(
        &profile,
        &[&format!("--screenshot={}", picture.display()), &address],
    );
    for colour in LINES {
        let count = pixels(&picture, colour);
        assert!(count > 200, "{count} pixels of {colour:02x?}");
    }
}
