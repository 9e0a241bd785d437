use std::collections::HashMap;

use crate::PreSharedKey;

/// The local users of XAUTH and their passwords. No `Debug`; passwords are zeroized on drop.
#[derive(Clone, Default)]
pub struct Users(HashMap<Box<str>, PreSharedKey>);

impl FromIterator<(Box<str>, PreSharedKey)> for Users {
    fn from_iter<I: IntoIterator<Item = (Box<str>, PreSharedKey)>>(users: I) -> Self {
        Self(users.into_iter().collect())
    }
}

impl Users {
    /// Whether `password` is that of the user `name`, compared in constant time. Names are compared
    /// octet for octet. An unknown user costs a comparison, too.
    #[must_use]
    pub fn verify(&self, name: &str, password: &[u8]) -> bool {
        match self.0.get(name) {
            Some(own) => crypto::equal(own.expose(), password),
            None => {
                // The answer to an unknown name takes as long as that to a wrong password.
                core::hint::black_box(crypto::equal(password, password));
                false
            }
        }
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_of_a_known_user_passes() {
        let users: Users = [("joe", "hunter2"), ("ann", "")]
            .map(|(name, password)| {
                let password = PreSharedKey::new(password.as_bytes().to_vec());
                (Box::from(name), password)
            })
            .into_iter()
            .collect();
        assert!(users.verify("joe", b"hunter2"));
        for (name, password) in [
            ("joe", "hunter"),
            ("joe", "hunter22"),
            ("joe", ""),
            ("Joe", "hunter2"),
            ("eve", "hunter2"),
        ] {
            assert!(
                !users.verify(name, password.as_bytes()),
                "{name} {password}"
            );
        }
        assert!(!Users::default().verify("joe", b""));
        assert_eq!(users.len(), 2);
    }
}
