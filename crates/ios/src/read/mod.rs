//! From lines to the model: each line finds its mode and its command.

mod aaa;
mod access;
mod group;
mod ikev2;
mod ikev2_keyring;
mod ikev2_profile;
mod interface;
mod ipsec;
pub(crate) mod isakmp;
mod keyring;
mod map;
mod policy;
mod profile;

use crate::args::{Args, Refusal};
use crate::commands::{self, Command, Does};
use crate::ledger::Ledger;
use crate::line::{Line, LineId};
use crate::model::Router;
use crate::modes::{Mode, Stack};

/// The commands, by what they are about.
pub(crate) const TABLES: &[&[Command]] = &[
    policy::COMMANDS,
    isakmp::COMMANDS,
    keyring::COMMANDS,
    profile::COMMANDS,
    group::COMMANDS,
    ipsec::COMMANDS,
    map::COMMANDS,
    interface::COMMANDS,
    access::COMMANDS,
    aaa::COMMANDS,
    ikev2::COMMANDS,
    ikev2_keyring::COMMANDS,
    ikev2_profile::COMMANDS,
];

/// Reads all lines.
pub(crate) fn read(lines: &[Line<'_>]) -> (Router, Ledger) {
    let mut reader = Reader {
        lines,
        next: 0,
        stack: Stack::default(),
        last_map: None,
        last_interface: None,
        indent: 0,
        index: 0,
        mode: Mode::Global,
        ledger: Ledger::new(lines.len()),
        router: Router::default(),
    };
    while let Some(line) = lines.get(reader.next) {
        let id = reader.next;
        reader.next += 1;
        reader.line(id, line);
    }
    (reader.router, reader.ledger)
}

/// Where the reading stands.
pub(crate) struct Reader<'a> {
    lines: &'a [Line<'a>],
    next: usize,
    stack: Stack,
    /// The crypto map that was opened last.
    last_map: Option<(Mode, usize)>,
    /// The interface that was opened last.
    last_interface: Option<(Mode, usize)>,
    indent: usize,
    /// Which item the mode of the line is about.
    pub(crate) index: usize,
    /// The mode of the line.
    pub(crate) mode: Mode,
    pub(crate) ledger: Ledger,
    pub(crate) router: Router,
}

impl<'a> Reader<'a> {
    fn line(&mut self, id: LineId, line: &'a Line<'a>) {
        if line.first {
            self.stack.clear();
            (self.last_map, self.last_interface) = (None, None);
        }
        if is_no_command(line) {
            self.ledger.no_command(id);
            match line.text {
                "exit" => self.stack.exit(),
                "end" => self.stack.clear(),
                _ => {}
            }
            return;
        }
        self.indent = line.indent;
        let (candidates, owned) = self.stack.candidates(line.indent);
        // Such a line is never lost in a section where it is unknown, whatever its indentation.
        let crypto = line.words.first() == Some(&"crypto");
        // Nor do these belong to anything but a crypto map or a profile.
        let of_map = matches!(line.words.first(), Some(&("set" | "match")));
        for candidate in &candidates {
            match candidate.mode {
                Mode::Refused(why) if owned || of_map => return self.ledger.refuse(id, why),
                Mode::Outside if owned && !crypto => return self.ledger.outside(id),
                mode => {
                    let words = unnumbered(mode, &line.words);
                    if let Some((command, count)) = commands::find(mode, words) {
                        self.stack.close_to(candidate.depth);
                        self.index = candidate.index;
                        self.mode = mode;
                        let skipped = line.words.len() - words.len();
                        return self.run(id, line, command, count + skipped);
                    }
                }
            }
        }
        match candidates.first().filter(|_| owned && !crypto) {
            Some(innermost) => self.unknown_in(id, innermost.mode, innermost.index),
            None => self.global(id, line),
        }
    }

    fn global(&mut self, id: LineId, line: &'a Line<'a>) {
        self.mode = Mode::Global;
        if let Some((command, count)) = commands::find(Mode::Global, &line.words) {
            self.stack.clear();
            return self.run(id, line, command, count);
        }
        // Without indentation, a line that is unknown may hide that its section goes on. Some
        // commands are those of a crypto map or of an interface wherever they stand.
        let last = match line.words.as_slice() {
            ["set" | "match", ..] => self.last_map,
            ["crypto", "map", _]
            | ["ip", "address", ..]
            | ["tunnel", "protection", ..]
            | [.., "forwarding", _] => self.last_interface,
            _ => None,
        };
        if let Some((mode, index)) = last
            && let Some((command, count)) = commands::find(mode, &line.words)
        {
            self.stack.open(mode, index, line.indent);
            (self.mode, self.index) = (mode, index);
            return self.run(id, line, command, count);
        }
        self.stack.clear();
        if line.words.iter().take(2).any(|word| *word == "crypto") {
            self.ledger
                .refuse(id, "the import does not know this command");
            let why = "it belongs to a command that the import does not know";
            self.open(Mode::Refused(why), 0);
        } else {
            self.ledger.outside(id);
            self.open(Mode::Outside, 0);
        }
    }

    fn run(&mut self, id: LineId, line: &'a Line<'a>, command: &'static Command, count: usize) {
        let mut args = Args::new(id, &line.words, count);
        match &command.does {
            Does::Becomes {
                unused, handler, ..
            } => {
                self.ledger.hold(id, *unused);
                if let Err(Refusal(why)) = handler(self, &mut args) {
                    self.ledger.refuse(id, why);
                    self.open_if_global(Mode::Refused("its section is not translated"));
                }
                self.ledger.hide(id, &args.secrets);
            }
            Does::Unneeded(why) => self.ledger.unneeded(id, *why),
            Does::Refused(why) => {
                self.ledger.refuse(id, *why);
                self.open_if_global(Mode::Refused(why));
            }
        }
    }

    fn open_if_global(&mut self, mode: Mode) {
        if self.mode == Mode::Global {
            self.open(mode, 0);
        }
    }

    /// A line of a section that is none of its commands.
    fn unknown_in(&mut self, id: LineId, mode: Mode, index: usize) {
        match mode {
            // An interface says much, and little of it is about IPsec.
            Mode::Interface => self.ledger.outside(id),
            Mode::ExtendedList | Mode::StandardList => access::unknown(self, id, index),
            _ => {
                let why = format!("the import does not know this command of `{}`", mode.name());
                self.ledger.refuse(id, why);
            }
        }
    }

    /// Opens a mode whose lines are about item `index`.
    pub(crate) fn open(&mut self, mode: Mode, index: usize) {
        match mode {
            Mode::CryptoMap | Mode::DynamicMap => self.last_map = Some((mode, index)),
            Mode::Interface => self.last_interface = Some((mode, index)),
            // What follows is not of the crypto map before it.
            Mode::Refused(_) => self.last_map = None,
            _ => {}
        }
        self.stack.open(mode, index, self.indent);
    }

    /// The item that the line is about.
    ///
    /// # Errors
    /// Never, as long as every mode is opened with the index of an item.
    pub(crate) fn item<T>(items: &mut [T], index: usize) -> Result<&mut T, Refusal> {
        items
            .get_mut(index)
            .ok_or_else(|| Refusal::new("its section could not be read"))
    }

    /// A text between delimiters, as of a banner: it may go on over following lines, which are taken.
    /// `rest` is what follows the command. Returns the text and those lines.
    pub(crate) fn delimited(&mut self, rest: &str) -> (String, Vec<LineId>) {
        let Some(first) = rest.chars().next() else {
            return (String::new(), Vec::new());
        };
        let delimiter = if rest.starts_with("^C") {
            "^C".to_owned()
        } else {
            first.to_string()
        };
        let begun = rest.get(delimiter.len()..).unwrap_or_default();
        if let Some((text, _)) = begun.split_once(&delimiter) {
            return (text.to_owned(), Vec::new());
        }
        let following = self.lines.get(self.next..).unwrap_or_default();
        let closing = following
            .iter()
            .take_while(|line| !line.first)
            .position(|line| line.text.contains(&delimiter));
        // Nothing closes it: it is no text over several lines.
        let Some(closing) = closing else {
            return (begun.to_owned(), Vec::new());
        };
        let mut text = begun.to_owned();
        for line in following.iter().take(closing + 1) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line.text.split(&delimiter).next().unwrap_or_default());
        }
        let taken = self.next..self.next + closing + 1;
        self.next = taken.end;
        (text.trim_end().to_owned(), taken.collect())
    }
}

/// Lines of access lists may be numbered.
fn unnumbered<'w, 'a>(mode: Mode, words: &'w [&'a str]) -> &'w [&'a str] {
    match (mode, words.split_first()) {
        (Mode::ExtendedList | Mode::StandardList, Some((first, rest)))
            if first.bytes().all(|octet| octet.is_ascii_digit()) && !rest.is_empty() =>
        {
            rest
        }
        _ => words,
    }
}

/// Blank lines, comments, and what a terminal or a document adds.
fn is_no_command(line: &Line<'_>) -> bool {
    const EXACT: &[&str] = &[
        "",
        "exit",
        "end",
        "enable",
        "configure terminal",
        "conf t",
        "Building configuration...",
        "write memory",
        "```",
    ];
    const BEGINNINGS: &[&str] = &[
        "!",
        // What the router answers.
        "%",
        "Current configuration : ",
        "show running-config",
        "--More--",
        "<--- More --->",
        "Enter configuration commands",
    ];
    EXACT.contains(&line.text)
        || BEGINNINGS
            .iter()
            .any(|beginning| line.text.starts_with(beginning))
}

/// The item with a name, made if there is none yet: a section may be opened twice.
pub(crate) fn find_or_push<T>(
    items: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    make: impl FnOnce() -> T,
) -> usize {
    items.iter().position(is_it).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    })
}
