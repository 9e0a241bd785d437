//! From the model to a configuration of Palisade.

mod clients;
mod connection;
mod headend;
mod identity;
mod ikev1;
mod ikev2;
mod lifetime;
mod liveness;
mod order;
mod pools;
mod secrets;
mod selectors;
mod suite;
mod vrfs;

use std::collections::HashSet;

use crate::document::{Block, Document, list};
use crate::ledger::Ledger;
use crate::line::LineId;
use crate::model::{MapEntry, Router};
use crate::translate::order::Claim;
use crate::translate::secrets::Plans;
use crate::translate::suite::Suite;
use crate::translate::vrfs::Vrfs;

/// Translates all that the model says.
pub(crate) fn translate(router: &Router, ledger: &mut Ledger) -> Document {
    let mut translator = Translator {
        router,
        ledger,
        plans: Plans::default(),
        isakmp: Suite::default(),
        ikev2: Suite::default(),
        connections: Vec::new(),
        notes: Vec::new(),
        names: HashSet::new(),
        users_wanted: false,
        pools_wanted: Vec::new(),
        vrfs: Vrfs::default(),
        claims: Vec::new(),
    };
    translator.isakmp = suite::of_isakmp(router, translator.ledger);
    translator.ikev2 = suite::of_ikev2(router, translator.ledger);
    translator.all()
}

/// A pool that a connection hands out, and who tells clients of which DNS servers.
pub(crate) struct PoolUse {
    pub(crate) name: String,
    /// The inner VRF of the connection.
    pub(crate) ivrf: Option<String>,
    pub(crate) dns: Vec<(String, LineId)>,
}

struct Translator<'r> {
    router: &'r Router,
    ledger: &'r mut Ledger,
    plans: Plans,
    isakmp: Suite,
    ikev2: Suite,
    connections: Vec<Block>,
    notes: Vec<String>,
    /// Names of connections that are taken.
    names: HashSet<String>,
    users_wanted: bool,
    pools_wanted: Vec<PoolUse>,
    vrfs: Vrfs,
    claims: Vec<Claim>,
}

impl<'r> Translator<'r> {
    fn all(mut self) -> Document {
        self.isakmp_keys();
        for entry in &self.router.maps {
            self.entry(entry);
        }
        self.compare_claims();
        self.note_policies();
        let liveness = liveness::global(self.router, !self.connections.is_empty());
        let mut document = Document::default();
        document.blocks.extend(headend::headend(self.router));
        document.blocks.extend(liveness);
        let pools = self.pools();
        let users = self.users();
        document.blocks.extend(self.vrf_blocks());
        document.blocks.append(&mut self.connections);
        document.blocks.extend(pools);
        document.blocks.extend(users);
        document.blocks.extend(self.plans.blocks());
        if document.blocks.is_empty() && self.notes.is_empty() {
            let note = "Nothing in the input makes a connection, a secret or a setting.";
            self.notes.push(note.to_owned());
        }
        document.notes = self.notes;
        document
    }

    /// Policies without a connection have no place of their own.
    fn note_policies(&mut self) {
        let used = !self.connections.is_empty();
        if !used && !self.isakmp.proposals.is_empty() {
            let proposals = list(&self.isakmp.proposals);
            self.notes.push(format!(
                "The input has policies and no crypto map. In a connection of IKEv1 they are: proposals = {proposals}"
            ));
        }
    }

    /// An entry of a crypto map: a connection, or one for each entry of a dynamic map.
    fn entry(&mut self, entry: &'r MapEntry) {
        let Some(dynamic) = &entry.dynamic else {
            return self.connection(entry, entry);
        };
        let of_map = |one: &&'r MapEntry| one.map == *dynamic;
        let entries: Vec<&'r MapEntry> = self.router.dynamic_maps.iter().filter(of_map).collect();
        if entries.is_empty() {
            let why = format!("the dynamic map `{dynamic}` is not in the input");
            self.ledger.refuse(entry.line, why);
        }
        for one in entries {
            self.connection(entry, one);
        }
    }

    /// A name for a connection that no other has.
    fn free_name(&mut self, wish: &str) -> String {
        let mut name = wish.to_owned();
        let mut number = 2_u32;
        while !self.names.insert(name.clone()) {
            name = format!("{wish}-{number}");
            number = number.saturating_add(1);
        }
        name
    }
}
