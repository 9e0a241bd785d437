//! What ike-scan, the usual scanner for IKEv1, gets out of a headend: an answer where IKEv1 is allowed,
//! never more octets than it sent, and no aggressive mode unless somebody asked for it.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::capture::Capture;
use interop::ike_scan::{Scan, Seen, datagrams};
use interop::network::{Namespace, Pair};
use interop::palisade::Palisade;

const SCANNER: [u8; 4] = [192, 0, 2, 1];
const HEADEND: &str = "192.0.2.2";
/// AES-128, SHA-1, a pre-shared key and the 2048-bit group.
const TRANSFORM: &str = "--trans=(1=7,14=128,2=2,3=1,4=14)";
const DPD: &str = "--vendor=afcad71368a1f1c96b8696fc77570100";
const NAT_TRAVERSAL: &str = "--vendor=4a131c81070358455c5728f20e95452f";
/// A vendor ID that means nothing and makes the question longer.
const FILLER: &str = "--vendor=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\
                      00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const ONCE: &str = "--retry=1";
/// An answer is awaited so long, in milliseconds; the scanner ends when it has come.
const PATIENT: &str = "--timeout=5000";
/// Longer than any initiator or responder of ours waits before it repeats itself.
const REPETITION: Duration = Duration::from_secs(5);

/// One connection; `settings` are lines of it.
fn headend<'a>(namespace: &'a Namespace, settings: &str) -> Result<Palisade<'a>> {
    let connection = format!(
        "[connections.old]\n{settings}\nproposals = [\"aes128-sha1-modp2048\"]\n\
         [connections.old.local]\nid = \"gw.test\"\n\
         [connections.old.children.net]\nesp_proposals = [\"aes128-sha1\"]\n\
         local_ts = [\"10.2.0.0/24\"]\n"
    );
    Palisade::start(namespace, &[], &connection)
}

/// No datagram of the headend is longer than what was received for it, and it never sent more
/// datagrams than it got. Returns how many it sent.
fn amplifies_nothing(seen: &[Seen]) -> Result<usize> {
    let (mut balance, mut questions, mut answers) = (0_usize, 0, 0);
    let mut last_question = 0;
    for datagram in seen {
        let len = datagram.payload.len();
        if datagram.from == SCANNER {
            questions += 1;
            last_question = len;
            balance += len;
        } else {
            answers += 1;
            ensure!(len <= last_question, "{len} octets for {last_question}");
            ensure!(answers <= questions, "{answers} answers to {questions}");
            balance = balance.checked_sub(len).context("more out than in")?;
        }
    }
    Ok(answers)
}

#[test]
fn main_mode_is_answered() -> Result<()> {
    let pair = Pair::new()?;
    let headend = headend(&pair.right, "version = 1")?;
    let arguments = [ONCE, PATIENT, TRANSFORM, DPD, NAT_TRAVERSAL];
    let scan = Scan::run(&pair.left, HEADEND, &arguments)?;
    let context = || format!("{}\n{}", scan.output, headend.log());
    assert!(scan.says("Main Mode Handshake returned"), "{}", context());
    for said in [
        "Enc=AES",
        "Hash=SHA1",
        "Auth=PSK",
        "Dead Peer Detection v1.0",
        "RFC 3947 NAT-T",
    ] {
        assert!(scan.says(said), "{said}: {}", context());
    }
    let scan = Scan::run(&pair.left, HEADEND, &[ONCE, PATIENT, "--nat-t", TRANSFORM])?;
    assert!(scan.says("Main Mode Handshake returned"), "{}", scan.output);
    Ok(())
}

#[test]
fn no_answer_is_longer_than_its_question() -> Result<()> {
    let pair = Pair::new()?;
    let headend = headend(&pair.right, "version = 1")?;
    let wire = Capture::start(&pair.right, "outer", "udp port 500 or udp port 4500")?;
    let none_of_ours = "--trans=(1=1,2=1,3=1,4=1)";
    let questions: [&[&str]; 8] = [
        &[ONCE, TRANSFORM],
        &[ONCE, TRANSFORM, DPD],
        &[ONCE, TRANSFORM, DPD, NAT_TRAVERSAL, FILLER],
        // The scanner's own set: single and triple DES with the groups 1 and 2.
        &[ONCE],
        &[ONCE, none_of_ours],
        &[ONCE, "--nat-t", TRANSFORM],
        &[
            ONCE,
            "--aggressive",
            "--id=joe@test",
            "--dhgroup=14",
            TRANSFORM,
        ],
        &["--retry=4", "--timeout=100", TRANSFORM, DPD],
    ];
    for question in questions {
        Scan::run(&pair.left, HEADEND, question)?;
    }
    std::thread::sleep(REPETITION);
    let answers = amplifies_nothing(&datagrams(wire)?)?;
    assert!(answers >= 5, "{answers} answers\n{}", headend.log());
    Ok(())
}

#[test]
fn aggressive_mode_is_refused_unless_it_is_allowed() -> Result<()> {
    let question = [
        ONCE,
        "--aggressive",
        "--id=joe@test",
        "--dhgroup=14",
        TRANSFORM,
        DPD,
        FILLER,
        FILLER,
    ];
    let answer = "Aggressive Mode Handshake returned";
    let pair = Pair::new()?;
    {
        let _headend = headend(&pair.right, "version = 1")?;
        let scan = Scan::run(&pair.left, HEADEND, &question)?;
        assert!(scan.answers.is_empty(), "{}", scan.output);
    }
    let allowed = headend(&pair.right, "version = 1\naggressive = true")?;
    let wire = Capture::start(&pair.right, "outer", "udp port 500")?;
    let scan = Scan::run(&pair.left, HEADEND, &[&question[..], &[PATIENT]].concat())?;
    assert!(scan.says(answer), "{}\n{}", scan.output, allowed.log());
    assert!(scan.says("gw.test"), "{}", scan.output);
    // With less to send in, there would be more to send out.
    let short = Scan::run(&pair.left, HEADEND, &question[..5])?;
    assert!(!short.says(answer), "{}", short.output);
    std::thread::sleep(REPETITION);
    assert_eq!(amplifies_nothing(&datagrams(wire)?)?, 1);
    Ok(())
}

#[test]
fn a_connection_that_speaks_ikev2_says_nothing_to_ikev1() -> Result<()> {
    let pair = Pair::new()?;
    let mut headend = headend(&pair.right, "")?;
    let scan = Scan::run(&pair.left, HEADEND, &[ONCE, TRANSFORM, DPD])?;
    assert!(scan.answers.is_empty(), "{}", scan.output);
    assert!(headend.runs()?);
    Ok(())
}

/// Sends the captured question again and again, as `cookies` different initiators.
fn flood(pair: &Pair, question: &[u8], cookies: u32) -> Result<()> {
    let socket = pair.left.enter(|| UdpSocket::bind(("192.0.2.1", 0)))??;
    let mut question = question.to_vec();
    for cookie in 1..=cookies {
        if let Some(place) = question.first_chunk_mut::<4>() {
            *place = cookie.to_be_bytes();
        }
        // Refused when the socket's buffer is full: one less.
        let _ = socket.send_to(&question, (HEADEND, 500));
        if cookie.is_multiple_of(50) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

#[test]
fn half_open_state_is_bounded_and_ends() -> Result<()> {
    let pair = Pair::new()?;
    let headend = headend(&pair.right, "version = 1")?;
    let wire = Capture::start(&pair.right, "outer", "udp port 500")?;
    Scan::run(&pair.left, HEADEND, &[ONCE, TRANSFORM])?;
    let seen = datagrams(wire)?;
    let question = &seen.first().context("a question")?.payload;
    let wire = Capture::start(&pair.right, "outer", "udp port 500")?;
    flood(&pair, question, 4_000)?;
    let half_open = || headend.metric("palisade_ike_sas", "half_open");
    let most = half_open()?;
    assert!((1.0..1_000.0).contains(&most), "{most}");
    // The capture may have missed some; no answer is longer than a question.
    let seen = datagrams(wire)?;
    assert!(seen.iter().all(|one| one.payload.len() <= question.len()));
    // Somebody elsewhere still gets in.
    pair.left.ip("addr add 198.51.100.7/24 dev outer")?;
    pair.right.ip("route add 198.51.100.0/24 dev outer")?;
    pair.left
        .ip("route add 192.0.2.2/32 dev outer src 198.51.100.7")?;
    let scan = Scan::run(&pair.left, HEADEND, &[ONCE, PATIENT, TRANSFORM])?;
    assert!(scan.says("Main Mode Handshake returned"), "{}", scan.output);
    interop::wait::until("no half-open state", Duration::from_secs(45), || {
        half_open().is_ok_and(|count| count < 0.5)
    })?;
    Ok(())
}
