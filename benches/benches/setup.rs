//! What one set-up costs either end: `cargo bench -p palisade-benches --bench setup`. Both ends are in
//! memory, over IKE_SA_INIT and IKE_AUTH; sockets and the data plane's share are not in it.

#[path = "../../crates/ike/tests/exchanges/end.rs"]
#[expect(dead_code, reason = "the stories of IKE use the rest")]
mod end;
#[path = "../../crates/ike/tests/exchanges/policy.rs"]
#[expect(dead_code, reason = "the stories of IKE use the rest")]
mod policy;

use std::mem::take;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant as Stopwatch};

use authority::{Authority, KeyKind, Wanted};
use criterion::{Criterion, criterion_group, criterion_main};
use crypto::{Credential, EncryptionAlgorithm, KeyExchangeMethod, Revocation, TrustAnchors};
use end::End;
use ike::Path;
use ipsec::{AuthPolicy, ConnectionPolicy, FrontVrf};
use policy::{LEFT_ID, RIGHT_ID, left_connection, right_connection, snapshot};
use timer::Instant;

/// After these many set-ups both ends are made anew, so that they stay small.
const SETUPS: u64 = 256;

/// Time that each end took.
#[derive(Default)]
struct Shares {
    initiator: Duration,
    responder: Duration,
}

/// The algorithms of the figures of a whole headend.
fn usual(mut connection: ConnectionPolicy) -> ConnectionPolicy {
    for proposal in &mut connection.proposals {
        proposal.encryption = vec![EncryptionAlgorithm::Aes128Gcm16];
        proposal.key_exchange = vec![KeyExchangeMethod::X25519];
    }
    for child in &mut connection.children {
        for proposal in &mut child.proposals {
            proposal.encryption = vec![EncryptionAlgorithm::Aes128Gcm16];
        }
    }
    connection
}

/// The two connections, by secret or by certificates with keys of one kind.
fn connections(kind: Option<KeyKind>) -> [ConnectionPolicy; 2] {
    let mut ends = [usual(left_connection()), usual(right_connection())];
    let Some(key) = kind else {
        return ends;
    };
    let root = Authority::root("Root", key).expect("an authority");
    let emails = [LEFT_ID];
    let dns = [RIGHT_ID];
    let wanted = [(&emails[..], &[][..]), (&[][..], &dns[..])];
    for (end, (emails, dns)) in ends.iter_mut().zip(wanted) {
        let issued = root.issue(&Wanted {
            key,
            name: "end",
            emails,
            dns,
            ..Wanted::default()
        });
        let issued = issued.expect("a certificate");
        let credential = Credential::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes());
        let mut anchors = TrustAnchors::new(Revocation::Relaxed);
        let added = anchors.add_certificates(root.certificate().as_bytes());
        added.expect("an anchor");
        end.local_auth = AuthPolicy::Certificate(Arc::new(credential.expect("a credential")));
        end.remote_auth = AuthPolicy::Certificate(Arc::new(anchors));
    }
    ends
}

fn timed<T>(share: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Stopwatch::now();
    let result = work();
    *share += start.elapsed();
    result
}

/// One set-up, from the first message to the last.
fn set_up(left: &mut End, right: &mut End, port: u16, shares: &mut Shares) {
    let now = Instant::from_secs(1);
    let path = Path {
        local: SocketAddr::from(([192, 0, 2, 1], port)),
        remote: SocketAddr::from(([198, 51, 100, 1], 500)),
        encapsulated: false,
        fvrf: FrontVrf::GLOBAL,
    };
    timed(&mut shares.initiator, || left.initiate(path, now));
    loop {
        let computed = timed(&mut shares.initiator, || left.compute(now))
            | timed(&mut shares.responder, || right.compute(now));
        let (out, back) = (take(&mut left.outbox), take(&mut right.outbox));
        if !computed && out.is_empty() && back.is_empty() {
            break;
        }
        timed(&mut shares.responder, || {
            out.iter().for_each(|datagram| right.receive(datagram, now));
        });
        timed(&mut shares.initiator, || {
            back.iter().for_each(|datagram| left.receive(datagram, now));
        });
    }
}

fn measure(kind: Option<KeyKind>, setups: u64) -> Shares {
    let mut shares = Shares::default();
    let [initiator, responder] = connections(kind);
    let mut done = 0;
    while done < setups {
        let mut left = End::new(1, snapshot(initiator.clone()));
        let mut right = End::new(2, snapshot(responder.clone()));
        let round = SETUPS.min(setups - done);
        for port in (1..=u16::MAX).take(usize::try_from(round).unwrap_or(1)) {
            set_up(&mut left, &mut right, port, &mut shares);
        }
        assert_eq!(right.established.len() as u64, round, "everybody is up");
        done += round;
    }
    shares
}

fn setup(c: &mut Criterion) {
    let kinds = [
        ("psk", None),
        ("ecdsa-p256", Some(KeyKind::EcdsaP256)),
        ("rsa-2048", Some(KeyKind::Rsa2048)),
    ];
    for (name, kind) in kinds {
        let mut group = c.benchmark_group(format!("setup/x25519/{name}"));
        group.bench_function("responder", |b| {
            b.iter_custom(|setups| measure(kind, setups).responder);
        });
        group.bench_function("initiator", |b| {
            b.iter_custom(|setups| measure(kind, setups).initiator);
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3)).sample_size(20);
    targets = setup
}
criterion_main!(benches);
