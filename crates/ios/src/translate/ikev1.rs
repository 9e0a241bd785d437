//! Connections that speak IKEv1 with gateways.

use crate::line::LineId;
use crate::model::{At, IsakmpProfile, Key, Keyring, Owner, Peer};
use crate::translate::Translator;
use crate::translate::connection::{Draft, Entry};
use crate::translate::secrets::covers;
use crate::translate::{lifetime, liveness};

impl<'r> Translator<'r> {
    /// The ISAKMP profile of an entry; one that is missing is remarked on.
    pub(super) fn profile(
        &mut self,
        entry: Entry<'r>,
    ) -> Option<(&'r At<String>, &'r IsakmpProfile)> {
        let named = entry.isakmp_profile()?;
        let profiles = self.router.isakmp.profiles.iter();
        let profile = profiles.into_iter().find(|one| one.name == named.value);
        if profile.is_none() {
            let why = format!("the profile `{}` is not in the input", named.value);
            self.ledger.refuse(named.line, why);
        }
        Some((named, profile?))
    }

    /// What a connection of IKEv1 has besides addresses and children.
    pub(super) fn isakmp_end(&mut self, draft: &mut Draft, entry: Entry<'r>) {
        let router = self.router;
        let profile = self.profile(entry);
        if let Some((named, profile)) = profile {
            draft.table.stands_for(&[named.line, profile.line]);
        }
        let profile = profile.map(|(_, profile)| profile);
        draft.table.set("version", "1", &[]);
        self.isakmp_suite(draft);
        if let Some(line) = profile.and_then(|one| one.aggressive) {
            draft.table.set("aggressive", "true", &[line]);
        }
        let without_xauth = self.peer_keys(draft, entry, profile);
        let clients = profile
            .map(|one| &one.clients)
            .filter(|one| !one.is_empty());
        let clients = clients.or(entry.settings.map(|one| &one.clients));
        if let (Some(clients), false) = (clients, without_xauth) {
            self.xauth(draft, clients);
        }
        self.own_identity(&mut draft.table, profile.and_then(|one| one.own.as_ref()));
        match profile.map(|one| one.identities.as_slice()) {
            Some([one]) => draft.table.set_text("remote.id", &one.value, &[one.line]),
            Some(several @ [_, ..]) => {
                let why = "a connection accepts one identity or pattern: this one accepts any from its `remote_addrs`";
                several
                    .iter()
                    .for_each(|one| self.ledger.remark(one.line, why));
            }
            _ => {}
        }
        self.vrfs(draft, entry, profile.and_then(|one| one.vrf.as_ref()));
        let keepalive = profile.and_then(|one| one.keepalive);
        let keepalive = keepalive.or(router.isakmp.keepalive);
        let action = Self::dead_action(entry);
        liveness::of_connection(&mut draft.table, router, keepalive, action);
    }

    /// Proposals and lifetime of phase 1.
    pub(super) fn isakmp_suite(&mut self, draft: &mut Draft) {
        if self.isakmp.unusable {
            let what = "no `crypto isakmp policy` of the input is supported";
            draft.block.lacks(what, "agree with the peers on `encryption aes 256`, `hash sha256`, `authentication pre-share` and `group 14` or better");
            return;
        }
        if self.isakmp.proposals.is_empty() {
            let note = "The input has no `crypto isakmp policy`: IKEv1 connections have Palisade's own proposals, which hold nothing weak. Import with the policy of the peers if they have weaker ones.";
            if !self.notes.iter().any(|one| one == note) {
                self.notes.push(note.to_owned());
            }
            return;
        }
        draft
            .table
            .set_list("proposals", &self.isakmp.proposals, &self.isakmp.lines);
        if let Some((seconds, lines)) = &self.isakmp.lifetime {
            lifetime::of_connection(&mut draft.table, *seconds, lines);
        }
    }

    /// Sees to it that there is a key for each peer. Returns whether no peer is asked for a user
    /// because its key says so.
    fn peer_keys(
        &mut self,
        draft: &mut Draft,
        entry: Entry<'r>,
        profile: Option<&'r IsakmpProfile>,
    ) -> bool {
        let keys = self.keys_for(entry, profile);
        let peers: Vec<&Peer> = entry.inner.peers.iter().map(|peer| &peer.value).collect();
        for (key, lines) in &keys {
            let used = peers.iter().any(|peer| is_for(key, peer));
            if used || peers.is_empty() || !lines.is_empty() {
                self.isakmp_key(key, lines);
            }
        }
        let keys: Vec<&Key> = keys.iter().map(|(key, _)| *key).collect();
        if peers.is_empty() {
            if !keys.iter().any(|key| key.secret.plain().is_some()) {
                let what = "no key for peers at any address is in the input";
                draft.block.lacks(what, "import with --with 'crypto isakmp key KEY address 0.0.0.0 0.0.0.0', or write `[secrets.NAME]` with `file`");
            }
            return !keys.is_empty() && keys.iter().all(|key| key.no_xauth);
        }
        let key_of = |peer: &Peer| {
            let fitting = keys.iter().filter(|key| is_for(key, peer));
            fitting.max_by_key(|key| length(&key.owner)).copied()
        };
        for peer in &peers {
            lack_of_key(draft, peer, key_of(peer));
        }
        if let [peer @ Peer::Host(name, _)] = peers.as_slice()
            && let Some(key) = key_of(peer)
            && profile.is_none_or(|one| one.identities.is_empty())
        {
            // Main mode finds a key by name only if it knows whom it speaks to.
            draft.table.set_text("remote.id", name, &[key.line]);
        }
        peers
            .iter()
            .all(|peer| key_of(peer).is_some_and(|key| key.no_xauth))
    }

    /// The keys that hold for connections of a profile, each with the lines that name its keyring.
    fn keys_for(
        &mut self,
        entry: Entry<'r>,
        profile: Option<&'r IsakmpProfile>,
    ) -> Vec<(&'r Key, Vec<LineId>)> {
        let router = self.router;
        let keyrings = &router.isakmp.keyrings;
        let of = |keyring: &'r Keyring, line: Option<LineId>| {
            let lines: Vec<LineId> = line.into_iter().chain([keyring.line]).collect();
            keyring.keys.iter().map(move |key| (key, lines.clone()))
        };
        let named = profile.map_or(&[][..], |one| &one.keyrings);
        if named.is_empty() {
            // Without a profile that chooses, every key is tried.
            let global = router.isakmp.keys.iter().map(|key| (key, Vec::new()));
            let front = self.applied(&entry.outer.map);
            let front: Vec<&str> = front
                .iter()
                .filter_map(|(_, one)| Some(one.vrf.as_ref()?.value.as_str()))
                .collect();
            let here = |vrf: &Option<String>| vrf.as_deref().is_none_or(|vrf| front.contains(&vrf));
            let rings = keyrings.iter().filter(|one| here(&one.vrf));
            return global.chain(rings.flat_map(|one| of(one, None))).collect();
        }
        let mut keys = Vec::new();
        for name in named {
            match keyrings.iter().find(|one| one.name == name.value) {
                Some(keyring) => keys.extend(of(keyring, Some(name.line))),
                None if name.value == "default" => {
                    keys.extend(router.isakmp.keys.iter().map(|key| (key, vec![name.line])));
                }
                None => {
                    let why = format!("the keyring `{}` is not in the input", name.value);
                    self.ledger.refuse(name.line, why);
                }
            }
        }
        keys
    }
}

/// Whether a key is for a peer.
fn is_for(key: &Key, peer: &Peer) -> bool {
    match (&key.owner, peer) {
        (owner, Peer::Address(address)) => covers(owner, *address),
        (Owner::Host(own), Peer::Host(name, _)) => own.eq_ignore_ascii_case(name),
        (Owner::Prefix(..), Peer::Host(..)) => false,
    }
}

/// What is missing about the key for a peer, if anything is.
fn lack_of_key(draft: &mut Draft, peer: &Peer, key: Option<&Key>) {
    let (peer, owner) = match peer {
        Peer::Address(address) => (address.to_string(), format!("address {address}")),
        Peer::Host(name, _) => (name.clone(), format!("hostname {name}")),
    };
    match key.map(|key| key.secret.hidden()) {
        Some(None) => {}
        Some(Some(why)) => draft.block.lacks(
            format!("the key for {peer} cannot be read: {why}"),
            "write it into the file that the secret below names, and remove the `# ` of both",
        ),
        None => draft.block.lacks(
            format!("the pre-shared key for {peer} is not in the input"),
            format!("import with --with 'crypto isakmp key KEY {owner}', or write `[secrets.\"{peer}\"]` with `id` and `file`"),
        ),
    }
}

/// How closely an owner describes a peer.
fn length(owner: &Owner) -> u8 {
    match owner {
        Owner::Prefix(_, length) => *length,
        Owner::Host(_) => 0,
    }
}
