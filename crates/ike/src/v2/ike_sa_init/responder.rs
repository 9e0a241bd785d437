use std::sync::Arc;

use crypto::Secret;
use ipsec::{ConnectionPolicy, IkeSpi};
use timer::Instant;
use wire::ikev2::{ExchangeType, Payload, Proposal, encode_message};

use super::repetition::Repetition;
use super::{NONCE_LEN, NatHashes, fragmentation_notify};
use crate::job::Output;
use crate::v2::algorithm::group_number;
use crate::v2::ike_auth::certificates::Welcome;
use crate::v2::ike_auth::{AuthResponder, Handshake};
use crate::v2::keymat::{IkeKeys, Nonces, skeyseed};
use crate::v2::phase::Phase;
use crate::v2::sa::SaKeys;
use crate::v2::suite::IkeSuite;
use crate::v2::task::Step;
use crate::v2::window::send_all;
use crate::v2::{IkeSa, Nat, Received, Role};
use crate::{Action, CloseReason, Context, HalfOpenKey, Job, Path, Rejection};

/// A request that the front door let in.
pub(in crate::v2) struct Accepted<'a> {
    pub(in crate::v2) request: &'a [u8],
    pub(in crate::v2) path: Path,
    pub(in crate::v2) peer_spi: IkeSpi,
    pub(in crate::v2) connection: Arc<ConnectionPolicy>,
    pub(in crate::v2) suite: IkeSuite,
    pub(in crate::v2) answer: Proposal<'static>,
    pub(in crate::v2) nonce: &'a [u8],
    pub(in crate::v2) public: &'a [u8],
    pub(in crate::v2) nat: Option<Nat>,
    pub(in crate::v2) fragmentation: bool,
}

/// A responder whose key exchange is being computed.
pub(in crate::v2) struct Responding {
    pub(in crate::v2) key: HalfOpenKey,
    pub(in crate::v2) deadline: Instant,
    connection: Arc<ConnectionPolicy>,
    suite: IkeSuite,
    answer: Proposal<'static>,
    request: Vec<u8>,
    initiator_nonce: Box<[u8]>,
    responder_nonce: [u8; NONCE_LEN],
    /// The peer detects NATs.
    detects_nat: bool,
    fragmentation: bool,
}

impl IkeSa {
    /// A half-open IKE SA for a request that was found acceptable.
    pub(in crate::v2) fn respond(
        accepted: Accepted<'_>,
        local_spi: IkeSpi,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) -> Box<Self> {
        let mut responder_nonce = [0; NONCE_LEN];
        ctx.entropy.fill(&mut responder_nonce);
        let method = accepted.suite.key_exchange;
        let phase = Phase::Responding(Box::new(Responding {
            key: HalfOpenKey {
                remote: accepted.path.remote,
                initiator_spi: accepted.peer_spi,
            },
            deadline: ctx.now + ctx.settings.half_open_timeout,
            connection: accepted.connection,
            suite: accepted.suite,
            answer: accepted.answer,
            request: accepted.request.into(),
            initiator_nonce: accepted.nonce.into(),
            responder_nonce,
            detects_nat: accepted.nat.is_some(),
            fragmentation: accepted.fragmentation,
        }));
        let mut sa = Box::new(Self::new(
            Role::Responder,
            local_spi,
            accepted.peer_spi,
            accepted.path,
            phase,
        ));
        sa.nat = accepted.nat.unwrap_or_default();
        sa.expected_request = 1;
        let id = sa.await_computation(Step::Handshake, ctx);
        actions.push(Action::Compute(Job::generate_and_agree(
            id,
            method,
            accepted.public,
            ctx.entropy,
        )));
        sa
    }

    /// The key exchange of a responder is computed: answers and waits for IKE_AUTH.
    pub(in crate::v2) fn on_init_answer_computed(
        &mut self,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Output::Answered(Some((public, shared))) = output else {
            self.terminate(CloseReason::InvalidKe, ctx, actions);
            return;
        };
        let Phase::Responding(state) = core::mem::replace(&mut self.phase, Phase::Closed(None))
        else {
            return;
        };
        let welcome = Welcome::new(&state.request, self.path, ctx.policy);
        let response = self.init_response(&state, &public, &welcome);
        self.derive_keys(&state, &shared);
        self.fragment_size = state
            .fragmentation
            .then_some(state.connection.fragment_size);
        send_all(self.path, core::slice::from_ref(&response), actions);
        let handshake = Handshake {
            request: state.request,
            response,
            initiator_nonce: state.initiator_nonce,
            responder_nonce: state.responder_nonce.into(),
        };
        self.phase = Phase::AuthResponder(Box::new(AuthResponder {
            key: state.key,
            deadline: state.deadline,
            handshake,
        }));
    }

    fn init_response(&self, state: &Responding, public: &[u8], welcome: &Welcome) -> Vec<u8> {
        let header = self.header(ExchangeType::IKE_SA_INIT, 0, true);
        let spis = (self.peer_spi.0, self.local_spi.0);
        let hashes = NatHashes::new(spis, self.path, &state.connection);
        let mut payloads = vec![
            Payload::SecurityAssociation(vec![state.answer.clone()]),
            Payload::KeyExchange {
                group: group_number(state.suite.key_exchange),
                data: public,
            },
            Payload::Nonce(&state.responder_nonce),
        ];
        // What the peer did not ask for would only make the answer longer than the request.
        if state.detects_nat {
            payloads.extend(hashes.payloads());
        }
        if state.fragmentation {
            payloads.push(fragmentation_notify());
        }
        payloads.extend(welcome.payloads());
        encode_message(&header, &payloads)
    }

    fn derive_keys(&mut self, state: &Responding, shared: &Secret) {
        let nonces = Nonces {
            initiator: &state.initiator_nonce,
            responder: &state.responder_nonce,
        };
        let suite = state.suite;
        let keys = IkeKeys::expand(
            &suite,
            &skeyseed(suite.prf, nonces, shared),
            nonces,
            self.peer_spi.0,
            self.local_spi.0,
        );
        self.keys = Some(Box::new(SaKeys::new(suite, keys, Role::Responder)));
    }

    /// An IKE_SA_INIT request that belongs to this half-open IKE SA. RFC 7296 §2.1: what repeats
    /// the first one gets the same answer; anything else is not believed, but for a cookie before what was said already.
    pub(in crate::v2) fn on_init_request(
        &mut self,
        bytes: &[u8],
        path: Path,
        actions: &mut Vec<Action>,
    ) -> Received {
        let (request, response) = match &mut self.phase {
            Phase::Responding(state) => (&mut state.request, None),
            Phase::AuthResponder(state) => {
                let Handshake {
                    request, response, ..
                } = &mut state.handshake;
                (request, Some(&*response))
            }
            _ => return Received::Rejected(Rejection::UnexpectedExchange),
        };
        match Repetition::of(request, bytes) {
            Repetition::Changed => return Received::Rejected(Rejection::RetransmissionChanged),
            Repetition::Later => bytes.clone_into(request),
            Repetition::Same | Repetition::Earlier => {}
        }
        let Some(response) = response else {
            return Received::Rejected(Rejection::Busy);
        };
        send_all(path, core::slice::from_ref(response), actions);
        Received::Retransmission
    }
}
