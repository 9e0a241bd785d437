//! The figures as bars.

use plot::{Bar, Bars};

use crate::contestant::Program;
use crate::figures::Figures;
use crate::row::Row;

/// What is drawn: a test, what it is called, and whether packets count instead of bits.
const PANELS: [(&str, &str, bool); 4] = [
    ("tcp-1", "One TCP stream, Gbit/s", false),
    (
        "tcp-1-kernel",
        "One TCP stream without segmentation offload, Gbit/s",
        false,
    ),
    (
        "udp-1400",
        "UDP, 1,400 octets, thousand packets a second",
        true,
    ),
    ("udp-64", "UDP, 64 octets, thousand packets a second", true),
];

pub(crate) fn draw(figures: &Figures) -> String {
    let panels = PANELS.map(|(test, title, packets)| Bars {
        title: title.into(),
        bars: bars(figures, test, packets),
    });
    plot::page(&panels)
}

fn bars(figures: &Figures, test: &str, packets: bool) -> Vec<Bar> {
    let of_test = |row: &&Row| row.test == test && row.direction == "forward";
    let bar = |row: &Row| {
        let [value, low, high] = match packets {
            true => row.summary(|sample| sample.kpps),
            false => row.summary(|sample| sample.gbps),
        };
        Bar {
            name: format!("{}, {}", row.program, row.cipher),
            ours: row.program == Program::Palisade.name(),
            value,
            range: (low, high),
        }
    };
    figures.rows().iter().filter(of_test).map(bar).collect()
}
