//! Windows, databases and sizes held against models and budgets.

mod connections;
mod policy;
mod replay;
mod sad;
mod shared_window;
mod spd;
mod support;
