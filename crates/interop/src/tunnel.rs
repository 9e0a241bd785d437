//! What both ends of a tunnel must agree on, written once and rendered for either program.

/// The pre-shared key of all test tunnels.
pub const SECRET: &str = "correct horse battery staple";

/// One end.
#[derive(Clone, Debug)]
pub struct End {
    /// Outer address; `%any` for an end that is not known beforehand.
    pub address: String,
    /// Identity.
    pub id: String,
    /// Traffic selectors, as a list of prefixes; empty for the dynamic selector.
    pub selectors: Vec<String>,
}

impl End {
    /// An end with one or more selectors.
    #[must_use]
    pub fn new(address: &str, id: &str, selectors: &[&str]) -> Self {
        Self {
            address: address.to_owned(),
            id: id.to_owned(),
            selectors: selectors
                .iter()
                .map(|&selector| selector.to_owned())
                .collect(),
        }
    }
}

/// One connection with one child, seen from one end. The settings that the two programs do not
/// share, or that only one end gets, are lines in the program's own words.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// Name of the connection and of its child.
    pub name: String,
    /// The end that reads the configuration.
    pub local: End,
    /// Its peer.
    pub remote: End,
    /// IKE proposals, swanctl's notation, which both programs read.
    pub ike: String,
    /// ESP proposals.
    pub esp: String,
    /// Further settings of the connection: key and value as they stand in the file.
    pub connection: Vec<(String, String)>,
    /// Further settings of the child.
    pub child: Vec<(String, String)>,
    /// Version of IKE.
    pub version: u8,
    /// strongSwan only: further sections of the connection, such as a second round of
    /// authentication: name and settings.
    pub sections: Vec<(String, Vec<(String, String)>)>,
    /// How our end and the peer's authenticate, in the words of the program that reads it; by secret
    /// without.
    pub auth: Option<[Vec<(String, String)>; 2]>,
    /// More children: name, our selector, the peer's.
    pub more_children: Vec<(String, String, String)>,
}

impl Tunnel {
    /// A tunnel between `local` and `remote` with AES-256-GCM and X25519.
    #[must_use]
    pub fn new(name: &str, local: End, remote: End) -> Self {
        Self {
            name: name.to_owned(),
            local,
            remote,
            ike: "aes256gcm16-prfsha256-x25519".to_owned(),
            esp: "aes256gcm16".to_owned(),
            connection: Vec::new(),
            child: Vec::new(),
            version: 2,
            sections: Vec::new(),
            auth: None,
            more_children: Vec::new(),
        }
    }

    /// The same tunnel over IKEv1, with algorithms that it knows.
    #[must_use]
    pub fn over_ikev1(self) -> Self {
        Self {
            version: 1,
            ike: "aes256-sha256-ecp256".to_owned(),
            ..self
        }
    }

    /// The tunnel of [`crate::network::Pair`], seen from the left.
    #[must_use]
    pub fn of_pair() -> Self {
        Self::new(
            "net",
            End::new("192.0.2.1", "left.test", &["10.1.0.0/24"]),
            End::new("192.0.2.2", "right.test", &["10.2.0.0/24"]),
        )
    }

    /// With other algorithms.
    #[must_use]
    pub fn with_proposals(mut self, ike: &str, esp: &str) -> Self {
        ike.clone_into(&mut self.ike);
        esp.clone_into(&mut self.esp);
        self
    }

    /// With one more setting of the connection, in the words of the program that reads it.
    #[must_use]
    pub fn connection(mut self, key: &str, value: &str) -> Self {
        self.connection.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With one more setting of the child.
    #[must_use]
    pub fn child(mut self, key: &str, value: &str) -> Self {
        self.child.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With other settings of authentication for our end and the peer's, in the words of the program
    /// that reads them.
    #[must_use]
    pub fn authenticated(mut self, local: &[(&str, &str)], remote: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.auth = Some([local, remote].map(|lines| lines.iter().map(owned).collect()));
        self
    }

    /// With one more section of the connection, for strongSwan only.
    #[must_use]
    pub fn section(mut self, name: &str, settings: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let settings = settings.iter().map(owned).collect();
        self.sections.push((name.to_owned(), settings));
        self
    }

    /// With one more child, which has only selectors of its own.
    #[must_use]
    pub fn another_child(mut self, name: &str, local: &str, remote: &str) -> Self {
        self.more_children
            .push((name.to_owned(), local.to_owned(), remote.to_owned()));
        self
    }

    /// The same tunnel from the other end. Further settings stay where they were.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        Self {
            local: self.remote.clone(),
            remote: self.local.clone(),
            connection: Vec::new(),
            child: Vec::new(),
            sections: Vec::new(),
            auth: None,
            more_children: self
                .more_children
                .iter()
                .map(|(name, local, remote)| (name.clone(), remote.clone(), local.clone()))
                .collect(),
            ..self.clone()
        }
    }
}
