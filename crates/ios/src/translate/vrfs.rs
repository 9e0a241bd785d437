//! Front-door and inner VRFs.

use crate::document::{Block, Table, path_part};
use crate::line::LineId;
use crate::model::At;
use crate::translate::Translator;
use crate::translate::connection::{Draft, Entry};

/// VRFs that one configuration may have of either kind, with some room.
const VRFS_MAX: usize = 4_000;
/// The first of the routing tables that inner VRFs get.
const FIRST_TABLE: usize = 1_001;
/// Octets of the name of a network device at most.
const DEVICE_MAX: usize = 15;

/// The VRFs that connections use.
#[derive(Default)]
pub(super) struct Vrfs {
    front: Vec<Vrf>,
    inner: Vec<Vrf>,
}

/// A VRF, and the lines that put connections into it.
struct Vrf {
    name: String,
    lines: Vec<LineId>,
}

impl<'r> Translator<'r> {
    /// `fvrf`, from the interfaces that have the crypto map, and `ivrf`, which a profile names and
    /// which is otherwise the same. Returns the inner one.
    pub(super) fn vrfs(
        &mut self,
        draft: &mut Draft,
        entry: Entry<'r>,
        inner: Option<&'r At<String>>,
    ) -> Option<String> {
        let applied = self.applied(&entry.outer.map);
        let mut vrfs = applied.iter().filter_map(|(_, one)| one.vrf.as_ref());
        let front = vrfs.next();
        for other in vrfs {
            if Some(&other.value) != front.map(|front| &front.value) {
                let why = "a connection is served in one VRF: write a second one for this VRF";
                self.ledger.remark(other.line, why);
            }
        }
        if let Some(front) = front {
            let name = enter(&mut self.vrfs.front, front)?;
            draft.table.set_text("fvrf", &name, &[front.line]);
            let why = format!(
                "the machine needs the device that [fvrf.{}] names, with the interfaces of that VRF",
                path_part(&name)
            );
            self.ledger.remark(front.line, why);
        }
        let inner = inner.or(front)?;
        let name = enter(&mut self.vrfs.inner, inner)?;
        draft.table.set_text("ivrf", &name, &[inner.line]);
        let why = "see to it that the traffic of the VRF looks into the routing table that its `[ivrf]` names";
        self.ledger.remark(inner.line, why);
        Some(name)
    }

    /// Sections `fvrf` and `ivrf`.
    pub(super) fn vrf_blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut devices: Vec<String> = Vec::new();
        for vrf in &self.vrfs.front {
            let mut table = Table::new(format!("fvrf.{}", path_part(&vrf.name)));
            let device = device(&vrf.name, &devices);
            table.set_text("device", &device, &vrf.lines);
            devices.push(device);
            blocks.push(Block::of(table));
        }
        for (number, vrf) in self.vrfs.inner.iter().enumerate() {
            let mut table = Table::new(format!("ivrf.{}", path_part(&vrf.name)));
            table.comments.push(
                "Routes to peers go into this table: let the VRF's traffic look there (ip rule)."
                    .to_owned(),
            );
            let number = FIRST_TABLE.saturating_add(number);
            table.set("table", number.to_string(), &vrf.lines);
            blocks.push(Block::of(table));
        }
        blocks
    }
}

/// Notes that a VRF is used; `None` if there are too many.
fn enter(vrfs: &mut Vec<Vrf>, at: &At<String>) -> Option<String> {
    // This name is that of what `[headend]` sets up.
    let name = match at.value.as_str() {
        "global" => "vrf-global",
        name => name,
    };
    if let Some(known) = vrfs.iter_mut().find(|vrf| vrf.name == name) {
        if !known.lines.contains(&at.line) {
            known.lines.push(at.line);
        }
        return Some(name.to_owned());
    }
    if vrfs.len() == VRFS_MAX {
        return None;
    }
    vrfs.push(Vrf {
        name: name.to_owned(),
        lines: vec![at.line],
    });
    Some(name.to_owned())
}

/// The network device of a VRF: its name, as far as a device can have it and no other has.
fn device(name: &str, taken: &[String]) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let safe = || name.chars().map(|c| if fits(c) { c } else { '-' });
    let mut device: String = safe().take(DEVICE_MAX).collect();
    let mut number = 2_u32;
    while taken.contains(&device) {
        let end = format!("-{number}");
        let room = DEVICE_MAX.saturating_sub(end.len());
        device = safe().take(room).collect::<String>() + &end;
        number = number.saturating_add(1);
    }
    device
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names_that_devices_can_have() {
        let taken = ["customer-of-the".to_owned()];
        assert_eq!(device("RED", &taken), "RED");
        assert_eq!(device("a/b", &taken), "a-b");
        assert_eq!(device("customer-of-the-north", &taken), "customer-of-t-2");
    }
}
