//! Who we say we are.

use crate::document::Table;
use crate::line::LineId;
use crate::model::{At, IdentityKind, Own};
use crate::read::isakmp::identity_text;
use crate::translate::Translator;

impl Translator<'_> {
    /// `local.id`: what the profile says, or else what holds for all.
    pub(super) fn own_identity(&mut self, table: &mut Table, own: Option<&At<Own>>) {
        let router = self.router;
        match own {
            Some(At {
                value: Own::Named(name),
                line,
            }) => table.set_text("local.id", name, &[*line]),
            Some(At {
                value: Own::Hostname,
                line,
            }) => self.host_identity(table, *line),
            Some(At {
                value: Own::Address,
                line,
            }) => {
                self.ledger.unneeded(*line, OWN_ADDRESS);
            }
            None => match router.isakmp.identity {
                Some(At {
                    value: IdentityKind::Hostname,
                    line,
                }) => self.host_identity(table, line),
                Some(At {
                    value: IdentityKind::Address,
                    line,
                }) => {
                    self.ledger.unneeded(line, OWN_ADDRESS);
                }
                None => {}
            },
        }
    }

    /// The router's name with its domain.
    fn host_identity(&mut self, table: &mut Table, line: LineId) {
        let router = self.router;
        let Some(host) = &router.hostname else {
            let why =
                "the router's name is not in the input (`hostname`): our address is the identity";
            self.ledger.remark(line, why);
            return;
        };
        let mut lines = vec![line, host.line];
        let mut name = host.value.clone();
        if let Some(domain) = &router.domain {
            name = format!("{name}.{}", domain.value);
            lines.push(domain.line);
        }
        if identity_text(&name).is_ok() {
            table.set_text("local.id", &name, &lines);
        } else {
            self.ledger.remark(
                line,
                "the router's name cannot be an identity: our address is",
            );
        }
    }
}

const OWN_ADDRESS: &str = "our address is the identity unless `local.id` says otherwise";
