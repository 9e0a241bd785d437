//! IKEv1 with strongSwan: main and aggressive mode, users, virtual addresses, NAT, renewal of both
//! phases, dead peers.

use std::time::{Duration, Instant};

use anyhow::Result;
use interop::network::{BehindNat, Pair};
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{Flow, ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::liveness::{FAST, INTERVAL, SLACK, TRIES, dead};
use crate::stage::{LEFT, PATIENCE, RIGHT, Stage};

const CALM: Duration = Duration::from_millis(400);
/// What the streams must have sent by then, to mean anything.
const SENT_MIN: u64 = 300;

fn tunnel() -> Tunnel {
    Tunnel::of_pair().over_ikev1()
}

fn version_of(stage: &Stage<'_>) -> Result<u64> {
    let peers = stage.headend.query(&["peers"])?;
    let version = peers.pointer("/0/version");
    Ok(version.and_then(serde_json::Value::as_u64).unwrap_or(0))
}

fn a_child_is_installed(swan: &StrongSwan) -> Result<()> {
    wait::until("a Child SA", PATIENCE, || {
        swan.installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    Ok(())
}

#[test]
fn strongswan_initiates_in_main_mode() -> Result<()> {
    let pair = Pair::new()?;
    let stage = Stage::new(&pair, &tunnel(), &tunnel().mirrored())?;
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0, "no tunnel, no answer");
    stage.up()?;
    assert_eq!(version_of(&stage)?, 1);
    assert!(stage.swan.sas()?.contains("IKEv1"));
    assert!(stage.headend.metric("palisade_ike_v1_sas", "")? > 0.5);
    let told = "IKEv1 is on for these connections";
    assert_eq!(stage.headend.log().matches(told).count(), 1);
    Ok(())
}

#[test]
fn palisade_initiates_in_main_mode() -> Result<()> {
    let pair = Pair::new()?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[tunnel()], "")?;
    let right = tunnel().mirrored().child("start_action", "\"start\"");
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    a_child_is_installed(&swan)?;
    ping_all(&pair.right, RIGHT, LEFT, 5)?;
    ping_all(&pair.left, LEFT, RIGHT, 5)
}

#[test]
fn aggressive_mode_works_where_both_want_it() -> Result<()> {
    let pair = Pair::new()?;
    // The answer is never longer than the question, so one with a single proposal would leave no room
    // for NAT detection.
    let ike = "aes256-sha256-ecp256,aes128-sha256-ecp256,aes256-sha1-ecp256";
    let tunnel = tunnel().with_proposals(ike, "aes256gcm16");
    let left = tunnel.clone().connection("aggressive", "yes");
    let right = tunnel.mirrored().connection("aggressive", "true");
    let stage = Stage::new(&pair, &left, &right)?;
    stage.up()?;
    assert!(stage.swan.log().contains("AGGRESSIVE"));
    Ok(())
}

#[test]
fn palisade_initiates_in_aggressive_mode() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel().connection("aggressive", "yes");
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[left], "")?;
    let right = tunnel()
        .mirrored()
        .connection("aggressive", "true")
        .child("start_action", "\"start\"");
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    a_child_is_installed(&swan)?;
    ping_all(&pair.right, RIGHT, LEFT, 5)?;
    ping_all(&pair.left, LEFT, RIGHT, 5)
}

#[test]
fn aggressive_mode_is_refused_where_it_is_not_allowed() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel().connection("aggressive", "yes");
    let stage = Stage::new(&pair, &left, &tunnel().mirrored())?;
    assert!(stage.swan.initiate("net").is_err());
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    assert!(stage.headend.metric("palisade_ike_v1_sas", "")? < 0.5);
    Ok(())
}

#[test]
fn a_headend_of_ikev2_does_not_answer_ikev1() -> Result<()> {
    let pair = Pair::new()?;
    let right = Tunnel::of_pair().mirrored();
    let settings = Settings {
        retransmit_tries: Some(1),
        ..Settings::default()
    };
    let headend = Palisade::start(&pair.right, &[right], "")?;
    let swan = StrongSwan::start(&pair.left, settings, &[tunnel()], "")?;
    assert!(swan.initiate("net").is_err());
    assert!(headend.metric("palisade_ike_v1_sas", "")? < 0.5);
    assert!(!headend.log().contains("IKEv1 is on"));
    Ok(())
}

#[test]
fn a_wrong_secret_opens_nothing() -> Result<()> {
    let pair = Pair::new()?;
    let headend = Palisade::start(&pair.right, &[tunnel().mirrored()], "")?;
    let settings = Settings {
        retransmit_tries: Some(1),
        ..Settings::default()
    };
    let swan = StrongSwan::start(&pair.left, settings, &[], "")?;
    swan.reload_with_secret(&[tunnel()], "not the secret")?;
    assert!(swan.initiate("net").is_err());
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    assert!(headend.metric("palisade_child_sas", "")? < 0.5);
    Ok(())
}

#[test]
fn algorithms_of_the_time() -> Result<()> {
    for (ike, esp) in [
        ("aes128-sha1-modp2048", "aes128-sha1"),
        ("aes256-sha512-modp3072", "aes256-sha512-modp3072"),
        ("aes192-sha384-ecp384", "aes256gcm16-ecp384"),
        ("3des-sha1-modp1024", "3des-sha1"),
        ("aes128-sha256-modp1536", "aes128gcm16"),
    ] {
        let pair = Pair::new()?;
        let tunnel = tunnel().with_proposals(ike, esp);
        let stage = Stage::new(&pair, &tunnel, &tunnel.mirrored())?;
        stage
            .up()
            .map_err(|error| error.context(format!("{ike}, {esp}")))?;
    }
    Ok(())
}

#[test]
fn long_messages_come_in_fragments() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel()
        .connection("fragmentation", "force")
        .with_proposals("aes256-sha256-modp4096", "aes256gcm16");
    let right = tunnel()
        .with_proposals("aes256-sha256-modp4096", "aes256gcm16")
        .mirrored()
        .connection("fragment_size", "576");
    let settings = Settings {
        fragment_size: Some(576),
        ..Settings::default()
    };
    let _headend = Palisade::start(&pair.right, &[right], "")?;
    let swan = StrongSwan::start(&pair.left, settings, &[left], "")?;
    swan.initiate("net")?;
    ping_all(&pair.left, LEFT, RIGHT, 5)?;
    let log = swan.log();
    assert!(log.contains("splitting IKE message"), "sent whole");
    assert!(log.contains("received fragment #2"), "received whole");
    Ok(())
}

const POOL: &str = "[pools.four]\naddrs = \"10.77.0.0/24\"\ndns = [\"10.2.0.53\"]\n\
                    [users.joe]\npassword = \"hunter2\"\n";
const PASSWORD: &str = "secrets {\n  xauth-joe {\n    id = joe\n    secret = hunter2\n  }\n}";
const WRONG_PASSWORD: &str = "secrets {\n  xauth-joe {\n    id = joe\n    secret = hunter3\n  }\n}";

/// A user with strongSwan, and the headend that gives him an address.
fn user_and_headend() -> (Tunnel, Tunnel) {
    let client = Tunnel::new(
        "net",
        End::new("192.0.2.1", "left.test", &[]),
        End::new("192.0.2.2", "right.test", &["10.2.0.0/24"]),
    )
    .over_ikev1();
    let headend = client
        .mirrored()
        .connection("pools", "\"four\"")
        .connection("xauth", "\"server\"")
        .connection("banner", "\"Welcome.\"")
        .connection("default_domain", "\"example.org\"")
        .connection("split_include", "\"10.2.0.0/24\"");
    let client = client
        .connection("vips", "0.0.0.0")
        .section("local-xauth", &[("auth", "xauth"), ("xauth_id", "joe")]);
    (client, headend)
}

#[test]
fn a_user_gets_an_address_by_pull_and_by_push() -> Result<()> {
    for (pull, mode_config) in [("yes", "\"pull\""), ("no", "\"push\"")] {
        let pair = Pair::new()?;
        let (client, headend) = user_and_headend();
        let client = client.connection("pull", pull);
        let headend = headend.connection("mode_config", mode_config);
        let headend = Palisade::start(&pair.right, &[headend], POOL)?;
        let swan = StrongSwan::start(&pair.left, Settings::default(), &[client], PASSWORD)?;
        swan.initiate("net")
            .map_err(|error| error.context(headend.drops()))?;
        let listing = pair.left.ip("-o addr show")?;
        let address = listing
            .split_whitespace()
            .find(|word| word.starts_with("10.77.0."))
            .and_then(|word| word.split('/').next())
            .unwrap_or_else(|| panic!("{pull}: {listing}"));
        ping_all(&pair.left, address, RIGHT, 5)?;
        ping_all(&pair.right, RIGHT, address, 5)?;
        let peers = headend.query(&["peers"])?;
        assert!(peers.to_string().contains(address), "{peers}");
    }
    Ok(())
}

#[test]
fn a_user_with_a_wrong_password_gets_nothing() -> Result<()> {
    let pair = Pair::new()?;
    let (client, headend) = user_and_headend();
    let headend = Palisade::start(&pair.right, &[headend], POOL)?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[client], WRONG_PASSWORD)?;
    assert!(swan.initiate("net").is_err());
    assert!(headend.metric("palisade_child_sas", "")? < 0.5);
    assert!(!pair.left.ip("-o addr show")?.contains("10.77.0."));
    Ok(())
}

#[test]
fn palisade_is_the_user() -> Result<()> {
    let pair = Pair::new()?;
    let left = Tunnel::new(
        "net",
        End::new("192.0.2.1", "left.test", &["10.1.0.0/24"]),
        End::new("192.0.2.2", "right.test", &[]),
    )
    .over_ikev1();
    let right = left
        .mirrored()
        .connection("vips", "[\"0.0.0.0\"]")
        .connection("xauth", "{ user = \"joe\", password = \"hunter2\" }")
        .child("start_action", "\"start\"");
    let left = left
        .connection("pools", "four")
        .section("remote-xauth", &[("auth", "xauth")]);
    let extra = format!("pools {{\n  four {{\n    addrs = 10.88.0.0/24\n  }}\n}}\n{PASSWORD}");
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[left], &extra)?;
    let headend = Palisade::start(&pair.right, &[right], "")?;
    a_child_is_installed(&swan)?;
    ping_all(&pair.right, "10.88.0.1", LEFT, 5)?;
    // He comes again, and keeps his address.
    headend.control(&["rekey", "left.test"])?;
    wait::until("the renewal to be counted", PATIENCE, || {
        let count = headend.metric(RENEWALS.0, RENEWALS.1);
        count.is_ok_and(|count| count > 0.5)
    })?;
    ping_all(&pair.right, "10.88.0.1", LEFT, 5)?;
    std::thread::sleep(Duration::from_secs(4));
    ping_all(&pair.right, "10.88.0.1", LEFT, 5)
}

fn through_nat() -> (Tunnel, Tunnel) {
    let client = Tunnel::new(
        "net",
        End::new("%any", "left.test", &["10.1.0.0/24"]),
        End::new("198.51.100.2", "right.test", &["10.2.0.0/24"]),
    )
    .over_ikev1();
    let mut gateway = client.mirrored();
    gateway.local.address = "198.51.100.2".to_owned();
    gateway.remote.address = "%any".to_owned();
    (client, gateway)
}

#[test]
fn strongswan_comes_through_a_nat() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = through_nat();
    let headend = Palisade::start(&nat.gateway, &[gateway], "")?;
    let swan = StrongSwan::start(&nat.client, Settings::default(), &[client], "")?;
    swan.initiate("net")?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)?;
    let peers = headend.query(&["peers"])?;
    assert_eq!(peers.pointer("/0/nat"), Some(&true.into()), "{peers}");
    // Both phases again, through the same mapping.
    swan.control(&["--rekey", "--ike", "net"])?;
    wait::until("a renewed IKE SA", PATIENCE, || {
        headend
            .metric("palisade_ike_rekeys_total", "sa=\"ike\"")
            .is_ok_and(|rekeys| rekeys > 0.5)
    })?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    swan.control(&["--rekey", "--child", "net"])?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)
}

/// Message 2 of aggressive mode is never longer than message 1; a client with a single proposal would
/// leave no room in it for NAT detection.
#[test]
fn strongswan_comes_through_a_nat_in_aggressive_mode() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = through_nat();
    let ike = "aes256-sha256-ecp256,aes128-sha256-ecp256,aes256-sha1-ecp256";
    let gateway = gateway
        .connection("aggressive", "true")
        .with_proposals(ike, "aes256gcm16");
    let client = client
        .connection("aggressive", "yes")
        .with_proposals(ike, "aes256gcm16");
    let headend = Palisade::start(&nat.gateway, &[gateway], "")?;
    let swan = StrongSwan::start(&nat.client, Settings::default(), &[client], "")?;
    swan.initiate("net")?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)?;
    let peers = headend.query(&["peers"])?;
    assert_eq!(peers.pointer("/0/nat"), Some(&true.into()), "{peers}");
    Ok(())
}

#[test]
fn palisade_goes_through_a_nat_in_aggressive_mode() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = through_nat();
    let gateway = gateway.connection("aggressive", "yes");
    let client = client
        .connection("aggressive", "true")
        .child("start_action", "\"start\"");
    let swan = StrongSwan::start(&nat.gateway, Settings::default(), &[gateway], "")?;
    let _headend = Palisade::start(&nat.client, &[client], "")?;
    a_child_is_installed(&swan)?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)
}

#[test]
fn palisade_goes_through_a_nat() -> Result<()> {
    let nat = BehindNat::new()?;
    let (client, gateway) = through_nat();
    let swan = StrongSwan::start(&nat.gateway, Settings::default(), &[gateway], "")?;
    let client = client.child("start_action", "\"start\"");
    let headend = Palisade::start(&nat.client, &[client], "")?;
    a_child_is_installed(&swan)?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)?;
    headend.control(&["rekey", "right.test"])?;
    wait::until("a renewed IKE SA", PATIENCE, || {
        headend
            .metric("palisade_ike_rekeys_total", "sa=\"ike\"")
            .is_ok_and(|rekeys| rekeys > 0.5)
    })?;
    ping_all(&nat.client, LEFT, RIGHT, 5)?;
    ping_all(&nat.gateway, RIGHT, LEFT, 5)
}

/// Brings the tunnel up, starts the streams, calls `rekey` three times, waits each time until
/// Palisade has counted one more in `series`, and checks the streams.
fn loses_nothing(
    (series, label): (&str, &str),
    before: f64,
    rekey: impl Fn(&Stage<'_>) -> Result<()>,
) -> Result<()> {
    let pair = Pair::new()?;
    let stage = Stage::new(&pair, &tunnel(), &tunnel().mirrored())?;
    stage.up()?;
    let flows = stage.flows()?;
    for round in 1..=3 {
        std::thread::sleep(CALM);
        rekey(&stage)?;
        wait::until("the rekey to be counted", PATIENCE, || {
            stage
                .headend
                .metric(series, label)
                .is_ok_and(|count| count > before + f64::from(round) - 0.5)
        })?;
    }
    std::thread::sleep(CALM);
    flows.all_arrived(SENT_MIN)?;
    stage.passes()
}

const CHILDREN: (&str, &str) = ("palisade_child_setups_total", "");
const RENEWALS: (&str, &str) = ("palisade_ike_rekeys_total", "sa=\"ike\"");

#[test]
fn strongswan_rekeys_phase_two() -> Result<()> {
    loses_nothing(CHILDREN, 1.0, |stage| {
        stage.swan.control(&["--rekey", "--child", "net"]).map(drop)
    })
}

#[test]
fn strongswan_renews_phase_one() -> Result<()> {
    loses_nothing(RENEWALS, 0.0, |stage| {
        stage.swan.control(&["--rekey", "--ike", "net"]).map(drop)
    })
}

#[test]
fn palisade_rekeys_phase_two() -> Result<()> {
    loses_nothing(CHILDREN, 1.0, |stage| {
        let order = ["rekey", "left.test", "--child", "net"];
        stage.headend.control(&order).map(drop)
    })
}

#[test]
fn palisade_renews_phase_one() -> Result<()> {
    loses_nothing(RENEWALS, 0.0, |stage| {
        stage.headend.control(&["rekey", "left.test"]).map(drop)
    })
}

/// Palisade began the IKE SA, on the shard of its connection. The first message of strongSwan's new one
/// must find that shard, whatever its addresses hash to.
#[test]
fn strongswan_renews_what_palisade_began() -> Result<()> {
    let pair = Pair::new()?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[tunnel()], "")?;
    let right = tunnel().mirrored().child("start_action", "\"start\"");
    let headend = Palisade::start(&pair.right, &[right], "")?;
    a_child_is_installed(&swan)?;
    let stage = Stage {
        pair: &pair,
        swan,
        headend,
    };
    let flows = stage.flows()?;
    for round in 1..=3 {
        std::thread::sleep(CALM);
        stage.swan.control(&["--rekey", "--ike", "net"])?;
        wait::until("the renewal to be counted", PATIENCE, || {
            let (series, label) = RENEWALS;
            let count = stage.headend.metric(series, label);
            count.is_ok_and(|count| count > f64::from(round) - 0.5)
        })?;
    }
    std::thread::sleep(CALM);
    flows.all_arrived(SENT_MIN)?;
    let removed = stage.headend.metric("palisade_child_deletes_total", "")?;
    assert!(removed < 0.5, "the Child SA stays");
    stage.passes()
}

/// A client keeps its user, its address and its Child SA over a new phase 1.
#[test]
fn a_user_comes_again_under_traffic() -> Result<()> {
    let pair = Pair::new()?;
    let (client, headend) = user_and_headend();
    let headend = Palisade::start(&pair.right, &[headend], POOL)?;
    let swan = StrongSwan::start(&pair.left, Settings::default(), &[client], PASSWORD)?;
    swan.initiate("net")?;
    let interval = Duration::from_millis(2);
    let to_user = Flow::start(
        (&pair.right, RIGHT),
        (&pair.left, "10.77.0.1"),
        7000,
        interval,
    )?;
    for round in 1..=2 {
        std::thread::sleep(CALM);
        swan.control(&["--rekey", "--ike", "net"])?;
        wait::until("the renewal to be counted", PATIENCE, || {
            let count = headend.metric(RENEWALS.0, RENEWALS.1);
            count.is_ok_and(|count| count > f64::from(round) - 0.5)
        })?;
    }
    std::thread::sleep(CALM);
    to_user.finish()?.complete(SENT_MIN)?;
    ping_all(&pair.left, "10.77.0.1", RIGHT, 5)?;
    let leased = headend.metric("palisade_pool_addresses", "leased")?;
    assert!((leased - 1.0).abs() < 0.5, "{leased} addresses");
    swan.control(&["--terminate", "--ike", "net", "--timeout", "10"])?;
    wait::until("the address to be free", PATIENCE * 2, || {
        let leased = headend.metric("palisade_pool_addresses", "leased");
        leased.is_ok_and(|leased| leased < 0.5)
    })?;
    Ok(())
}

#[test]
fn ipv6_outside_and_inside() -> Result<()> {
    let pair = Pair::new()?;
    let tunnel = Tunnel::new(
        "net",
        End::new("2001:db8::1", "left.test", &["fd00:1::/64", "10.1.0.0/24"]),
        End::new("2001:db8::2", "right.test", &["fd00:2::/64", "10.2.0.0/24"]),
    )
    .over_ikev1();
    let left = tunnel.clone();
    let swan_side = Tunnel {
        local: End::new("2001:db8::1", "left.test", &["fd00:1::/64"]),
        remote: End::new("2001:db8::2", "right.test", &["fd00:2::/64"]),
        ..left
    };
    let stage = Stage::new(&pair, &swan_side, &tunnel.mirrored())?;
    stage.swan.initiate("net")?;
    ping_all(&pair.left, "fd00:1::1", "fd00:2::1", 5)?;
    ping_all(&pair.right, "fd00:2::1", "fd00:1::1", 5)
}

/// By the clock, both sides at nearly the same moments: collisions are likely and must not matter.
#[test]
fn both_rekey_by_time() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel()
        .connection("reauth_time", "5s")
        .connection("rand_time", "0s")
        .connection("over_time", "60s")
        .child("rekey_time", "2s")
        .child("rand_time", "0s")
        .child("life_time", "60s");
    let right = tunnel()
        .mirrored()
        .connection("rekey_time", "\"5s\"")
        .connection("rand_time", "\"0s\"")
        .connection("over_time", "\"60s\"")
        .child("rekey_time", "\"2s\"")
        .child("rand_time", "\"0s\"")
        .child("life_time", "\"60s\"");
    let stage = Stage::new(&pair, &left, &right)?;
    stage.up()?;
    let flows = stage.flows()?;
    std::thread::sleep(Duration::from_secs(13));
    flows.all_arrived(SENT_MIN)?;
    let count = |(series, label)| stage.headend.metric(series, label);
    assert!(count(CHILDREN)? > 3.5);
    assert!(count(RENEWALS)? > 0.5);
    stage.passes()
}

fn goes_down(take_down: impl FnOnce(&Stage<'_>) -> Result<()>) -> Result<()> {
    let pair = Pair::new()?;
    let stage = Stage::new(&pair, &tunnel(), &tunnel().mirrored())?;
    stage.up()?;
    take_down(&stage)?;
    stage.await_nothing()?;
    assert_eq!(ping(&pair.left, LEFT, RIGHT, 2)?, 0);
    stage.up()
}

#[test]
fn strongswan_deletes_the_ike_sa() -> Result<()> {
    goes_down(|stage| {
        let order = ["--terminate", "--ike", "net", "--timeout", "10"];
        stage.swan.control(&order).map(drop)
    })
}

#[test]
fn palisade_deletes_the_ike_sa() -> Result<()> {
    goes_down(|stage| stage.headend.control(&["terminate", "left.test"]).map(drop))
}

fn with_mode(mode: &str) -> Tunnel {
    tunnel()
        .mirrored()
        .connection("dpd", &format!("{{ mode = \"{mode}\", {FAST} }}"))
}

#[test]
fn periodic_finds_a_killed_peer_in_time() -> Result<()> {
    let pair = Pair::new()?;
    let mut stage = Stage::new(&pair, &tunnel(), &with_mode("periodic"))?;
    stage.up()?;
    std::thread::sleep(INTERVAL * 2 + TRIES);
    assert!(!dead(&stage));
    assert!(stage.headend.metric("palisade_dpd_answers_total", "")? > 0.5);
    stage.swan.kill()?;
    let killed = Instant::now();
    wait::until("the verdict", INTERVAL + TRIES + PATIENCE, || dead(&stage))?;
    let elapsed = killed.elapsed();
    assert!(
        elapsed <= INTERVAL + TRIES + SLACK,
        "only after {elapsed:?}"
    );
    assert!(elapsed >= TRIES, "after {elapsed:?} it could not be known");
    stage.await_no_peers()
}

/// What `debug crypto isakmp` of IOS prints when a peer has become unreachable: one question, four
/// more, and the end.
#[test]
fn the_end_of_a_killed_peer_reads_as_on_ios() -> Result<()> {
    let pair = Pair::new()?;
    let dpd = "{ mode = \"periodic\", interval = \"2s\", retry = \"1s\", retries = 4, jitter = 0, allow_fast = true }";
    let mut by_address = tunnel();
    by_address.local.id = "192.0.2.1".to_owned();
    by_address.remote.id = "192.0.2.2".to_owned();
    let right = by_address.mirrored().connection("dpd", dpd);
    let mut stage = Stage::new(&pair, &by_address, &right)?;
    stage.up()?;
    stage.swan.kill()?;
    let log = stage
        .headend
        .control(&["debug", "isakmp", "--format", "ios", "--seconds", "9"])?;
    let counted = "incrementing error counter on sa: PEERS_ALIVE_TIMER";
    assert_eq!(log.matches(counted).count(), 5, "{log}");
    assert_eq!(log.matches("R_U_THERE sent to").count(), 5, "{log}");
    let mut rest = log.as_str();
    for line in [
        "DPD/R_U_THERE sent to peer 192.0.2.1",
        "sending packet to 192.0.2.1",
        counted,
        "set new node",
        "sending packet to 192.0.2.1",
        "purging node",
        counted,
        counted,
        counted,
        counted,
        "peer 192.0.2.1 not responding!",
        "deleting SA reason \"peers alive\"",
        "(peer 192.0.2.1)",
        "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  Peer 192.0.2.1:",
        "set new node",
        "sending packet to 192.0.2.1",
        "purging node",
        "Old State = IKE_P1_COMPLETE New State = IKE_DEST_SA",
    ] {
        let (_, after) = rest
            .split_once(line)
            .unwrap_or_else(|| panic!("no `{line}` in its place:\n{log}"));
        rest = after;
    }
    Ok(())
}

#[test]
fn on_demand_finds_a_killed_peer_once_there_is_traffic() -> Result<()> {
    let pair = Pair::new()?;
    let mut stage = Stage::new(&pair, &tunnel(), &with_mode("on-demand"))?;
    stage.up()?;
    stage.swan.kill()?;
    std::thread::sleep(INTERVAL * 2 + TRIES);
    assert!(!dead(&stage));
    let asked = Instant::now();
    assert_eq!(ping(&pair.right, RIGHT, LEFT, 1)?, 0);
    wait::until("the verdict", TRIES + PATIENCE, || dead(&stage))?;
    let elapsed = asked.elapsed();
    assert!(elapsed <= TRIES + SLACK, "only after {elapsed:?}");
    stage.await_no_peers()
}

#[test]
fn palisade_answers_strongswans_questions() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel().connection("dpd_delay", "1s");
    let right = tunnel()
        .mirrored()
        .connection("dpd", "{ mode = \"respond-only\" }");
    let stage = Stage::new(&pair, &left, &right)?;
    stage.up()?;
    wait::until("three answered questions", PATIENCE, || {
        stage
            .headend
            .metric("palisade_dpd_peer_probes_answered_total", "")
            .is_ok_and(|answered| answered > 2.5)
    })?;
    let log = stage.swan.log();
    assert!(log.contains("DPD_ACK"), "{log}");
    stage.passes()
}

#[test]
fn strongswan_finds_palisade_killed() -> Result<()> {
    let pair = Pair::new()?;
    let left = tunnel()
        .connection("dpd_delay", "1s")
        .connection("dpd_timeout", "4s");
    let mut stage = Stage::new(&pair, &left, &tunnel().mirrored())?;
    stage.up()?;
    stage.headend.kill()?;
    wait::until("strongSwan's verdict", PATIENCE * 2, || {
        stage
            .swan
            .sas()
            .is_ok_and(|sas| !sas.contains("ESTABLISHED"))
    })?;
    Ok(())
}

#[test]
fn restart_brings_the_tunnel_back() -> Result<()> {
    let pair = Pair::new()?;
    let right = tunnel().mirrored().connection(
        "dpd",
        &format!("{{ mode = \"periodic\", action = \"restart\", {FAST} }}"),
    );
    let mut stage = Stage::new(&pair, &tunnel(), &right)?;
    stage.up()?;
    stage.swan.kill()?;
    wait::until("the verdict", PATIENCE, || dead(&stage))?;
    stage.swan = StrongSwan::start(&pair.left, Settings::default(), &[tunnel()], "")?;
    wait::until("the tunnel to be back", Duration::from_secs(40), || {
        stage
            .swan
            .installed_children()
            .is_ok_and(|installed| installed == 1)
    })?;
    stage.passes()
}
