//! What an IKE SA makes of informational messages that its own kind never sends: two that share keys,
//! one of which says what the test wants.

use core::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crypto::{EncryptionAlgorithm, Entropy, KeyExchangeMethod, PrfAlgorithm, Secret};
use ipsec::{EspSpi, Identity, IkeSpi, PolicySnapshot, Selectors, TrafficSelector};
use timer::Instant;
use wire::ikev1::numbers::{doi, protocol};
use wire::ikev1::{Delete, Notification, NotifyType, Payload, isakmp_spi};

use super::IkeSa;
use super::iv::Iv;
use super::keymat::PhaseOneKeys;
use super::phase::Phase;
use super::sa::SaKeys;
use super::standing::Standing;
use super::suite::{AuthMethod, Suite};
use crate::{
    Action, ChildSa, ChildState, CloseReason, Context, Host, Lease, LeaseRequest, Path,
    PeerAuthenticated, Received, RemovalReason, Role, Settings,
};

#[path = "../../tests/exchanges/policy.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod policy;

const NOW: Instant = Instant::from_secs(1);
const INBOUND: EspSpi = EspSpi(0x1001);
const OUTBOUND: EspSpi = EspSpi(0x2002);

struct Counting(u8);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
    }
}

struct Nobody;

impl Host for Nobody {
    fn allocate_inbound_spi(&mut self) -> Option<EspSpi> {
        None
    }

    fn release_inbound_spi(&mut self, _spi: EspSpi) {}

    fn allocate_ike_spi(&mut self) -> Option<IkeSpi> {
        None
    }

    fn release_ike_spi(&mut self, _spi: IkeSpi) {}

    fn lease(&mut self, _request: &LeaseRequest<'_>) -> Option<Lease> {
        None
    }

    fn release_lease(&mut self, _identity: &Identity, _lease: &Lease) {}

    fn encapsulating_socket(&self, _fvrf: ipsec::FrontVrf, _local: IpAddr) -> Option<SocketAddr> {
        None
    }
}

/// Two ends of one IKE SA; the responder has a Child SA.
struct Twins {
    liar: IkeSa,
    honest: IkeSa,
    policy: PolicySnapshot,
    entropy: Counting,
}

fn keys() -> Box<SaKeys> {
    let suite = Suite {
        encryption: EncryptionAlgorithm::Aes128Cbc,
        hash: PrfAlgorithm::HmacSha256,
        key_exchange: KeyExchangeMethod::EcpP256,
        method: AuthMethod::PreSharedKey,
    };
    let derived = PhaseOneKeys {
        derivation: Secret::new(vec![1; 32]),
        authentication: Secret::new(vec![2; 32]),
        encryption: Secret::new(vec![3; 16]),
    };
    let chain = Iv::of_phase_one(suite.hash, 16, &[4], &[5]);
    Box::new(SaKeys::new(suite, derived, chain))
}

impl Twins {
    fn new() -> Self {
        let snapshot = policy::snapshot(policy::right_connection());
        let mut entropy = Counting(0);
        let [liar, honest] = [Role::Initiator, Role::Responder].map(|role| {
            let (own, other) = match role {
                Role::Initiator => (IkeSpi(0xa), IkeSpi(0xb)),
                Role::Responder => (IkeSpi(0xb), IkeSpi(0xa)),
            };
            let path = Path {
                local: "192.0.2.1:500".parse().unwrap(),
                remote: "192.0.2.2:500".parse().unwrap(),
                encapsulated: false,
                fvrf: ipsec::FrontVrf::GLOBAL,
            };
            let mut ctx = Context {
                now: NOW,
                entropy: &mut entropy,
                policy: &snapshot,
                settings: &Settings::default(),
                host: &mut Nobody,
                tracing: false,
            };
            let proof = PeerAuthenticated::verify(policy::email("joe@example.org"), b"x", b"x");
            let mut standing = Standing::new(
                proof.unwrap(),
                Arc::clone(&snapshot.connections[0]),
                policy::fqdn("gw.example.org"),
                None,
                None,
                &mut ctx,
            );
            standing.announced = true;
            if role == Role::Responder {
                standing.children.push(child());
            }
            let phase = Phase::Established(Box::new(standing));
            let mut sa = IkeSa::new(role, own, other, path, phase);
            sa.keys = Some(keys());
            sa
        });
        Self {
            liar,
            honest,
            policy: snapshot,
            entropy,
        }
    }

    /// What the honest end makes of an informational message with this payload.
    fn say(&mut self, payload: Payload<'_>) -> (Received, Vec<Action>) {
        let settings = Settings::default();
        let mut ctx = Context {
            now: NOW,
            entropy: &mut self.entropy,
            policy: &self.policy,
            settings: &settings,
            host: &mut Nobody,
            tracing: false,
        };
        let mut sent = Vec::new();
        self.liar
            .send_informational(&[payload], &mut ctx, &mut sent);
        let Some(Action::Send { message, path }) = sent.pop() else {
            panic!("one message is sent");
        };
        let mut actions = Vec::new();
        let received = self
            .honest
            .on_message(&message, path, &mut ctx, &mut actions);
        (received, actions)
    }
}

fn child() -> ChildSa {
    let everything = [TrafficSelector::ANY_V4];
    ChildSa {
        inbound: INBOUND,
        outbound: OUTBOUND,
        policy: 0,
        state: ChildState::Installed,
        replaced_by: None,
        outbound_pending: false,
        rekey_at: Instant::MAX,
        expires_at: Instant::MAX,
        selectors: Selectors::new(&everything, &everything),
        pfs: None,
    }
}

fn notify<'a>(kind: NotifyType, protocol: u8, spi: &'a [u8], data: &'a [u8]) -> Payload<'a> {
    Payload::Notification(Notification {
        doi: doi::IPSEC,
        protocol,
        spi,
        notify_type: kind,
        data,
    })
}

const HELLO: Received = Received::FreshRequest { liveness: false };

#[test]
fn an_spi_that_the_peer_does_not_know_takes_its_pair_away() {
    let spi = OUTBOUND.0.to_be_bytes();
    for (named, data) in [(&[][..], &spi[..]), (&spi, &[])] {
        let mut twins = Twins::new();
        let notice = notify(NotifyType::INVALID_SPI, protocol::ESP, named, data);
        let (received, actions) = twins.say(notice);
        assert_eq!(received, HELLO);
        let removed = actions.iter().any(|action| {
            matches!(action, Action::ChildRemoved { child, reason }
                if *child == INBOUND && *reason == RemovalReason::Rejected)
        });
        assert!(removed && twins.honest.children().is_empty());
    }
    let mut twins = Twins::new();
    let unknown = 0x9999_u32.to_be_bytes();
    twins.say(notify(
        NotifyType::INVALID_SPI,
        protocol::ESP,
        &[],
        &unknown,
    ));
    // Our own SPI is nothing to which we send.
    let own = INBOUND.0.to_be_bytes();
    twins.say(notify(NotifyType::INVALID_SPI, protocol::ESP, &own, &own));
    assert_eq!(twins.honest.children().len(), 1);
}

#[test]
fn a_question_may_leave_its_cookies_out_and_must_not_have_others() {
    let mut twins = Twins::new();
    let sequence = 7;
    let (data, kind) = (7_u32.to_be_bytes(), NotifyType::R_U_THERE);
    let own = isakmp_spi(0xa, 0xb);
    for spi in [&own[..], &[]] {
        let (received, actions) = twins.say(notify(kind, protocol::ISAKMP, spi, &data));
        assert_eq!(received, Received::RUThere { sequence });
        assert!(
            actions.is_empty(),
            "the owner decides whether it is answered"
        );
    }
    let other = isakmp_spi(0xa, 0xc);
    for (spi, data) in [(&other[..], &data[..]), (&own, &data[..3]), (&own, &[])] {
        let (received, actions) = twins.say(notify(kind, protocol::ISAKMP, spi, data));
        assert_eq!(received, HELLO);
        assert!(actions.is_empty());
    }
}

#[test]
fn a_delete_of_another_ike_sa_or_protocol_is_passed_over() {
    let mut twins = Twins::new();
    let (other, ah) = (isakmp_spi(0xa, 0xc), OUTBOUND.0.to_be_bytes());
    for (protocol, spi) in [(protocol::ISAKMP, &other[..]), (protocol::AH, &ah)] {
        let delete = Payload::Delete(Delete {
            doi: doi::IPSEC,
            protocol,
            spis: vec![spi],
        });
        let (_, actions) = twins.say(delete);
        assert!(actions.is_empty());
    }
    assert!(twins.honest.is_established());
    assert_eq!(twins.honest.children().len(), 1);
}

#[test]
fn errors_and_statuses_that_concern_nothing_change_nothing() {
    let mut twins = Twins::new();
    for kind in [
        NotifyType::NO_PROPOSAL_CHOSEN,
        NotifyType::AUTHENTICATION_FAILED,
        NotifyType::CONNECTED,
        NotifyType::REPLAY_STATUS,
        NotifyType(0xffff),
    ] {
        let (received, actions) = twins.say(notify(kind, protocol::ESP, &[1, 2, 3, 4], &[]));
        assert_eq!(received, HELLO);
        assert!(actions.is_empty(), "{kind:?}");
    }
    assert!(twins.honest.is_established());
}

#[test]
fn while_the_user_is_unknown_a_refusal_ends_it() {
    let mut twins = Twins::new();
    let standing = twins.honest.standing_mut().unwrap();
    standing.announced = false;
    standing.children.clear();
    let failed = NotifyType::AUTHENTICATION_FAILED;
    let (_, actions) = twins.say(notify(failed, protocol::ISAKMP, &[], &[]));
    let closed = actions.iter().any(|action| {
        matches!(action, Action::Closed { reason }
            if *reason == CloseReason::PeerRejectedAuthentication)
    });
    assert!(closed);
}
