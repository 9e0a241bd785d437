//! Every command that the import knows. The reader looks commands up here, so that none can be read
//! without being listed; the migration guide explains each, and a test holds the two together.

use crate::args::{Args, Handled};
use crate::ledger::Unused;
use crate::modes::Mode;
use crate::read::{self, Reader};

/// Reads the arguments of a command into the model.
pub(crate) type Handler = for<'r, 'a> fn(&'r mut Reader<'a>, &'r mut Args<'a>) -> Handled;

/// A command of IOS.
pub(crate) struct Command {
    pub(crate) modes: &'static [Mode],
    /// The words that name it.
    pub(crate) words: &'static str,
    /// What follows them, for the documentation.
    pub(crate) arguments: &'static str,
    pub(crate) does: Does,
}

/// What the import does about a command.
pub(crate) enum Does {
    /// Reads it.
    Becomes {
        /// What it turns into, for the documentation.
        what: &'static str,
        /// What the line is if nothing makes use of it.
        unused: Unused,
        handler: Handler,
    },
    /// Nothing, for it says what holds anyway.
    Unneeded(&'static str),
    /// Reports it, and what stands in its section.
    Refused(&'static str),
}

impl Command {
    /// A command that is read.
    pub(crate) const fn read(
        modes: &'static [Mode],
        (words, arguments): (&'static str, &'static str),
        what: &'static str,
        unused: Unused,
        handler: Handler,
    ) -> Self {
        let does = Does::Becomes {
            what,
            unused,
            handler,
        };
        Self {
            modes,
            words,
            arguments,
            does,
        }
    }

    /// A command that says what holds anyway.
    pub(crate) const fn unneeded(
        modes: &'static [Mode],
        (words, arguments): (&'static str, &'static str),
        why: &'static str,
    ) -> Self {
        Self {
            modes,
            words,
            arguments,
            does: Does::Unneeded(why),
        }
    }

    /// A command that has no counterpart.
    pub(crate) const fn refused(
        modes: &'static [Mode],
        (words, arguments): (&'static str, &'static str),
        why: &'static str,
    ) -> Self {
        Self {
            modes,
            words,
            arguments,
            does: Does::Refused(why),
        }
    }

    /// How many words of a line name this command; `None` if others do.
    fn fits(&self, words: &[&str]) -> Option<usize> {
        let mut count = 0;
        for own in self.words.split(' ') {
            if !words.get(count)?.eq_ignore_ascii_case(own) {
                return None;
            }
            count += 1;
        }
        // On an interface the name of the crypto map ends the line; elsewhere more follows.
        let name_alone = words.len() == count + 1;
        let fits = match (self.words, self.modes) {
            ("crypto map", [Mode::Interface]) => name_alone,
            ("crypto map", _) => !name_alone,
            _ => true,
        };
        fits.then_some(count)
    }
}

/// The command that a line of a mode holds, the one with the most words, and how many these are.
pub(crate) fn find(mode: Mode, words: &[&str]) -> Option<(&'static Command, usize)> {
    let of_mode = all().filter(|command| command.modes.contains(&mode));
    let fitting = of_mode.filter_map(|command| Some((command, command.fits(words)?)));
    fitting.max_by_key(|(_, count)| *count)
}

fn all() -> impl Iterator<Item = &'static Command> {
    read::TABLES.iter().copied().flatten()
}

/// A command, for documentation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reference {
    /// The mode in which it stands; several are separated by commas.
    pub mode: String,
    /// The command with its arguments.
    pub command: String,
    /// What it becomes, or why it becomes nothing.
    pub becomes: &'static str,
    /// Whether it has an effect on the configuration that is written.
    pub translated: bool,
}

/// Every command that the import knows, by mode.
pub fn commands() -> impl Iterator<Item = Reference> {
    all().map(|command| {
        let modes: Vec<_> = command.modes.iter().map(|mode| mode.name()).collect();
        let (becomes, translated) = match &command.does {
            Does::Becomes { what, .. } => (*what, true),
            Does::Unneeded(why) | Does::Refused(why) => (*why, false),
        };
        Reference {
            mode: modes.join(", "),
            command: format!("{} {}", command.words, command.arguments)
                .trim_end()
                .to_owned(),
            becomes,
            translated,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(mode: Mode, line: &str) -> Option<(&'static str, usize)> {
        let words: Vec<_> = line.split(' ').collect();
        find(mode, &words).map(|(command, count)| (command.words, count))
    }

    #[test]
    fn the_longest_name_wins_and_the_mode_counts() {
        assert_eq!(
            name(Mode::Global, "crypto map green 1 ipsec-isakmp"),
            Some(("crypto map", 2))
        );
        assert_eq!(
            name(Mode::Interface, "crypto map green"),
            Some(("crypto map", 2))
        );
        assert_eq!(
            name(Mode::Interface, "crypto map green 1 ipsec-isakmp"),
            None
        );
        assert_eq!(name(Mode::Global, "crypto map green"), None);
        assert_eq!(
            name(Mode::Global, "crypto isakmp client configuration group x"),
            Some(("crypto isakmp client configuration group", 5))
        );
        assert_eq!(
            name(Mode::CryptoMap, "SET peer 10.0.0.1"),
            Some(("set peer", 2))
        );
        assert_eq!(name(Mode::Global, "set peer 10.0.0.1"), None);
    }

    #[test]
    fn no_command_is_listed_twice_in_a_mode() {
        let mut seen = std::collections::HashSet::new();
        for command in all() {
            for mode in command.modes {
                let known = (*mode, command.words, command.arguments);
                assert!(seen.insert(known), "{} {}", mode.name(), command.words);
            }
        }
    }
}
