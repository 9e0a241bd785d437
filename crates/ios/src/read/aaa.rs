//! `aaa` and `username`: who may log in as a client.

use crate::args::{Args, Handled};
use crate::commands::Command;
use crate::ledger::Unused;
use crate::model::{Method, User};
use crate::modes::Mode;
use crate::read::Reader;

const GLOBAL: &[Mode] = &[Mode::Global];

pub(super) const COMMANDS: &[Command] = &[
    Command::read(
        GLOBAL,
        ("username", "NAME … password|secret [0] PASSWORD"),
        "`[users.NAME]`, if a connection asks users for passwords",
        Unused::Outside,
        user,
    ),
    Command::read(
        GLOBAL,
        ("aaa authentication login", "LIST local|group …"),
        "the `[users]` of a connection whose crypto map names the list, if its first method is `local`",
        Unused::Outside,
        login,
    ),
    Command::read(
        GLOBAL,
        ("aaa authorization network", "LIST local|group …"),
        "the groups of a connection whose crypto map names the list, if its first method is `local`",
        Unused::Outside,
        network,
    ),
];

fn user(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    let name = args.name("a name")?;
    while let Some(word) = args.peek() {
        if matches!(word, "password" | "secret") {
            break;
        }
        args.next();
    }
    if args.next().is_none() {
        // A user without a password is none that a client could be.
        return Ok(());
    }
    let Ok(password) = args.secret(&[]) else {
        return Ok(());
    };
    let line = args.line;
    // The last line about a user counts.
    reader.router.users.retain(|user| user.name != name);
    reader.router.users.push(User {
        name,
        line,
        password,
    });
    Ok(())
}

fn method(args: &mut Args<'_>) -> Option<Method> {
    let name = args.next()?.to_owned();
    let local = args.next()?.starts_with("local");
    Some(Method {
        name,
        line: args.line,
        local,
    })
}

fn login(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.logins.extend(method(args));
    Ok(())
}

fn network(reader: &mut Reader<'_>, args: &mut Args<'_>) -> Handled {
    reader.router.networks.extend(method(args));
    Ok(())
}
