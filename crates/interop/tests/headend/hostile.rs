//! A hundred thousand mutated datagrams against a headend with tunnels up.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::capture::Capture;
use interop::network::Pair;
use interop::tunnel::Tunnel;

use crate::stage::Stage;

const DATAGRAMS: u32 = 100_000;
/// After these, pools are filled and limits reached: from here on memory must not grow.
const WARM_UP: u32 = 30_000;
/// Enough to be a nuisance, and not a flood that starves the tests beside this one.
const PER_SECOND: u32 = 6_000;
const GROWTH_BYTES_MAX: u64 = 8 << 20;
const SEED: u64 = 20_260_101;
/// Ethernet, IPv4 without options, UDP.
const HEADERS_LEN: usize = 14 + 20 + 8;

/// Numbers from a seed, by SplitMix64: a failing run can be had again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap_or(0)
    }
}

/// Changes one to eight things about a datagram.
fn mutate(mut datagram: Vec<u8>, others: &[(u16, Vec<u8>)], numbers: &mut Numbers) -> Vec<u8> {
    for _ in 0..=numbers.below(8) {
        let place = numbers.below(datagram.len());
        match numbers.below(7) {
            0 | 1 => {
                if let Some(octet) = datagram.get_mut(place) {
                    *octet ^= 1 << numbers.below(8);
                }
            }
            2 => {
                if let Some(octet) = datagram.get_mut(place) {
                    *octet = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)];
                }
            }
            3 => datagram.truncate(place),
            4 => datagram.extend((0..numbers.below(64)).map(|_| numbers.0 as u8)),
            5 => {
                let tail = &others[numbers.below(others.len())].1;
                datagram.truncate(place);
                datagram.extend_from_slice(tail.get(place..).unwrap_or_default());
            }
            // The SPIs of an IKE header: each number a new one, so that half-open state is made.
            _ => {
                let spi = numbers.next().to_be_bytes();
                if let Some(start) = datagram.get_mut(..8) {
                    start.copy_from_slice(&spi);
                }
            }
        }
    }
    datagram
}

/// What went to Palisade while the tunnel came up and carried traffic: destination port, payload.
fn observe(pair: &Pair, stage: &Stage<'_>) -> Result<Vec<(u16, Vec<u8>)>> {
    let capture = Capture::start(
        &pair.right,
        "outer",
        "dst host 192.0.2.2 and (udp port 500 or udp port 4500)",
    )?;
    stage.up()?;
    stage.swan.control(&["--rekey", "--child", "net"])?;
    stage.swan.control(&["--rekey", "--ike", "net"])?;
    stage.passes()?;
    let observed: Vec<_> = capture
        .packets()?
        .into_iter()
        .filter_map(|packet| {
            let port = packet
                .get(36..38)?
                .first_chunk()
                .map(|octets| u16::from_be_bytes(*octets))?;
            Some((port, packet.get(HEADERS_LEN..)?.to_vec()))
        })
        .collect();
    ensure!(
        observed.len() > 15,
        "only {} datagrams were seen",
        observed.len()
    );
    Ok(observed)
}

#[test]
fn mutated_datagrams_change_nothing() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::of_pair();
    let mut stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
    let observed = observe(&pair, &stage)?;

    pair.left.ip("addr add 192.0.2.66/24 dev outer")?;
    let sockets = pair
        .left
        .enter(|| -> std::io::Result<Vec<UdpSocket>> {
            let sources = [
                "192.0.2.1:0",
                "192.0.2.66:0",
                "192.0.2.66:0",
                "192.0.2.66:0",
            ];
            sources.iter().map(UdpSocket::bind).collect()
        })?
        .context("sockets")?;
    let mut numbers = Numbers(SEED);
    println!("seed {SEED}");
    let mut warm_bytes = 0;
    let start = Instant::now();
    for number in 0..DATAGRAMS {
        if number == WARM_UP {
            warm_bytes = stage.headend.resident_bytes()?;
        }
        if number % 10_000 == 0 {
            stage
                .passes()
                .with_context(|| format!("after {number} datagrams"))?;
        }
        let (port, datagram) = &observed[numbers.below(observed.len())];
        let mutated = mutate(datagram.clone(), &observed, &mut numbers);
        // Refused when it is too long or the socket's buffer is full: one less.
        let _ = sockets[numbers.below(sockets.len())].send_to(&mutated, ("192.0.2.2", *port));
        let due = start + Duration::from_secs(1) * number / PER_SECOND;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    assert!(stage.headend.runs()?, "{}", stage.headend.log());
    let grown_bytes = stage.headend.resident_bytes()?.saturating_sub(warm_bytes);
    assert!(
        grown_bytes < GROWTH_BYTES_MAX,
        "memory grew by {grown_bytes} octets over {warm_bytes}"
    );
    assert_eq!(stage.swan.installed_children()?, 1, "{}", stage.swan.sas()?);
    assert!(!stage.headend.log().contains("panicked"));
    stage.passes()
}
