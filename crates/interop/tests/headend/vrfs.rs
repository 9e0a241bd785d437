//! Two customers who use the same addresses, inside and outside, at the same time.

use std::time::Duration;

use anyhow::{Result, ensure};
use interop::network::{Namespace, link};
use interop::palisade::Palisade;
use interop::strongswan::{Settings, StrongSwan};
use interop::traffic::{Flow, ping, ping_all};
use interop::tunnel::{End, Tunnel};

use crate::stage::{LEFT, RIGHT};

const INTERVAL: Duration = Duration::from_millis(2);

/// One customer: the site with its gateway, and the network behind the headend that is theirs.
struct Customer {
    site: Namespace,
    inside: Namespace,
}

impl Customer {
    /// A site whose gateway is 192.0.2.2, wired to `device` of `door`, which has 192.0.2.1.
    fn new(door: &Namespace, device: &str) -> Result<Self> {
        let site = Namespace::new("site")?;
        let inside = Namespace::new("inside")?;
        link(
            (door, device, &["192.0.2.1/24"]),
            (&site, "outer", &["192.0.2.2/24"]),
        )?;
        site.add_inner(&["10.1.0.1/32"])?;
        site.refuse_plain("outer")?;
        site.ip("route add default via 192.0.2.1")?;
        inside.add_inner(&["10.2.0.1/32"])?;
        Ok(Self { site, inside })
    }

    fn gateway(&self) -> Result<StrongSwan> {
        StrongSwan::start(&self.site, Settings::default(), &[tunnel()], "")
    }

    fn passes(&self) -> Result<()> {
        ping_all(&self.site, LEFT, RIGHT, 5)?;
        ping_all(&self.inside, RIGHT, LEFT, 5)
    }
}

/// The same for both: addresses, identities, networks.
fn tunnel() -> Tunnel {
    Tunnel::new(
        "net",
        End::new("192.0.2.2", "site.test", &["10.1.0.0/24"]),
        End::new("192.0.2.1", "headend.test", &["10.2.0.0/24"]),
    )
}

fn at_headend(name: &str, fvrf: &str, ivrf: &str) -> Tunnel {
    let tunnel = Tunnel {
        name: name.to_owned(),
        ..tunnel().mirrored()
    };
    tunnel
        .connection("fvrf", &format!("\"{fvrf}\""))
        .connection("ivrf", &format!("\"{ivrf}\""))
}

/// One instance is bound to a device, the other listens in a namespace; so do the inner devices.
fn same_addresses(engine: &str) -> Result<()> {
    let headend = Namespace::new("headend")?;
    let door = Namespace::new("door")?;
    let red = Customer::new(&headend, "red")?;
    let blue = Customer::new(&door, "blue")?;
    let sections = format!(
        "[headend]\nengine = \"{engine}\"\nlisten = \"0.0.0.0\"\ninner = \"none\"\n\
         [fvrf.red]\ndevice = \"red\"\nlisten = \"0.0.0.0\"\n\
         [fvrf.blue]\nnamespace = \"{}\"\nlisten = \"0.0.0.0\"\n\
         [ivrf.rose]\nnamespace = \"{}\"\n[ivrf.azure]\nnamespace = \"{}\"\nname = \"sky\"\n",
        door.name(),
        red.inside.name(),
        blue.inside.name(),
    );
    let tunnels = [
        at_headend("a", "red", "rose"),
        at_headend("b", "blue", "azure"),
    ];
    let palisade = Palisade::start(&headend, &tunnels, &sections)?;
    let gateways = [red.gateway()?, blue.gateway()?];
    for gateway in &gateways {
        gateway.initiate("net")?;
    }
    red.passes()?;
    blue.passes()?;
    let device = blue.inside.ip("link show sky")?;
    ensure!(device.contains("sky"), "{device}");

    // A datagram that reached the other customer would be missing here and double there.
    let flow = |from, to, port| Flow::start(from, to, port, INTERVAL);
    let mut flows = Vec::new();
    for customer in [&red, &blue] {
        let (site, inside) = ((&customer.site, LEFT), (&customer.inside, RIGHT));
        flows.push(flow(site, inside, 7_000)?);
        flows.push(flow(inside, site, 7_001)?);
    }
    std::thread::sleep(Duration::from_secs(2));
    for flow in flows {
        flow.finish()?.complete(200)?;
    }
    let drops = palisade.metric("palisade_esp_drops_total", "")?;
    ensure!(drops < 0.5, "{}", palisade.drops());

    let vrfs = |list: &str| -> Result<Vec<[String; 2]>> {
        let rows = palisade.query(&[list])?;
        let rows = rows.as_array().cloned().unwrap_or_default();
        let text = |row: &serde_json::Value, key: &str| {
            row.get(key)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let mut vrfs: Vec<_> = rows
            .iter()
            .map(|row| [text(row, "fvrf"), text(row, "ivrf")])
            .collect();
        vrfs.sort();
        Ok(vrfs)
    };
    let both = [["blue", "azure"], ["red", "rose"]].map(|pair| pair.map(str::to_owned));
    ensure!(vrfs("peers")? == both, "{:?}", vrfs("peers")?);
    ensure!(vrfs("sas")? == both, "{:?}", vrfs("sas")?);

    // What is ended in one VRF goes on in the other; and we can begin as well as answer.
    palisade.control(&["clear", "session", "--fvrf", "red"])?;
    ensure!(vrfs("peers")? == both[..1], "{:?}", vrfs("peers")?);
    blue.passes()?;
    ensure!(ping(&red.inside, RIGHT, LEFT, 1)? == 0);
    palisade.control(&["initiate", "--child", "a"])?;
    interop::wait::until("the tunnel to be back", Duration::from_secs(10), || {
        vrfs("sas").is_ok_and(|vrfs| vrfs == both)
    })?;
    red.passes()?;
    blue.passes()
}

#[test]
fn customers_with_the_same_addresses_see_only_their_own() -> Result<()> {
    same_addresses("epoll")
}

#[test]
fn customers_with_the_same_addresses_see_only_their_own_over_io_uring() -> Result<()> {
    same_addresses("io_uring")
}

/// The same address in the global instance and in one bound to a device, on one machine: each peer
/// keeps to its own sockets, in UDP and as IP protocol 50, which every raw socket sees.
#[test]
fn raw_esp_keeps_to_its_door() -> Result<()> {
    let headend = Namespace::new("headend")?;
    let red = Customer::new(&headend, "red")?;
    let sections = format!(
        "[headend]\nlisten = \"0.0.0.0\"\nraw_esp = true\ninner = \"none\"\nshards = 2\n\
         [fvrf.red]\ndevice = \"red\"\nlisten = \"0.0.0.0\"\n\
         [ivrf.rose]\nnamespace = \"{}\"\n",
        red.inside.name(),
    );
    let palisade = Palisade::start(&headend, &[at_headend("a", "red", "rose")], &sections)?;
    let other = Palisade::start(
        &red.site,
        &[tunnel()],
        "[headend]\nlisten = \"0.0.0.0\"\nraw_esp = true\n",
    )?;
    other.control(&["initiate", "--child", "net"])?;
    interop::wait::until("the tunnel", Duration::from_secs(10), || {
        palisade
            .metric("palisade_child_sas", "")
            .is_ok_and(|children| children > 0.5)
    })?;
    red.passes()?;
    let sas = palisade.query(&["sas"])?.to_string();
    ensure!(sas.contains("\"encapsulation\":\"esp\""), "{sas}");
    let (site, inside) = ((&red.site, LEFT), (&red.inside, RIGHT));
    let flow = Flow::start(site, inside, 7_000, INTERVAL)?;
    std::thread::sleep(Duration::from_secs(1));
    flow.finish()?.complete(100)?;
    let foreign = palisade.metric("palisade_esp_drops_total", "reason=\"foreign_vrf\"")?;
    let others = palisade.metric("palisade_esp_drops_total", "")? - foreign;
    ensure!(
        foreign > 50.0,
        "the global instance sees it, too: {foreign}"
    );
    ensure!(others < 0.5, "{}", palisade.drops());
    Ok(())
}

/// Main mode finds a secret by the address alone, and here the address is that of two customers.
#[test]
fn secrets_of_one_address_are_told_apart_by_vrf_over_ikev1() -> Result<()> {
    let headend = Namespace::new("headend")?;
    let door = Namespace::new("door")?;
    let red = Customer::new(&headend, "red")?;
    let blue = Customer::new(&door, "blue")?;
    let sections = format!(
        "[headend]\nlisten = \"0.0.0.0\"\ninner = \"none\"\n\
         [fvrf.red]\ndevice = \"red\"\nlisten = \"0.0.0.0\"\n\
         [fvrf.blue]\nnamespace = \"{}\"\nlisten = \"0.0.0.0\"\n\
         [ivrf.rose]\nnamespace = \"{}\"\n[ivrf.azure]\nnamespace = \"{}\"\n\
         [secrets.red]\nid = \"192.0.2.2\"\nfvrf = \"red\"\nsecret = \"nobody else's secret\"\n",
        door.name(),
        red.inside.name(),
        blue.inside.name(),
    );
    let tunnels = [
        at_headend("a", "red", "rose").over_ikev1(),
        at_headend("b", "blue", "azure").over_ikev1(),
    ];
    let _palisade = Palisade::start(&headend, &tunnels, &sections)?;
    let site = tunnel().over_ikev1();
    let start = |customer: &Customer| {
        let tunnels = core::slice::from_ref(&site);
        StrongSwan::start(&customer.site, Settings::default(), tunnels, "")
    };
    let mut stranger = start(&red)?;
    let wrong = stranger.initiate("net");
    ensure!(wrong.is_err(), "blue's secret opened red's door: {wrong:?}");
    stranger.kill()?;
    let gateways = [start(&red)?, start(&blue)?];
    let tunnels = core::slice::from_ref(&site);
    gateways[0].reload_with_secret(tunnels, "nobody else's secret")?;
    for gateway in &gateways {
        gateway.initiate("net")?;
    }
    red.passes()?;
    blue.passes()
}
