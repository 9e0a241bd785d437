//! The index of connections against the search through all of them.

use core::net::IpAddr;
use std::sync::Arc;

use ipsec::{
    ConnectionPolicy, Connections, EncryptionAlgorithm, FrontVrf, Identity, IkeProposal,
    IkeVersion, Versions,
};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::policy::connection;

const PATTERNS: &[&str] = &[
    "%any",
    "a.example.org",
    "A.Example.org",
    "b.example.org",
    "*.example.org",
    "*.ORG",
    "a.*",
    "a*e*.org",
    "*a*",
    "joe@example.org",
    "*@example.org",
    "keyid:abc",
    "keyid:a*",
    "keyid:*",
    "10.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/31",
    "2001:db8::/32",
    "2001:db8::1",
    "C=CH, O=Example, CN=a",
    "C=CH, O=Example, CN=*",
    "C=CH, O=*, CN=a",
    "C=CH, O=ex*, CN=a*",
];

const IDENTITIES: &[&str] = &[
    "a.example.org",
    "b.EXAMPLE.org",
    "a.org",
    "other.net",
    "joe@example.org",
    "keyid:abc",
    "keyid:b",
    "10.0.0.1",
    "10.9.0.1",
    "2001:db8::1",
    "C=CH, O=Example, CN=a",
    "C=CH, O=EXAMPLE, CN=b",
];

const RANGES: &[(&str, &str)] = &[
    ("192.0.2.1", "192.0.2.1"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.0.2.1", "192.0.2.6"),
    ("0.0.0.0", "255.255.255.255"),
    ("2001:db8::", "2001:db8::ffff"),
];

const REMOTES: &[&str] = &["192.0.2.1", "192.0.2.5", "198.51.100.1", "2001:db8::7"];
const LOCALS: &[&str] = &["203.0.113.1", "203.0.113.2"];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn one() -> impl Strategy<Value = ConnectionPolicy> {
    let versions = select(vec![Versions::V1, Versions::V2, Versions::ANY]);
    let own = proptest::option::of(select(vec!["gw.example.org", "hq.example.org"]));
    let sources = subsequence(RANGES, 0..=2);
    let locals = subsequence(LOCALS, 0..=1);
    let cipher = select(vec![
        EncryptionAlgorithm::Aes128Gcm16,
        EncryptionAlgorithm::Aes256Gcm16,
    ]);
    let kind = (versions, 0_u16..2, any::<bool>(), cipher);
    (select(PATTERNS), own, sources, locals, kind).prop_map(
        |(remote_id, own, sources, locals, (versions, fvrf, aggressive, cipher))| {
            let mut one = connection("", remote_id);
            one.local_id = own.map(|own| own.parse().unwrap());
            let sources = sources.into_iter();
            one.remote_sources = sources.map(|(a, b)| (ip(a), ip(b))).collect();
            one.local_addrs = locals.into_iter().map(ip).collect();
            one.versions = versions;
            one.fvrf = FrontVrf(fvrf);
            one.v1.aggressive = aggressive;
            one.proposals = vec![IkeProposal {
                encryption: vec![cipher],
                integrity: Vec::new(),
                prf: Vec::new(),
                key_exchange: Vec::new(),
            }];
            one
        },
    )
}

/// What a peer says and where it stands.
#[derive(Clone, Debug)]
struct Stranger {
    version: IkeVersion,
    fvrf: FrontVrf,
    local: IpAddr,
    remote: IpAddr,
    asked_for: Option<Identity>,
    peer: Identity,
}

fn stranger() -> impl Strategy<Value = Stranger> {
    let asked_for = proptest::option::of(select(vec!["GW.example.org", "x.example.org"]));
    let version = select(vec![IkeVersion::V1, IkeVersion::V2]);
    let place = (0_u16..2, select(LOCALS), select(REMOTES));
    (version, place, asked_for, select(IDENTITIES)).prop_map(
        |(version, (fvrf, local, remote), asked_for, peer)| Stranger {
            version,
            fvrf: FrontVrf(fvrf),
            local: ip(local),
            remote: ip(remote),
            asked_for: asked_for.map(|text| text.parse().unwrap()),
            peer: peer.parse().unwrap(),
        },
    )
}

/// All connections that are open to the stranger, by a search through all.
fn open<'c>(
    list: &'c [Arc<ConnectionPolicy>],
    who: &Stranger,
) -> impl Iterator<Item = &'c Arc<ConnectionPolicy>> {
    let who = who.clone();
    list.iter().filter(move |one| {
        one.versions.allow(who.version)
            && one.fvrf == who.fvrf
            && one.accepts(who.local, who.remote)
    })
}

/// The connection of the stranger, by a search through all.
fn search<'c>(
    list: &'c [Arc<ConnectionPolicy>],
    who: &Stranger,
) -> Option<&'c Arc<ConnectionPolicy>> {
    let mut best = None;
    for one in open(list, who) {
        let reached = match (&who.asked_for, &one.local_id) {
            (Some(asked), Some(own)) => asked.same(own),
            _ => true,
        };
        let rank = one.remote_id.specificity(&who.peer);
        if let (true, Some(rank)) = (reached, rank)
            && best.is_none_or(|(top, _)| rank > top)
        {
            best = Some((rank, one));
        }
    }
    best.map(|(_, one)| one)
}

proptest! {
    #[test]
    fn the_index_finds_what_a_search_finds(
        policies in proptest::collection::vec(one(), 0..24),
        strangers in proptest::collection::vec(stranger(), 12),
    ) {
        let named = policies.into_iter().enumerate().map(|(number, mut one)| {
            one.name = format!("c{number}").into();
            Arc::new(one)
        });
        let connections: Connections = named.collect();
        for who in &strangers {
            let ends = (who.local, who.remote);
            let (asked_for, peer) = (who.asked_for.as_ref(), &who.peer);
            let found = connections.of_peer(who.version, who.fvrf, ends, asked_for, peer);
            let wanted = search(&connections, who);
            prop_assert_eq!(found.map(|one| &one.name), wanted.map(|one| &one.name), "{:?}", who);

            let found: Vec<_> = connections
                .between(who.version, who.fvrf, who.local, who.remote)
                .map(|one| connections.number_of(&one.name).unwrap())
                .collect();
            prop_assert!(found.is_sorted(), "{found:?}");
            // Whatever is asked of what a stranger can tell apart, the first that has it is there.
            for aggressive in [false, true] {
                for cipher in [EncryptionAlgorithm::Aes128Gcm16, EncryptionAlgorithm::Aes256Gcm16] {
                    let has = |one: &&Arc<ConnectionPolicy>| {
                        one.v1.aggressive == aggressive && one.proposals[0].encryption == [cipher]
                    };
                    let first = open(&connections, who).find(has);
                    let mut numbered = found.iter().filter_map(|n| connections.numbered(*n));
                    let indexed = numbered.find(has);
                    prop_assert_eq!(indexed.map(|one| &one.name), first.map(|one| &one.name));
                }
            }
        }
    }
}

#[test]
fn a_stranger_sees_one_of_many_that_are_alike() {
    let many = (0..1_000).map(|number| {
        let name = format!("c{number}");
        Arc::new(connection(&name, &format!("{name}.example.org")))
    });
    let connections: Connections = many.collect();
    let ends = (ip("203.0.113.1"), ip("192.0.2.1"));
    let v2 = IkeVersion::V2;
    let open = connections.between(v2, FrontVrf::GLOBAL, ends.0, ends.1);
    assert_eq!(open.count(), 1);
    let peer = "c777.example.org".parse().unwrap();
    let found = connections.of_peer(v2, FrontVrf::GLOBAL, ends, None, &peer);
    assert_eq!(found.map(|one| &*one.name), Some("c777"));
    assert_eq!(connections.number_of("c777"), Some(777));
}
