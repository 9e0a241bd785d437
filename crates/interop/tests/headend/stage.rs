//! The usual scene: strongSwan on the left, Palisade on the right, one tunnel between them.

use std::time::Duration;

use anyhow::Result;
use interop::network::Pair;
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{Flow, FlowReport, ping_all};
use interop::tunnel::Tunnel;
use interop::wait;

pub(crate) const LEFT: &str = "10.1.0.1";
pub(crate) const RIGHT: &str = "10.2.0.1";
/// Long enough for any exchange, short enough for a failing test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const FLOW_INTERVAL: Duration = Duration::from_millis(2);

/// Both programs up, no tunnel yet.
pub(crate) struct Stage<'a> {
    pub(crate) pair: &'a Pair,
    pub(crate) swan: StrongSwan,
    pub(crate) headend: Palisade<'a>,
}

impl<'a> Stage<'a> {
    /// Starts both with their sides of one tunnel.
    pub(crate) fn new(pair: &'a Pair, left: &Tunnel, right: &Tunnel) -> Result<Self> {
        Self::with_sections(pair, left, right, "")
    }

    /// As [`Self::new`], with further sections of Palisade's configuration.
    pub(crate) fn with_sections(
        pair: &'a Pair,
        left: &Tunnel,
        right: &Tunnel,
        sections: &str,
    ) -> Result<Self> {
        let headend = Palisade::start(&pair.right, std::slice::from_ref(right), sections)?;
        let swan = StrongSwan::start(
            &pair.left,
            Settings::default(),
            std::slice::from_ref(left),
            "",
        )?;
        Ok(Self {
            pair,
            swan,
            headend,
        })
    }

    /// strongSwan sets the tunnel up, and packets pass both ways.
    pub(crate) fn up(&self) -> Result<()> {
        self.swan.initiate("net")?;
        self.passes()
    }

    /// Echo requests pass, started from either side.
    pub(crate) fn passes(&self) -> Result<()> {
        ping_all(&self.pair.left, LEFT, RIGHT, 5)?;
        ping_all(&self.pair.right, RIGHT, LEFT, 5)
    }

    /// Streams both ways until [`Flows::finish`].
    pub(crate) fn flows(&self) -> Result<Flows> {
        let Pair { left, right } = self.pair;
        Ok(Flows {
            to_right: Flow::start((left, LEFT), (right, RIGHT), 7000, FLOW_INTERVAL)?,
            to_left: Flow::start((right, RIGHT), (left, LEFT), 7001, FLOW_INTERVAL)?,
        })
    }

    /// Waits until neither side has any SA.
    pub(crate) fn await_nothing(&self) -> Result<()> {
        wait::until("strongSwan without SAs", PATIENCE, || {
            self.swan
                .sas()
                .is_ok_and(|sas| !sas.contains("ESTABLISHED"))
        })?;
        self.await_no_peers()
    }

    /// Waits until Palisade has no peer.
    pub(crate) fn await_no_peers(&self) -> Result<()> {
        wait::until("Palisade without peers", PATIENCE, || {
            self.headend
                .metric("palisade_child_sas", "")
                .is_ok_and(|children| children < 0.5)
        })?;
        Ok(())
    }
}

/// Numbered streams in both directions.
pub(crate) struct Flows {
    to_right: Flow,
    to_left: Flow,
}

impl Flows {
    /// Ends both; first the stream to the right, then the one to the left.
    pub(crate) fn finish(self) -> Result<[FlowReport; 2]> {
        Ok([self.to_right.finish()?, self.to_left.finish()?])
    }

    /// Ends both and checks that every single datagram arrived, once.
    pub(crate) fn all_arrived(self, sent_min: u64) -> Result<()> {
        for (report, direction) in self
            .finish()?
            .into_iter()
            .zip(["to Palisade", "from Palisade"])
        {
            report
                .complete(sent_min)
                .map_err(|error| error.context(direction))?;
        }
        Ok(())
    }
}
