//! What routers had, imported and started: the configurations that Cisco's document on periodic DPD
//! prints, and clients of Easy VPN. strongSwan is the other side.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interop::network::{Namespace, link};
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{ping, ping_all};
use interop::tunnel::{End, Tunnel};
use interop::wait;

use crate::stage::PATIENCE;

const POLICY: &str = include_str!("../../../ios/tests/printed/policy.cfg");
const SITE: &str = include_str!("../../../ios/tests/printed/site-to-site.cfg");
const SEVERAL: &str = include_str!("../../../ios/tests/printed/several-peers.cfg");
const KEEPALIVE: &str = include_str!("../../../ios/tests/printed/keepalive.cfg");
/// The access list, which is not printed.
const LIST: &str = "access-list 101 permit ip 172.16.1.0 0.0.0.255 172.16.2.0 0.0.0.255";
/// The addresses that are printed.
const ROUTER: &str = "10.1.32.14";
const PEER: &str = "10.2.80.209";
const KEY: &str = "kd94j1ksldz";
const INSIDE: &str = "172.16.1.1";
const FAR: &str = "172.16.2.1";
/// `crypto isakmp keepalive 10 periodic`: ten seconds of silence, five tries two seconds apart, and
/// the interval may have begun just before the death.
const VERDICT: Duration = Duration::from_secs(20);

/// The router's place and that of a peer, with a wire between that carries no plain text.
fn wire(router: &Namespace, device: &str, own: &str, address: &str) -> Result<Namespace> {
    let peer = Namespace::new("peer")?;
    link(
        (router, device, &[&format!("{own}/32")]),
        (&peer, "outer", &[&format!("{address}/32")]),
    )?;
    router.ip(&format!("route add {address}/32 dev {device} src {own}"))?;
    peer.ip(&format!("route add {own}/32 dev outer"))?;
    peer.ip(&format!("route add default via {own} dev outer onlink"))?;
    peer.add_inner(&[&format!("{FAR}/32")])?;
    for (namespace, device) in [(router, device), (&peer, "outer")] {
        let rules = format!(
            "table inet plain-{device} {{ chain refuse {{ type filter hook prerouting priority -300; \
             iifname \"{device}\" ip saddr 172.16.0.0/12 drop; }}; }}"
        );
        namespace.run("nft", &[&rules])?;
    }
    Ok(peer)
}

fn router() -> Result<Namespace> {
    let router = Namespace::new("router")?;
    router.add_inner(&[&format!("{INSIDE}/32")])?;
    Ok(router)
}

/// The tunnel as the peer has it.
fn peers_tunnel(peer: &str, router: &str) -> Tunnel {
    Tunnel::new(
        "net",
        End::new(peer, peer, &["172.16.2.0/24"]),
        End::new(router, router, &["172.16.1.0/24"]),
    )
    .over_ikev1()
    .with_proposals("aes128-sha1-modp2048", "aes128-sha1")
}

fn start_peer(namespace: &Namespace, tunnel: &Tunnel, key: &str) -> Result<StrongSwan> {
    let swan = StrongSwan::start(namespace, Settings::default(), &[], "")?;
    swan.reload_with_secret(std::slice::from_ref(tunnel), key)?;
    Ok(swan)
}

/// Policy and keepalive are no tunnels; what they make runs.
#[test]
fn policy_and_keepalive_alone_start() -> Result<()> {
    let router = router()?;
    for (name, text) in [("policy.cfg", POLICY), ("keepalive.cfg", KEEPALIVE)] {
        let mut headend = Palisade::start_imported(&router, &[(name, text)], &[])?;
        let status = headend.query(&["status"])?;
        ensure!(status.is_object(), "{status}");
        ensure!(headend.terminate()?.success());
    }
    Ok(())
}

/// Without the access list there is no tunnel, and the import says what to give.
#[test]
fn the_site_as_printed_is_incomplete() -> Result<()> {
    let router = router()?;
    let sources = [("policy.cfg", POLICY), ("site.cfg", SITE)];
    let Err(refused) = Palisade::start_imported(&router, &sources, &[]) else {
        anyhow::bail!("it started");
    };
    let refused = refused.to_string();
    ensure!(
        refused.contains("access list 101") && refused.contains("--with 'access-list 101"),
        "{refused}"
    );
    Ok(())
}

fn site_sources() -> [(&'static str, &'static str); 3] {
    [
        ("keepalive.cfg", KEEPALIVE),
        ("policy.cfg", POLICY),
        ("site.cfg", SITE),
    ]
}

/// Traffic asks for the tunnel, as with a crypto map.
#[test]
fn the_printed_site_comes_up_when_traffic_asks() -> Result<()> {
    let router = router()?;
    let peer = wire(&router, "outer", ROUTER, PEER)?;
    let swan = start_peer(&peer, &peers_tunnel(PEER, ROUTER), KEY)?;
    let _headend = Palisade::start_imported(&router, &site_sources(), &[LIST])?;
    wait::until("an answer", PATIENCE, || {
        ping(&router, INSIDE, FAR, 1).is_ok_and(|answered| answered == 1)
    })?;
    ping_all(&router, INSIDE, FAR, 5)?;
    ping_all(&peer, FAR, INSIDE, 5)?;
    let sas = swan.sas()?;
    for told in ["IKEv1", "AES_CBC-128", "HMAC_SHA1_96", "MODP_2048"] {
        ensure!(sas.contains(told), "{sas}");
    }
    Ok(())
}

/// The peer begins; it is asked every ten seconds whether it lives, and found dead when it is.
#[test]
fn the_printed_site_asks_its_peer_and_finds_it_dead() -> Result<()> {
    let router = router()?;
    let peer = wire(&router, "outer", ROUTER, PEER)?;
    let headend = Palisade::start_imported(&router, &site_sources(), &[LIST])?;
    let mut swan = start_peer(&peer, &peers_tunnel(PEER, ROUTER), KEY)?;
    swan.initiate("net")?;
    ping_all(&peer, FAR, INSIDE, 5)?;
    ping_all(&router, INSIDE, FAR, 5)?;
    let asked = "[ HASH N(DPD) ]";
    swan.await_log(asked, Duration::from_secs(10) + PATIENCE)?;
    swan.kill()?;
    let killed = Instant::now();
    wait::until("the verdict", VERDICT + PATIENCE, || {
        let verdicts = headend.metric("palisade_dpd_verdicts_total", "");
        verdicts.is_ok_and(|verdicts| verdicts > 0.5)
    })?;
    let took = killed.elapsed();
    ensure!(
        took <= VERDICT + Duration::from_secs(2),
        "found after {took:?}"
    );
    ensure!(headend.metric("palisade_child_sas", "")? < 0.5);
    let evidence = headend.control(&["why-dead", PEER])?;
    ensure!(evidence.contains(PEER), "{evidence}");
    Ok(())
}

/// `crypto map green` with its three peers: when the first dies, the second takes over.
#[test]
fn the_printed_peers_take_over_from_each_other() -> Result<()> {
    const OWN: &str = "10.0.0.10";
    let addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let router = router()?;
    let mut peers = Vec::new();
    for (number, address) in addresses.iter().enumerate() {
        peers.push(wire(&router, &format!("outer{number}"), OWN, address)?);
    }
    let with = [
        LIST,
        "crypto ipsec transform-set txfm esp-aes esp-sha-hmac",
        "crypto isakmp key kd94j1ksldz address 10.0.0.0 255.255.255.0",
    ];
    let sources = [("policy.cfg", POLICY), ("several-peers.cfg", SEVERAL)];
    let mut swans = Vec::new();
    for (namespace, address) in peers.iter().zip(addresses) {
        swans.push(start_peer(namespace, &peers_tunnel(address, OWN), KEY)?);
    }
    let _headend = Palisade::start_imported(&router, &sources, &with)?;
    wait::until("an answer", PATIENCE, || {
        ping(&router, INSIDE, FAR, 1).is_ok_and(|answered| answered == 1)
    })?;
    ensure!(swans[0].installed_children()? == 1, "the first comes first");
    swans[0].kill()?;
    wait::until("a tunnel to the second", VERDICT + PATIENCE, || {
        swans[1]
            .installed_children()
            .is_ok_and(|children| children == 1)
    })?;
    ensure!(swans[2].installed_children()? == 0);
    ping_all(&router, INSIDE, FAR, 5)?;
    ping_all(&peers[1], FAR, INSIDE, 5)
}

/// A branch that names an IKEv2 profile.
const BRANCH: &str = "\
crypto ikev2 proposal P
 encryption aes-gcm-256 aes-cbc-256
 prf sha384
 integrity sha384
 group 20
crypto ikev2 policy POL
 proposal P
crypto ikev2 keyring KR
 peer BRANCH
  address 10.2.80.209
  pre-shared-key branchkey
crypto ikev2 profile PROF
 match identity remote fqdn branch.example.org
 identity local fqdn hub.example.org
 authentication remote pre-share
 authentication local pre-share
 keyring local KR
 dpd 10 2 periodic
crypto ipsec transform-set GCM esp-gcm 256
crypto map CM 10 ipsec-isakmp
 set peer 10.2.80.209
 set transform-set GCM
 set pfs group20
 set ikev2-profile PROF
 match address 101
interface GigabitEthernet1
 ip address 10.1.32.14 255.255.0.0
 crypto map CM
";

#[test]
fn a_branch_with_an_ikev2_profile_comes_up_from_either_side() -> Result<()> {
    let router = router()?;
    let peer = wire(&router, "outer", ROUTER, PEER)?;
    let mut tunnel = peers_tunnel(PEER, ROUTER)
        .with_proposals("aes256gcm16-prfsha384-ecp384", "aes256gcm16-ecp384");
    tunnel.version = 2;
    "branch.example.org".clone_into(&mut tunnel.local.id);
    "hub.example.org".clone_into(&mut tunnel.remote.id);
    let swan = start_peer(&peer, &tunnel, "branchkey")?;
    let _headend = Palisade::start_imported(&router, &[("hub.cfg", BRANCH)], &[LIST])?;
    wait::until("an answer", PATIENCE, || {
        ping(&router, INSIDE, FAR, 1).is_ok_and(|answered| answered == 1)
    })?;
    ensure!(swan.sas()?.contains("IKEv2"), "{}", swan.sas()?);
    swan.control(&["--terminate", "--ike", "net"])?;
    swan.initiate("net")?;
    ping_all(&peer, FAR, INSIDE, 5)?;
    ping_all(&router, INSIDE, FAR, 5)
}

/// A server of Easy VPN as routers have it.
const EASY_VPN: &str = "\
aaa new-model
aaa authentication login USERS local
aaa authorization network GROUPS local
username joe secret 0 hunter2
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
crypto isakmp client configuration group STAFF
 key groupkey
 dns 172.16.1.53
 domain example.org
 pool VPN
 acl SPLIT
 banner ^C Welcome. ^C
crypto ipsec transform-set STRONG esp-aes 256 esp-sha256-hmac
 mode tunnel
crypto dynamic-map DYN 10
 set transform-set STRONG
 reverse-route
crypto map CM client authentication list USERS
crypto map CM isakmp authorization list GROUPS
crypto map CM client configuration address respond
crypto map CM 65535 ipsec-isakmp dynamic DYN
interface GigabitEthernet0/0
 ip address 10.1.32.14 255.255.0.0
 crypto map CM
ip local pool VPN 172.16.9.10 172.16.9.99
ip access-list extended SPLIT
 permit ip 172.16.1.0 0.0.0.255 any
";

/// A client of the group, with its user. As clients of the time do, it offers more than one proposal:
/// the answer, which may not be longer than the question, has room for NAT traversal then.
const CLIENT: &str = "\
connections {
  net {
    version = 1
    aggressive = yes
    local_addrs = 10.2.80.209
    remote_addrs = 10.1.32.14
    proposals = aes256-sha256-modp2048, aes256-sha1-modp2048, aes128-sha256-modp2048, aes128-sha1-modp2048
    vips = 0.0.0.0
    local {
      auth = psk
      id = keyid:STAFF
    }
    local-xauth {
      auth = xauth
      xauth_id = joe
    }
    remote {
      auth = psk
      id = 10.1.32.14
    }
    children {
      net {
        esp_proposals = aes256-sha256
        remote_ts = 172.16.1.0/24
      }
    }
  }
}
secrets {
  ike-group {
    secret = groupkey
  }
  xauth-joe {
    id = joe
    secret = hunter2
  }
}
";

#[test]
fn a_client_of_easy_vpn_gets_its_address() -> Result<()> {
    let router = router()?;
    let client = wire(&router, "outer", ROUTER, PEER)?;
    let headend = Palisade::start_imported(&router, &[("router.cfg", EASY_VPN)], &[])?;
    let swan = StrongSwan::start_with(&client, Settings::default(), CLIENT)?;
    swan.initiate("net")?;
    let address = "172.16.9.10";
    let listing = client.ip("-o addr show")?;
    ensure!(listing.contains(address), "{listing}");
    ping_all(&client, address, INSIDE, 5)?;
    ping_all(&router, INSIDE, address, 5)?;
    let peers = headend.query(&["peers"])?.to_string();
    ensure!(
        peers.contains("STAFF") && peers.contains(address),
        "{peers}"
    );
    Ok(())
}
