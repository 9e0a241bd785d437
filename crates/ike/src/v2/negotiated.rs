use timer::Instant;

use super::IkeSa;
use crate::Negotiated;

impl IkeSa {
    /// On what both ends agreed; `None` before there are keys.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        let suite = self.suite()?;
        Some(Negotiated {
            encryption: suite.encryption,
            integrity: suite.integrity,
            prf: suite.prf,
            key_exchange: suite.key_exchange,
            xauth: false,
            fragments: self.fragment_size.is_some(),
            expires_at: self
                .standing()
                .map_or(Instant::MAX, |standing| standing.expires_at),
        })
    }
}
