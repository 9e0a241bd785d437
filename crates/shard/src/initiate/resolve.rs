//! Peers that are known by name. Resolving takes time and a network, so that it is an action out and
//! a result in, as slow work is.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use ipsec::PeerEndpoint;
use timer::Instant;

use super::attempt::Begun;
use crate::liveness::nobody;
use crate::peers::Initiated;
use crate::{EventKind, Output, PeerRef, Shard, ShardId};

/// After this time a name counts as not resolved.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Names a host name's resolution that a shard asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Question {
    /// The shard that asked.
    pub shard: ShardId,
    /// Tells it from others of that shard.
    pub number: u64,
}

impl Shard {
    pub(super) fn ask_for_address(
        &mut self,
        connection: u32,
        name: &Arc<str>,
        now: Instant,
        out: &mut impl Output,
    ) -> Begun {
        self.initiations.last_question += 1;
        let number = self.initiations.last_question;
        self.initiations.questions.insert(number, connection);
        let attempt = self.initiations.attempt(connection);
        if let Some(former) = attempt.question.replace(number) {
            self.initiations.questions.remove(&former);
        }
        self.arm_attempt(connection, now + ANSWER_TIMEOUT);
        let question = Question {
            shard: self.id,
            number,
        };
        out.resolve(question, name);
        Begun::UnderWay
    }

    /// What a host name stands for: all of its addresses, the preferred first; none if it could not
    /// be resolved. An answer that comes too late changes nothing.
    pub fn resolved(
        &mut self,
        question: Question,
        addresses: &[IpAddr],
        now: Instant,
        out: &mut impl Output,
    ) {
        let Some(connection) = self.initiations.questions.remove(&question.number) else {
            return;
        };
        let attempt = self.initiations.attempt(connection);
        if attempt.question != Some(question.number) {
            return;
        }
        attempt.question = None;
        let initiated = Initiated {
            connection,
            child: attempt.child,
            remote: attempt.remote,
        };
        self.disarm_attempt(connection);
        if self.shutting_down {
            return;
        }
        if !self.open_to_one_of(initiated, addresses, now, out) {
            self.not_resolved(initiated, now, out);
        }
    }

    fn open_to_one_of(
        &mut self,
        initiated: Initiated,
        addresses: &[IpAddr],
        now: Instant,
        out: &mut impl Output,
    ) -> bool {
        let Some(policy) = self.connection(initiated.connection) else {
            return false;
        };
        let peer = policy.remote_addrs.get(usize::from(initiated.remote));
        let Some(PeerEndpoint::Name { port, dynamic, .. }) = peer else {
            return false;
        };
        let mut addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, *port));
        let reachable = |address: &SocketAddr| self.local_for(&policy, *address).is_some();
        let Some(address) = addresses.find(reachable) else {
            return false;
        };
        if !dynamic {
            let attempt = self.initiations.attempt(initiated.connection);
            attempt.answers.insert(initiated.remote, address.ip());
        }
        self.open_to(initiated, address, &policy, now, out)
            .is_some()
    }

    /// The name of the peer whose turn it is leads nowhere.
    pub(super) fn not_resolved(
        &mut self,
        initiated: Initiated,
        now: Instant,
        out: &mut impl Output,
    ) {
        if let Some(policy) = self.connection(initiated.connection)
            && let Some(PeerEndpoint::Name { name, .. }) =
                policy.remote_addrs.get(usize::from(initiated.remote))
        {
            let peer = PeerRef {
                connection: Arc::clone(&policy.name),
                fvrf: policy.fvrf,
                ivrf: policy.ivrf,
                ..nobody(self.id)
            };
            let kind = EventKind::Unresolved {
                name: Arc::clone(name),
            };
            out.event(crate::Event {
                at: now,
                peer,
                kind,
            });
        }
        self.not_reached(initiated, now);
    }
}
