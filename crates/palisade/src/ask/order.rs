//! Commands that set something in motion.

use std::process::ExitCode;

use anyhow::Result;
use control::view::Done;
use serde_json::{Value, json};

use super::show;
use crate::cli::{Ask, InitiateArgs, TargetArgs};

/// `palisade initiate`.
pub(crate) fn initiate(args: &InitiateArgs) -> Result<ExitCode> {
    order(
        &args.ask,
        "initiate",
        &json!({ "connection": args.connection, "child": args.child }),
    )
}

/// `palisade terminate`.
pub(crate) fn terminate(args: &TargetArgs) -> Result<ExitCode> {
    order(
        &args.ask,
        "terminate",
        &json!({ "peer": args.peer, "child": args.child }),
    )
}

/// `palisade rekey`.
pub(crate) fn rekey(args: &TargetArgs) -> Result<ExitCode> {
    order(
        &args.ask,
        "rekey",
        &json!({ "peer": args.peer, "child": args.child }),
    )
}

fn order(ask: &Ask, what: &str, body: &Value) -> Result<ExitCode> {
    let done: Done = super::client(ask)?.post(&format!("/v1/{what}"), body)?;
    if ask.json {
        show::json(&done)?;
    } else {
        show::write(&format!("{}\n", done.text))?;
    }
    Ok(ExitCode::SUCCESS)
}
