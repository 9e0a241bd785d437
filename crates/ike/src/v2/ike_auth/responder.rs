use core::net::IpAddr;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi, Identity, IkeVersion};
use timer::Instant;
use wire::ikev2::{ExchangeType, Identification, NotifyType, Payload, Proposal, parse_payloads};

use super::proof::Ground;
use super::{Authenticated, Handshake, Kept, address_identity, certificates, first_child};
use crate::identity::{from_wire, to_wire};
use crate::job::Output;
use crate::signed::{Authentication, OwnProof};
use crate::v2::configuration::{self, Reply};
use crate::v2::contents::{Contents, notify};
use crate::v2::install::Agreed;
use crate::v2::narrow::to_wire as selectors_to_wire;
use crate::v2::open::Inner;
use crate::v2::phase::Phase;
use crate::v2::task::Asked;
use crate::v2::{IkeSa, PeerAuthenticated, Role};
use crate::{Action, CloseReason, Context, HalfOpenKey, Job, Lease, LeaseRequest, Refusal};

/// The message ID of IKE_AUTH (RFC 7296 §2.2).
const AUTH_MESSAGE_ID: u32 = 1;

/// A responder that waits for IKE_AUTH.
pub(in crate::v2) struct AuthResponder {
    pub(in crate::v2) key: HalfOpenKey,
    pub(in crate::v2) deadline: Instant,
    pub(in crate::v2) handshake: Handshake,
}

/// The peer is who it says, and this is the connection for it.
struct Verified {
    proof: PeerAuthenticated,
    connection: Arc<ConnectionPolicy>,
    local_id: Identity,
    /// What proves us to the peer.
    own: OwnProof,
}

/// A request whose answer waits for a computation on certificates.
pub(in crate::v2) struct Pending {
    request: Kept,
    connection: Arc<ConnectionPolicy>,
    local_id: Identity,
    /// The peer's proof, where a shared secret gave it already.
    proof: Option<PeerAuthenticated>,
    /// Ours, likewise.
    own: Option<OwnProof>,
}

/// What is known of an initiator at first sight.
enum Sight {
    Verified(Verified),
    /// Something has to be computed first.
    Waits(Pending, Authentication),
}

/// The part of the response that is about the Child SA.
enum ChildAnswer {
    Accepted(Agreed, Proposal<'static>, EspSpi),
    Refused(NotifyType),
    NotAsked,
}

impl ChildAnswer {
    /// Our SPI, 0 without a Child SA.
    fn spi(&self) -> u32 {
        match self {
            Self::Accepted(_, _, inbound) => inbound.0,
            Self::Refused(_) | Self::NotAsked => 0,
        }
    }
}

impl IkeSa {
    /// The IKE_AUTH request, its integrity verified.
    pub(in crate::v2) fn on_auth_request(
        &mut self,
        payloads: &[Payload<'_>],
        inner: &Inner,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let contents = Contents::of(payloads);
        match self.judge_initiator(&contents, inner, ctx) {
            Ok(Sight::Verified(verified)) => {
                self.welcome_initiator(verified, &contents, ctx, actions);
            }
            Ok(Sight::Waits(pending, authentication)) => {
                let asked = Asked::Auth(Box::new(pending));
                let id = self.await_answer(AUTH_MESSAGE_ID, asked, ctx);
                actions.push(Action::Compute(Job::authenticate(id, authentication)));
            }
            Err(reason) => self.refuse_initiator(reason, ctx, actions),
        }
    }

    /// What the initiator's proof by certificate is worth, and our own, are computed.
    pub(in crate::v2) fn on_initiator_judged(
        &mut self,
        pending: Pending,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let proofs = match output {
            Output::Authenticated(Ok(proofs)) => proofs,
            Output::Authenticated(Err(reason)) => {
                self.refuse_initiator(reason, ctx, actions);
                return;
            }
            _ => {
                self.refuse_initiator(CloseReason::AuthenticationFailed, ctx, actions);
                return;
            }
        };
        let request = pending.request;
        let proof = pending.proof.or(proofs.peer);
        let own = pending.own.or(proofs.own);
        let (Some(proof), Some(own), Ok(payloads)) =
            (proof, own, parse_payloads(request.first, &request.octets))
        else {
            self.refuse_initiator(CloseReason::AuthenticationFailed, ctx, actions);
            return;
        };
        let verified = Verified {
            proof,
            connection: pending.connection,
            local_id: pending.local_id,
            own,
        };
        self.welcome_initiator(verified, &Contents::of(&payloads), ctx, actions);
    }

    /// The initiator is who it says: establishes, and answers.
    fn welcome_initiator(
        &mut self,
        verified: Verified,
        contents: &Contents<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Phase::AuthResponder(auth) = core::mem::replace(&mut self.phase, Phase::Closed(None))
        else {
            return;
        };
        let auth = *auth;
        actions.push(Action::HalfOpenEnded(auth.key));
        if contents.notify(NotifyType::INITIAL_CONTACT).is_some() {
            actions.push(Action::PeerInitialContact {
                identity: verified.proof.identity().clone(),
            });
        }
        let leases = lease(&verified, contents, ctx);
        let child = self.answer_child(&verified.connection, contents, &leases, ctx);
        let connection = Arc::clone(&verified.connection);
        let established = Authenticated {
            proof: verified.proof,
            local_id: verified.local_id.clone(),
            connection: verified.connection,
            leases: leases.clone(),
            reply: Reply::default(),
        };
        self.establish(established, ctx, actions);

        let (kind, data) = to_wire(&verified.local_id);
        let mut answer = vec![Payload::IdentificationResponder(Identification {
            kind,
            data: &data,
        })];
        let credential = connection.local_auth.certificate();
        answer.extend(
            credential
                .into_iter()
                .flat_map(|own| certificates::payloads(own)),
        );
        answer.push(Payload::Authentication {
            method: verified.own.method,
            data: verified.own.data.expose(),
        });
        let values = configuration::reply_values(&leases);
        if !values.is_empty() {
            answer.push(configuration::reply(&values));
        }
        let lifetime = self.authentication_lifetime(ctx.now).map(u32::to_be_bytes);
        if let Some(seconds) = &lifetime {
            answer.push(notify(NotifyType::AUTH_LIFETIME, seconds));
        }
        self.finish_auth(answer, child, &auth.handshake, ctx, actions);
    }

    /// RFC 4478 §3: the seconds after which the IKE SA is closed unless the peer authenticates anew.
    fn authentication_lifetime(&self, now: Instant) -> Option<u32> {
        let until = self.standing()?.authenticated_until;
        (until != Instant::MAX).then(|| u32::try_from((until - now).as_secs()).unwrap_or(u32::MAX))
    }

    /// Installs the Child SA before the answer that makes the peer use it.
    fn finish_auth(
        &mut self,
        answer: Vec<Payload<'_>>,
        child: ChildAnswer,
        handshake: &Handshake,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let spi = child.spi().to_be_bytes();
        let mut answer: Vec<Payload<'_>> = answer;
        match child {
            ChildAnswer::NotAsked => self.send_auth_response(&answer, actions),
            ChildAnswer::Refused(kind) => {
                answer.push(notify(kind, &[]));
                self.send_auth_response(&answer, actions);
                actions.extend(refusal_of(kind).map(Action::Refused));
            }
            ChildAnswer::Accepted(agreed, proposal, inbound) => {
                let proposal = Proposal {
                    spi: &spi,
                    ..proposal
                };
                let tsi = selectors_to_wire(agreed.selectors.remote());
                let tsr = selectors_to_wire(agreed.selectors.local());
                self.install_first_child(agreed, inbound, handshake, ctx, actions);
                answer.push(Payload::SecurityAssociation(vec![proposal]));
                answer.push(Payload::TrafficSelectorsInitiator(tsi));
                answer.push(Payload::TrafficSelectorsResponder(tsr));
                self.send_auth_response(&answer, actions);
            }
        }
    }

    fn send_auth_response(&mut self, answer: &[Payload<'_>], actions: &mut Vec<Action>) {
        self.send_response(ExchangeType::IKE_AUTH, AUTH_MESSAGE_ID, answer, actions);
    }

    /// Chooses the connection by the identities and checks AUTH, or says what has to be computed to do
    /// so. An unknown identity, a missing secret and a wrong AUTH take the same way to the same answer.
    fn judge_initiator(
        &self,
        contents: &Contents<'_, '_>,
        inner: &Inner,
        ctx: &Context<'_>,
    ) -> Result<Sight, CloseReason> {
        let failed = CloseReason::AuthenticationFailed;
        let (Phase::AuthResponder(auth), Some(keys)) = (&self.phase, &self.keys) else {
            return Err(failed);
        };
        let ground = Ground {
            keys,
            handshake: &auth.handshake,
        };
        let claimed = contents.initiator_id.ok_or(failed)?;
        // Without AUTH the peer wants EAP, which no connection allows.
        let sent = contents.authentication.ok_or(failed)?;
        let peer = from_wire(&claimed).ok();
        let asked_for = contents.responder_id.and_then(|id| from_wire(&id).ok());
        let (local_ip, remote_ip) = (
            canonical(self.path.local.ip()),
            canonical(self.path.remote.ip()),
        );
        let connection = peer.as_ref().and_then(|peer| {
            ctx.policy.connections.of_peer(
                IkeVersion::V2,
                self.path.fvrf,
                (local_ip, remote_ip),
                asked_for.as_ref(),
                peer,
            )
        });
        // RFC 7296 §2.9.1 leaves it to us whether an IDr is honoured: a connection without an
        // identity of its own answers to the name that it was asked for.
        let local_id = connection
            .and_then(|connection| connection.local_id.clone())
            .or(asked_for)
            .unwrap_or_else(|| address_identity(local_ip));
        let secret = connection
            .zip(peer.as_ref())
            .and_then(|(connection, peer)| {
                let fits = self.suite_allowed(connection);
                fits.then(|| ctx.policy.secret_for(connection.fvrf, &local_id, peer))
                    .flatten()
            })
            .map(ipsec::PreSharedKey::expose);
        let certified = connection.filter(|connection| self.suite_allowed(connection));
        let anchors = certified.and_then(|connection| connection.remote_auth.certificate());
        let (claim, proof) = match anchors {
            Some(anchors) => {
                let claim = ground.claim(Role::Initiator, &claimed, contents, anchors)?;
                (Some(claim), None)
            }
            None => {
                let proof = ground.of_peer(Role::Initiator, &claimed, sent, secret);
                (None, Some(proof.ok_or(failed)?))
            }
        };
        let connection = connection.ok_or(failed)?;
        let (signing, own) = match connection.local_auth.certificate() {
            Some(credential) => (ground.signing(Role::Responder, &local_id, credential), None),
            None => {
                let secret = secret.ok_or(failed)?;
                (None, ground.own(Role::Responder, &local_id, secret))
            }
        };
        let connection = Arc::clone(connection);
        Ok(match (proof, own) {
            (Some(proof), Some(own)) => Sight::Verified(Verified {
                proof,
                connection,
                local_id,
                own,
            }),
            (proof, own) => {
                let pending = Pending {
                    request: Kept::of(inner)?,
                    connection,
                    local_id,
                    proof,
                    own,
                };
                Sight::Waits(pending, Authentication { claim, signing })
            }
        })
    }

    /// IKE_SA_INIT negotiated before the peer's identity was known: the algorithms must be ones
    /// that the connection of this identity allows.
    fn suite_allowed(&self, connection: &ConnectionPolicy) -> bool {
        let Some(suite) = self.keys.as_ref().map(|keys| keys.suite) else {
            return false;
        };
        connection.proposals.iter().any(|proposal| {
            proposal.encryption.contains(&suite.encryption)
                && proposal.prf.contains(&suite.prf)
                && proposal.key_exchange.contains(&suite.key_exchange)
                && suite
                    .integrity
                    .is_none_or(|integrity| proposal.integrity.contains(&integrity))
        })
    }

    fn refuse_initiator(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let failed = [notify(NotifyType::AUTHENTICATION_FAILED, &[])];
        self.send_auth_response(&failed, actions);
        actions.push(Action::Refused(Refusal::AuthenticationFailed));
        self.terminate(reason, ctx, actions);
    }

    fn answer_child(
        &self,
        connection: &ConnectionPolicy,
        contents: &Contents<'_, '_>,
        leases: &[Lease],
        ctx: &mut Context<'_>,
    ) -> ChildAnswer {
        if contents.proposals.is_none() {
            return ChildAnswer::NotAsked;
        }
        let Some(offer) = contents.child_offer() else {
            return ChildAnswer::Refused(NotifyType::INVALID_SYNTAX);
        };
        let wanted = contents.configuration.and_then(configuration::read_request);
        let asks = wanted.is_some_and(|request| request.wanted().next().is_some());
        // RFC 7296 §3.15.4: not a single address of those asked for is an error.
        if asks && leases.is_empty() && !connection.pools.is_empty() {
            return ChildAnswer::Refused(NotifyType::INTERNAL_ADDRESS_FAILURE);
        }
        let leased: Vec<IpAddr> = leases.iter().map(|lease| lease.address).collect();
        let outer = self.path.remote.ip();
        let (agreed, proposal) = match first_child::choose(connection, offer, &leased, outer) {
            Ok(chosen) => chosen,
            Err(kind) => {
                let needs_address = !asks && !connection.pools.is_empty();
                // RFC 7296 §2.19: the peer has to ask for an address first.
                return ChildAnswer::Refused(if needs_address {
                    NotifyType::FAILED_CP_REQUIRED
                } else {
                    kind
                });
            }
        };
        match ctx.host.allocate_inbound_spi() {
            Some(spi) => ChildAnswer::Accepted(agreed, proposal, spi),
            None => ChildAnswer::Refused(NotifyType::NO_ADDITIONAL_SAS),
        }
    }
}

/// Virtual addresses for a peer that asks for them.
fn lease(verified: &Verified, contents: &Contents<'_, '_>, ctx: &mut Context<'_>) -> Vec<Lease> {
    let request = contents.configuration.and_then(configuration::read_request);
    let Some(request) = request else {
        return Vec::new();
    };
    let lease = |wanted| {
        ctx.host.lease(&LeaseRequest {
            identity: verified.proof.identity(),
            pools: &verified.connection.pools,
            wanted,
            unique: verified.connection.unique,
        })
    };
    request.wanted().filter_map(lease).collect()
}

fn refusal_of(kind: NotifyType) -> Option<Refusal> {
    Some(match kind {
        NotifyType::NO_PROPOSAL_CHOSEN => Refusal::NoProposalChosen,
        NotifyType::TS_UNACCEPTABLE => Refusal::TsUnacceptable,
        NotifyType::INTERNAL_ADDRESS_FAILURE => Refusal::InternalAddressFailure,
        NotifyType::FAILED_CP_REQUIRED => Refusal::FailedCpRequired,
        NotifyType::NO_ADDITIONAL_SAS => Refusal::NoAdditionalSas,
        NotifyType::INVALID_SYNTAX => Refusal::InvalidSyntax,
        _ => return None,
    })
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
