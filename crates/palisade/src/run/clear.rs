//! Sessions that an operator ends.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use config::VrfSettings;
use control::Refusal;
use control::view::{ClearRequest, SessionView};
use shard::{Endpoint, SessionFilter, SessionRow};

use super::verdict;

/// Sessions that one page ends at most: what a worker does between two looks at its sockets.
pub(super) const PAGE: usize = 64;
/// Sessions that are ended in a second at most. Their peers may come back at once.
const PER_SECOND_MAX: u32 = 5_000;

/// What the shards are asked to end.
pub(super) fn filter(request: &ClearRequest, vrfs: &VrfSettings) -> Result<SessionFilter, Refusal> {
    if request.is_about_all() != request.all {
        let text = "say which sessions are meant, or that all are, but not both";
        return Err(Refusal::Invalid(text.to_owned()));
    }
    let missing =
        |kind: &str, name: &str| Refusal::NotFound(format!("there is no {kind} VRF `{name}`"));
    Ok(SessionFilter {
        local: request.local.as_deref().map(endpoint).transpose()?,
        remote: request.remote.as_deref().map(endpoint).transpose()?,
        fvrf: (request.fvrf.as_deref())
            .map(|name| {
                vrfs.front_named(name)
                    .ok_or_else(|| missing("front-door", name))
            })
            .transpose()?,
        ivrf: (request.ivrf.as_deref())
            .map(|name| vrfs.inner_named(name).ok_or_else(|| missing("inner", name)))
            .transpose()?,
        identity: request
            .id
            .as_deref()
            .map(|id| {
                let wrong = |_| Refusal::Invalid(format!("`{id}` is no identity"));
                id.parse().map_err(wrong)
            })
            .transpose()?,
    })
}

fn endpoint(text: &str) -> Result<Endpoint, Refusal> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Endpoint {
            address,
            port: None,
        });
    }
    let both = text.parse::<SocketAddr>().map_err(|_| {
        Refusal::Invalid(format!(
            "`{text}` is no address: write 192.0.2.1, 192.0.2.1:4500, 2001:db8::1 or [2001:db8::1]:4500"
        ))
    })?;
    Ok(Endpoint {
        address: both.ip(),
        port: Some(both.port()),
    })
}

/// Waits for as long as so many sessions are worth.
pub(super) fn pace(ended: usize) {
    let ended = u32::try_from(ended).unwrap_or(u32::MAX);
    let worth = Duration::from_secs(1).saturating_mul(ended) / PER_SECOND_MAX;
    std::thread::sleep(worth.min(Duration::from_secs(1)));
}

/// A session as the control interface tells it.
pub(super) fn view(row: &SessionRow, vrfs: &VrfSettings) -> SessionView {
    let peer = &row.peer;
    SessionView {
        peer: peer.spi.to_string(),
        number: row.number,
        identity: verdict::identity_of(peer),
        connection: peer.connection.to_string(),
        local: peer.local.to_string(),
        remote: peer.remote.to_string(),
        fvrf: vrfs.front_name(peer.fvrf).to_owned(),
        ivrf: vrfs.inner_name(peer.ivrf).to_owned(),
        child_sas: u32::try_from(row.children).unwrap_or(u32::MAX),
        told: row.established,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipsec::{FrontVrf, InnerVrf};

    fn request() -> ClearRequest {
        ClearRequest::default()
    }

    #[test]
    fn either_some_or_all_are_meant() {
        assert!(matches!(
            filter(&request(), &VrfSettings::default()),
            Err(Refusal::Invalid(_))
        ));
        let all = ClearRequest {
            all: true,
            ..request()
        };
        assert_eq!(
            filter(&all, &VrfSettings::default()),
            Ok(SessionFilter::default())
        );
        let both = ClearRequest {
            id: Some("joe@example.org".into()),
            ..all
        };
        assert!(matches!(
            filter(&both, &VrfSettings::default()),
            Err(Refusal::Invalid(_))
        ));
    }

    #[test]
    fn every_part_of_a_filter_is_understood_or_refused() {
        let wanted = ClearRequest {
            local: Some("192.0.2.1".into()),
            remote: Some("[2001:db8::7]:4500".into()),
            fvrf: Some("global".into()),
            ivrf: Some("global".into()),
            id: Some("joe@example.org".into()),
            ..request()
        };
        let understood = filter(&wanted, &VrfSettings::default()).expect("understood");
        assert_eq!(
            understood.local,
            Some(Endpoint {
                address: "192.0.2.1".parse().expect("an address"),
                port: None
            })
        );
        assert_eq!(understood.remote.and_then(|remote| remote.port), Some(4500));
        assert_eq!(understood.fvrf, Some(FrontVrf::GLOBAL));
        assert_eq!(understood.ivrf, Some(InnerVrf::GLOBAL));
        assert!(understood.identity.is_some());
        for (wrong, missing) in [
            (
                ClearRequest {
                    remote: Some("192.0.2".into()),
                    ..request()
                },
                false,
            ),
            (
                ClearRequest {
                    fvrf: Some("nowhere".into()),
                    ..request()
                },
                true,
            ),
            (
                ClearRequest {
                    ivrf: Some("nowhere".into()),
                    ..request()
                },
                true,
            ),
        ] {
            match filter(&wrong, &VrfSettings::default()) {
                Err(Refusal::NotFound(_)) if missing => {}
                Err(Refusal::Invalid(_)) if !missing => {}
                other => panic!("{wrong:?}: {other:?}"),
            }
        }
    }
}
