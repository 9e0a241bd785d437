//! First messages from forged addresses, as many as the scenario wants.

use crypto::Entropy as _;
use netio::OuterSend;
use timer::Instant;
use wire::ikev2::{ExchangeType, HEADER_LEN, Header, NON_ESP_MARKER, PayloadType};

use super::Worker;
use crate::scenario::Sources;

/// Messages that leave in one go, so that the peers have their turn.
const SENT_PER_TURN: u64 = 256;
/// Messages that are made up for when the generator falls behind; of more, the rest is left out.
const BEHIND_MAX: u64 = 4_096;
/// Octets of an initiator's SPI, with which a message begins.
const SPI_LEN: usize = 8;

/// The flood of one worker.
#[derive(Default)]
pub(super) struct Flooding {
    /// The message, with its marker: the first that a peer said.
    message: Option<Vec<u8>>,
    sources: Option<Sources>,
    /// Messages sent or left out.
    accounted: u64,
    /// Messages sent.
    pub(super) sent: u64,
}

impl Worker {
    /// Keeps a peer's first message, to forge others after it.
    pub(super) fn learn_flood(&mut self, message: &[u8]) {
        let wanted = self.shared.plan.scenario.flood.rate_per_second > 0.0;
        if wanted && self.flooding.message.is_none() && is_plain_first_message(message) {
            self.flooding.message = Some([&NON_ESP_MARKER, message].concat());
        }
    }

    /// Sends what is due of the flood; true while it lasts.
    pub(super) fn pour(&mut self, now: Instant) -> bool {
        let second = now.as_nanos() as f64 / 1e9;
        let flood = &self.shared.plan.scenario.flood;
        if !flood.lasts_at(second) {
            return false;
        }
        let rate = flood.rate_per_second / f64::from(self.count);
        let due = ((second - flood.at_s) * rate) as u64;
        let parsed = || Sources::parse(&flood.source).ok();
        let Some(sources) = self.flooding.sources.or_else(parsed) else {
            return true;
        };
        self.flooding.sources = Some(sources);
        let Some(mut message) = self.flooding.message.take() else {
            return true;
        };
        let behind = due.saturating_sub(self.flooding.accounted);
        let left_out = behind.saturating_sub(BEHIND_MAX);
        let poured = behind.min(SENT_PER_TURN);
        for _ in 0..poured {
            self.forge(&mut message, sources);
        }
        self.flooding.accounted += left_out + poured;
        self.flooding.sent += poured;
        self.flooding.message = Some(message);
        true
    }

    fn forge(&mut self, message: &mut [u8], sources: Sources) {
        let marker = NON_ESP_MARKER.len();
        if let Some(spi) = message.get_mut(marker..marker + SPI_LEN) {
            self.spi_entropy.fill(spi);
        }
        let source = sources.address(self.spi_entropy.next_u32());
        let port = self.sockets.encapsulated_port(0);
        let Some(socket) = self.sockets.mapped(port, 0) else {
            return;
        };
        let way = OuterSend {
            socket,
            local: Some(source),
            remote: self.shared.plan.scenario.target.address,
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        };
        self.engine.send_bytes(way, message);
    }
}

/// An IKE_SA_INIT request that begins with its proposals, and so brings no cookie.
fn is_plain_first_message(message: &[u8]) -> bool {
    if message.len() < HEADER_LEN {
        return false;
    }
    Header::parse(message).is_ok_and(|header| {
        header.exchange == ExchangeType::IKE_SA_INIT
            && !header.flags.response
            && header.next_payload == PayloadType::SA.0
    })
}
