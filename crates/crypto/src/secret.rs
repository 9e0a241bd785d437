use zeroize::{Zeroize, ZeroizeOnDrop, optimization_barrier};

/// Octets that nobody may print: key material, shared secrets, pre-shared keys.
///
/// They are overwritten when dropped, and there is no `Debug`, `Display` or `==`; comparing goes
/// through [`crate::equal`].
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Takes the octets over; no copy is left behind.
    #[must_use]
    pub fn new(mut octets: Vec<u8>) -> Self {
        // Shrinking may move the octets and free the old place, so that place is cleared by hand.
        if octets.len() == octets.capacity() {
            return Self(octets.into_boxed_slice());
        }
        let exact = Self::copy_of(&octets);
        octets.zeroize();
        exact
    }

    /// Copies the octets; clearing the original is the caller's business.
    #[must_use]
    pub fn copy_of(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    /// A secret of `len` zero octets, to be filled through [`Self::expose_mut`].
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self(vec![0; len].into_boxed_slice())
    }

    /// The octets themselves. The name is long on purpose: each use should be looked at.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The octets, to be written to.
    #[must_use]
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Length in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no octets at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    /// All at once, not octet by octet.
    fn drop(&mut self) {
        self.0.fill(0);
        optimization_barrier(&*self.0);
    }
}

impl ZeroizeOnDrop for Secret {}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::copy_of(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn keeps_exactly_the_octets_given() {
        let mut roomy = Vec::with_capacity(64);
        roomy.extend_from_slice(b"juniper123");
        assert_eq!(Secret::new(roomy).expose(), b"juniper123");
        assert_eq!(Secret::new(vec![7; 20]).expose(), [7; 20]);
        assert_eq!(Secret::from(&b"AAAA"[..]).len(), 4);
        assert!(Secret::zeroed(0).is_empty());
    }
}
