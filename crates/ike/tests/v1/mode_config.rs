//! Configuration of a client's address (draft-dukes-ike-mode-cfg-02), pulled and pushed.

use std::net::IpAddr;
use std::time::Duration;

use ike::CloseReason;
use ipsec::{ConnectionPolicy, ModeConfig};

use crate::end::Event;
use crate::incidents::with_every_incident;
use crate::policy::{left_connection, right_connection, snapshot};
use crate::quick_mode::assert_one_pair;
use crate::world::{Side, World};
use crate::xauth;

const ADDRESS: &str = "10.99.0.7";

fn configure(mode: ModeConfig) -> impl Fn(Side, &mut ConnectionPolicy) {
    move |side, connection| {
        connection.v1.mode_config = mode;
        let child = &mut connection.children[0];
        match side {
            Side::Left => {
                connection.request_virtual = (true, false);
                child.local_ts = vec![];
                child.remote_ts = vec!["10.2.0.0/16".parse().expect("a selector")];
            }
            Side::Right => {
                connection.pools = vec!["road".into()];
                connection.v1.split_include = vec![("10.2.0.0".parse().expect("an address"), 16)];
                connection.v1.banner = Some("Welcome".into());
                connection.v1.default_domain = Some("example.org".into());
                child.local_ts = vec!["10.2.0.0/16".parse().expect("a selector")];
                child.remote_ts = vec![];
            }
        }
    }
}

fn address() -> IpAddr {
    ADDRESS.parse().expect("an address")
}

pub(crate) fn world(mode: ModeConfig) -> World {
    let change = configure(mode);
    let (mut left, mut right) = (left_connection(), right_connection());
    change(Side::Left, &mut left);
    change(Side::Right, &mut right);
    let mut world = World::with(snapshot(left), snapshot(right));
    world.right.owner.free_addresses = vec![address()];
    world
}

fn assert_configured(world: &World) {
    assert_one_pair(world);
    let client = &world.left.established[0];
    assert_eq!(client.addresses, [address()]);
    let dns: IpAddr = "10.9.9.9".parse().expect("an address");
    assert_eq!(client.dns, [dns]);
    let server = &world.right.established[0];
    assert_eq!(server.leases[0].address, address());
    let child = world.right.children.values().next().expect("one");
    assert_eq!(child.selectors.remote()[0].start, address());
    assert!(child.selectors.remote()[0].is_host());
}

#[test]
fn a_client_pulls_its_address_whatever_happens_to_a_message() {
    with_every_incident(
        || world(ModeConfig::Pull),
        World::begin,
        |world, _| assert_configured(world),
    );
}

#[test]
fn a_server_pushes_an_address_whatever_happens_to_a_message() {
    with_every_incident(
        || world(ModeConfig::Push),
        World::begin,
        |world, _| assert_configured(world),
    );
}

#[test]
fn a_user_is_named_first_and_then_configured() {
    for mode in [ModeConfig::Pull, ModeConfig::Push] {
        with_every_incident(
            || {
                let mut world = xauth::world("hunter2", configure(mode));
                world.right.owner.free_addresses = vec![address()];
                world
            },
            World::begin,
            |world, _| assert_configured(world),
        );
    }
}

#[test]
fn ends_that_expect_different_ways_still_agree_where_one_begins() {
    let mut world = {
        let (pull, push) = (configure(ModeConfig::Pull), configure(ModeConfig::Push));
        let (mut left, mut right) = (left_connection(), right_connection());
        pull(Side::Left, &mut left);
        push(Side::Right, &mut right);
        World::with(snapshot(left), snapshot(right))
    };
    world.right.owner.free_addresses = vec![address()];
    world.initiate();
    world.pass(Duration::from_secs(10));
    assert_configured(&world);
}

#[test]
fn an_address_goes_back_with_the_ike_sa() {
    let mut world = world(ModeConfig::Pull).establish();
    assert!(world.right.owner.leases.contains_key(&address()));
    let now = world.now;
    world.left.command(now, |sa, ctx, actions| {
        sa.delete_ike(CloseReason::Deleted, ctx, actions);
    });
    world.settle();
    assert!(world.right.owner.leases.is_empty());
    assert_eq!(world.right.owner.free_addresses, [address()]);
}

#[test]
fn without_an_address_there_is_nothing() {
    for mode in [ModeConfig::Pull, ModeConfig::Push] {
        let mut world = world(mode);
        world.right.owner.free_addresses.clear();
        world.initiate();
        world.pass(Duration::from_secs(200));
        assert!(world.left.children.is_empty() && world.right.children.is_empty());
        assert!(world.left.sas.is_empty(), "{:?}", world.left.events);
        assert!(world.right.sas.is_empty(), "{:?}", world.right.events);
        world.left.assert_accounts_balance();
        world.right.assert_accounts_balance();
    }
}

#[test]
fn a_client_that_names_everything_gets_what_the_policy_allows() {
    let mut world = world(ModeConfig::Pull);
    crate::policy::change(&mut world.left.policy, |connection| {
        let everything = "0.0.0.0/0".parse().expect("a selector");
        connection.children[0].remote_ts = vec![everything];
    });
    world.initiate();
    world.settle();
    let server = world.right.children.values().next().expect("one");
    assert_eq!(server.selectors.local()[0].to_string(), "10.2.0.0/16");
    assert!(!world.left.has(&Event::Closed(CloseReason::PeerMisbehaved)));
}
