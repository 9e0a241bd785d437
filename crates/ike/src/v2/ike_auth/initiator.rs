use core::net::IpAddr;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, EspSpi, Identity, IdentityPattern, PreSharedKey, Selectors};
use wire::ikev2::{ExchangeType, Identification, NotifyType, Payload, parse_payloads};

use super::proof::Ground;
use super::{Authenticated, Handshake, Kept, address_identity, certificates, first_child};
use crate::identity::{from_wire, to_wire};
use crate::job::Output;
use crate::signed::{Authentication, Claim, OwnProof};
use crate::v2::configuration;
use crate::v2::contents::{Contents, notify, unsupported_critical};
use crate::v2::open::Inner;
use crate::v2::phase::Phase;
use crate::v2::sa::SaKeys;
use crate::v2::task::{Exchange, Step};
use crate::v2::{IkeSa, PeerAuthenticated, Role};
use crate::{Action, ChildFailure, CloseReason, Context, Job};

/// An initiator that waits for the responder's authentication.
pub(in crate::v2) struct AuthInitiator {
    pub(in crate::v2) connection: Arc<ConnectionPolicy>,
    pub(in crate::v2) child_spi: Option<EspSpi>,
    child: u16,
    local_id: Identity,
    initial_contact: bool,
    proposed: Option<Selectors>,
    handshake: Handshake,
}

impl AuthInitiator {
    pub(in crate::v2) fn new(
        connection: Arc<ConnectionPolicy>,
        child: u16,
        local_id: Identity,
        initial_contact: bool,
        handshake: Handshake,
    ) -> Self {
        Self {
            connection,
            child_spi: None,
            child,
            local_id,
            initial_contact,
            proposed: None,
            handshake,
        }
    }

    fn ground<'a>(&'a self, keys: &'a SaKeys) -> Ground<'a> {
        Ground {
            keys,
            handshake: &self.handshake,
        }
    }

    /// Whom we expect, if the connection names exactly one.
    fn expected_peer(&self) -> Option<&Identity> {
        match &self.connection.remote_id {
            IdentityPattern::Exact(identity) => Some(identity),
            _ => None,
        }
    }
}

impl IkeSa {
    /// Keys are derived: proves who we are, by a signature that has to be computed or at once.
    pub(in crate::v2) fn begin_auth(&mut self, ctx: &mut Context<'_>, actions: &mut Vec<Action>) {
        let peer_ip = self.path.remote.ip();
        let (Some(keys), Phase::AuthInitiator(auth)) = (&self.keys, &self.phase) else {
            return;
        };
        let ground = auth.ground(keys);
        if let Some(credential) = auth.connection.local_auth.certificate() {
            let signing = ground.signing(Role::Initiator, &auth.local_id, credential);
            let id = self.await_computation(Step::Sign, ctx);
            let authentication = Authentication {
                claim: None,
                signing,
            };
            actions.push(Action::Compute(Job::authenticate(id, authentication)));
            return;
        }
        let own = initiator_secret(auth, peer_ip, ctx)
            .and_then(|secret| ground.own(Role::Initiator, &auth.local_id, secret.expose()));
        match own {
            Some(own) => self.send_auth_request(&own, ctx, actions),
            None => self.terminate(CloseReason::NoSharedSecret, ctx, actions),
        }
    }

    /// Our signature is computed.
    pub(in crate::v2) fn on_auth_signed(
        &mut self,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let own = match output {
            Output::Authenticated(Ok(proofs)) => proofs.own,
            _ => None,
        };
        match own {
            Some(own) => self.send_auth_request(&own, ctx, actions),
            None => self.terminate(CloseReason::SignatureUnsupported, ctx, actions),
        }
    }

    fn send_auth_request(
        &mut self,
        own: &OwnProof,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        self.reserve_first_child(ctx);
        let Phase::AuthInitiator(auth) = &self.phase else {
            return;
        };
        let connection = Arc::clone(&auth.connection);
        let credential = connection.local_auth.certificate();
        let authorities = connection.remote_auth.certificate();
        let authorities = authorities.map(|anchors| certificates::request_data(anchors));
        let (kind, data) = to_wire(&auth.local_id);
        let expected = auth.expected_peer().map(to_wire);
        let spi = auth.child_spi.map(|spi| spi.0.to_be_bytes());

        let mut payloads = vec![Payload::IdentificationInitiator(Identification {
            kind,
            data: &data,
        })];
        payloads.extend(
            credential
                .into_iter()
                .flat_map(|own| certificates::payloads(own)),
        );
        payloads.extend(authorities.as_deref().map(certificates::request));
        if auth.initial_contact {
            payloads.push(notify(NotifyType::INITIAL_CONTACT, &[]));
        }
        payloads.extend(expected.as_ref().map(|(kind, data)| {
            Payload::IdentificationResponder(Identification { kind: *kind, data })
        }));
        payloads.push(Payload::Authentication {
            method: own.method,
            data: own.data.expose(),
        });
        payloads.extend(configuration::write_request(connection.request_virtual));
        let policy = connection.children.get(usize::from(auth.child));
        if let (Some(proposed), Some(spi), Some(policy)) = (&auth.proposed, &spi, policy) {
            payloads.extend(first_child::offer_payloads(policy, proposed, spi));
        }
        let exchange = Exchange::Auth;
        self.send_request(ExchangeType::IKE_AUTH, &payloads, exchange, ctx, actions);
    }

    /// Reserves what the first Child SA needs.
    fn reserve_first_child(&mut self, ctx: &mut Context<'_>) {
        let peer_ip = self.path.remote.ip();
        let Phase::AuthInitiator(auth) = &mut self.phase else {
            return;
        };
        if let Some(policy) = auth.connection.children.get(usize::from(auth.child))
            && let Some(spi) = ctx.host.allocate_inbound_spi()
        {
            auth.proposed = Some(first_child::proposed(policy, peer_ip));
            auth.child_spi = Some(spi);
        }
    }

    /// The response to IKE_AUTH.
    pub(in crate::v2) fn on_auth_response(
        &mut self,
        payloads: &[Payload<'_>],
        inner: &Inner,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let contents = Contents::of(payloads);
        let Phase::AuthInitiator(auth) = &self.phase else {
            return;
        };
        if unsupported_critical(payloads).is_some() {
            self.reject_responder(CloseReason::PeerMisbehaved, ctx, actions);
            return;
        }
        let (Some(claimed), Some(sent)) = (contents.responder_id, contents.authentication) else {
            // RFC 7296 §2.21.2: without AUTH the error is about the IKE SA.
            let reason = match contents.error() {
                Some(NotifyType::AUTHENTICATION_FAILED) => CloseReason::PeerRejectedAuthentication,
                Some(_) => CloseReason::PeerRefused,
                None => CloseReason::PeerMisbehaved,
            };
            self.terminate(reason, ctx, actions);
            return;
        };
        if auth.connection.remote_auth.certificate().is_none() {
            match self.verify_responder(auth, &claimed, sent, ctx) {
                Some(proof) => self.initiator_established(proof, &contents, ctx, actions),
                None => self.reject_responder(CloseReason::AuthenticationFailed, ctx, actions),
            }
            return;
        }
        let claim = self.responder_claim(auth, &claimed, &contents);
        match claim.and_then(|claim| Ok((claim, Kept::of(inner)?))) {
            Ok((claim, kept)) => {
                let id = self.await_computation(Step::Judge(kept), ctx);
                let authentication = Authentication {
                    claim: Some(claim),
                    signing: None,
                };
                actions.push(Action::Compute(Job::authenticate(id, authentication)));
            }
            Err(reason) => self.reject_responder(reason, ctx, actions),
        }
    }

    /// What the responder's proof by certificate is worth is computed.
    pub(in crate::v2) fn on_responder_judged(
        &mut self,
        kept: &Kept,
        output: Output,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let judged = match output {
            Output::Authenticated(Ok(proofs)) => {
                proofs.peer.ok_or(CloseReason::AuthenticationFailed)
            }
            Output::Authenticated(Err(reason)) => Err(reason),
            _ => Err(CloseReason::AuthenticationFailed),
        };
        match (judged, parse_payloads(kept.first, &kept.octets)) {
            (Ok(proof), Ok(payloads)) => {
                let contents = Contents::of(&payloads);
                self.initiator_established(proof, &contents, ctx, actions);
            }
            (Err(reason), _) => self.reject_responder(reason, ctx, actions),
            (_, Err(_)) => self.reject_responder(CloseReason::PeerMisbehaved, ctx, actions),
        }
    }

    /// What has to be judged of a responder that proves itself by certificate.
    fn responder_claim(
        &self,
        auth: &AuthInitiator,
        claimed: &Identification<'_>,
        contents: &Contents<'_, '_>,
    ) -> Result<Claim, CloseReason> {
        let failed = CloseReason::AuthenticationFailed;
        let (keys, anchors) = self
            .keys
            .as_ref()
            .zip(auth.connection.remote_auth.certificate())
            .ok_or(failed)?;
        let identity = from_wire(claimed).map_err(|_| failed)?;
        if !auth.connection.remote_id.matches(&identity) {
            return Err(failed);
        }
        let ground = auth.ground(keys);
        ground.claim(Role::Responder, claimed, contents, anchors)
    }

    fn verify_responder(
        &self,
        auth: &AuthInitiator,
        claimed: &Identification<'_>,
        sent: (u8, &[u8]),
        ctx: &Context<'_>,
    ) -> Option<PeerAuthenticated> {
        let keys = self.keys.as_ref()?;
        let identity = from_wire(claimed).ok();
        let secret = identity
            .as_ref()
            .filter(|identity| auth.connection.remote_id.matches(identity))
            .and_then(|identity| {
                ctx.policy
                    .secret_for(auth.connection.fvrf, &auth.local_id, identity)
            });
        let secret = secret.map(PreSharedKey::expose);
        let ground = auth.ground(keys);
        ground.of_peer(Role::Responder, claimed, sent, secret)
    }

    /// RFC 7296 §2.21.2: the responder believes that it is established, so it is told in an
    /// INFORMATIONAL exchange, whose answer we do not wait for.
    pub(in crate::v2) fn reject_responder(
        &mut self,
        reason: CloseReason,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let failed = [notify(NotifyType::AUTHENTICATION_FAILED, &[])];
        self.send_request(
            ExchangeType::INFORMATIONAL,
            &failed,
            Exchange::Liveness,
            ctx,
            actions,
        );
        self.terminate(reason, ctx, actions);
    }

    fn initiator_established(
        &mut self,
        proof: PeerAuthenticated,
        contents: &Contents<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let Phase::AuthInitiator(auth) = core::mem::replace(&mut self.phase, Phase::Closed(None))
        else {
            return;
        };
        let auth = *auth;
        let reply = contents
            .configuration
            .map(configuration::read_reply)
            .unwrap_or_default();
        let addresses = reply.addresses.clone();
        let agreed = Authenticated {
            proof,
            local_id: auth.local_id.clone(),
            connection: Arc::clone(&auth.connection),
            leases: Vec::new(),
            reply,
        };
        self.establish(agreed, ctx, actions);
        self.hear_lifetime(contents, ctx);
        self.settle_first_child(&auth, &addresses, contents, ctx, actions);
    }

    /// Installs the Child SA that we asked for along with IKE_AUTH, or says why not.
    fn settle_first_child(
        &mut self,
        auth: &AuthInitiator,
        addresses: &[IpAddr],
        contents: &Contents<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        let (Some(proposed), Some(inbound)) = (&auth.proposed, auth.child_spi) else {
            return;
        };
        let checked = match auth.connection.children.get(usize::from(auth.child)) {
            Some(policy) if address_given(&auth.connection, addresses, contents) => {
                first_child::check_answer(proposed, auth.child, policy, contents)
            }
            Some(_) => Err(ChildFailure::AddressFailure),
            None => Err(ChildFailure::UnknownChild),
        };
        match checked {
            Ok(agreed) => {
                self.install_first_child(agreed, inbound, &auth.handshake, ctx, actions);
            }
            Err(reason) => {
                ctx.host.release_inbound_spi(inbound);
                actions.push(Action::ChildFailed {
                    policy: auth.child,
                    replaces: None,
                    reason,
                });
                self.dispute_child(reason, contents, ctx, actions);
            }
        }
    }

    /// The responder holds a Child SA that we cannot accept: it must not send into it.
    fn dispute_child(
        &mut self,
        reason: ChildFailure,
        contents: &Contents<'_, '_>,
        ctx: &mut Context<'_>,
        actions: &mut Vec<Action>,
    ) {
        if contents.error().is_some() || contents.proposals.is_none() {
            return;
        }
        let reason = match reason {
            ChildFailure::AddressFailure => CloseReason::NoVirtualAddress,
            _ => CloseReason::PeerMisbehaved,
        };
        self.delete_ike(reason, ctx, actions);
    }
}

/// A virtual address was given if one was asked for, unless the responder says anything else about
/// the Child SA anyway.
fn address_given(
    connection: &ConnectionPolicy,
    addresses: &[IpAddr],
    contents: &Contents<'_, '_>,
) -> bool {
    connection.request_virtual == (false, false)
        || !addresses.is_empty()
        || contents.error().is_some()
}

/// Without a name for the peer, its address stands for it; its answer is checked with the secret for
/// the identity that it then claims.
fn initiator_secret(
    auth: &AuthInitiator,
    peer_ip: IpAddr,
    ctx: &Context<'_>,
) -> Option<PreSharedKey> {
    let remote = auth
        .expected_peer()
        .cloned()
        .unwrap_or_else(|| address_identity(peer_ip));
    ctx.policy
        .secret_for(auth.connection.fvrf, &auth.local_id, &remote)
        .cloned()
}
