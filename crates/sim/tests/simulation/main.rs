//! The headend under power cuts, attacks and stalls, on virtual time. `PALISADE_SIM_SEED` repeats a
//! run.

mod hostile;
mod ikev1;
mod power_cut;
mod rekey;
mod reload;
mod stage;
mod stall;
mod verdicts;
