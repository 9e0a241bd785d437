//! Sessions that an operator ends.

use std::net::IpAddr;
use std::time::Duration;

use dpd::{DpdPolicy, Mode};
use ike::CloseReason;
use ipsec::{FrontVrf, InnerVrf};
use shard::{Endpoint, EventKind, SessionFilter, SessionRow};

use crate::world::{CLIENT, End, HEADEND, Terms, World};

const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn at(address: &str, port: Option<u16>) -> Option<Endpoint> {
    Some(Endpoint {
        address: ip(address),
        port,
    })
}

fn clear(world: &mut World, filter: &SessionFilter, dry_run: bool) -> Vec<SessionRow> {
    let mut ended = Vec::new();
    let mut from = Some(0);
    while let Some(slot) = from {
        world.act(End::Headend, |shard, now, out| {
            let (rows, next) = shard.clear_sessions(filter, (slot, 1), dry_run, now, out);
            ended.extend(rows);
            from = next;
        });
    }
    ended
}

#[test]
fn a_cleared_session_is_gone_at_once_at_both_ends() {
    let mut world = World::connected(&Terms::default());
    let ended = clear(&mut world, &SessionFilter::default(), false);
    assert_eq!(ended.len(), 1);
    let row = &ended[0];
    assert_eq!((row.number, row.established, row.children), (1001, true, 1));
    let identity = row.peer.identity.as_ref().map(ToString::to_string);
    assert_eq!(identity.as_deref(), Some("joe@example.org"));
    for (end, reason) in [
        (End::Headend, CloseReason::Deleted),
        (End::Client, CloseReason::PeerDeleted),
    ] {
        let side = world.side(end);
        let counters = side.counters();
        assert_eq!((counters.ike_sas, counters.children), (0, 0), "{end:?}");
        let closed = |kind: &EventKind| matches!(kind, EventKind::Closed { reason: why, .. } if *why == reason);
        assert!(side.has(closed), "{end:?}");
    }
    assert_eq!(world.headend.shared(), (0, 0), "lease and routes are back");
}

#[test]
fn a_peer_that_does_not_answer_is_cleared_like_any_other() {
    let mut world = World::connected(&Terms::default());
    world.dead = Some(End::Client);
    assert_eq!(clear(&mut world, &SessionFilter::default(), false).len(), 1);
    let counters = world.headend.counters();
    assert_eq!((counters.ike_sas, counters.timers), (0, 0));
    let sent = world.ike_sent[End::Headend as usize];
    world.pass(SECOND * 120);
    assert_eq!(
        world.ike_sent[End::Headend as usize],
        sent,
        "the DELETE is not repeated"
    );
}

#[test]
fn only_what_matches_in_everything_is_meant() {
    let mut world = World::connected(&Terms {
        headend_dpd: DpdPolicy {
            mode: Mode::OnDemand,
            ..DpdPolicy::default()
        },
        ..Terms::default()
    });
    let joe = "joe@example.org".parse().ok();
    let right = SessionFilter {
        local: at(HEADEND, Some(500)),
        remote: at(CLIENT, None),
        fvrf: Some(FrontVrf::GLOBAL),
        ivrf: Some(InnerVrf::GLOBAL),
        identity: joe,
    };
    for wrong in [
        SessionFilter {
            local: at(HEADEND, Some(4500)),
            ..right.clone()
        },
        SessionFilter {
            local: at(CLIENT, None),
            ..right.clone()
        },
        SessionFilter {
            remote: at(CLIENT, Some(501)),
            ..right.clone()
        },
        SessionFilter {
            remote: at(HEADEND, None),
            ..right.clone()
        },
        SessionFilter {
            fvrf: Some(FrontVrf(1)),
            ..right.clone()
        },
        SessionFilter {
            ivrf: Some(InnerVrf(1)),
            ..right.clone()
        },
        SessionFilter {
            identity: "jane@example.org".parse().ok(),
            ..right.clone()
        },
    ] {
        assert!(clear(&mut world, &wrong, false).is_empty(), "{wrong:?}");
        assert_eq!(world.headend.counters().ike_sas, 1, "{wrong:?}");
    }
    assert_eq!(clear(&mut world, &right, true).len(), 1);
    assert_eq!(
        world.headend.counters().ike_sas,
        1,
        "a dry run ends nothing"
    );
    assert_eq!(clear(&mut world, &right, false).len(), 1);
    assert_eq!(world.headend.counters().ike_sas, 0);
}
