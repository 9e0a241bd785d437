//! Clients of Easy VPN: groups, XAUTH, mode-config.

use crate::document::{Table, path_part};
use crate::line::LineId;
use crate::model::{Clients, Direction, Group, Method};
use crate::secret::Secret;
use crate::translate::connection::{Draft, Entry};
use crate::translate::{PoolUse, Translator, liveness, selectors};

/// Networks that a client can be told.
const SPLIT_MAX: usize = 64;

/// A group as the identity of its clients; IOS takes `0x` as it stands.
fn key_id(group: &str) -> String {
    if group.starts_with("0x") {
        let hex: String = group.bytes().map(|octet| format!("{octet:02x}")).collect();
        return format!("keyid:0x{hex}");
    }
    format!("keyid:{group}")
}

impl<'r> Translator<'r> {
    /// What an entry says about clients: its profile, or its crypto map.
    fn clients_of(&mut self, entry: Entry<'r>) -> Option<&'r Clients> {
        let profile = self.profile(entry).map(|(_, profile)| &profile.clients);
        let of_profile = profile.filter(|clients| !clients.is_empty());
        let of_map = entry.settings.map(|settings| &settings.clients);
        of_profile.or(of_map.filter(|clients| !clients.is_empty()))
    }

    /// The groups of clients that an entry serves: those that its profile names, or all. Only
    /// clients at any address have groups.
    pub(super) fn groups_of(&mut self, entry: Entry<'r>) -> Vec<&'r Group> {
        if !entry.is_dynamic() {
            return Vec::new();
        }
        let router = self.router;
        let Some(clients) = self.clients_of(entry) else {
            return Vec::new();
        };
        if clients.configuration.is_empty() && clients.authorization.is_none() {
            return Vec::new();
        }
        let named = self
            .profile(entry)
            .map_or(&[][..], |(_, profile)| &profile.groups);
        let groups = router.isakmp.groups.iter();
        let wanted =
            |group: &&Group| named.is_empty() || named.iter().any(|one| one.value == group.name);
        groups.filter(wanted).collect()
    }

    /// What a connection for the clients of a group has; returns its children.
    pub(super) fn group_end(
        &mut self,
        draft: &mut Draft,
        entry: Entry<'r>,
        group: &'r Group,
    ) -> Vec<Table> {
        let router = self.router;
        let profile = self.profile(entry);
        if let Some((named, profile)) = profile {
            let of_group = profile.groups.iter().filter(|one| one.value == group.name);
            let mut lines = vec![named.line, profile.line];
            lines.extend(of_group.map(|one| one.line));
            draft.table.stands_for(&lines);
        }
        let id = key_id(&group.name);
        draft.table.set("version", "1", &[]);
        self.isakmp_suite(draft);
        // The group is the identity, and main mode needs the key before it knows the identity.
        draft.table.set("aggressive", "true", &[]);
        if let Some(line) = router.isakmp.aggressive_disabled {
            let what = "clients that belong to a group begin in aggressive mode, and `crypto isakmp aggressive-mode disable` forbids it";
            self.ledger
                .remark(line, "groups of clients need aggressive mode");
            draft.block.lacks(
                what,
                "leave that line out, or give the clients main mode and keys by address",
            );
        }
        if let Some(clients) = self.clients_of(entry) {
            self.xauth(draft, clients);
            self.mode_config(draft, clients);
        }
        let inner = profile.and_then(|(_, profile)| profile.vrf.as_ref());
        let ivrf = self.vrfs(draft, entry, inner);
        self.pool(draft, group, ivrf);
        if let Some(domain) = &group.domain {
            draft
                .table
                .set_text("default_domain", &domain.value, &[domain.line]);
        }
        if let Some((banner, lines)) = &group.banner {
            draft.table.set_text("banner", banner, lines);
        }
        let split = self.split(draft, group);
        let own = profile.and_then(|(_, profile)| profile.own.as_ref());
        self.own_identity(&mut draft.table, own);
        draft.table.set_text("remote.id", &id, &[group.line]);
        let keepalive = profile.and_then(|(_, profile)| profile.keepalive);
        let keepalive = keepalive.or(router.isakmp.keepalive);
        liveness::of_connection(&mut draft.table, router, keepalive, None);
        self.group_key(draft, group, &id);
        self.group_children(draft, entry, &split)
    }

    fn group_key(&mut self, draft: &mut Draft, group: &Group, id: &str) {
        let Some((line, secret)) = &group.key else {
            let what = format!("the key of group {} is not in the input", group.name);
            draft.block.lacks(
                what,
                format!("write `[secrets.{}]` with `id` and `file`", path_part(id)),
            );
            return;
        };
        if let Secret::Hidden(_) = secret {
            let why = secret.hidden().unwrap_or_default();
            let what = format!("the key of group {} cannot be read: {why}", group.name);
            draft.block.lacks(
                what,
                "write it into the file that the secret below names, and remove the `# ` of both",
            );
        }
        self.plans
            .add(self.ledger, id, &[id.to_owned()], secret, &[*line]);
    }

    /// `xauth = "server"`, if the users are the router's own.
    pub(super) fn xauth(&mut self, draft: &mut Draft, clients: &Clients) {
        let router = self.router;
        let Some(list) = &clients.authentication else {
            return;
        };
        let method = find(&router.logins, &list.value);
        let mut lines = vec![list.line];
        lines.extend(method.map(|method| method.line));
        draft.table.set_text("xauth", "server", &lines);
        match method {
            None => {
                let what = format!(
                    "the list {} of `aaa authentication login`, which says who the users are, is not in the input",
                    list.value
                );
                draft.block.lacks(what, format!("import with --with 'aaa authentication login {} local' and a line `username` for each user, or write `[users]`", list.value));
            }
            Some(method) if !method.local => {
                let what = format!(
                    "the users of list {} are asked of a server (RADIUS, TACACS+), which is not supported",
                    list.value
                );
                draft.block.lacks(
                    what,
                    "write `[users.NAME]` with `password_file` for each, and remove the `# ` here",
                );
            }
            Some(_)
                if !router
                    .users
                    .iter()
                    .any(|user| user.password.plain().is_some()) =>
            {
                let what = "no user whose password could be read is in the input";
                draft.block.lacks(
                    what,
                    "write `[users.NAME]` with `password_file` for each, and remove the `# ` here",
                );
            }
            Some(_) => {}
        }
        self.users_wanted = true;
    }

    /// Who begins. IOS may do both; clients of the field ask.
    fn mode_config(&mut self, draft: &mut Draft, clients: &Clients) {
        let responds = clients
            .configuration
            .iter()
            .find(|one| one.value == Direction::Respond);
        let chosen = responds.or(clients.configuration.first());
        let lines: Vec<LineId> = chosen.iter().map(|one| one.line).collect();
        let word = match chosen.map(|one| one.value) {
            Some(Direction::Initiate) => "push",
            _ => "pull",
        };
        draft.table.set_text("mode_config", word, &lines);
        for other in &clients.configuration {
            if Some(other.line) != chosen.map(|one| one.line) {
                self.ledger.remark(
                    other.line,
                    "a connection does one of both: it answers clients that ask",
                );
            }
        }
        if let Some(list) = &clients.authorization {
            let method = find(&self.router.networks, &list.value);
            if method.is_none_or(|method| method.local) {
                let lines = [Some(list.line), method.map(|method| method.line)];
                let lines: Vec<LineId> = lines.into_iter().flatten().collect();
                draft.table.stands_for(&lines);
            } else {
                let why = "groups are not asked of a server: those of the configuration are served";
                self.ledger.refuse(list.line, why);
            }
        }
    }

    fn pool(&mut self, draft: &mut Draft, group: &Group, ivrf: Option<String>) {
        let Some(at) = group.pool.as_ref().or(self.router.isakmp.pool.as_ref()) else {
            draft.block.lacks(
                format!("group {} has no pool", group.name),
                "write `[pools.NAME]` and `pools = [\"NAME\"]`",
            );
            return;
        };
        let names = self.pool_names(&at.value);
        if names.is_empty() {
            let what = format!(
                "the pool {} is not in the input, or overlaps another",
                at.value
            );
            draft.block.lacks(
                what,
                format!("import with --with 'ip local pool {} FIRST LAST'", at.value),
            );
        }
        draft.table.set_list("pools", &names, &[at.line]);
        let dns = group
            .dns
            .iter()
            .map(|one| (one.value.to_string(), one.line));
        let elsewhere = |one: &PoolUse| one.name == at.value && one.ivrf != ivrf;
        if self.pools_wanted.iter().any(elsewhere) {
            let what = format!("the pool {} is that of another inner VRF", at.value);
            draft.block.lacks(what, "give the group a pool of its own");
        }
        self.pools_wanted.push(PoolUse {
            name: at.value.clone(),
            ivrf,
            dns: dns.collect(),
        });
    }

    /// The networks behind us that a group's access list names, each with its lines.
    fn split(&mut self, draft: &mut Draft, group: &Group) -> Vec<(String, Vec<LineId>)> {
        let Some(named) = &group.list else {
            return Vec::new();
        };
        let Some(list) = self.list(&named.value) else {
            let what = format!(
                "access list {}, which names the networks behind us, is not in the input",
                named.value
            );
            draft.block.lacks(what, format!("import with --with 'access-list {} permit ip NETWORK WILDCARD any', or write `split_include`", named.value));
            return Vec::new();
        };
        let mut networks: Vec<(String, Vec<LineId>)> = Vec::new();
        for pair in selectors::pairs(list, self.ledger) {
            let prefix = selectors::prefix(&pair.matched.source);
            if pair.matched.protocol != 0 {
                self.ledger.remark(
                    pair.line,
                    "clients are told networks, without protocols and ports",
                );
            }
            let mut lines = vec![named.line];
            lines.extend(list.line);
            lines.push(pair.line);
            for (line, _) in &pair.remarks {
                self.ledger.unneeded(*line, "a remark");
            }
            let full = networks.len() >= SPLIT_MAX;
            match networks.iter_mut().find(|(known, _)| *known == prefix) {
                Some((_, known)) => known.extend(lines),
                None if full => {
                    self.ledger.refuse(
                        pair.line,
                        format!("clients are told {SPLIT_MAX} networks at most"),
                    );
                }
                None => networks.push((prefix, lines)),
            }
        }
        if networks.is_empty() {
            let what = format!(
                "access list {} permits nothing that clients can be told",
                named.value
            );
            draft
                .block
                .lacks(what, "write `split_include` and the children's `local_ts`");
        } else {
            let prefixes: Vec<String> = networks.iter().map(|(prefix, _)| prefix.clone()).collect();
            let lines: Vec<LineId> = networks
                .iter()
                .flat_map(|(_, lines)| lines.clone())
                .collect();
            let mut unique = Vec::new();
            lines.into_iter().for_each(|line| {
                if !unique.contains(&line) {
                    unique.push(line);
                }
            });
            draft.table.set_list("split_include", &prefixes, &unique);
        }
        networks
    }

    /// A child for each network that clients are told, or one for everything.
    fn group_children(
        &mut self,
        draft: &mut Draft,
        entry: Entry<'r>,
        split: &[(String, Vec<LineId>)],
    ) -> Vec<Table> {
        let esp = self.esp_proposals(draft, entry);
        let path = draft.table.path.clone();
        if let Some(list) = &entry.inner.list {
            let why = "clients reach what their group's `acl` names; the list of the dynamic map is left out";
            self.ledger.remark(list.line, why);
        }
        let everything = [("0.0.0.0/0".to_owned(), Vec::new())];
        let networks = if split.is_empty() {
            &everything[..]
        } else {
            split
        };
        let mut tables = Vec::new();
        for (number, (network, lines)) in (1_u32..).zip(networks) {
            let mut table = Table::new(format!("{path}.children.net-{number}"));
            table.set_list("local_ts", std::slice::from_ref(network), lines);
            self.child_settings(&mut table, entry, &esp);
            tables.push(table);
        }
        tables
    }
}

fn find<'m>(methods: &'m [Method], name: &str) -> Option<&'m Method> {
    // The last line about a list counts.
    methods.iter().rev().find(|method| method.name == name)
}
