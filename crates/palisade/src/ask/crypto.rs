use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use control::Client;
use control::view::{PeerPage, PeerView, SaPage, SaView, Status};
use serde_json::json;

use super::show;
use crate::cli::{ShowArgs, ShowCrypto, ShowSa};
use crate::ios::show::{Tunnel, ikev2_sa, ipsec_sa, isakmp_sa, session};

/// `palisade show crypto …`.
pub(crate) fn show_crypto(what: &ShowCrypto) -> Result<ExitCode> {
    let args = match what {
        ShowCrypto::Isakmp(ShowSa::Sa(args))
        | ShowCrypto::Ikev2(ShowSa::Sa(args))
        | ShowCrypto::Ipsec(ShowSa::Sa(args))
        | ShowCrypto::Session(args) => args,
    };
    let client = super::client(&args.ask)?;
    let peers = peers(&client, args)?;
    let children = match what {
        ShowCrypto::Isakmp(_) | ShowCrypto::Ikev2(_) => Vec::new(),
        ShowCrypto::Ipsec(_) | ShowCrypto::Session(_) => children(&client, args)?,
    };
    if args.ask.json {
        show::json(&json!({ "peers": peers, "sas": children }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let detail = args.detail.is_some();
    let text = match what {
        ShowCrypto::Isakmp(_) => isakmp_sa(&peers, detail),
        ShowCrypto::Ikev2(_) => ikev2_sa(&peers, detail, now()),
        ShowCrypto::Ipsec(_) => {
            let tunnels = tunnels(&peers, &children);
            ipsec_sa(&tunnels, &interface(&client)?, detail)
        }
        ShowCrypto::Session(_) => {
            let tunnels = tunnels(&peers, &children);
            session(&tunnels, &interface(&client)?, detail, now())
        }
    };
    show::write(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn wanted(args: &ShowArgs) -> super::Wanted<'_> {
    super::Wanted {
        connection: args.connection.as_deref(),
        ..super::Wanted::default()
    }
}

fn peers(client: &Client, args: &ShowArgs) -> Result<Vec<PeerView>> {
    let open = |page: PeerPage| (page.peers, page.next);
    super::collect(client, "peers", wanted(args), open)
}

fn children(client: &Client, args: &ShowArgs) -> Result<Vec<SaView>> {
    let open = |page: SaPage| (page.sas, page.next);
    super::collect(client, "sas", wanted(args), open)
}

/// Each IKE SA with what stands under it. What has just come or gone between the two lists is left
/// out.
fn tunnels<'v>(peers: &'v [PeerView], children: &'v [SaView]) -> Vec<Tunnel<'v>> {
    let mut of_peer: HashMap<&str, Vec<&SaView>> = HashMap::new();
    for child in children {
        of_peer.entry(&child.peer).or_default().push(child);
    }
    peers
        .iter()
        .map(|peer| Tunnel {
            peer,
            children: of_peer.remove(peer.id.as_str()).unwrap_or_default(),
        })
        .collect()
}

/// The name of the inner device, which stands for the interface of a router.
fn interface(client: &Client) -> Result<String> {
    let status: Status = client.get("/v1/status")?;
    let name = status.inner.split(' ').next();
    Ok(name.unwrap_or_default().to_owned())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
