//! What the operator wants of single IKE SAs and Child SAs.

use ike::{CloseReason, IkeSa};
use ipsec::{EspSpi, IkeSpi};
use timer::Instant;

use crate::{Output, Shard};

impl Shard {
    pub(crate) fn terminate(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) -> bool {
        self.with_sa(spi, now, out, |sa, ctx, actions| {
            sa.delete_ike(CloseReason::Deleted, ctx, actions);
        })
        .is_some()
    }

    pub(crate) fn terminate_child(
        &mut self,
        inbound: EspSpi,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(owner) = self.owner_of_child(inbound) else {
            return false;
        };
        let deleted = self.with_sa(owner, now, out, |sa, ctx, actions| {
            sa.delete_child(inbound, ike::RemovalReason::Deleted, ctx, actions)
                .is_ok()
        });
        deleted == Some(true)
    }

    pub(crate) fn rekey_ike(&mut self, spi: IkeSpi, now: Instant, out: &mut impl Output) -> bool {
        self.with_sa(spi, now, out, IkeSa::rekey_ike).is_some()
    }

    pub(crate) fn rekey_child(
        &mut self,
        inbound: EspSpi,
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(owner) = self.owner_of_child(inbound) else {
            return false;
        };
        let begun = self.with_sa(owner, now, out, |sa, ctx, actions| {
            sa.rekey_child(inbound, ctx, actions).is_ok()
        });
        begun == Some(true)
    }

    /// Deletes every IKE SA with one DELETE each, which is not repeated.
    pub(crate) fn shut_down(&mut self, now: Instant, out: &mut impl Output) {
        self.shutting_down = true;
        let all: Vec<IkeSpi> = self
            .peers
            .iter_from(0)
            .map(|(_, peer)| peer.sa.local_spi())
            .collect();
        for spi in all {
            self.with_sa(spi, now, out, |sa, ctx, actions| {
                sa.close(CloseReason::Deleted, false, ctx, actions);
            });
        }
    }
}
