use std::sync::Arc;

use crypto::{KeyExchangeMethod, KeyPair, Secret};
use ipsec::{ConnectionPolicy, Identity, IkeSpi};
use wire::ikev2::{ExchangeType, Message, NotifyType, Payload, Puzzle, encode_message};

use super::{NONCE_LEN, NatHashes, fragmentation_notify, nonce_is_sound};
use crate::job::Output;
use crate::v2::algorithm::{group_number, method_of_group};
use crate::v2::contents::{Contents, notify, unsupported_critical};
use crate::v2::ike_auth::certificates::hash_numbers;
use crate::v2::ike_auth::{AuthInitiator, Handshake, address_identity};
use crate::v2::keymat::{IkeKeys, Nonces, skeyseed};
use crate::v2::natd;
use crate::v2::offer::ike_proposals;
use crate::v2::phase::Phase;
use crate::v2::proposal::accept_ike;
use crate::v2::puzzle::Challenge;
use crate::v2::sa::SaKeys;
use crate::v2::suite::IkeSuite;
use crate::v2::task::{Exchange, Step};
use crate::v2::{IkeSa, Initiation, Nat, Received, Role};
use crate::{Action, CloseReason, Context, Job, Rejection};

/// How often a responder may ask for another first message (cookie, another group) before we take
/// it for an attacker's game.
const RETRIES_MAX: u8 = 4;

/// RFC 7296 §2.6: a cookie has between 1 and 64 octets.
const COOKIE_LEN_MAX: usize = 64;

/// An initiator before it has keys.
pub(in crate::v2) struct Initiating {
    pub(in crate::v2) connection: Arc<ConnectionPolicy>,
    pub(in crate::v2) child: u16,
    local_id: Option<Identity>,
    initial_contact: bool,
    method: KeyExchangeMethod,
    pair: Option<KeyPair>,
    nonce: [u8; NONCE_LEN],
    cookie: Option<Box<[u8]>>,
    /// The solution of the puzzle that came with it.
    solution: Option<Box<[u8]>>,
    retries: u8,
    /// The request as sent last; AUTH covers it.
    request: Vec<u8>,
    answer: Option<Answer>,
}

/// What the responder chose.
struct Answer {
    suite: IkeSuite,
    nonce: Box<[u8]>,
    response: Box<[u8]>,
    nat: Option<Nat>,
    fragmentation: bool,
}

/// What an IKE_SA_INIT response makes us do.
enum Verdict {
    Retry,
    Solve(Challenge),
    OtherGroup(KeyExchangeMethod),
    Agreed(Answer, Box<[u8]>),
    Fail(CloseReason),
    Ignore(Rejection),
}

impl IkeSa {
    /// Starts an IKE SA as initiator: reserves an SPI from the host and asks for a key pair.
    /// `None` when the host has no SPI or the connection has no proposal.
    #[must_use]
    pub fn initiate(
        initiation: Initiation,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Option<Box<Self>> {
        let proposals = &initiation.connection.proposals;
        let method = *proposals.iter().find_map(|p| p.key_exchange.first())?;
        let local_spi = ctx.host.allocate_ike_spi()?;
        let mut nonce = [0; NONCE_LEN];
        ctx.entropy.fill(&mut nonce);
        let phase = Phase::Initiating(Box::new(Initiating {
            child: initiation.child.unwrap_or(0),
            local_id: initiation.local_id,
            initial_contact: initiation.initial_contact
                && initiation.connection.send_initial_contact,
            connection: initiation.connection,
            method,
            pair: None,
            nonce,
            cookie: None,
            solution: None,
            retries: 0,
            request: Vec::new(),
            answer: None,
        }));
        let mut sa = Box::new(Self::new(
            Role::Initiator,
            local_spi,
            IkeSpi::ZERO,
            initiation.path,
            phase,
        ));
        sa.generate(method, ctx, actions);
        Some(sa)
    }

    fn generate(
        &mut self,
        method: KeyExchangeMethod,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let id = self.await_computation(Step::Handshake, ctx);
        actions.push(Action::Compute(Job::generate(id, method, ctx.entropy)));
    }

    /// The computation of an initiator's handshake is done.
    pub(in crate::v2) fn on_handshake_computed(
        &mut self,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Initiating(state) = &mut self.phase else {
            return;
        };
        match output {
            Output::Generated(pair) => {
                state.pair = Some(pair);
                self.send_init_request(ctx, actions);
            }
            Output::Agreed(Some(secret)) => self.keys_agreed(&secret, ctx, actions),
            Output::Solved(solution) => {
                // Without one a peer may still be let in, by lot (RFC 8019 §7.1.2).
                state.solution = solution;
                self.send_init_request(ctx, actions);
            }
            Output::Agreed(None) | Output::Answered(_) | Output::Authenticated(_) => {
                self.terminate(CloseReason::InvalidKe, ctx, actions);
            }
        }
    }

    fn send_init_request(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let header = self.header(ExchangeType::IKE_SA_INIT, 0, false);
        let (spi, path) = (self.local_spi.0, self.path);
        let Phase::Initiating(state) = &mut self.phase else {
            return;
        };
        let Some(pair) = &state.pair else { return };
        let hashes = NatHashes::new((spi, 0), path, &state.connection);
        let hash_numbers = state.connection.uses_certificates().then(hash_numbers);
        let mut payloads = Vec::with_capacity(8);
        // RFC 7296 §2.6: the cookie is the first payload, all others stay as they were.
        payloads.extend(
            state
                .cookie
                .iter()
                .map(|cookie| notify(NotifyType::COOKIE, cookie)),
        );
        // RFC 8019 §7.1.2: its solution next.
        payloads.extend(
            state
                .solution
                .iter()
                .map(|solution| Payload::PuzzleSolution(solution)),
        );
        payloads.push(Payload::SecurityAssociation(ike_proposals(
            &state.connection.proposals,
            &[],
        )));
        payloads.push(Payload::KeyExchange {
            group: group_number(state.method),
            data: pair.public_value(),
        });
        payloads.push(Payload::Nonce(&state.nonce));
        payloads.extend(hashes.payloads());
        if state.connection.fragmentation {
            payloads.push(fragmentation_notify());
        }
        // RFC 7427 §4.
        payloads.extend(
            hash_numbers
                .iter()
                .map(|numbers| notify(NotifyType::SIGNATURE_HASH_ALGORITHMS, numbers)),
        );
        let request = encode_message(&header, &payloads);
        state.request.clone_from(&request);
        self.transmit_request(0, vec![request], Exchange::Init, ctx, actions);
    }

    /// A response to IKE_SA_INIT, which nothing protects: whoever knows our SPI may have sent it.
    pub(in crate::v2) fn on_init_response(
        &mut self,
        message: &Message<'_>,
        bytes: &[u8],
        path: crate::Path,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Received {
        let Phase::Initiating(state) = &mut self.phase else {
            return Received::Rejected(Rejection::UnexpectedExchange);
        };
        let bits_max = ctx.settings.puzzle_bits_accepted;
        let verdict = state.judge(message, bytes, path, bits_max);
        let learned = !matches!(verdict, Verdict::Ignore(_)) && self.path.learn(path);
        if learned {
            actions.push(Action::PathChanged { path: self.path });
        }
        match verdict {
            Verdict::Ignore(rejection) => return Received::Rejected(rejection),
            Verdict::Fail(reason) => self.terminate(reason, ctx, actions),
            Verdict::Retry => {
                self.task = None;
                self.send_init_request(ctx, actions);
            }
            Verdict::Solve(challenge) => {
                let id = self.await_computation(Step::Handshake, ctx);
                actions.push(Action::Compute(Job::solve(id, challenge)));
            }
            Verdict::OtherGroup(method) => {
                state.method = method;
                state.pair = None;
                self.generate(method, ctx, actions);
            }
            Verdict::Agreed(mut answer, peer) => {
                if let (true, Some(nat)) = (learned, &mut answer.nat) {
                    // Our hash was that of no address: the peer believes in a NAT before us, and
                    // from then on so do we.
                    nat.local = true;
                }
                let Some(pair) = state.pair.take() else {
                    return Received::Rejected(Rejection::UnexpectedResponse);
                };
                state.answer = Some(answer);
                self.peer_spi = IkeSpi(message.header.responder_spi);
                let id = self.await_computation(Step::Handshake, ctx);
                actions.push(Action::Compute(Job::agree(id, pair, &peer)));
            }
        }
        Received::Unauthenticated
    }

    fn keys_agreed(&mut self, shared: &Secret, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let Phase::Initiating(state) = core::mem::replace(&mut self.phase, Phase::Closed(None))
        else {
            return;
        };
        let state = *state;
        let Some(answer) = state.answer else { return };
        let nonces = Nonces {
            initiator: &state.nonce,
            responder: &answer.nonce,
        };
        let suite = answer.suite;
        let keys = IkeKeys::expand(
            &suite,
            &skeyseed(suite.prf, nonces, shared),
            nonces,
            self.local_spi.0,
            self.peer_spi.0,
        );
        self.keys = Some(Box::new(SaKeys::new(suite, keys, Role::Initiator)));
        self.fragment_size = answer
            .fragmentation
            .then_some(state.connection.fragment_size);
        self.nat = answer.nat.unwrap_or_default();
        if state.connection.force_encap {
            self.nat.local = true;
        }
        if self.nat.any() {
            self.float(ctx, actions);
        }
        let local_id = state
            .local_id
            .or_else(|| state.connection.local_id.clone())
            .unwrap_or_else(|| address_identity(self.path.local.ip()));
        let auth = AuthInitiator::new(
            state.connection,
            state.child,
            local_id,
            state.initial_contact,
            Handshake {
                request: state.request,
                response: answer.response.into_vec(),
                initiator_nonce: state.nonce.into(),
                responder_nonce: answer.nonce,
            },
        );
        self.phase = Phase::AuthInitiator(Box::new(auth));
        self.begin_auth(ctx, actions);
    }

    /// RFC 7296 §2.23: once a NAT is found, the initiator sends everything from port 4500 to 4500.
    fn float(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        if self.path.encapsulated {
            return;
        }
        let Some(local) = ctx
            .host
            .encapsulating_socket(self.path.fvrf, self.path.local.ip())
        else {
            return;
        };
        self.path.local = local;
        self.path.remote.set_port(crate::path::ENCAPSULATED_PORT);
        self.path.encapsulated = true;
        actions.push(Action::PathChanged { path: self.path });
    }
}

impl Initiating {
    fn judge(
        &mut self,
        message: &Message<'_>,
        bytes: &[u8],
        path: crate::Path,
        puzzle_bits_max: u8,
    ) -> Verdict {
        let contents = Contents::of(&message.payloads);
        if let Some(data) = contents.notify(NotifyType::INVALID_KE_PAYLOAD) {
            return self.judge_group(data);
        }
        // A cookie may come along with other notifies; an SA payload would make it an answer.
        if contents.proposals.is_none()
            && let Some(cookie) = contents.notify(NotifyType::COOKIE)
        {
            let puzzle = contents.notify(NotifyType::PUZZLE);
            return self.judge_cookie(cookie, puzzle, puzzle_bits_max);
        }
        // RFC 8019 §7.1.2: without a cookie there is nothing to solve.
        if contents.proposals.is_none() && contents.notify(NotifyType::PUZZLE).is_some() {
            return Verdict::Ignore(Rejection::Malformed);
        }
        match contents.error() {
            None => self.judge_answer(message, &contents, bytes, path),
            Some(NotifyType::NO_PROPOSAL_CHOSEN) => Verdict::Fail(CloseReason::NoProposalChosen),
            Some(_) => Verdict::Fail(CloseReason::PeerRefused),
        }
    }

    /// A puzzle that we cannot or will not solve is ignored, as by one who does not know any (RFC 8019 §7.1.2).
    fn judge_cookie(&mut self, cookie: &[u8], puzzle: Option<&[u8]>, bits_max: u8) -> Verdict {
        if cookie.is_empty() || cookie.len() > COOKIE_LEN_MAX {
            return Verdict::Ignore(Rejection::Malformed);
        }
        if !self.may_retry() {
            return Verdict::Fail(CloseReason::PeerMisbehaved);
        }
        self.cookie = Some(cookie.into());
        self.solution = None;
        let puzzle = puzzle.and_then(|data| Puzzle::parse(data).ok());
        let challenge = puzzle.and_then(|puzzle| Challenge::accept(puzzle, cookie, bits_max));
        challenge.map_or(Verdict::Retry, Verdict::Solve)
    }

    /// RFC 7296 §1.2: the wanted group must be one that we offered, or an attacker could lead us to
    /// a weaker one.
    fn judge_group(&mut self, data: &[u8]) -> Verdict {
        let Ok(octets) = <[u8; 2]>::try_from(data) else {
            return Verdict::Ignore(Rejection::Malformed);
        };
        let offered = |method: &KeyExchangeMethod| {
            let mut proposals = self.connection.proposals.iter();
            proposals.any(|proposal| proposal.key_exchange.contains(method))
        };
        let wanted = method_of_group(u16::from_be_bytes(octets)).filter(offered);
        match wanted {
            Some(method) if method != self.method && self.may_retry() => {
                Verdict::OtherGroup(method)
            }
            _ => Verdict::Fail(CloseReason::InvalidKe),
        }
    }

    fn may_retry(&mut self) -> bool {
        self.retries = self.retries.saturating_add(1);
        self.retries <= RETRIES_MAX
    }

    fn judge_answer(
        &self,
        message: &Message<'_>,
        contents: &Contents<'_, '_>,
        bytes: &[u8],
        path: crate::Path,
    ) -> Verdict {
        let header = &message.header;
        if header.responder_spi == 0 || unsupported_critical(&message.payloads).is_some() {
            return Verdict::Fail(CloseReason::PeerMisbehaved);
        }
        let (Some(proposals), Some((group, public)), Some(nonce)) =
            (contents.proposals, contents.key_exchange, contents.nonce)
        else {
            return Verdict::Fail(CloseReason::PeerMisbehaved);
        };
        let Some(chosen) = accept_ike(&self.connection.proposals, proposals, 0) else {
            return Verdict::Fail(CloseReason::PeerMisbehaved);
        };
        if !nonce_is_sound(nonce)
            || chosen.suite.key_exchange != self.method
            || group != group_number(self.method)
        {
            return Verdict::Fail(CloseReason::PeerMisbehaved);
        }
        let answer = Answer {
            suite: chosen.suite,
            nonce: nonce.into(),
            response: bytes.into(),
            nat: natd::detect(
                &message.payloads,
                header.initiator_spi,
                header.responder_spi,
                path,
            ),
            fragmentation: self.connection.fragmentation
                && contents
                    .notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED)
                    .is_some(),
        };
        Verdict::Agreed(answer, public.into())
    }
}
