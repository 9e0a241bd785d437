//! Pre-shared keys: one secret for each peer or prefix, and two keys for the same peers are told
//! apart by nothing in Palisade.

use core::net::IpAddr;
use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::document::{Block, Table, file_name, path_part};
use crate::ledger::Ledger;
use crate::line::LineId;
use crate::model::{Key, Owner};
use crate::secret::Secret;
use crate::translate::Translator;

/// The secrets so far.
#[derive(Default)]
pub(super) struct Plans {
    plans: Vec<Plan>,
    /// Which plan an identity belongs to, names in lower case.
    owners: HashMap<String, usize>,
}

struct Plan {
    name: String,
    ids: Vec<String>,
    key: Option<Zeroizing<String>>,
    hidden: Option<String>,
    lines: Vec<LineId>,
}

impl Plans {
    /// Takes a key for `ids` in. The name is that of its section.
    pub(super) fn add(
        &mut self,
        ledger: &mut Ledger,
        name: &str,
        ids: &[String],
        secret: &Secret,
        lines: &[LineId],
    ) {
        let same = |plan: &Plan| match (&plan.key, secret.plain()) {
            (Some(known), Some(new)) => known == new,
            // What cannot be read is told apart by its lines.
            (None, None) => plan.lines.as_slice() == lines,
            _ => false,
        };
        let mut fresh = Vec::new();
        for id in ids {
            let owner = self.owners.get(&id.to_ascii_lowercase());
            match owner.and_then(|index| self.plans.get_mut(*index)) {
                None => fresh.push(id.clone()),
                Some(plan) if same(plan) => extend(&mut plan.lines, lines),
                Some(_) => {
                    let why = format!(
                        "another key is in use for `{id}`: there is one secret for each identity, wherever it is used"
                    );
                    lines
                        .iter()
                        .for_each(|line| ledger.remark(*line, why.as_str()));
                }
            }
        }
        if fresh.is_empty() {
            return;
        }
        let own = |plan: &Plan| plan.name == name && same(plan);
        let index = self.plans.iter().position(own);
        let index = index.unwrap_or_else(|| {
            let name = self.free_name(name);
            self.plans.push(Plan {
                name,
                ids: Vec::new(),
                key: secret.plain().cloned(),
                hidden: secret.hidden(),
                lines: Vec::new(),
            });
            self.plans.len() - 1
        });
        let Some(plan) = self.plans.get_mut(index) else {
            return;
        };
        extend(&mut plan.lines, lines);
        for id in fresh {
            self.owners.insert(id.to_ascii_lowercase(), index);
            plan.ids.push(id);
        }
    }

    fn free_name(&self, wish: &str) -> String {
        let mut name = wish.to_owned();
        let mut number = 2_u32;
        while self.plans.iter().any(|plan| plan.name == name) {
            name = format!("{wish}-{number}");
            number = number.saturating_add(1);
        }
        name
    }

    /// Sections `secrets`.
    pub(super) fn blocks(self) -> Vec<Block> {
        let mut files: Vec<String> = Vec::new();
        let block = |plan: Plan| {
            let mut table = Table::new(format!("secrets.{}", path_part(&plan.name)));
            match plan.ids.as_slice() {
                [id] => table.set_text("id", id, &plan.lines),
                ids => table.set_list("id", ids, &plan.lines),
            }
            let mut file = file_name(&plan.name);
            while files.contains(&file) {
                file.insert(0, '-');
            }
            files.push(file.clone());
            let lacks = plan.hidden.map(|why| {
                let instead = format!("write the key into {file} (mode 0600) and remove the `# ` here and in the connections that wait for it");
                (why, instead)
            });
            table.set_secret(("secret", "file"), file, plan.key, &plan.lines);
            let mut block = Block::of(table);
            if let Some((what, instead)) = lacks {
                block.lacks(what, instead);
            }
            block
        };
        self.plans.into_iter().map(block).collect()
    }
}

fn extend(lines: &mut Vec<LineId>, more: &[LineId]) {
    for line in more {
        if !lines.contains(line) {
            lines.push(*line);
        }
    }
}

/// Whether a key is for a peer at this address.
pub(super) fn covers(owner: &Owner, address: IpAddr) -> bool {
    let Owner::Prefix(network, length) = owner else {
        return false;
    };
    let length = u32::from(*length);
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            length == 0 || differ.leading_zeros() >= length
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            length == 0 || differ.leading_zeros() >= length
        }
        _ => false,
    }
}

/// An owner as an identity of Palisade, which is also the name of its secret.
pub(super) fn owner_id(owner: &Owner) -> String {
    match owner {
        Owner::Prefix(address @ IpAddr::V4(_), 32) => address.to_string(),
        Owner::Prefix(address @ IpAddr::V6(_), 128) => address.to_string(),
        Owner::Prefix(address, length) => format!("{address}/{length}"),
        Owner::Host(name) => name.clone(),
    }
}

impl Translator<'_> {
    /// The keys of IKEv1 that hold for all; those of keyrings enter with the profiles that use them.
    pub(super) fn isakmp_keys(&mut self) {
        let router = self.router;
        for key in &router.isakmp.keys {
            self.isakmp_key(key, &[]);
        }
    }

    /// One of these keys; `lines` name it besides its own.
    pub(super) fn isakmp_key(&mut self, key: &Key, lines: &[LineId]) {
        let id = owner_id(&key.owner);
        let lines = [lines, &[key.line]].concat();
        self.plans.add(
            self.ledger,
            &id,
            std::slice::from_ref(&id),
            &key.secret,
            &lines,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_cover_their_addresses() {
        let covered = |network: &str, length, address: &str| {
            let owner = Owner::Prefix(network.parse().expect("a network"), length);
            covers(&owner, address.parse().expect("an address"))
        };
        assert!(covered("10.2.80.0", 24, "10.2.80.209"));
        assert!(!covered("10.2.80.0", 24, "10.2.81.1"));
        assert!(covered("0.0.0.0", 0, "192.0.2.1"));
        assert!(covered("10.0.0.1", 32, "10.0.0.1"));
        assert!(!covered("0.0.0.0", 0, "2001:db8::1"));
        assert!(covered("2001:db8::", 32, "2001:db8::1"));
    }
}
