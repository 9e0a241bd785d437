use core::net::IpAddr;

use ipsec::ChildPolicy;

use super::*;

fn ts(prefix: &str) -> TrafficSelector {
    let (address, length) = prefix.split_once('/').unwrap();
    TrafficSelector::from_prefix(address.parse().unwrap(), length.parse().unwrap()).unwrap()
}

fn all(prefixes: &[&str]) -> Box<[TrafficSelector]> {
    prefixes.iter().map(|prefix| ts(prefix)).collect()
}

fn selectors(local: &[&str], remote: &[&str]) -> Selectors {
    Selectors::new(&all(local), &all(remote))
}

fn wire(selectors: &[TrafficSelector]) -> Vec<WireSelector> {
    to_wire(selectors)
}

fn policy(local: &[&str], remote: &[&str]) -> ChildPolicy {
    ChildPolicy {
        name: "net".into(),
        local_ts: all(local).into(),
        remote_ts: all(remote).into(),
        proposals: vec![],
        rekey: ipsec::RekeyPolicy {
            time: None,
            bytes: None,
            packets: None,
            hard_time: None,
            jitter_percent: 0,
        },
        replay_window: 64,
        peer_replay_window: 0,
        df: ipsec::DfPolicy::Copy,
        copy_dscp: true,
        mss_clamp: None,
        start: ipsec::StartAction::None,
    }
}

#[test]
fn dynamic_selectors_stand_for_addresses() {
    let v4: IpAddr = "10.9.0.1".parse().unwrap();
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let ends = Ends {
        local: &[],
        remote: &[v4, v6],
    };
    assert_eq!(
        allowed(&policy(&[], &[]), ends),
        selectors(&["0.0.0.0/0", "::/0"], &["10.9.0.1/32", "2001:db8::1/128"])
    );
    let ends = Ends {
        local: &[v4],
        remote: &[v6],
    };
    assert_eq!(
        allowed(&policy(&[], &[]), ends),
        selectors(&["10.9.0.1/32"], &["2001:db8::1/128"])
    );
    assert_eq!(
        allowed(&policy(&["10.0.0.0/8"], &["10.9.0.0/16"]), ends),
        selectors(&["10.0.0.0/8"], &["10.9.0.0/16"])
    );
}

#[test]
fn a_road_warrior_is_narrowed_to_its_lease() {
    let ours = allowed(
        &policy(&["10.0.0.0/8"], &[]),
        Ends {
            local: &[],
            remote: &["10.9.0.1".parse().unwrap()],
        },
    );
    let any = wire(&[TrafficSelector::ANY_V4, TrafficSelector::ANY_V6]);
    let agreed = narrow_proposal(&any, &any, &ours).unwrap();
    assert_eq!(agreed, selectors(&["10.0.0.0/8"], &["10.9.0.1/32"]));
}

#[test]
fn nothing_in_common_is_unacceptable() {
    let ours = selectors(&["10.0.0.0/8"], &["192.168.0.0/16"]);
    let v4 = wire(&all(&["10.0.0.0/8"]));
    let other = wire(&all(&["172.16.0.0/12"]));
    assert!(narrow_proposal(&other, &v4, &ours).is_none());
    assert!(narrow_proposal(&wire(&all(&["192.168.1.0/24"])), &other, &ours).is_none());
    assert!(narrow_proposal(&wire(&all(&["::/0"])), &wire(&all(&["::/0"])), &ours).is_none());
    assert!(narrow_proposal(&[], &[], &ours).is_none());
}

#[test]
fn the_first_choice_survives_narrowing() {
    let ours = selectors(&["192.0.2.0/25"], &["198.51.100.0/24"]);
    let packet = |address: &str| TrafficSelector::host(address.parse().unwrap()).with_protocol(6);
    let tsi = wire(&[packet("198.51.100.43"), ts("198.51.0.0/16")]);
    let tsr = wire(&[packet("192.0.2.123"), ts("192.0.2.0/24")]);
    let agreed = narrow_proposal(&tsi, &tsr, &ours).unwrap();
    let first = Selectors::new(&[packet("192.0.2.123")], &[packet("198.51.100.43")]);
    assert!(covers(&agreed, &first));
    assert_eq!(agreed, selectors(&["192.0.2.0/25"], &["198.51.100.0/24"]));
}

#[test]
fn protocols_and_ports_narrow_too() {
    let web = ts("10.0.0.0/8").with_protocol(6).with_ports(443, 443);
    let ours = Selectors::new(&[web], &all(&["0.0.0.0/0"]));
    let any = wire(&all(&["0.0.0.0/0"]));
    let agreed = narrow_proposal(&any, &any, &ours).unwrap();
    assert_eq!(agreed.local(), [web]);
    let udp = wire(&[ts("0.0.0.0/0").with_protocol(17)]);
    assert!(narrow_proposal(&any, &udp, &ours).is_none());
}

#[test]
fn an_answer_must_stay_within_the_proposal() {
    let proposed = selectors(&["10.1.0.0/16"], &["10.2.0.0/16", "10.3.0.0/16"]);
    let accept =
        |tsi: &[&str], tsr: &[&str]| accept_answer(&wire(&all(tsi)), &wire(&all(tsr)), &proposed);
    assert_eq!(
        accept(&["10.1.2.0/24"], &["10.3.0.0/16"]),
        Some(selectors(&["10.1.2.0/24"], &["10.3.0.0/16"]))
    );
    assert!(accept(&["10.0.0.0/8"], &["10.3.0.0/16"]).is_none());
    assert!(accept(&["10.1.0.0/16"], &["10.3.0.0/16", "10.4.0.0/16"]).is_none());
    assert!(accept(&["10.1.0.0/16"], &[]).is_none());
    assert!(accept(&[], &["10.3.0.0/16"]).is_none());
}

#[test]
fn empty_ranges_select_nothing() {
    let backwards = WireSelector {
        protocol: 0,
        start_port: 0,
        end_port: u16::MAX,
        start: "10.0.0.9".parse().unwrap(),
        end: "10.0.0.1".parse().unwrap(),
    };
    let any = selectors(&["0.0.0.0/0"], &["0.0.0.0/0"]);
    assert!(narrow_proposal(&[backwards], &[backwards], &any).is_none());
    assert!(accept_answer(&[backwards], &[backwards], &any).is_none());
}

#[test]
fn the_number_of_selectors_is_bounded() {
    let many: Vec<_> = (0..=255_u8)
        .map(|i| TrafficSelector::host([10, 0, 0, i].into()))
        .collect();
    let ours = Selectors::new(&many, &many);
    let any = wire(&all(&["0.0.0.0/0"]));
    let agreed = narrow_proposal(&any, &any, &ours).unwrap();
    assert_eq!(agreed.local().len(), SELECTORS_MAX);
    assert_eq!(to_wire(ours.local()).len(), SELECTORS_MAX);
}
