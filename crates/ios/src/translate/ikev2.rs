//! Connections that speak IKEv2.

use core::net::IpAddr;

use zeroize::Zeroizing;

use crate::line::LineId;
use crate::model::{Ikev2Peer, Ikev2Profile, Own, Peer};
use crate::secret::Secret;
use crate::translate::Translator;
use crate::translate::connection::{Draft, Entry};
use crate::translate::secrets::{covers, owner_id};
use crate::translate::{lifetime, liveness};

impl<'r> Translator<'r> {
    /// What a connection of IKEv2 has besides addresses and children.
    pub(super) fn ikev2_end(&mut self, draft: &mut Draft, entry: Entry<'r>) {
        let router = self.router;
        let Some(named) = &entry.inner.ikev2_profile else {
            return;
        };
        draft.table.set("version", "2", &[named.line]);
        self.ikev2_suite(draft);
        let profiles = router.ikev2.profiles.iter();
        let profile = profiles.into_iter().find(|one| one.name == named.value);
        let Some(profile) = profile else {
            let what = format!("the IKEv2 profile {} is not in the input", named.value);
            draft.block.lacks(
                what,
                "import the file that holds it too: `palisade import ios FILE FILE…`",
            );
            return;
        };
        draft.table.stands_for(&[profile.line]);
        if let Some(at) = profile.lifetime {
            lifetime::of_connection(&mut draft.table, at.value, &[at.line]);
        } else {
            lifetime::of_connection(&mut draft.table, DEFAULT_LIFETIME, &[]);
        }
        if let Some(line) = profile.force_encap {
            draft.table.set("encap", "true", &[line]);
        }
        if let Some(at) = router.ikev2.fragmentation
            && let Some(mtu) = at.value
        {
            draft
                .table
                .set("fragment_size", mtu.to_string(), &[at.line]);
        }
        let own = profile.own.as_ref();
        if own.is_some_and(|own| matches!(own.value, Own::Named(_))) {
            self.own_identity(&mut draft.table, own);
        }
        let remote_ids = self.remote_identity(draft, profile);
        self.authentication(draft, profile);
        self.ikev2_keys(draft, entry, profile, &remote_ids);
        self.vrfs(draft, entry, profile.vrf.as_ref());
        let dpd = profile.dpd.or(router.ikev2.dpd);
        let action = Self::dead_action(entry);
        liveness::of_connection(&mut draft.table, router, dpd, action);
    }

    fn ikev2_suite(&mut self, draft: &mut Draft) {
        if self.ikev2.unusable {
            let what = "no proposal of `crypto ikev2 policy` in the input is supported";
            draft.block.lacks(what, "agree with the peers on `encryption aes-cbc-256`, `integrity sha256` and `group 14` or better");
        } else if self.ikev2.proposals.is_empty() {
            let note = "The input has no `crypto ikev2 policy` with proposals: IKEv2 connections have Palisade's own, which hold nothing weak.";
            if !self.notes.iter().any(|one| one == note) {
                self.notes.push(note.to_owned());
            }
        } else {
            draft
                .table
                .set_list("proposals", &self.ikev2.proposals, &self.ikev2.lines);
        }
    }

    /// `remote.id`. Returns the identities of the peer that are known.
    fn remote_identity(&mut self, draft: &mut Draft, profile: &Ikev2Profile) -> Vec<String> {
        match profile.identities.as_slice() {
            [one] => draft.table.set_text("remote.id", &one.value, &[one.line]),
            several => {
                let why = "a connection accepts one identity or pattern: this one accepts any from its `remote_addrs`";
                several
                    .iter()
                    .for_each(|one| self.ledger.remark(one.line, why));
            }
        }
        let known = profile.identities.iter().map(|one| one.value.clone());
        known.filter(|id| id != "%any").collect()
    }

    fn authentication(&mut self, draft: &mut Draft, profile: &Ikev2Profile) {
        let local = profile.local_pre_share.filter(|at| at.value);
        let remote = profile.remote_pre_share.iter().find(|at| at.value);
        let lines: Vec<LineId> = local.iter().chain(remote).map(|at| at.line).collect();
        draft.table.stands_for(&lines);
        if local.is_none() || remote.is_none() {
            let what = format!(
                "profile {} does not authenticate both ends with pre-shared keys",
                profile.name
            );
            draft.block.lacks(what, "agree with the peer on `authentication local pre-share` and `authentication remote pre-share`");
        }
    }

    /// The secrets of a profile: its own keys, and those of its keyring's peers.
    fn ikev2_keys(
        &mut self,
        draft: &mut Draft,
        entry: Entry<'r>,
        profile: &'r Ikev2Profile,
        remote_ids: &[String],
    ) {
        let peers = Self::peer_addresses(entry);
        let mut found = false;
        if profile.local_key.is_some() || profile.remote_key.is_some() {
            let mut ids: Vec<String> = remote_ids.to_vec();
            ids.extend(peers.iter().map(IpAddr::to_string));
            if ids.is_empty() {
                ids.push("0.0.0.0/0".to_owned());
            }
            let name = format!("profile-{}", profile.name);
            found |= self.pair(
                draft,
                &name,
                &ids,
                &profile.local_key,
                &profile.remote_key,
                &[],
            );
        }
        let Some(named) = &profile.keyring else {
            if !found {
                let what = format!("profile {} has no key", profile.name);
                draft
                    .block
                    .lacks(what, "write `[secrets.NAME]` with `id` and `file`");
            }
            return;
        };
        let keyring = self
            .router
            .ikev2
            .keyrings
            .iter()
            .find(|one| one.name == named.value);
        let Some(keyring) = keyring else {
            let what = format!("the IKEv2 keyring {} is not in the input", named.value);
            draft
                .block
                .lacks(what, "write `[secrets.NAME]` with `id` and `file`");
            return;
        };
        for peer in &keyring.peers {
            let names = entry.inner.peers.iter().filter_map(|one| match &one.value {
                Peer::Host(name, _) => Some(name.clone()),
                Peer::Address(_) => None,
            });
            let known: Vec<String> = remote_ids.iter().cloned().chain(names).collect();
            if !concerns(peer, &peers, &known) {
                continue;
            }
            let mut ids = identities(peer);
            // A peer may have any of the names that the profile accepts.
            ids.extend(
                remote_ids
                    .iter()
                    .filter(|_| peers.iter().any(|one| at(peer, *one)))
                    .cloned(),
            );
            ids.sort();
            ids.dedup();
            let lines = [Some(named.line), Some(keyring.line), Some(peer.line)];
            let said = [
                peer.address.as_ref().map(|one| one.line),
                peer.host.as_ref().map(|one| one.line),
                peer.identity.as_ref().map(|one| one.line),
            ];
            let lines: Vec<LineId> = lines.into_iter().chain(said).flatten().collect();
            let name = format!("{}-{}", keyring.name, peer.name);
            found |= self.pair(draft, &name, &ids, &peer.local, &peer.remote, &lines);
        }
        if !found {
            let what = format!(
                "keyring {} holds no key for the peers of crypto map {} {}",
                keyring.name, entry.outer.map, entry.outer.number
            );
            draft
                .block
                .lacks(what, "write `[secrets.NAME]` with `id` and `file`");
        }
    }

    /// One secret out of the keys of both ends, which have to be the same. Returns whether there is
    /// one, readable or not.
    fn pair(
        &mut self,
        draft: &mut Draft,
        name: &str,
        ids: &[String],
        local: &Option<(LineId, Secret)>,
        remote: &Option<(LineId, Secret)>,
        lines: &[LineId],
    ) -> bool {
        let Some((_, secret)) = remote.as_ref().or(local.as_ref()) else {
            return false;
        };
        let plain = |key: &Option<(LineId, Secret)>| -> Option<Zeroizing<String>> {
            key.as_ref().and_then(|(_, secret)| secret.plain().cloned())
        };
        if local.is_some() && remote.is_some() && plain(local) != plain(remote) {
            let what =
                format!("{name} has different keys for the two ends, which is not supported");
            draft.block.lacks(what, "agree with the peer on one key");
            return true;
        }
        if let Some(why) = secret.hidden() {
            draft.block.lacks(
                format!("the key of {name} cannot be read: {why}"),
                "write it into the file that the secret below names, and remove the `# ` of both",
            );
        }
        let own = [local, remote].into_iter().flatten().map(|(line, _)| *line);
        let lines: Vec<LineId> = lines.iter().copied().chain(own).collect();
        self.plans.add(self.ledger, name, ids, secret, &lines);
        true
    }
}

/// Seconds that an IKE SA lives where nothing is said.
const DEFAULT_LIFETIME: u32 = 86_400;

/// Whether a peer of a keyring is at this address.
fn at(peer: &Ikev2Peer, address: IpAddr) -> bool {
    let owner = peer.address.as_ref();
    owner.is_some_and(|owner| covers(&owner.value, address))
}

/// Whether a peer of a keyring is one of the connection's.
fn concerns(peer: &Ikev2Peer, peers: &[IpAddr], known: &[String]) -> bool {
    let named = identities(peer).iter().any(|id| known.contains(id));
    let anybody = peers.is_empty() && known.is_empty();
    named || anybody || peers.iter().any(|one| at(peer, *one))
}

/// The identities that a peer of a keyring is known by.
fn identities(peer: &Ikev2Peer) -> Vec<String> {
    let address = peer.address.as_ref().map(|owner| owner_id(&owner.value));
    let host = peer.host.as_ref().map(|host| host.value.clone());
    let identity = peer
        .identity
        .as_ref()
        .map(|identity| identity.value.clone());
    [address, host, identity].into_iter().flatten().collect()
}
