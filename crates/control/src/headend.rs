use crate::trace::{TraceQuery, TraceSource};
use crate::view::{
    ClearRequest, Cleared, Command, DeathRecord, Done, PeerDetail, PeerPage, PeerQuery, Readiness,
    SaPage, Sample, Span, Status,
};

/// Why a question of the control interface was not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such peer, connection or child; the text says which.
    NotFound(String),
    /// The request contradicts the configuration or the state; the text says how.
    Invalid(String),
    /// Several peers match; the text names some of them.
    Ambiguous(String),
    /// The workers did not answer in time, or the service is going down.
    Busy(String),
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotFound(text)
            | Self::Invalid(text)
            | Self::Ambiguous(text)
            | Self::Busy(text) => f.write_str(text),
        }
    }
}

impl core::error::Error for Refusal {}

/// The running service, as the control interface sees it.
///
/// Methods block for a bounded time (at most a second or two) and are called from threads that may
/// block, never from a worker: management cannot stall peers, and peers cannot stall management for
/// longer than that bound.
pub trait Headend: Send + Sync + 'static {
    /// The values of this moment, merged over the workers.
    fn metrics(&self) -> metrics::Scrape;

    /// Whether the service accepts peers, and if not, why.
    fn readiness(&self) -> Readiness;

    /// The service at a glance.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when a worker does not answer in time.
    fn status(&self) -> Result<Status, Refusal>;

    /// What the service did lately, the oldest sample first.
    fn history(&self, span: Span) -> Vec<Sample>;

    /// One page of peers.
    ///
    /// # Errors
    /// [`Refusal::Busy`], or [`Refusal::Invalid`] for a cursor that this service did not give out.
    fn peers(&self, query: &PeerQuery) -> Result<PeerPage, Refusal>;

    /// Everything about one peer, found by its number, its identity or its address.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Ambiguous`] or [`Refusal::Busy`].
    fn peer(&self, peer: &str) -> Result<PeerDetail, Refusal>;

    /// One page of Child SAs.
    ///
    /// # Errors
    /// As for [`Headend::peers`].
    fn sas(&self, query: &PeerQuery) -> Result<SaPage, Refusal>;

    /// The evidence of the latest verdicts on a peer, the newest first.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when no verdict on such a peer is remembered.
    fn why_dead(&self, peer: &str) -> Result<Vec<DeathRecord>, Refusal>;

    /// Ends some of the sessions that are meant, or says which would end, and where to go on.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for what is no address, identity or cursor, and for a request that says
    /// neither which sessions nor that all are meant; [`Refusal::NotFound`] for a VRF that does not
    /// exist; [`Refusal::Busy`].
    fn clear(&self, request: &ClearRequest) -> Result<Cleared, Refusal>;

    /// Begins to tell what peers go through, in every detail.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a peer that can be neither an address nor an identity, or
    /// [`Refusal::Busy`] when as many watch as may.
    fn watch(&self, query: &TraceQuery) -> Result<Box<dyn TraceSource>, Refusal>;

    /// Sets something in motion and says what; the event stream tells how it went.
    ///
    /// # Errors
    /// Any [`Refusal`].
    fn command(&self, command: &Command) -> Result<Done, Refusal>;
}
