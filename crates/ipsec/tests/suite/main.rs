//! Windows, databases and sizes held against models and budgets.

mod policy;
mod replay;
mod sad;
mod spd;
mod support;
