/// The front-door VRF in which a peer is met: a listening instance of its own, with its own sockets.
/// The same outer address in two of them is two peers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct FrontVrf(pub u16);

/// The inner VRF of a tunnel: an inner device and routing table of its own. The same inner address
/// in two of them is two hosts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct InnerVrf(pub u16);

/// The name of the VRF of everything that names none.
pub const GLOBAL_VRF: &str = "global";

impl FrontVrf {
    /// That of everything that names none.
    pub const GLOBAL: Self = Self(0);

    /// Its place in a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl InnerVrf {
    /// That of everything that names none.
    pub const GLOBAL: Self = Self(0);

    /// Its place in a table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
