//! Answers to senders of inner packets that do not fit into a tunnel.

use core::num::NonZeroU32;

use dpd::TokenBucket;
use ipsec::InnerVrf;
use timer::Instant;
use wire::ip::packet_too_big;

use crate::{Output, Shard};

/// Answers of one shard in a second, and in one burst. A sender that heeds them needs one for each path,
/// but a super-packet of it is dozens of packets; one that does not heed them shall not make us work
/// (RFC 1812 §4.3.2.8, RFC 4443 §2.4 (f)).
const ANSWERS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// What a shard needs to answer.
pub(crate) struct TooBig {
    budget: TokenBucket,
    /// The last answer that was built.
    answer: Vec<u8>,
}

impl Default for TooBig {
    fn default() -> Self {
        Self {
            budget: TokenBucket::new(ANSWERS_PER_SECOND, ANSWERS_PER_SECOND),
            answer: Vec::new(),
        }
    }
}

impl Shard {
    /// Tells the sender of an inner packet how much passes (RFC 4301 §8.2). The answer comes from
    /// the address that the sender wanted to reach: the kernel takes packets from its own addresses
    /// on no device, and this one is routed here.
    pub(crate) fn answer_too_big(
        &mut self,
        ivrf: InnerVrf,
        inner: &[u8],
        mtu: u16,
        now: Instant,
        out: &mut impl Output,
    ) {
        let Ok(parsed) = wire::ip::InnerPacket::parse(inner) else {
            return;
        };
        let router = parsed.destination;
        let TooBig { budget, answer } = &mut self.too_big;
        if packet_too_big(inner, router, u32::from(mtu), answer).is_err() {
            return;
        }
        if budget.take(now) {
            self.counters.icmp_too_big += 1;
            out.deliver_inner(ivrf, answer);
        } else {
            self.counters.icmp_withheld += 1;
        }
    }
}
