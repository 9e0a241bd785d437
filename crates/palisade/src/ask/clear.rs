use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Result, bail};
use control::Client;
use control::view::{ClearRequest, Cleared, SessionView, Status};
use serde::Serialize;

use super::show;
use crate::cli::ClearArgs;

/// `palisade clear session`.
pub(crate) fn clear_session(args: &ClearArgs) -> Result<ExitCode> {
    let client = super::client(&args.ask)?;
    let mut request = ClearRequest {
        local: args.local.clone(),
        remote: args.remote.clone(),
        fvrf: args.fvrf.clone(),
        ivrf: args.ivrf.clone(),
        id: args.id.clone(),
        all: args.all,
        dry_run: args.dry_run,
        cursor: None,
    };
    if request.is_about_all() && !args.all {
        if !args.dry_run && !confirmed(&client)? {
            return Ok(ExitCode::FAILURE);
        }
        request.all = true;
    }
    let mut sessions = Vec::new();
    let outcome = clear_all(&client, request, &mut sessions);
    // What was done is told even if the rest could not be.
    report(sessions, args)?;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// Asks whether every session is meant. Only on a terminal: a script has to say so itself.
fn confirmed(client: &Client) -> Result<bool> {
    let status: Status = client.get("/v1/status")?;
    let all = status.ike_established.saturating_add(status.ike_half_open);
    if !std::io::stdin().is_terminal() {
        bail!("without a filter this ends all {all} sessions: say --all if that is meant");
    }
    eprint!("This ends all {all} sessions. Go on? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Page by page, since the service ends only so many at a time.
fn clear_all(
    client: &Client,
    mut request: ClearRequest,
    sessions: &mut Vec<SessionView>,
) -> Result<()> {
    loop {
        let page: Cleared = client.post("/v1/clear", &request)?;
        sessions.extend(page.sessions);
        if page.next.is_none() {
            return Ok(());
        }
        request.cursor = page.next;
    }
}

/// What was done, as a whole.
#[derive(Serialize)]
struct Report {
    dry_run: bool,
    ike_sas: usize,
    child_sas: u64,
    sessions: Vec<SessionView>,
}

fn report(sessions: Vec<SessionView>, args: &ClearArgs) -> Result<()> {
    let report = Report {
        dry_run: args.dry_run,
        ike_sas: sessions.len(),
        child_sas: sessions
            .iter()
            .fold(0, |sum, one| sum.saturating_add(u64::from(one.child_sas))),
        sessions,
    };
    if args.ask.json {
        return show::json(&report);
    }
    if !report.sessions.is_empty() {
        let headers = [
            "number",
            "identity",
            "remote",
            "local",
            "fvrf",
            "ivrf",
            "child SAs",
            "peer",
        ];
        let mut table = show::table(&headers);
        for session in &report.sessions {
            table.add_row([
                show::number(session.number),
                (&session.identity).into(),
                (&session.remote).into(),
                (&session.local).into(),
                (&session.fvrf).into(),
                (&session.ivrf).into(),
                show::number(session.child_sas),
                peer(session, args.dry_run).into(),
            ]);
        }
        show::print(&table)?;
        show::write("\n")?;
    }
    show::write(&summary(&report))
}

/// What the peer hears of it.
const fn peer(session: &SessionView, dry_run: bool) -> &'static str {
    match (session.told, dry_run) {
        (true, false) => "sent a DELETE",
        (true, true) => "would be sent a DELETE",
        (false, _) => "not authenticated yet",
    }
}

fn summary(report: &Report) -> String {
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let ike = u64::try_from(report.ike_sas).unwrap_or(u64::MAX);
    let verb = match (ike, report.dry_run) {
        (0, _) => return "no session matches\n".to_owned(),
        (_, true) => "would end",
        (_, false) => "ended",
    };
    format!(
        "{verb} {ike} IKE SA{} and {} pair{} of IPsec SAs\n",
        plural(ike),
        report.child_sas,
        plural(report.child_sas)
    )
}
