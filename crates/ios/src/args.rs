//! The words of a command behind those that name it.

use core::net::Ipv4Addr;
use core::ops::RangeInclusive;

use zeroize::Zeroizing;

use crate::line::LineId;
use crate::model::At;
use crate::secret::Secret;

/// Octets of a secret at most; IOS takes 128.
const SECRET_MAX: usize = 1_024;

/// Why a line is not translated, as a sentence without a full stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What a handler of a command says of it.
pub(crate) type Handled = Result<(), Refusal>;

/// A cursor over the arguments of a command.
pub(crate) struct Args<'a> {
    /// The line that holds the command.
    pub(crate) line: LineId,
    words: &'a [&'a str],
    at: usize,
    /// Positions of words that no report may show.
    pub(crate) secrets: Vec<usize>,
}

impl<'a> Args<'a> {
    /// The words of `line` from `at` on.
    pub(crate) fn new(line: LineId, words: &'a [&'a str], at: usize) -> Self {
        Self {
            line,
            words,
            at,
            secrets: Vec::new(),
        }
    }

    /// The next word, if there is one.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let word = self.peek()?;
        self.at += 1;
        Some(word)
    }

    /// The next word, which stays.
    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    /// The word after the next `ahead` ones.
    pub(crate) fn ahead(&self, ahead: usize) -> Option<&'a str> {
        self.words.get(self.at.checked_add(ahead)?).copied()
    }

    /// The next word, which must be there.
    pub(crate) fn want(&mut self, what: &str) -> Result<&'a str, Refusal> {
        self.next()
            .ok_or_else(|| Refusal::new(format!("{what} is missing at the end of the line")))
    }

    /// As [`Self::want`], as a name of its own.
    pub(crate) fn name(&mut self, what: &str) -> Result<String, Refusal> {
        self.want(what).map(str::to_owned)
    }

    /// The last word, as a name of its own.
    pub(crate) fn last_name(&mut self, what: &str) -> Result<At<String>, Refusal> {
        let value = self.name(what)?;
        self.end()?;
        let line = self.line;
        Ok(At { value, line })
    }

    /// Whether the next word is `keyword`; if so, it is taken.
    pub(crate) fn keyword(&mut self, keyword: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// One of `words`, with its meaning.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        what: &str,
        words: &[(&str, T)],
    ) -> Result<T, Refusal> {
        let word = self.want(what)?;
        let found = words.iter().find(|(one, _)| word.eq_ignore_ascii_case(one));
        found
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| Refusal::new(format!("`{word}` is not known as {what}")))
    }

    /// A number within a range.
    pub(crate) fn number(
        &mut self,
        what: &str,
        range: RangeInclusive<u32>,
    ) -> Result<u32, Refusal> {
        let word = self.want(what)?;
        let number = word.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            Refusal::new(format!(
                "{what} must be a number from {least} to {most}, not `{word}`"
            ))
        })
    }

    /// An IPv4 address.
    pub(crate) fn address(&mut self) -> Result<Ipv4Addr, Refusal> {
        let word = self.want("an address")?;
        word.parse()
            .map_err(|_| Refusal::new(format!("`{word}` is no IPv4 address")))
    }

    /// An IPv4 address, if one is next.
    pub(crate) fn optional_address(&mut self) -> Option<Ipv4Addr> {
        let address = self.peek()?.parse().ok()?;
        self.at += 1;
        Some(address)
    }

    /// All words that are left, one space between them.
    pub(crate) fn rest(&mut self) -> String {
        let rest = self.words.get(self.at..).unwrap_or_default().join(" ");
        self.at = self.words.len();
        rest
    }

    /// A secret: `[0|5|6|7|8|9] WORD`. What `follows` it tells a type from a secret that is a digit.
    pub(crate) fn secret(&mut self, follows: &[&str]) -> Result<Secret, Refusal> {
        let kind = self.peek().and_then(|word| word.parse::<u8>().ok());
        let typed = self.ahead(1).filter(|word| {
            !follows.iter().any(|one| word.eq_ignore_ascii_case(one))
                || self.ahead(2).is_some_and(|after| follows.contains(&after))
        });
        let kind = kind.filter(|kind| *kind <= 9 && typed.is_some());
        self.at += usize::from(kind.is_some());
        self.secrets.push(self.at);
        let word = Zeroizing::new(self.name("the secret")?);
        if word.len() > SECRET_MAX {
            return Err(Refusal::new("the secret is too long"));
        }
        Ok(Secret::new(kind.unwrap_or(0), word))
    }

    /// Nothing may be left.
    pub(crate) fn end(&self) -> Handled {
        match self.peek() {
            None => Ok(()),
            Some(word) => Err(Refusal::new(format!("`{word}` is not understood here"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(words: &[&str], follows: &[&str]) -> (bool, Vec<usize>) {
        let mut args = Args::new(0, words, 0);
        let secret = args.secret(follows).expect("a secret");
        (secret.plain().is_some(), args.secrets)
    }

    #[test]
    fn a_digit_is_a_type_or_the_secret_itself() {
        let follows = ["address", "hostname"];
        assert_eq!(secret(&["abc", "address", "x"], &follows), (true, vec![0]));
        assert_eq!(secret(&["0", "abc", "address"], &follows), (true, vec![1]));
        assert_eq!(secret(&["6", "AbC", "address"], &follows), (false, vec![1]));
        assert_eq!(secret(&["6", "address", "x"], &follows), (true, vec![0]));
        assert_eq!(secret(&["7"], &[]), (true, vec![0]));
    }

    #[test]
    fn numbers_stay_within_their_range() {
        let words = ["9", "10", "x"];
        let mut args = Args::new(0, &words, 0);
        assert!(args.number("the time", 10..=3_600).is_err());
        assert_eq!(args.number("the time", 10..=3_600), Ok(10));
        assert!(args.number("the time", 10..=3_600).is_err());
        assert!(args.end().is_ok());
    }
}
