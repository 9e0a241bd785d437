//! Phase 1: the proposals of all connections of a version, and how long an IKE SA lives.

use crate::ledger::Ledger;
use crate::line::LineId;
use crate::model::{At, Ikev2Proposal, Policy, Router, Word};

/// What all connections of a version of IKE share.
#[derive(Default)]
pub(crate) struct Suite {
    /// In order of preference.
    pub(crate) proposals: Vec<String>,
    /// The lines that they come from.
    pub(crate) lines: Vec<LineId>,
    /// Seconds that an IKE SA lives, and the lines that say so.
    pub(crate) lifetime: Option<(u32, Vec<LineId>)>,
    /// Whether something was configured and none of it can be used.
    pub(crate) unusable: bool,
}

/// Seconds of a policy that does not say how long.
const DEFAULT_LIFETIME: u32 = 86_400;

/// The policies of IKEv1, the lowest number first.
pub(crate) fn of_isakmp(router: &Router, ledger: &mut Ledger) -> Suite {
    let mut policies: Vec<&Policy> = router.isakmp.policies.iter().collect();
    policies.sort_by_key(|policy| policy.priority);
    let mut suite = Suite {
        unusable: !policies.is_empty(),
        ..Suite::default()
    };
    let mut usable = Vec::new();
    for policy in policies {
        match proposal(policy) {
            Ok(proposal) => {
                suite.unusable = false;
                suite.lines.extend(lines(policy));
                if !suite.proposals.contains(&proposal) {
                    suite.proposals.push(proposal);
                }
                usable.push(policy);
            }
            Err(why) => {
                let of_policy = lines(policy).chain(policy.lifetime.map(|at| at.line));
                of_policy.for_each(|line| ledger.remark(line, why.as_str()));
            }
        }
    }
    suite.lifetime = shortest(&usable, ledger);
    suite
}

fn lines(policy: &Policy) -> impl Iterator<Item = LineId> {
    let words = [policy.encryption, policy.hash, policy.group];
    let words = words.into_iter().flatten().map(|at| at.line);
    let pre_share = policy.pre_share.map(|at| at.line);
    core::iter::once(policy.line).chain(words).chain(pre_share)
}

/// A policy as a proposal, or why it cannot be one. What a policy does not say is IOS's default.
fn proposal(policy: &Policy) -> Result<String, String> {
    let why = |what: &str| format!("policy {} is left out: {what}", policy.priority);
    let word = |given: Option<At<Word>>, default: Word, missing: &str| match given {
        Some(at) => at
            .value
            .ok_or_else(|| why("one of its algorithms is not supported")),
        None => default.ok_or_else(|| why(missing)),
    };
    let cipher = word(
        policy.encryption,
        None,
        "without `encryption` IOS means DES, which is too weak",
    )?;
    let hash = word(policy.hash, Some("sha1"), "")?;
    let group = word(
        policy.group,
        None,
        "without `group` IOS means group 1, which is too weak",
    )?;
    match policy.pre_share {
        Some(At { value: true, .. }) => Ok(format!("{cipher}-{hash}-{group}")),
        Some(_) => Err(why("its authentication is not supported")),
        None => Err(why(
            "without `authentication pre-share` IOS means RSA signatures, which are not supported",
        )),
    }
}

/// A connection has one lifetime: the shortest of its policies.
fn shortest(policies: &[&Policy], ledger: &mut Ledger) -> Option<(u32, Vec<LineId>)> {
    let seconds = |policy: &Policy| policy.lifetime.map_or(DEFAULT_LIFETIME, |at| at.value);
    let shortest = policies.iter().map(|policy| seconds(policy)).min()?;
    let mut lines = Vec::new();
    for at in policies.iter().filter_map(|policy| policy.lifetime) {
        if at.value == shortest {
            lines.push(at.line);
        } else {
            let why = format!(
                "a connection has one lifetime: the shortest of all policies, {shortest} seconds"
            );
            ledger.remark(at.line, why);
        }
    }
    Some((shortest, lines))
}

/// The proposals of IKEv2 that a policy names, in its order.
pub(crate) fn of_ikev2(router: &Router, ledger: &mut Ledger) -> Suite {
    let mut suite = Suite {
        unusable: !router.ikev2.policies.is_empty(),
        ..Suite::default()
    };
    for policy in &router.ikev2.policies {
        for name in &policy.proposals {
            let named = |one: &&Ikev2Proposal| one.name == name.value;
            let Some(proposal) = router.ikev2.proposals.iter().find(named) else {
                let why = format!("the proposal `{}` is not in the input", name.value);
                ledger.refuse(name.line, why);
                continue;
            };
            let texts = ikev2_proposals(proposal);
            if texts.is_empty() {
                let why = "a proposal needs `encryption`, `integrity` or, with AES-GCM, `prf`, and `group`";
                let lines = proposal.lines.iter().chain([&name.line]);
                lines.for_each(|line| ledger.remark(*line, why));
                continue;
            }
            suite.unusable = false;
            suite.lines.extend([policy.line, name.line]);
            suite.lines.extend(&proposal.lines);
            for text in texts {
                if !suite.proposals.contains(&text) {
                    suite.proposals.push(text);
                }
            }
        }
    }
    suite
}

/// One proposal of IOS is up to two of Palisade: AEAD ciphers and others never stand together
/// (RFC 5282 §8).
fn ikev2_proposals(proposal: &Ikev2Proposal) -> Vec<String> {
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let prf: Vec<String> = match proposal.prf.as_slice() {
        [] => proposal
            .integrity
            .iter()
            .map(|one| format!("prf{one}"))
            .collect(),
        named => owned(named),
    };
    let groups = owned(&proposal.groups);
    let (aead, others): (Vec<String>, Vec<String>) = owned(&proposal.encryption)
        .into_iter()
        .partition(|cipher| cipher.ends_with("gcm16"));
    let mut texts = Vec::new();
    if !aead.is_empty() && !prf.is_empty() && !groups.is_empty() {
        texts.push([aead, prf.clone(), groups.clone()].concat().join("-"));
    }
    if !others.is_empty() && !proposal.integrity.is_empty() && !groups.is_empty() {
        let named_prf = owned(&proposal.prf);
        let words = [others, owned(&proposal.integrity), named_prf, groups].concat();
        texts.push(words.join("-"));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aead_ciphers_stand_apart() {
        let proposal = Ikev2Proposal {
            name: String::new(),
            encryption: vec!["aes256gcm16", "aes256", "aes128"],
            integrity: vec!["sha256"],
            prf: vec![],
            groups: vec!["ecp256", "modp2048"],
            lines: vec![],
        };
        assert_eq!(
            ikev2_proposals(&proposal),
            [
                "aes256gcm16-prfsha256-ecp256-modp2048",
                "aes256-aes128-sha256-ecp256-modp2048"
            ]
        );
    }
}
