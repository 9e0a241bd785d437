//! Which entry of a crypto map a packet goes to. IOS takes the first whose list permits it; in
//! Palisade the narrowest destination wins, whatever the order.

use crate::line::LineId;
use crate::model::Match;
use crate::translate::Translator;
use crate::translate::selectors::overlap;

/// Lines of one crypto map that are compared with each other.
const COMPARED_MAX: usize = 2_000;

/// A line that permits, as an entry of a crypto map uses it.
pub(super) struct Claim {
    pub(super) map: String,
    pub(super) number: u32,
    pub(super) line: LineId,
    pub(super) matched: Match,
}

impl Translator<'_> {
    /// Remarks on lines that take packets here which an earlier entry takes in IOS.
    pub(super) fn compare_claims(&mut self) {
        let mut claims = core::mem::take(&mut self.claims);
        // Within an entry the order is that of its list.
        claims.sort_by(|a, b| (&a.map, a.number).cmp(&(&b.map, b.number)));
        for of_map in claims.chunk_by(|a, b| a.map == b.map) {
            if of_map.len() > COMPARED_MAX {
                let map = of_map.first().map_or("", |claim| &claim.map);
                self.notes.push(format!("The crypto map {map} has more lines than are compared: where lists of its entries overlap, the narrowest destination wins, and not the first entry."));
                continue;
            }
            for (at, later) in of_map.iter().enumerate() {
                let earlier = of_map.get(..at).unwrap_or_default();
                if let Some(first) = earlier.iter().find(|one| takes_from(later, one)) {
                    let why = format!(
                        "entry {} permits some of this too, and IOS takes the first entry: here the narrowest destination wins, so that this line does",
                        first.number
                    );
                    self.ledger.remark(later.line, why);
                }
            }
        }
    }
}

/// Whether `later` gets packets that `earlier` would have in IOS.
fn takes_from(later: &Claim, earlier: &Claim) -> bool {
    let narrower = later.matched.destination.length >= earlier.matched.destination.length;
    later.number != earlier.number && narrower && overlap(&later.matched, &earlier.matched)
}
