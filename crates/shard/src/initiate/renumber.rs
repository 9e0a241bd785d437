//! Connections are known by their number in the policy. When the policy is replaced, what is known of
//! them moves to the numbers that their names have now.

use std::collections::HashMap;
use std::sync::Arc;

use ipsec::{ConnectionPolicy, PolicySnapshot, StartAction};
use timer::Instant;

use super::Attempt;
use super::traps::ChildNumber;
use crate::counters::ShardDrop;
use crate::shard::Token;
use crate::{Output, Policy, Shard};

/// The way from the numbers of one policy to those of another.
struct Renumbering {
    old: Arc<PolicySnapshot>,
    new: Arc<PolicySnapshot>,
}

impl Renumbering {
    fn pair(&self, number: u32) -> Option<(u32, &ConnectionPolicy, &ConnectionPolicy)> {
        let old = self.old.connections.numbered(number)?;
        let place = self.new.connections.number_of(&old.name)?;
        let new = self.new.connections.numbered(place)?;
        Some((place, old, new))
    }

    fn connection(&self, number: u32) -> Option<u32> {
        self.pair(number).map(|(place, ..)| place)
    }

    fn child(&self, number: ChildNumber) -> Option<ChildNumber> {
        let (connection, old, new) = self.pair(number.connection)?;
        let name = &old.children.get(usize::from(number.child))?.name;
        let child = new.children.iter().position(|child| child.name == *name)?;
        Some(ChildNumber {
            connection,
            child: u16::try_from(child).ok()?,
        })
    }

    /// Whether anything of what we initiated is called otherwise from now on.
    fn moves(&self, connection: u32) -> bool {
        let Some((place, old, new)) = self.pair(connection) else {
            return true;
        };
        let names = |policy: &ConnectionPolicy| -> Vec<_> {
            let children = policy.children.iter();
            children.map(|child| Arc::clone(&child.name)).collect()
        };
        place != connection || old.remote_addrs != new.remote_addrs || names(old) != names(new)
    }

    /// The place of a peer in its connection's list; the first if it is gone.
    fn remote(&self, connection: u32, remote: u16) -> u16 {
        let place = self.pair(connection).and_then(|(_, old, new)| {
            let peer = old.remote_addrs.get(usize::from(remote))?;
            let place = new.remote_addrs.iter().position(|other| other == peer)?;
            u16::try_from(place).ok()
        });
        place.unwrap_or(0)
    }
}

impl Shard {
    /// Works by another policy from now on.
    pub(crate) fn replace_policy(&mut self, policy: Policy, now: Instant, out: &mut impl Output) {
        let way = Renumbering {
            old: Arc::clone(&self.world.policy.snapshot),
            new: Arc::clone(&policy.snapshot),
        };
        let former = core::mem::replace(&mut self.world.policy, policy);
        self.begin_adoption(former, now);
        if self
            .initiations
            .by_connection
            .keys()
            .any(|one| way.moves(*one))
        {
            self.renumber_peers(&way);
        }
        self.renumber_attempts(&way);
        self.renumber_traps(&way, out);
        let gone = self.initiations.held.renumber(|old| way.connection(old));
        self.counters
            .dropped_several(ShardDrop::HoldAbandoned, gone);
        self.start_added(now, out);
    }

    /// Initiates what is to be started at once and was not there before.
    fn start_added(&mut self, now: Instant, out: &mut impl Output) {
        for (connection, child) in self.own_children(StartAction::Start) {
            if !self.initiations.by_connection.contains_key(&connection) {
                self.need(connection, child, now, out);
            }
        }
    }

    fn renumber_peers(&mut self, way: &Renumbering) {
        for peer in self.peers.iter_mut() {
            let Some(initiated) = peer.initiated.as_mut() else {
                continue;
            };
            let number = way.child(ChildNumber {
                connection: initiated.connection,
                child: initiated.child,
            });
            match number {
                Some(ChildNumber { connection, child }) => {
                    initiated.remote = way.remote(initiated.connection, initiated.remote);
                    initiated.connection = connection;
                    initiated.child = child;
                }
                None => peer.initiated = None,
            }
        }
    }

    /// Names are resolved anew. A question under way is forgotten, and asked again by the timer.
    fn renumber_attempts(&mut self, way: &Renumbering) {
        self.initiations.questions.clear();
        let former = core::mem::take(&mut self.initiations.by_connection);
        for (number, mut attempt) in former {
            let timer = attempt.timer.take();
            if let Some((key, _)) = timer {
                self.wheel.cancel(key);
            }
            let child = way.child(ChildNumber {
                connection: number,
                child: attempt.child,
            });
            let Some(child) = child else {
                continue;
            };
            let attempt = Attempt {
                remote: way.remote(number, attempt.remote),
                child: child.child,
                timer: timer.map(|(_, due)| {
                    let token = Token::Initiate(child.connection);
                    (self.wheel.arm(due, token), due)
                }),
                question: None,
                answers: HashMap::new(),
                asked: Vec::new(),
                reached: None,
                ..attempt
            };
            self.initiations
                .by_connection
                .insert(child.connection, attempt);
        }
    }

    /// The new traps are laid before the old ones are taken up, so that no packet falls between them.
    fn renumber_traps(&mut self, way: &Renumbering, out: &mut impl Output) {
        let former = self.initiations.traps.take_all();
        self.set_traps(out);
        for (number, _, users) in &former {
            let Some(number) = way.child(*number) else {
                continue;
            };
            let active = self.initiations.by_connection.get(&number.connection);
            let active = active.is_some_and(|attempt| attempt.timer.is_some());
            let waited_for = self.initiations.held.waits_for(number.connection);
            if *users > 0 || active || waited_for {
                self.lay_trap(number, out);
            }
            for _ in 0..*users {
                self.initiations.traps.used(number);
            }
        }
        for (_, trap, _) in &former {
            self.unlead(trap, out);
        }
    }
}
