//! Plots in SVG, lines and bars, for pages that load nothing from elsewhere. In line plots text takes the colour that the page gives
//! to `svg text`, lines that of `svg line`.
#![forbid(unsafe_code)]

mod bars;

use std::borrow::Cow;
use std::fmt::Write;

pub use bars::{Bar, Bars, page};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 45.0;
const TICKS: u32 = 5;
const COLOURS: [&str; 4] = ["#3572b0", "#c8742c", "#a33", "#4a8c3f"];

/// One line of a plot.
pub struct Curve {
    name: Cow<'static, str>,
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// A line through points of x and y; y is not negative.
    pub fn new(name: impl Into<Cow<'static, str>>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            points,
        }
    }
}

/// A plot: both axes include zero. Points left of zero are in the past.
pub struct Plot {
    /// What it shows.
    pub title: Cow<'static, str>,
    /// What is to the right, with its unit.
    pub x: Cow<'static, str>,
    /// What is upwards, with its unit.
    pub y: Cow<'static, str>,
    /// Its lines, in the order of the legend.
    pub curves: Vec<Curve>,
}

impl Plot {
    /// Whether there is a line to be seen.
    #[must_use]
    pub fn has_line(&self) -> bool {
        self.curves.iter().any(|curve| curve.points.len() > 1)
    }

    /// The plot as an `svg` element.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let x_last = points().map(|point| point.0).fold(0.0, f64::max);
        let x_first = points().map(|point| point.0).fold(0.0, f64::min);
        let x = match x_first < 0.0 {
            true => (-round_up(-x_first), x_last),
            false => (0.0, round_up(x_last)),
        };
        let y_max = round_up(points().map(|point| point.1).fold(0.0, f64::max));
        let title = escape(&self.title);
        write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" font-size=\"12\">\
             <title>{title}</title>\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"16\">{title}</text>",
        )?;
        self.write_axes(x, y_max, out)?;
        for (index, curve) in self.curves.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            write!(
                out,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\""
            )?;
            for (point_x, point_y) in &curve.points {
                write!(
                    out,
                    "{:.1},{:.1} ",
                    place_x(*point_x, x),
                    place_y(*point_y, y_max)
                )?;
            }
            out.push_str("\"/>");
            let at = LEFT + 200.0 + 130.0 * index as f64;
            let name = escape(&curve.name);
            write!(
                out,
                "<text x=\"{at}\" y=\"18\" style=\"fill:{colour}\">{name}</text>"
            )?;
        }
        out.push_str("</svg>");
        Ok(())
    }

    fn write_axes(&self, x: (f64, f64), y_max: f64, out: &mut String) -> std::fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for tick in 0..=TICKS {
            let share = f64::from(tick) / f64::from(TICKS);
            let value = x.0 + share * (x.1 - x.0);
            let (at, y) = (place_x(value, x), place_y(share, 1.0));
            write!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ccc\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                number(share * y_max),
                bottom + 16.0,
                number(value),
            )?;
        }
        write!(
            out,
            "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            bottom + 34.0,
            escape(&self.x),
            right,
            TOP - 8.0,
            escape(&self.y),
        )
    }
}

fn place_x(value: f64, (first, last): (f64, f64)) -> f64 {
    LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)
}

fn place_y(value: f64, max: f64) -> f64 {
    HEIGHT - BOTTOM - value / max * (HEIGHT - TOP - BOTTOM)
}

/// The next of 1, 2 and 5 times a power of ten, so that ticks are round.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps
        .into_iter()
        .find(|step| step * power >= value * (1.0 - 1e-9));
    step.unwrap_or(10.0) * power
}

/// Text as it may stand in markup.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (value, end) in [
            (0.0, 1.0),
            (0.9, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (730.0, 1_000.0),
        ] {
            assert!((round_up(value) - end).abs() < 1e-9, "{value}");
        }
        assert_eq!(number(0.2), "0.2");
        assert_eq!(number(1_000.0), "1000");
    }

    #[test]
    fn curves_stay_within_the_frame() {
        let plot = Plot {
            title: "t".into(),
            x: "x".into(),
            y: "<y>".into(),
            curves: vec![Curve::new("c", vec![(0.0, 0.0), (10.0, 20.0)])],
        };
        let svg = plot.render();
        assert!(svg.contains("points=\"70.0,255.0 780.0,40.0 \""), "{svg}");
        assert!(svg.contains("&lt;y&gt;"), "{svg}");
    }

    #[test]
    fn the_past_is_left_of_now() {
        let plot = Plot {
            title: "t".into(),
            x: "x".into(),
            y: "y".into(),
            curves: vec![Curve::new("c", vec![(-10.0, 0.0), (0.0, 20.0)])],
        };
        let svg = plot.render();
        assert!(svg.contains("points=\"70.0,255.0 780.0,40.0 \""), "{svg}");
        assert!(
            svg.contains(">-10</text>") && svg.contains(">0</text>"),
            "{svg}"
        );
    }
}
