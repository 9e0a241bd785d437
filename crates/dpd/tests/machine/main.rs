//! The machine on virtual time: its states, and the truth of its verdicts.

mod estate;
mod million;
mod overload;
mod states;
mod verdicts;
