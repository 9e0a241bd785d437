//! When is a peer dead: proofs of life, probes, verdicts with evidence.
//!
//! One [`Liveness`] per IKE SA, whatever the version of IKE, and one timer of the shard's wheel for
//! it. An authenticated packet costs one store ([`Liveness::heard`]); everything else happens when
//! the timer fires ([`Liveness::fired`]) or when traffic wakes a tunnel that nobody watches
//! ([`Liveness::sent_outbound`], [`Liveness::woken`]). The machine says *when* a probe, a verdict or
//! a suspicion is due; the shard sends the bytes.
//!
//! A verdict has to be true, so a try counts only if it could have been answered
//! ([`ServiceHealth`]), a mass death is suspected to be our own fault ([`Breaker`]), what follows a
//! verdict is paced ([`Budgets`]), and each verdict keeps its record ([`Evidence`]).
#![forbid(unsafe_code)]

mod breaker;
mod budget;
mod counters;
mod decision;
mod evidence;
mod health;
mod liveness;
mod policy;
mod policy_error;
mod proof;
mod rut;
mod stamp;

pub use breaker::{Breaker, BreakerEvent, BreakerPolicy, DomainKey, FaultDomain};
pub use budget::{BudgetPolicy, Budgets, TokenBucket};
pub use counters::Counters;
pub use decision::{Act, Context, Decision, TimerChange, Watch};
pub use evidence::{
    Evidence, Nat, Suspicion, SuspicionCause, Try, TryOutcome, Verdict, VerdictReason,
};
pub use health::ServiceHealth;
pub use liveness::{Liveness, State};
pub use policy::{Action, DpdPolicy, Mode, Protocol, SuppressOn};
pub use policy_error::{PolicyError, Setting};
pub use proof::{NotProof, Proof};
pub use rut::{OwnSequence, PeerSequence, SequenceVerdict};
