//! Settings of the service.

use crate::document::{Block, Table};
use crate::model::{At, Router};

/// Section `headend`, if the router says anything about it.
pub(super) fn headend(router: &Router) -> Option<Block> {
    let mut table = Table::new("headend");
    let mut any = false;
    let mut set = |name: &'static str, value: Option<String>, at: &[At<u32>]| {
        if let Some(value) = value {
            let lines: Vec<_> = at.iter().map(|at| at.line).collect();
            table.set(name, value, &lines);
            any = true;
        }
    };
    let nat: Vec<At<u32>> = [router.isakmp.nat_keepalive, router.ikev2.nat_keepalive]
        .into_iter()
        .flatten()
        .collect();
    let shortest = nat.iter().map(|at| at.value).min();
    set(
        "nat_keepalive",
        shortest.map(|seconds| format!("\"{seconds}s\"")),
        &nat,
    );
    let half_open: Vec<_> = router.ikev2.half_open_max.into_iter().collect();
    let number = half_open.first().map(|at| at.value.to_string());
    set("half_open_max", number, &half_open);
    let cookies: Vec<_> = router.ikev2.cookie_challenge.into_iter().collect();
    let number = cookies.first().map(|at| at.value.to_string());
    set("cookie_threshold", number, &cookies);
    any.then(|| Block::of(table))
}
