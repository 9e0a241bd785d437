//! The proposal of phase 1 (RFC 2409 §5, appendix A): one proposal whose transforms are alternatives.

use core::time::Duration;

use crypto::KeyExchangeMethod;
use ipsec::{
    ConnectionPolicy, Identity, IkeProposal, PolicySnapshot, PreSharedKey, RekeyPolicy, Xauth,
};
use wire::ikev1::numbers::phase1::{KEY_IKE, attribute, life_type};
use wire::ikev1::numbers::protocol;
use wire::ikev1::{Attribute, Proposal, Sa, Transform};

use super::algorithm::{
    cipher_number, cipher_of, group_number, group_of, hash_number, hash_of, method_number,
    method_of,
};

use super::suite::{AuthMethod, Suite};
use crate::{Path, Role};

/// Most transforms that we offer.
const OFFERED_MAX: usize = 64;
/// Lifetimes in seconds beyond this mean the same: centuries.
const LIFETIME_MAX: u64 = 0xffff_ffff;
/// The lifetime that we offer when the connection sets none: a day, as others do.
const LIFETIME_DEFAULT: Duration = Duration::from_secs(86_400);

/// What a transform offers, in our terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    pub(super) suite: Suite,
    /// How long the IKE SA may live at most.
    pub(super) lifetime: Option<Duration>,
}

/// A transform on which both ends agree.
pub(super) struct Chosen<'p, 'a> {
    pub(super) terms: Terms,
    proposal: &'p Proposal<'a>,
    transform: &'p Transform<'a>,
}

impl<'a> Chosen<'_, 'a> {
    /// The responder's answer: the transform exactly as it came (RFC 2409 §5).
    pub(super) fn answer(&self) -> Sa<'a> {
        Sa::new(vec![Proposal {
            number: self.proposal.number,
            protocol: protocol::ISAKMP,
            // What an initiator writes there means nothing (RFC 2408 §2.4).
            spi: self.proposal.spi,
            transforms: vec![self.transform.clone()],
        }])
    }
}

/// The authentication method that a connection wants in a role of ours.
pub(super) fn method(connection: &ConnectionPolicy, role: Role) -> AuthMethod {
    match (&connection.v1.xauth, role) {
        (None, _) => AuthMethod::PreSharedKey,
        // The client is who has to name a user.
        (Some(Xauth::Client { .. }), Role::Initiator) | (Some(Xauth::Server), Role::Responder) => {
            AuthMethod::XauthInitiator
        }
        (Some(Xauth::Client { .. }), Role::Responder) | (Some(Xauth::Server), Role::Initiator) => {
            AuthMethod::XauthResponder
        }
    }
}

/// The suites that a connection allows, the preferred first.
pub(super) fn suites(
    proposals: &[IkeProposal],
    method: AuthMethod,
) -> impl Iterator<Item = Suite> + '_ {
    proposals
        .iter()
        .flat_map(move |proposal| {
            proposal.key_exchange.iter().flat_map(move |key_exchange| {
                proposal.encryption.iter().flat_map(move |encryption| {
                    proposal.prf.iter().map(move |hash| Suite {
                        encryption: *encryption,
                        hash: *hash,
                        key_exchange: *key_exchange,
                        method,
                    })
                })
            })
        })
        .filter(|suite| {
            cipher_number(suite.encryption).is_some() && group_number(suite.key_exchange).is_some()
        })
}

/// As responder, chooses among what `fits`: our order of preference decides, then the peer's.
pub(super) fn choose<'p, 'a>(
    connection: &ConnectionPolicy,
    offered: &'p Sa<'a>,
    fits: impl Fn(&Suite) -> bool,
) -> Option<Chosen<'p, 'a>> {
    let read: Vec<_> = offered
        .proposals
        .iter()
        .filter(|proposal| proposal.protocol == protocol::ISAKMP)
        .flat_map(|proposal| proposal.transforms.iter().map(move |one| (proposal, one)))
        .filter_map(|(proposal, transform)| Some((proposal, transform, read(transform)?)))
        .collect();
    let mut ours = suites(&connection.proposals, method(connection, Role::Responder)).filter(fits);
    ours.find_map(|suite| {
        let found = read.iter().find(|(_, _, terms)| terms.suite == suite);
        found.map(|(proposal, transform, terms)| Chosen {
            terms: *terms,
            proposal,
            transform,
        })
    })
}

/// As initiator, reads the answer: exactly one transform, which we offered. `only` is the group that
/// an aggressive mode is tied to.
pub(super) fn accept(
    connection: &ConnectionPolicy,
    only: Option<KeyExchangeMethod>,
    answer: &Sa<'_>,
) -> Option<Terms> {
    let [proposal] = answer.proposals.as_slice() else {
        return None;
    };
    let [transform] = proposal.transforms.as_slice() else {
        return None;
    };
    if proposal.protocol != protocol::ISAKMP {
        return None;
    }
    let terms = read(transform)?;
    let method = method(connection, Role::Initiator);
    let offered = suites(&connection.proposals, method)
        .filter(|suite| only.is_none_or(|group| group == suite.key_exchange))
        .take(OFFERED_MAX)
        .any(|suite| suite == terms.suite);
    offered.then_some(terms)
}

/// The transforms of an initiator's offer, ready to be written.
pub(super) struct Offer {
    suites: Vec<Suite>,
    lifetime: [u8; 4],
}

impl Offer {
    /// `only` ties the offer to one group, as aggressive mode must.
    pub(super) fn new(connection: &ConnectionPolicy, only: Option<KeyExchangeMethod>) -> Self {
        let seconds = lifetime(&connection.rekey).as_secs();
        let method = method(connection, Role::Initiator);
        Self {
            suites: suites(&connection.proposals, method)
                .filter(|suite| only.is_none_or(|group| group == suite.key_exchange))
                .take(OFFERED_MAX)
                .collect(),
            lifetime: u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes(),
        }
    }

    /// There is nothing to offer.
    pub(super) fn is_empty(&self) -> bool {
        self.suites.is_empty()
    }

    pub(super) fn sa(&self) -> Sa<'_> {
        let transforms = (1..=u8::MAX)
            .zip(&self.suites)
            .map(|(number, suite)| Transform {
                number,
                id: KEY_IKE,
                attributes: attributes(suite, &self.lifetime),
            });
        Sa::new(vec![Proposal {
            number: 1,
            protocol: protocol::ISAKMP,
            spi: &[],
            transforms: transforms.collect(),
        }])
    }
}

/// The group of the suite that we prefer: aggressive mode has to begin with its public value.
pub(super) fn preferred_group(connection: &ConnectionPolicy) -> Option<KeyExchangeMethod> {
    let method = method(connection, Role::Initiator);
    suites(&connection.proposals, method)
        .next()
        .map(|suite| suite.key_exchange)
}

/// The secret between two ends that have named themselves, as aggressive mode does: by their names
/// (ours, the peer's), or else by their addresses.
pub(super) fn secret(
    connection: &ConnectionPolicy,
    path: Path,
    names: (&Identity, &Identity),
    policy: &PolicySnapshot,
) -> Option<PreSharedKey> {
    let (local, remote) = (
        path.local.ip().to_canonical(),
        path.remote.ip().to_canonical(),
    );
    policy
        .secret_for(connection.fvrf, names.0, names.1)
        .or_else(|| policy.secret_by_address(connection, local, remote))
        .cloned()
}

/// How long an IKE SA of a connection lives.
pub(super) fn lifetime(rekey: &RekeyPolicy) -> Duration {
    rekey.hard_time.or(rekey.time).unwrap_or(LIFETIME_DEFAULT)
}

fn attributes<'a>(suite: &Suite, lifetime: &'a [u8; 4]) -> Vec<Attribute<'a>> {
    let mut attributes = Vec::with_capacity(7);
    if let Some((number, key_bits)) = cipher_number(suite.encryption) {
        attributes.push(Attribute::basic(attribute::ENCRYPTION, number));
        // RFC 2409 appendix A: never for a cipher whose key has one length.
        attributes.extend(key_bits.map(|bits| Attribute::basic(attribute::KEY_LENGTH, bits)));
    }
    let numbers = [
        (attribute::HASH, hash_number(suite.hash)),
        (attribute::AUTHENTICATION, method_number(suite.method)),
        (attribute::GROUP, group_number(suite.key_exchange)),
    ];
    for (kind, number) in numbers {
        attributes.extend(number.map(|number| Attribute::basic(kind, number)));
    }
    attributes.push(Attribute::basic(attribute::LIFE_TYPE, life_type::SECONDS));
    attributes.push(Attribute::variable(attribute::LIFE_DURATION, lifetime));
    attributes
}

/// What a transform offers; `None` if we cannot do that, or do not know what it means.
pub(super) fn read(transform: &Transform<'_>) -> Option<Terms> {
    let (mut cipher, mut key_bits, mut hash) = (None, None, None);
    let (mut method, mut group, mut unit) = (None, None, None);
    let mut lifetime = None;
    if transform.id != KEY_IKE {
        return None;
    }
    for one in &transform.attributes {
        let value = one.value.number();
        let small = value.and_then(|value| u16::try_from(value).ok());
        match one.kind {
            attribute::ENCRYPTION => cipher = Some(small?),
            attribute::KEY_LENGTH => key_bits = Some(small?),
            attribute::HASH => hash = Some(hash_of(small?)?),
            attribute::AUTHENTICATION => method = Some(method_of(small?)?),
            attribute::GROUP => group = Some(group_of(small?)?),
            // It says again what kind the group is of that is named anyway.
            attribute::GROUP_TYPE => {}
            attribute::LIFE_TYPE => unit = small,
            attribute::LIFE_DURATION => {
                // Kilobytes are not counted: what IKE itself carries never comes to much.
                if unit.take() == Some(life_type::SECONDS) {
                    lifetime = value
                        .filter(|seconds| *seconds > 0)
                        .map(|seconds| seconds.min(LIFETIME_MAX))
                        .map(Duration::from_secs);
                }
            }
            _ => return None,
        }
    }
    Some(Terms {
        suite: Suite {
            encryption: cipher_of(cipher?, key_bits)?,
            hash: hash?,
            key_exchange: group?,
            method: method?,
        },
        lifetime,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ikev1::numbers::phase1::{authentication, encryption, group, hash};

    fn lifetime_of(duration: &[u8]) -> Option<Duration> {
        let transform = Transform {
            number: 1,
            id: KEY_IKE,
            attributes: vec![
                Attribute::basic(attribute::ENCRYPTION, encryption::AES),
                Attribute::basic(attribute::HASH, hash::SHA1),
                Attribute::basic(attribute::AUTHENTICATION, authentication::PRE_SHARED_KEY),
                Attribute::basic(attribute::GROUP, group::MODP_2048),
                Attribute::basic(attribute::LIFE_TYPE, life_type::SECONDS),
                Attribute::variable(attribute::LIFE_DURATION, duration),
            ],
        };
        read(&transform).expect("a transform that we know").lifetime
    }

    #[test]
    fn a_lifetime_of_aeons_can_be_reckoned_with() {
        let longest = lifetime_of(&[0xff; 8]).expect("a lifetime");
        assert_eq!(
            longest.checked_mul(9),
            Some(Duration::from_secs(9 * LIFETIME_MAX))
        );
        assert_eq!(
            lifetime_of(&[0, 0, 0x70, 0x80]),
            Some(Duration::from_secs(28_800))
        );
        assert_eq!(lifetime_of(&[0; 4]), None);
        assert_eq!(lifetime_of(&[1; 9]), None, "longer than a number");
        assert_eq!(lifetime_of(&[]), None);
    }
}
