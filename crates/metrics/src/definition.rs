//! What a metric is, apart from its values. The number of labels is part of the type, so that a
//! sample with a label too many or too few does not compile.

/// The type of a metric family, as in its `# TYPE` line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only ever grows; starts at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution with fixed upper bounds.
    Histogram,
}

impl Kind {
    /// The word of the `# TYPE` line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Everything about a family that does not depend on its number of labels.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Full name; counters end in `_total`, units come last.
    pub name: &'static str,
    /// One sentence for the operator.
    pub help: &'static str,
    /// The type.
    pub kind: Kind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
}

/// A family of counters with `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Counter<const N: usize>(pub(crate) Description);

/// A family of gauges with `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<const N: usize>(pub(crate) Description);

/// A family of histograms with `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<const N: usize> {
    pub(crate) description: Description,
    /// Upper bounds in recorded units, ascending; `+Inf` is implied.
    pub(crate) bounds: &'static [u64],
    /// Recorded units in one exposed unit: 1,000,000 where microseconds are recorded and seconds
    /// are exposed.
    pub(crate) recorded_per_exposed: f64,
}

impl<const N: usize> Counter<N> {
    pub(crate) const fn new(
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
    ) -> Self {
        Self(Description {
            name,
            help,
            kind: Kind::Counter,
            labels,
        })
    }
}

impl<const N: usize> Gauge<N> {
    pub(crate) const fn new(
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
    ) -> Self {
        Self(Description {
            name,
            help,
            kind: Kind::Gauge,
            labels,
        })
    }
}

impl<const N: usize> Histogram<N> {
    pub(crate) const fn new(
        name: &'static str,
        labels: &'static [&'static str; N],
        help: &'static str,
        bounds: &'static [u64],
        recorded_per_exposed: f64,
    ) -> Self {
        Self {
            description: Description {
                name,
                help,
                kind: Kind::Histogram,
                labels,
            },
            bounds,
            recorded_per_exposed,
        }
    }
}
