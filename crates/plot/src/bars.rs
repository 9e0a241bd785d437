//! Bars beside each other, longest value to the right.

use std::borrow::Cow;
use std::fmt::Write;

use crate::{COLOURS, escape, number, round_up};

const WIDTH: f64 = 800.0;
const NAMES: f64 = 300.0;
const VALUES: f64 = 90.0;
const HEADER: f64 = 34.0;
const LINE: f64 = 22.0;
const THICKNESS: f64 = 14.0;

/// One bar.
#[derive(Clone, PartialEq, Debug)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// Whether it is one of those that the plot is about.
    pub ours: bool,
    /// Its length, not negative.
    pub value: f64,
    /// The lowest and the highest that was found, drawn as a line.
    pub range: (f64, f64),
}

/// Bars that share an axis, which begins at zero.
#[derive(Clone, PartialEq, Debug)]
pub struct Bars {
    /// What it shows, with its unit.
    pub title: Cow<'static, str>,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// A page of its own: an SVG file with all `panels`, one below the other, on white.
#[must_use]
pub fn page(panels: &[Bars]) -> String {
    let height: f64 = panels.iter().map(Bars::height).sum();
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"sans-serif\" font-size=\"12\"><rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>"
    );
    let mut top = 0.0;
    for panel in panels {
        let _ = panel.write(top, &mut out);
        top += panel.height();
    }
    out.push_str("</svg>\n");
    out
}

impl Bars {
    fn height(&self) -> f64 {
        HEADER + LINE * self.bars.len() as f64
    }

    fn write(&self, top: f64, out: &mut String) -> std::fmt::Result {
        let longest = self.bars.iter().map(|bar| bar.range.1.max(bar.value));
        let end = round_up(longest.fold(0.0, f64::max));
        let place = |value: f64| NAMES + value / end * (WIDTH - NAMES - VALUES);
        writeln!(
            out,
            "<text x=\"8\" y=\"{:.1}\" font-size=\"15\">{}</text>",
            top + 22.0,
            escape(&self.title)
        )?;
        for (index, bar) in self.bars.iter().enumerate() {
            let y = top + HEADER + LINE * index as f64;
            let middle = y + THICKNESS / 2.0;
            let text = middle + 4.0;
            let colour = COLOURS[usize::from(!bar.ours)];
            let (low, high) = bar.range;
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{NAMES}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{THICKNESS}\" fill=\"{colour}\"/>\
                 <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#222\"/>\
                 <text x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
                NAMES - 8.0,
                escape(&bar.name),
                place(bar.value) - NAMES,
                place(low),
                place(high),
                place(high.max(bar.value)) + 6.0,
                number((bar.value * 100.0).round() / 100.0),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_the_longest_range() {
        let bar = |name: &str, value: f64, high: f64| Bar {
            name: name.to_owned(),
            ours: name == "ours",
            value,
            range: (value, high),
        };
        let bars = Bars {
            title: "speed & more".into(),
            bars: vec![bar("ours", 5.0, 10.0), bar("theirs", 1.0, 1.0)],
        };
        let svg = page(&[bars]);
        assert!(svg.contains("speed &amp; more"), "{svg}");
        assert!(svg.contains("x1=\"505.0\" x2=\"710.0\""), "{svg}");
        assert!(svg.contains("width=\"41.0\""), "{svg}");
    }
}
