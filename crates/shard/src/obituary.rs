use std::collections::VecDeque;

use dpd::Evidence;
use ipsec::{Identity, IkeSpi};
use timer::Instant;

use crate::PeerRef;

/// Verdicts that a shard remembers.
const KEPT_MAX: usize = 4096;

/// What is remembered of a peer that was declared dead.
#[derive(Clone, Debug)]
pub struct Obituary {
    /// Who.
    pub peer: PeerRef,
    /// When.
    pub at: Instant,
    /// Why.
    pub evidence: Evidence,
}

/// The latest verdicts of a shard, the oldest forgotten first.
#[derive(Default)]
pub(crate) struct Obituaries {
    kept: VecDeque<Obituary>,
}

impl Obituaries {
    pub(crate) fn add(&mut self, obituary: Obituary) {
        if self.kept.len() == KEPT_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(obituary);
    }

    /// The latest verdict on an identity.
    pub(crate) fn of_identity(&self, identity: &Identity) -> Option<&Obituary> {
        let same = |obituary: &&Obituary| obituary.peer.identity.as_ref() == Some(identity);
        self.kept.iter().rev().find(same)
    }

    /// The verdict on an IKE SA.
    pub(crate) fn of_spi(&self, spi: IkeSpi) -> Option<&Obituary> {
        self.kept
            .iter()
            .rev()
            .find(|obituary| obituary.peer.spi == spi)
    }

    /// All of them, the latest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Obituary> {
        self.kept.iter().rev()
    }
}
