//! Benches, one a question; see the `benches` folder beside this one.
#![forbid(unsafe_code)]
