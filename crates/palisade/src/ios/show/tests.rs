//! The layouts against what they have to look like, letter by letter.

use control::trace::Stage;
use control::view::{DpdSettings, IkeTerms, PeerView, SaCounters, SaView};

use super::{Tunnel, ikev2_sa, ipsec_sa, isakmp_sa, session};

const NOW: u64 = 1_711_381_657_000_000_000;

fn branch() -> PeerView {
    PeerView {
        id: "0100000181e5c4e8".into(),
        number: 1001,
        version: 1,
        role: "initiator".into(),
        stage: Stage::Established,
        spis: ("0100000181e5c4e8".into(), "9f00000281ba4dd4".into()),
        fvrf: "global".into(),
        ivrf: "global".into(),
        ike: Some(IkeTerms {
            encryption: "aes128".into(),
            prf: "sha1".into(),
            group: 14,
            lifetime_s: Some(86_400.0),
            remaining_s: Some(85_801.0),
            ..IkeTerms::default()
        }),
        dpd_settings: Some(DpdSettings {
            mode: "periodic".into(),
            interval_s: 10.0,
            retry_s: 2.0,
            retries: 4,
        }),
        identity: "10.2.80.209".into(),
        connection: "branch".into(),
        state: "established".into(),
        local: "10.1.32.14:500".into(),
        remote: "10.2.80.209:500".into(),
        since_unix_ns: NOW - 599_000_000_000,
        ..PeerView::default()
    }
}

fn client() -> PeerView {
    PeerView {
        id: "01000002c0ffee00".into(),
        number: 1004,
        version: 2,
        role: "responder".into(),
        stage: Stage::Established,
        spis: ("f074d8bbd5a59f0b".into(), "01000002c0ffee00".into()),
        fvrf: "internet".into(),
        ivrf: "customer-a".into(),
        ike: Some(IkeTerms {
            encryption: "aes256gcm16".into(),
            prf: "sha384".into(),
            group: 20,
            fragments: true,
            ..IkeTerms::default()
        }),
        dpd_settings: Some(DpdSettings {
            mode: "on-demand".into(),
            interval_s: 30.0,
            retry_s: 3.0,
            retries: 4,
        }),
        identity: "joe@example.org".into(),
        local_identity: "gw.example.org".into(),
        connection: "clients".into(),
        state: "established".into(),
        local: "[2001:db8::1]:4500".into(),
        remote: "[2001:db8::7]:4500".into(),
        virtual_addresses: vec!["10.64.0.9".into()],
        nat: true,
        since_unix_ns: NOW - 180_000_000_000_000,
        ..PeerView::default()
    }
}

fn half_open() -> PeerView {
    PeerView {
        id: "0100000300000001".into(),
        number: 1006,
        version: 1,
        role: "responder".into(),
        stage: Stage::Main(4),
        fvrf: "global".into(),
        ivrf: "global".into(),
        state: "connecting".into(),
        local: "10.1.32.14:500".into(),
        remote: "198.51.100.77:500".into(),
        since_unix_ns: NOW - 1_000_000_000,
        ..PeerView::default()
    }
}

fn of_branch() -> SaView {
    SaView {
        peer: branch().id,
        child: "lan".into(),
        state: "installed".into(),
        spi_in: "658f7c11".into(),
        spi_out: "397c36ee".into(),
        proposal: "aes128-sha1".into(),
        encapsulation: "esp".into(),
        local_ts: vec!["20.20.20.0/24".into()],
        remote_ts: vec!["10.10.10.0/24".into()],
        pfs_group: Some(14),
        path_mtu: 1_500,
        mtu: 1_438,
        replay_window: 64,
        remaining_s: Some(2_949.5),
        remaining_bytes_in: Some(4_605_665 * 1_024),
        remaining_bytes_out: Some(4_605_600 * 1_024),
        inbound: SaCounters {
            packets: 4,
            replay: 1,
            integrity: 2,
            ..SaCounters::default()
        },
        outbound: SaCounters {
            packets: 5,
            too_big: 1,
            ..SaCounters::default()
        },
        ..SaView::default()
    }
}

fn of_client() -> SaView {
    SaView {
        peer: client().id,
        child: "net".into(),
        state: "installed".into(),
        spi_in: "0000a5cc".into(),
        spi_out: "c0ffee01".into(),
        proposal: "aes256gcm16".into(),
        encapsulation: "udp".into(),
        local_ts: vec!["0.0.0.0/0".into(), "192.0.2.1/32[tcp/443]".into()],
        remote_ts: vec!["10.64.0.9/32".into()],
        path_mtu: 1_500,
        mtu: 1_438,
        replay_window: 256,
        ..SaView::default()
    }
}

#[test]
fn show_crypto_isakmp_sa() {
    let closed = PeerView {
        stage: Stage::Closed,
        number: 1008,
        ..half_open()
    };
    let of_six = PeerView {
        local: "[2001:db8::1]:500".into(),
        remote: "[2001:db8::9]:500".into(),
        number: 1010,
        ..branch()
    };
    let peers = [branch(), client(), half_open(), closed, of_six];
    assert_eq!(
        isakmp_sa(&peers, false),
        include_str!("../golden/isakmp_sa.txt")
    );
    assert_eq!(
        isakmp_sa(&peers[..3], true),
        include_str!("../golden/isakmp_sa_detail.txt")
    );
}

#[test]
fn show_crypto_ikev2_sa() {
    let here = PeerView {
        local: "192.0.2.1:500".into(),
        remote: "198.51.100.7:500".into(),
        fvrf: "global".into(),
        ivrf: "global".into(),
        ike: Some(IkeTerms {
            encryption: "aes256".into(),
            integrity: "sha256".into(),
            prf: "sha256".into(),
            group: 19,
            lifetime_s: Some(86_400.0),
            ..IkeTerms::default()
        }),
        number: 1002,
        ..client()
    };
    let peers = [branch(), here, client()];
    assert_eq!(
        ikev2_sa(&peers, false, NOW),
        include_str!("../golden/ikev2_sa.txt")
    );
    assert_eq!(
        ikev2_sa(&peers[2..], true, NOW),
        include_str!("../golden/ikev2_sa_detailed.txt")
    );
}

#[test]
fn show_crypto_session() {
    let (branch, client, half_open) = (branch(), client(), half_open());
    let (of_branch, of_client) = (of_branch(), of_client());
    let tunnels = [
        Tunnel {
            peer: &branch,
            children: vec![&of_branch],
        },
        Tunnel {
            peer: &client,
            children: vec![&of_client],
        },
        Tunnel {
            peer: &half_open,
            children: vec![],
        },
    ];
    assert_eq!(
        session(&tunnels, "palisade0", false, NOW),
        include_str!("../golden/session.txt")
    );
    assert_eq!(
        session(&tunnels, "palisade0", true, NOW),
        include_str!("../golden/session_detail.txt")
    );
}

#[test]
fn show_crypto_ipsec_sa() {
    let (branch, client, half_open) = (branch(), client(), half_open());
    let (of_branch, of_client) = (of_branch(), of_client());
    let tunnels = [
        Tunnel {
            peer: &branch,
            children: vec![&of_branch],
        },
        Tunnel {
            peer: &half_open,
            children: vec![],
        },
        Tunnel {
            peer: &client,
            children: vec![&of_client],
        },
    ];
    assert_eq!(
        ipsec_sa(&tunnels, "palisade0", false),
        include_str!("../golden/ipsec_sa.txt")
    );
    assert_eq!(
        ipsec_sa(&tunnels[..1], "palisade0", true),
        include_str!("../golden/ipsec_sa_detail.txt")
    );
}
