//! Configuration modes: which command opens which, and to which mode a line belongs.

/// A mode of configuration, as far as the import tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Mode {
    Global,
    IsakmpPolicy,
    IsakmpProfile,
    ClientGroup,
    Keyring,
    TransformSet,
    CryptoMap,
    DynamicMap,
    Interface,
    ExtendedList,
    StandardList,
    Ikev2Proposal,
    Ikev2Policy,
    Ikev2Keyring,
    Ikev2Peer,
    Ikev2Profile,
    /// A section that is refused as a whole.
    Refused(&'static str),
    /// A section that is not about IPsec.
    Outside,
}

impl Mode {
    /// As the documentation calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::IsakmpPolicy => "crypto isakmp policy",
            Self::IsakmpProfile => "crypto isakmp profile",
            Self::ClientGroup => "crypto isakmp client configuration group",
            Self::Keyring => "crypto keyring",
            Self::TransformSet => "crypto ipsec transform-set",
            Self::CryptoMap => "crypto map",
            Self::DynamicMap => "crypto dynamic-map",
            Self::Interface => "interface",
            Self::ExtendedList => "ip access-list extended",
            Self::StandardList => "ip access-list standard",
            Self::Ikev2Proposal => "crypto ikev2 proposal",
            Self::Ikev2Policy => "crypto ikev2 policy",
            Self::Ikev2Keyring => "crypto ikev2 keyring",
            Self::Ikev2Peer => "crypto ikev2 keyring, peer",
            Self::Ikev2Profile => "crypto ikev2 profile",
            Self::Refused(_) => "a section that is not translated",
            Self::Outside => "a section that is not about IPsec",
        }
    }
}

/// A mode that is open.
#[derive(Clone, Copy)]
struct Open {
    mode: Mode,
    /// Which item of its kind is being written.
    index: usize,
    /// Indentation of the line that opened it.
    indent: usize,
    /// Whether its lines stand further in.
    indented: bool,
}

/// The modes that are open, the innermost last.
#[derive(Default)]
pub(crate) struct Stack(Vec<Open>);

/// A mode to which a line may belong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) mode: Mode,
    pub(crate) index: usize,
    /// How many modes are open when it is the innermost.
    pub(crate) depth: usize,
}

impl Stack {
    /// Closes everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Closes the innermost mode.
    pub(crate) fn exit(&mut self) {
        self.0.pop();
    }

    /// Closes all modes but the outermost `depth`.
    pub(crate) fn close_to(&mut self, depth: usize) {
        self.0.truncate(depth);
    }

    pub(crate) fn open(&mut self, mode: Mode, index: usize, indent: usize) {
        self.0.push(Open {
            mode,
            index,
            indent,
            indented: false,
        });
    }

    /// The modes to which a line of this indentation may belong, the innermost first, and whether
    /// the indentation says that it belongs to one of them. Without indentation (a configuration
    /// that was pasted flat) only the words of the line can tell.
    pub(crate) fn candidates(&mut self, indent: usize) -> (Vec<Candidate>, bool) {
        while self
            .0
            .last()
            .is_some_and(|open| indent <= open.indent && open.indented)
        {
            self.0.pop();
        }
        let owned = self.0.iter().any(|open| indent > open.indent);
        for open in &mut self.0 {
            open.indented |= indent > open.indent;
        }
        let candidate = |(at, open): (usize, &Open)| Candidate {
            mode: open.mode,
            index: open.index,
            depth: at + 1,
        };
        let mut candidates: Vec<_> = self.0.iter().enumerate().map(candidate).collect();
        candidates.reverse();
        (candidates, owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(stack: &mut Stack, indent: usize) -> (Vec<Mode>, bool) {
        let (candidates, owned) = stack.candidates(indent);
        (candidates.iter().map(|one| one.mode).collect(), owned)
    }

    #[test]
    fn indentation_says_where_a_section_ends() {
        let mut stack = Stack::default();
        stack.open(Mode::CryptoMap, 0, 0);
        assert_eq!(modes(&mut stack, 1), (vec![Mode::CryptoMap], true));
        assert_eq!(modes(&mut stack, 0), (vec![], false));
    }

    #[test]
    fn without_indentation_a_section_stays_possible() {
        let mut stack = Stack::default();
        stack.open(Mode::CryptoMap, 0, 0);
        assert_eq!(modes(&mut stack, 0), (vec![Mode::CryptoMap], false));
        assert_eq!(modes(&mut stack, 0), (vec![Mode::CryptoMap], false));
    }

    #[test]
    fn sections_nest() {
        let mut stack = Stack::default();
        stack.open(Mode::Ikev2Keyring, 0, 0);
        assert_eq!(modes(&mut stack, 1), (vec![Mode::Ikev2Keyring], true));
        stack.open(Mode::Ikev2Peer, 0, 1);
        assert_eq!(
            modes(&mut stack, 2),
            (vec![Mode::Ikev2Peer, Mode::Ikev2Keyring], true)
        );
        assert_eq!(modes(&mut stack, 1), (vec![Mode::Ikev2Keyring], true));
        assert_eq!(modes(&mut stack, 0), (vec![], false));
    }
}
