//! What leaves a peer besides its test packets.

use core::net::SocketAddr;
use core::time::Duration;

use ike::Path;
use netio::OuterSend;
use timer::Instant;
use wire::ikev2::NON_ESP_MARKER;
use wire::udp_encap;

use super::peer::State;
use super::{Token, Worker};

/// Time between NAT keepalives (RFC 3948 §4).
pub(super) const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

impl Worker {
    /// How a datagram of a peer goes from one address to another, through the NAT before it if there
    /// is one; `None` if no socket has the port.
    pub(super) fn way(
        &self,
        slot: u32,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<OuterSend> {
        let mapping = self.peers.get(slot as usize)?.mapping;
        Some(OuterSend {
            socket: self.sockets.mapped(local.port(), mapping)?,
            local: Some(local.ip()),
            remote,
            tos: 0,
            dont_fragment: false,
            segment: 0,
            tag: 0,
        })
    }

    pub(super) fn send_ike(&mut self, slot: u32, path: &Path, message: &[u8], now: Instant) {
        self.learn_flood(message);
        let way = self.way(slot, path.local, path.remote);
        let (Some(way), Some(mut buffer)) = (way, self.engine.buffer()) else {
            return;
        };
        if !buffer.fill(message) {
            self.engine.give(buffer);
            return;
        }
        if path.encapsulated {
            let range = buffer.range();
            buffer.set_range(range.start - NON_ESP_MARKER.len()..range.end);
            if let Some(place) = buffer.bytes_mut().first_chunk_mut() {
                *place = NON_ESP_MARKER;
            }
        }
        self.depart(slot, way, buffer, now);
        self.stats.counts.messages_sent += 1;
    }

    /// Sends a NAT keepalive, whether the peer has sent anything else lately or not.
    pub(super) fn keep_mapping(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get(slot as usize) else {
            return;
        };
        if peer.state != State::Up {
            return;
        }
        let (local, remote) = peer.esp_path;
        if let Some(way) = self.way(slot, local, remote) {
            self.engine.send_bytes(way, &udp_encap::KEEPALIVE);
        }
        self.wheel
            .arm(now + KEEPALIVE_EVERY, Token::Keepalive(slot));
    }
}
