//! What a peer does besides what it should: each deviation that a class may name.

use core::time::Duration;

use crypto::Entropy as _;
use ike::Path;
use timer::Instant;
use wire::ikev1;
use wire::ikev2::{ExchangeType, HEADER_LEN, Header};

use super::network::Held;
use super::peer::State;
use super::{Token, Worker};
use crate::arrivals::seconds;
use crate::plan::purpose;
use crate::progress::News;
use crate::scenario::{Class, DpdBehaviour, Stall};

/// When a liveness check is answered.
pub(super) enum Reply {
    /// At once.
    Now,
    /// Later.
    After(Duration),
    /// Not at all.
    Never,
}

impl Worker {
    pub(super) fn class_of(&self, slot: u32) -> Option<&Class> {
        let class = self.peers.get(slot as usize)?.class;
        self.shared.plan.classes.get(usize::from(class))
    }

    /// Whether a message reaches the IKE SA of its peer now.
    pub(super) fn takes(&mut self, slot: u32, message: &[u8], path: Path, now: Instant) -> bool {
        let Some(state) = self.peers.get(slot as usize).map(|peer| peer.state) else {
            return false;
        };
        let Some(class) = self.class_of(slot) else {
            return false;
        };
        match state {
            State::Dead | State::Stalled => false,
            State::Connecting => class.cookies || !is_detour(message),
            State::Up if !class.receives => false,
            State::Up if is_informational_request(message) => {
                self.takes_probe(slot, message, path, now)
            }
            _ => true,
        }
    }

    fn takes_probe(&mut self, slot: u32, message: &[u8], path: Path, now: Instant) -> bool {
        match self.reply(slot) {
            Reply::Now => true,
            Reply::After(delay) => {
                let message = message.to_vec();
                self.hold(Held::Message { message, path }, now + delay);
                false
            }
            Reply::Never => false,
        }
    }

    /// When the peer answers the liveness check that has just reached it.
    pub(super) fn reply(&mut self, slot: u32) -> Reply {
        let Some(class) = self.class_of(slot) else {
            return Reply::Never;
        };
        let (dpd, every) = (class.dpd, class.answer_every);
        let loss = f64::from(class.loss_percent);
        let delay = Duration::from_millis(u64::from(class.answer_delay_ms));
        let taken = match dpd {
            DpdBehaviour::Ignore => false,
            DpdBehaviour::Lossy => self.losses.share() * 100.0 >= loss,
            DpdBehaviour::EveryKth => self.counts_to(slot, every),
            DpdBehaviour::Late => return Reply::After(delay),
            DpdBehaviour::Answer
            | DpdBehaviour::Twice
            | DpdBehaviour::Wrong
            | DpdBehaviour::Old => true,
        };
        self.stats.counts.probes_ignored += u64::from(!taken);
        if taken { Reply::Now } else { Reply::Never }
    }

    /// Counts the probes of a peer; true for every `every`th.
    fn counts_to(&mut self, slot: u32, every: u32) -> bool {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return false;
        };
        peer.probes_seen = peer.probes_seen.wrapping_add(1);
        peer.probes_seen.is_multiple_of(every)
    }

    /// Sends an IKE message as the peer's class does.
    pub(super) fn utter(&mut self, slot: u32, path: &Path, mut message: Vec<u8>, now: Instant) {
        let Some(class) = self.class_of(slot) else {
            return;
        };
        let (stall, dpd) = (class.stall, class.dpd);
        let stops = match stall {
            Stall::Auth => is_auth(&message),
            Stall::Exchange => is_second_of_main_mode(&message),
            Stall::Init | Stall::Never => false,
        };
        if stops {
            return self.stall(slot, now);
        }
        if self.by_timer && begins_rekey(&message) {
            self.rekey_begins(slot, now);
        }
        let answers_probe = self.answering_probe;
        match dpd {
            DpdBehaviour::Twice if answers_probe => self.send_ike(slot, path, &message, now),
            DpdBehaviour::Wrong if answers_probe => {
                if let Some(last) = message.last_mut() {
                    *last ^= 1;
                }
            }
            DpdBehaviour::Old if answers_probe => {
                if let Some(old) = self.spoken.get(&slot) {
                    message.clone_from(old);
                }
            }
            DpdBehaviour::Old if header(&message).is_some_and(|header| header.major == 2) => {
                self.spoken.insert(slot, message.clone());
            }
            _ => {}
        }
        self.send_ike(slot, path, &message, now);
        if stall == Stall::Init {
            self.stall(slot, now);
        }
    }

    /// The peer stops where it is, and leaves the responder waiting.
    fn stall(&mut self, slot: u32, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state != State::Connecting {
            return;
        }
        peer.state = State::Stalled;
        self.stats.counts.stalled += 1;
        self.settle(slot, now);
    }

    /// Arms what a peer does of its own accord once it is up.
    pub(super) fn begin_habits(&mut self, slot: u32, now: Instant) {
        let Some(class) = self.class_of(slot) else {
            return;
        };
        let (probes, moves) = (class.probes_per_second, class.moves_every_s);
        let silent_at = class.silent_at_s.map(seconds);
        let (plan, n) = (&self.shared.plan, self.peer_number(slot));
        let probe_phase = plan.phase(purpose::PROBES, n);
        let move_phase = plan.phase(purpose::MOVES, n);
        if probes > 0.0 {
            let first = self.entropy.next_u32() & 0x7fff_ffff;
            if let Some(peer) = self.peers.get_mut(slot as usize) {
                peer.sequence = first;
            }
            let phase = Duration::from_secs_f64(probe_phase / probes);
            self.wheel.arm(now + phase, Token::Probe(slot));
        }
        if moves > 0.0 {
            let phase = Duration::from_secs_f64(move_phase * moves);
            self.wheel.arm(now + phase, Token::Move(slot));
        }
        // Only the first silence of a peer is at a given time: who comes back stays.
        if let Some(at) = silent_at.filter(|at| *at > now) {
            self.wheel.arm(at, Token::Death(slot));
        }
    }

    /// The peer asks whether the responder lives.
    pub(super) fn on_probe_due(&mut self, slot: u32, due: Instant, now: Instant) {
        let rate = self
            .class_of(slot)
            .map_or(0.0, |class| class.probes_per_second);
        let Some(spi) = self.current_spi(slot) else {
            return;
        };
        if rate <= 0.0 {
            return;
        }
        let sequence = self.next_sequence(slot);
        self.drive(slot, spi, now, |sa, ctx, actions| {
            sa.probe(sequence, ctx, actions);
        });
        self.stats.counts.probes_sent += 1;
        let next = due + Duration::from_secs_f64(1.0 / rate);
        self.wheel.arm(next, Token::Probe(slot));
    }

    /// A NAT maps the peer to its next port.
    pub(super) fn on_move_due(&mut self, slot: u32, due: Instant, now: Instant) {
        let every_s = self.class_of(slot).map_or(0.0, |class| class.moves_every_s);
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state != State::Up || every_s <= 0.0 {
            return;
        }
        peer.mapping = peer.mapping.wrapping_add(1);
        self.stats.counts.moves += 1;
        self.fails_over(slot, now);
        self.wheel
            .arm(due + Duration::from_secs_f64(every_s), Token::Move(slot));
    }

    /// A peer that had fallen silent starts again, and remembers nothing.
    pub(super) fn come_back(&mut self, slot: u32, due: Instant, now: Instant) {
        let Some(peer) = self.peers.get_mut(slot as usize) else {
            return;
        };
        if peer.state != State::Dead {
            return;
        }
        peer.state = State::Connecting;
        peer.due = due;
        peer.packets = 0;
        peer.echoed = false;
        self.stats.counts.returned += 1;
        self.tell(News::Returned(self.moment(slot, now)));
        // What it says of itself was good once.
        if self.first_message(slot, now).is_err() {
            self.fail(slot, ike::CloseReason::Exhausted.label(), now);
        }
    }

    fn current_spi(&self, slot: u32) -> Option<ipsec::IkeSpi> {
        let peer = self.peers.get(slot as usize)?;
        let up = peer.state == State::Up;
        peer.ike.as_ref().filter(|_| up).map(|sa| sa.local_spi())
    }
}

/// The header of an IKE message, which both versions share but for the flags.
fn header(message: &[u8]) -> Option<Header> {
    if message.len() < HEADER_LEN {
        return None;
    }
    Header::parse(message).ok()
}

pub(super) fn is_informational_request(message: &[u8]) -> bool {
    header(message).is_some_and(|header| {
        header.exchange == ExchangeType::INFORMATIONAL && !header.flags.response
    })
}

/// The message by which the peer proves who it is: IKE_AUTH, in IKEv1 the last of main mode, which
/// is the first that is encrypted, or of aggressive mode, which is its second.
fn is_auth(message: &[u8]) -> bool {
    let Ok(v1) = ikev1::Header::parse(message) else {
        return false;
    };
    match (v1.major, v1.exchange) {
        (1, ikev1::ExchangeType::IDENTITY_PROTECTION) => v1.flags.encryption,
        (1, ikev1::ExchangeType::AGGRESSIVE) => v1.responder_cookie != 0,
        _ => header(message).is_some_and(|header| header.exchange == ExchangeType::IKE_AUTH),
    }
}

/// A message with which, sent of the peer's own accord, a rekey begins: CREATE_CHILD_SA, in IKEv1
/// quick mode.
fn begins_rekey(message: &[u8]) -> bool {
    let quick_mode = ikev1::ExchangeType::QUICK_MODE.0;
    header(message).is_some_and(|header| match header.major {
        1 => header.exchange.0 == quick_mode,
        _ => header.exchange == ExchangeType::CREATE_CHILD_SA && !header.flags.response,
    })
}

/// Message 3 of main mode, the peer's second.
fn is_second_of_main_mode(message: &[u8]) -> bool {
    ikev1::Header::parse(message).is_ok_and(|header| {
        header.major == 1
            && header.exchange == ikev1::ExchangeType::IDENTITY_PROTECTION
            && header.responder_cookie != 0
    })
}

/// An answer to IKE_SA_INIT that asks for another request: with a cookie, or another group. Neither
/// carries a responder's SPI.
fn is_detour(message: &[u8]) -> bool {
    header(message).is_some_and(|header| {
        header.exchange == ExchangeType::IKE_SA_INIT && header.responder_spi == 0
    })
}
