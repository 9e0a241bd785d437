/// The octets that are left of an input that says what happens.
pub(crate) struct Operations<'a>(&'a [u8]);

impl<'a> Operations<'a> {
    pub(crate) const fn new(input: &'a [u8]) -> Self {
        Self(input)
    }

    /// The next octet, if there is one.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next octet, or zero at the end.
    pub(crate) fn octet(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// The next two octets as a number.
    pub(crate) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// As many octets as the next one says, or all that are left.
    pub(crate) fn run(&mut self) -> &'a [u8] {
        let wanted = usize::from(self.octet()).min(self.0.len());
        let (run, rest) = self.0.split_at(wanted);
        self.0 = rest;
        run
    }
}
