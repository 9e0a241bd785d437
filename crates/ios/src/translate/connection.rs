//! An entry of a crypto map as a connection.

use crate::document::{Block, Table, path_part, quoted};
use crate::line::LineId;
use crate::model::{AccessList, At, Df, Interface, MapEntry, MapSettings, Peer, TransformSet};
use crate::translate::Translator;
use crate::translate::lifetime;
use crate::translate::order::Claim;
use crate::translate::selectors::{self, Pair};

/// What a connection is made of: the entry of the crypto map, and that of the dynamic map if the
/// former stands for one; otherwise they are the same.
#[derive(Clone, Copy)]
pub(super) struct Entry<'r> {
    pub(super) outer: &'r MapEntry,
    pub(super) inner: &'r MapEntry,
    pub(super) settings: Option<&'r MapSettings>,
}

impl<'r> Entry<'r> {
    pub(super) fn is_dynamic(&self) -> bool {
        self.outer.dynamic.is_some()
    }

    /// The lines that open it.
    pub(super) fn lines(&self) -> Vec<LineId> {
        if self.is_dynamic() {
            vec![self.outer.line, self.inner.line]
        } else {
            vec![self.outer.line]
        }
    }

    /// The name of its connection, if no other has it.
    fn name(&self) -> String {
        format!("{}-{}", self.outer.map, self.outer.number)
    }

    /// The ISAKMP profile that holds for it.
    pub(super) fn isakmp_profile(&self) -> Option<&'r At<String>> {
        let own = self.inner.isakmp_profile.as_ref();
        own.or(self.settings?.isakmp_profile.as_ref())
    }
}

/// A connection that is being written.
pub(super) struct Draft {
    pub(super) table: Table,
    pub(super) block: Block,
}

impl Draft {
    fn new(name: &str, lines: &[LineId]) -> Self {
        let mut table = Table::new(format!("connections.{}", path_part(name)));
        table.stands_for(lines);
        Self {
            table,
            block: Block::default(),
        }
    }

    /// The connection with its children.
    fn finish(self, children: Vec<Table>) -> Block {
        let Self { table, mut block } = self;
        block.tables.push(table);
        block.tables.extend(children);
        block
    }
}

impl<'r> Translator<'r> {
    /// The connections of an entry: one, or one for each group of clients.
    pub(super) fn connection(&mut self, outer: &'r MapEntry, inner: &'r MapEntry) {
        let settings = self.router.map_settings.iter();
        let settings = settings.into_iter().find(|one| one.map == outer.map);
        let entry = Entry {
            outer,
            inner,
            settings,
        };
        if inner.ikev2_profile.is_some() {
            return self.single(entry, Self::ikev2_end);
        }
        let groups = self.groups_of(entry);
        if groups.is_empty() {
            return self.single(entry, Self::isakmp_end);
        }
        for group in groups {
            let name = self.free_name(&group.name);
            let mut draft = Draft::new(&name, &entry.lines());
            draft.table.stands_for(&[group.line]);
            self.common(&mut draft, entry);
            let children = self.group_end(&mut draft, entry, group);
            self.connections.push(draft.finish(children));
        }
    }

    /// One connection; `end` writes what depends on the version.
    fn single(&mut self, entry: Entry<'r>, end: fn(&mut Self, &mut Draft, Entry<'r>)) {
        let name = self.free_name(&entry.name());
        let mut draft = Draft::new(&name, &entry.lines());
        self.common(&mut draft, entry);
        self.peers(&mut draft, entry);
        end(self, &mut draft, entry);
        let children = self.children(&mut draft, entry);
        self.connections.push(draft.finish(children));
    }

    /// What every connection has: a comment, and our addresses.
    fn common(&mut self, draft: &mut Draft, entry: Entry<'r>) {
        let descriptions = [&entry.outer.description, &entry.inner.description];
        for description in descriptions.into_iter().flatten() {
            if !draft.table.comments.contains(&description.value) {
                draft.table.comments.push(description.value.clone());
            }
            self.ledger.translated(description.line, "a comment");
        }
        let interfaces = self.interfaces(entry);
        let mut addresses: Vec<String> = Vec::new();
        let applied = self.applied(&entry.outer.map);
        let mut lines: Vec<LineId> = applied.iter().map(|(line, _)| *line).collect();
        for (line, interface) in &interfaces {
            lines.extend([*line, interface.line]);
            let Some(address) = interface.address else {
                continue;
            };
            lines.push(address.line);
            let text = address.value.to_string();
            if !addresses.contains(&text) {
                addresses.push(text);
            }
        }
        if interfaces.is_empty() {
            let note = format!(
                "No interface of the input has the crypto map {}: its connections are served on every address.",
                entry.outer.map
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        } else if addresses.is_empty() {
            draft.table.stands_for(&lines);
            let why =
                "the interface has no fixed address: the connection is served on every address";
            for (line, _) in &interfaces {
                self.ledger.remark(*line, why);
            }
        } else {
            draft.table.set_list("local_addrs", &addresses, &lines);
        }
    }

    /// The interfaces whose addresses a crypto map has, each with the line that says so: those that
    /// have it, or the one that it names.
    fn interfaces(&self, entry: Entry<'r>) -> Vec<(LineId, &'r Interface)> {
        let Some(at) = entry.settings.and_then(|one| one.local_address.as_ref()) else {
            return self.applied(&entry.outer.map);
        };
        let interfaces = self.router.interfaces.iter();
        let named = interfaces.filter(|one| one.name == at.value);
        named.map(|one| (at.line, one)).collect()
    }

    /// The interfaces that have a crypto map, each with the line that says so.
    pub(super) fn applied(&self, map: &str) -> Vec<(LineId, &'r Interface)> {
        let applied = |one: &'r Interface| {
            let at = one.map.as_ref().filter(|at| at.value == map)?;
            Some((at.line, one))
        };
        self.router.interfaces.iter().filter_map(applied).collect()
    }

    /// `remote_addrs`.
    fn peers(&mut self, draft: &mut Draft, entry: Entry<'r>) {
        let mut items: Vec<String> = Vec::new();
        let mut seen: Vec<&Peer> = Vec::new();
        let mut lines = Vec::new();
        for (number, peer) in entry.inner.peers.iter().enumerate() {
            lines.push(peer.line);
            if seen.contains(&&peer.value) {
                continue;
            }
            seen.push(&peer.value);
            let preferred = entry.inner.preferred == Some(number);
            items.push(peer_item(&peer.value, preferred));
        }
        if !items.is_empty() {
            let value = format!("[{}]", items.join(", "));
            draft.table.set("remote_addrs", value, &lines);
        } else if !entry.is_dynamic() {
            let what = format!(
                "crypto map {} {} has no peer",
                entry.outer.map, entry.outer.number
            );
            draft.block.lacks(what, "write `remote_addrs`");
        }
    }

    /// The peers whose address is known.
    pub(super) fn peer_addresses(entry: Entry<'_>) -> Vec<core::net::IpAddr> {
        let address = |peer: &At<Peer>| match &peer.value {
            Peer::Address(address) => Some(*address),
            Peer::Host(..) => None,
        };
        entry.inner.peers.iter().filter_map(address).collect()
    }

    /// What happens when the peer is dead: IOS goes on to the next, or waits for traffic.
    pub(super) fn dead_action(entry: Entry<'_>) -> Option<&'static str> {
        match entry.inner.peers.len() {
            0 => None,
            1 => Some("hold"),
            _ => Some("next-peer"),
        }
    }

    /// The children: one for each line of the access list that permits.
    fn children(&mut self, draft: &mut Draft, entry: Entry<'r>) -> Vec<Table> {
        let path = draft.table.path.clone();
        let child = |name: &str| Table::new(format!("{path}.children.{}", path_part(name)));
        let esp = self.esp_proposals(draft, entry);
        let Some(named) = &entry.inner.list else {
            let mut table = child("any");
            if entry.is_dynamic() {
                table.comments.push(
                    "IOS lets such peers name any networks. Write those that they may have into remote_ts.".to_owned(),
                );
                let why = "peers at any address may name any networks, as in IOS: write those that they may have into `remote_ts`";
                self.ledger.remark(entry.inner.line, why);
                table.set_list("local_ts", &["0.0.0.0/0".to_owned()], &[]);
                table.set_list("remote_ts", &["0.0.0.0/0".to_owned()], &[]);
            } else {
                let what = format!(
                    "crypto map {} {} has no `match address`",
                    entry.outer.map, entry.outer.number
                );
                draft.block.lacks(what, "write `local_ts` and `remote_ts`");
                placeholders(&mut table, &[]);
            }
            self.child_settings(&mut table, entry, &esp);
            return vec![table];
        };
        let pairs = self.pairs(draft, named);
        if pairs.is_empty() {
            let mut table = child(&named.value);
            placeholders(&mut table, &[named.line]);
            self.child_settings(&mut table, entry, &esp);
            return vec![table];
        }
        let list = self.list(&named.value);
        let opening: Vec<LineId> = list.and_then(|list| list.line).into_iter().collect();
        let single = pairs.len() == 1;
        let mut tables = Vec::new();
        for (number, pair) in (1_u32..).zip(&pairs) {
            let name = match single {
                true => named.value.clone(),
                false => format!("{}-{number}", named.value),
            };
            let mut table = child(&name);
            for (line, remark) in &pair.remarks {
                table.comments.push(remark.clone());
                self.ledger.translated(*line, "a comment");
            }
            let mut lines = vec![named.line];
            lines.extend(&opening);
            lines.push(pair.line);
            let matched = &pair.matched;
            let ts = |end| selectors::selector(matched.protocol, end);
            table.set_list("local_ts", &[ts(&matched.source)], &lines);
            table.set_list("remote_ts", &[ts(&matched.destination)], &lines);
            self.warn_of_loops(entry, pair);
            self.claims.push(Claim {
                map: entry.outer.map.clone(),
                number: entry.outer.number,
                line: pair.line,
                matched: pair.matched,
            });
            self.child_settings(&mut table, entry, &esp);
            tables.push(table);
        }
        tables
    }

    pub(super) fn list(&self, name: &str) -> Option<&'r AccessList> {
        self.router.lists.iter().find(|list| list.name == name)
    }

    /// What an access list permits; if that is nothing, the connection waits.
    fn pairs(&mut self, draft: &mut Draft, named: &At<String>) -> Vec<Pair> {
        let name = &named.value;
        let Some(list) = self.list(name) else {
            let what = format!(
                "access list {name}, which says what the tunnel is for, is not in the input"
            );
            let instead = if name.bytes().all(|octet| octet.is_ascii_digit()) {
                format!(
                    "import with --with 'access-list {name} permit ip SOURCE WILDCARD DESTINATION WILDCARD', or write `local_ts` and `remote_ts`"
                )
            } else {
                format!(
                    "import with --with 'ip access-list extended {name}' --with ' permit ip SOURCE WILDCARD DESTINATION WILDCARD', or write `local_ts` and `remote_ts`"
                )
            };
            draft.block.lacks(what, instead);
            return Vec::new();
        };
        let pairs = selectors::pairs(list, self.ledger);
        if pairs.is_empty() {
            let what = format!("access list {name} permits nothing that can be told in selectors");
            draft.block.lacks(what, "write `local_ts` and `remote_ts`");
        }
        pairs
    }

    /// A route into the tunnel that takes the tunnel's own packets with it.
    fn warn_of_loops(&mut self, entry: Entry<'_>, pair: &Pair) {
        let destination = &pair.matched.destination;
        let network = crate::model::Owner::Prefix(destination.network.into(), destination.length);
        let own = Self::peer_addresses(entry);
        let inside = own
            .iter()
            .find(|peer| super::secrets::covers(&network, **peer));
        if let Some(peer) = inside {
            let why = format!(
                "the destination holds the peer's own address {peer}: see to it that the system has a route to {peer} of its own, or the tunnel swallows its own packets"
            );
            self.ledger.remark(pair.line, why);
        }
    }

    /// `esp_proposals`, with the lines that they come from.
    pub(super) fn esp_proposals(&mut self, draft: &mut Draft, entry: Entry<'r>) -> Esp {
        let mut esp = Esp::default();
        let pfs = match entry.inner.pfs {
            Some(At {
                value: Some(group),
                line,
            }) => {
                esp.lines.push(line);
                Some(group)
            }
            Some(At { value: None, .. }) => {
                let what = "`set pfs` asks for a group that is not supported";
                draft.block.lacks(
                    what,
                    "agree with the peer on `set pfs group14` or better, or on none",
                );
                None
            }
            None => None,
        };
        let mut told = false;
        for named in &entry.inner.transform_sets {
            let name = &named.value;
            let set = self
                .router
                .ipsec
                .transform_sets
                .iter()
                .find(|set| set.name == *name);
            match set.map(usable) {
                None => {
                    let what = format!("the transform set {name} is not in the input");
                    let instead = format!(
                        "import with --with 'crypto ipsec transform-set {name} esp-aes 256 esp-sha256-hmac', or whatever the peer has"
                    );
                    self.ledger.remark(named.line, what.as_str());
                    draft.block.lacks(what, instead);
                    told = true;
                }
                Some(None) => {
                    let why = format!("the transform set {name} is not supported and left out");
                    self.ledger.remark(named.line, why);
                }
                Some(Some((line, proposal))) => {
                    let with_pfs = pfs.map_or_else(
                        || proposal.to_owned(),
                        |group| format!("{proposal}-{group}"),
                    );
                    if !esp.proposals.contains(&with_pfs) {
                        esp.proposals.push(with_pfs);
                    }
                    esp.lines.extend([named.line, line]);
                }
            }
        }
        if esp.proposals.is_empty() && !told {
            let what = format!(
                "crypto map {} {} has no transform set that is supported",
                entry.outer.map, entry.outer.number
            );
            draft
                .block
                .lacks(what, "write `esp_proposals` as the peer has them");
        }
        esp
    }

    /// What every child of an entry has.
    pub(super) fn child_settings(&mut self, table: &mut Table, entry: Entry<'r>, esp: &Esp) {
        let ipsec = &self.router.ipsec;
        if !esp.proposals.is_empty() {
            table.set_list("esp_proposals", &esp.proposals, &esp.lines);
        }
        lifetime::of_child(table, &entry.inner.lifetime, &ipsec.lifetime);
        if let Some(window) = entry.inner.replay.or(ipsec.replay) {
            table.set("replay_window", window.value.to_string(), &[window.line]);
        }
        let interfaces = self.applied(&entry.outer.map);
        let of_interface = interfaces.iter().find_map(|(_, interface)| interface.df);
        if let Some(df) = of_interface.or(ipsec.df) {
            let value = match df.value {
                Df::Clear => "false",
                Df::Set => "\"set\"",
                Df::Copy => "true",
            };
            table.set("copy_df", value, &[df.line]);
        }
        if !entry.inner.peers.is_empty() && !entry.is_dynamic() {
            table.set_text("start_action", "trap", &[]);
        }
    }
}

/// The ESP of all children of an entry.
#[derive(Default)]
pub(super) struct Esp {
    pub(super) proposals: Vec<String>,
    pub(super) lines: Vec<LineId>,
}

/// The proposal of a transform set in tunnel mode.
fn usable(set: &TransformSet) -> Option<(LineId, &str)> {
    let proposal = set.proposal.as_deref().filter(|_| !set.transport_only)?;
    Some((set.line, proposal))
}

/// A peer as an item of `remote_addrs`.
fn peer_item(peer: &Peer, preferred: bool) -> String {
    let (address, dynamic) = match peer {
        Peer::Address(address) => (address.to_string(), false),
        Peer::Host(name, dynamic) => (name.clone(), *dynamic),
    };
    let address = quoted(&address);
    let mut item = match dynamic || preferred {
        false => return address,
        true => format!("{{ addr = {address}"),
    };
    if dynamic {
        item.push_str(", dynamic = true");
    }
    if preferred {
        item.push_str(", default = true");
    }
    item.push_str(" }");
    item
}

/// Selectors that nobody can take for real ones; they stand in comments only.
fn placeholders(table: &mut Table, lines: &[LineId]) {
    table.set_list("local_ts", &["NETWORK BEHIND US".to_owned()], lines);
    table.set_list("remote_ts", &["NETWORK BEHIND THE PEER".to_owned()], lines);
}
