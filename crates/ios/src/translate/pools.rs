//! Pools of addresses, and the users who may have one.

use core::net::Ipv4Addr;

use crate::document::{Block, Table, file_name, path_part};
use crate::line::LineId;
use crate::model::LocalPool;
use crate::translate::Translator;

impl Translator<'_> {
    /// Names of Palisade's pools for a pool of IOS, which may have several ranges.
    pub(super) fn pool_names(&self, name: &str) -> Vec<String> {
        let ranges = self.ranges(name).len();
        let numbered = |index: usize| match index {
            0 => name.to_owned(),
            more => format!("{name}-{}", more + 1),
        };
        (0..ranges).map(numbered).collect()
    }

    /// The ranges of a pool that overlap no earlier range of any pool.
    fn ranges(&self, name: &str) -> Vec<&LocalPool> {
        let pools = &self.router.pools;
        let is_free = |(at, pool): &(usize, &LocalPool)| {
            let earlier = pools.get(..*at).unwrap_or_default();
            !earlier.iter().any(|other| overlap(pool, other)) && !is_huge(pool)
        };
        let named = pools.iter().enumerate().filter(is_free);
        let named = named.map(|(_, pool)| pool);
        named.filter(|pool| pool.name == name).collect()
    }

    /// Sections `pools`.
    pub(super) fn pools(&mut self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let wanted = core::mem::take(&mut self.pools_wanted);
        for (at, pool) in self.router.pools.iter().enumerate() {
            let earlier = self.router.pools.get(..at).unwrap_or_default();
            if earlier.iter().any(|other| overlap(pool, other)) {
                self.ledger.refuse(
                    pool.line,
                    "it overlaps an earlier pool: an address is handed out once",
                );
            } else if is_huge(pool) {
                self.ledger
                    .refuse(pool.line, "a pool holds 16777216 addresses at most");
            }
        }
        for (number, pool_use) in wanted.iter().enumerate() {
            let earlier = wanted.get(..number).unwrap_or_default();
            if earlier.iter().any(|other| other.name == pool_use.name) {
                continue;
            }
            let dns = self.dns_of(&pool_use.name, &wanted);
            for (pool, name) in self
                .ranges(&pool_use.name)
                .into_iter()
                .zip(self.pool_names(&pool_use.name))
            {
                let mut table = Table::new(format!("pools.{}", path_part(&name)));
                let range = if pool.first == pool.last {
                    pool.first.to_string()
                } else {
                    format!("{}-{}", pool.first, pool.last)
                };
                table.set_text("addrs", &range, &[pool.line]);
                if let Some(ivrf) = &pool_use.ivrf {
                    table.set_text("ivrf", ivrf, &[]);
                }
                if !dns.is_empty() {
                    let servers: Vec<String> =
                        dns.iter().map(|(server, _)| server.clone()).collect();
                    let lines: Vec<LineId> = dns.iter().map(|(_, line)| *line).collect();
                    table.set_list("dns", &servers, &lines);
                }
                blocks.push(Block::of(table));
            }
        }
        blocks
    }

    /// The DNS servers of a pool: those of the first group that uses it. Others are remarked on.
    fn dns_of(&mut self, name: &str, wanted: &[super::PoolUse]) -> Vec<(String, LineId)> {
        let mut uses = wanted
            .iter()
            .filter(|one| one.name == name && !one.dns.is_empty());
        let Some(first) = uses.next() else {
            return Vec::new();
        };
        let mut dns = first.dns.clone();
        for other in uses {
            for (server, line) in &other.dns {
                if first.dns.iter().any(|(known, _)| known == server) {
                    dns.push((server.clone(), *line));
                } else {
                    let why = "DNS servers belong to a pool, and another group has the same pool with others: give each group a pool";
                    self.ledger.remark(*line, why);
                }
            }
        }
        let mut seen: Vec<String> = Vec::new();
        // A server is listed once; every line that names it led to it.
        let (unique, repeated): (Vec<_>, Vec<_>) = dns.into_iter().partition(|(server, _)| {
            let fresh = !seen.contains(server);
            seen.push(server.clone());
            fresh
        });
        for (_, line) in repeated {
            self.ledger
                .translated(line, &format!("pools.{}.dns", path_part(name)));
        }
        unique
    }

    /// Sections `users`: those whose password could be read, if any connection asks for one.
    pub(super) fn users(&mut self) -> Vec<Block> {
        if !self.users_wanted {
            return Vec::new();
        }
        let mut blocks = Vec::new();
        for user in &self.router.users {
            let Some(password) = user.password.plain() else {
                let why = user.password.hidden().unwrap_or_default();
                let why = format!(
                    "{why}: write `[users.{}]` with `password_file`",
                    path_part(&user.name)
                );
                self.ledger.refuse(user.line, why);
                continue;
            };
            let mut table = Table::new(format!("users.{}", path_part(&user.name)));
            let file = format!("user-{}", file_name(&user.name));
            let keys = ("password", "password_file");
            table.set_secret(keys, file, Some(password.clone()), &[user.line]);
            blocks.push(Block::of(table));
        }
        blocks
    }
}

/// Addresses of a pool at most.
const ADDRESSES_MAX: u32 = 1 << 24;

fn is_huge(pool: &LocalPool) -> bool {
    bits(pool.last).saturating_sub(bits(pool.first)) >= ADDRESSES_MAX
}

fn bits(address: Ipv4Addr) -> u32 {
    address.to_bits()
}

fn overlap(one: &LocalPool, other: &LocalPool) -> bool {
    one.first <= other.last && other.first <= one.last
}
