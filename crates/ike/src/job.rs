use crypto::{Entropy, KeyExchangeMethod, KeyPair, PrfAlgorithm, Secret, UnixTime, prf};
use zeroize::Zeroizing;

use crate::CloseReason;
use crate::signed::{Authentication, Proofs};
use crate::v2::puzzle::Challenge;

/// Which exchange of an IKE SA waits for a computation: at most one on each side at a time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// One that we started.
    Ours,
    /// One that the peer started.
    Theirs,
}

/// Names a computation within its IKE SA, so that a late result never meets a newer exchange.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct JobId {
    /// The exchange that waits.
    pub side: Side,
    /// Counts the jobs of an IKE SA.
    pub serial: u32,
}

/// A computation that an exchange waits for. All but a [quick](Job::is_quick) one must run on another
/// thread than the shard's.
pub struct Job {
    id: JobId,
    work: Work,
}

enum Work {
    Generate {
        method: KeyExchangeMethod,
        seed: Seed,
    },
    Agree {
        pair: KeyPair,
        peer: Box<[u8]>,
    },
    GenerateAndAgree {
        method: KeyExchangeMethod,
        seed: Seed,
        peer: Box<[u8]>,
    },
    Authenticate(Box<Authentication>),
    Solve(Challenge),
}

/// The result of a [`Job`], to be handed to [`IkeSa::on_computed`](crate::v2::IkeSa::on_computed).
pub struct Computed {
    pub(crate) id: JobId,
    pub(crate) output: Output,
}

pub(crate) enum Output {
    /// Our key pair for an exchange that we start.
    Generated(KeyPair),
    /// The shared secret; `None` when the peer's public value is not valid (RFC 6989).
    Agreed(Option<Secret>),
    /// Our public value and the shared secret; `None` as above.
    Answered(Option<(Box<[u8]>, Secret)>),
    /// What certificates and signatures are worth.
    Authenticated(Result<Proofs, CloseReason>),
    /// The solution of a puzzle; `None` when the search was given up.
    Solved(Option<Box<[u8]>>),
}

impl Job {
    pub(crate) fn generate(
        id: JobId,
        method: KeyExchangeMethod,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let seed = Seed::draw(entropy);
        Self {
            id,
            work: Work::Generate { method, seed },
        }
    }

    pub(crate) fn agree(id: JobId, pair: KeyPair, peer: &[u8]) -> Self {
        Self {
            id,
            work: Work::Agree {
                pair,
                peer: peer.into(),
            },
        }
    }

    pub(crate) fn generate_and_agree(
        id: JobId,
        method: KeyExchangeMethod,
        peer: &[u8],
        entropy: &mut dyn Entropy,
    ) -> Self {
        let seed = Seed::draw(entropy);
        Self {
            id,
            work: Work::GenerateAndAgree {
                method,
                seed,
                peer: peer.into(),
            },
        }
    }

    pub(crate) fn authenticate(id: JobId, authentication: Authentication) -> Self {
        Self {
            id,
            work: Work::Authenticate(Box::new(authentication)),
        }
    }

    pub(crate) fn solve(id: JobId, challenge: Challenge) -> Self {
        Self {
            id,
            work: Work::Solve(challenge),
        }
    }

    /// Which computation of its IKE SA this is.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Whether it takes tens of microseconds, less than handing it to another thread and back costs,
    /// so that it may run on a shard's thread after all.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        let method = match &self.work {
            Work::Generate { method, .. } | Work::GenerateAndAgree { method, .. } => *method,
            Work::Agree { pair, .. } => pair.method(),
            // Two signatures to be checked and one to be made, at the least.
            Work::Authenticate(_) => return false,
            Work::Solve(_) => return false,
        };
        matches!(
            method,
            KeyExchangeMethod::X25519 | KeyExchangeMethod::EcpP256
        )
    }

    /// Computes. Takes from tens of microseconds (X25519) to milliseconds (MODP 4096), and seconds for a
    /// hard puzzle. Certificates are judged by the time `now`.
    #[must_use]
    pub fn run(self, now: UnixTime) -> Computed {
        let output = match self.work {
            Work::Generate { method, mut seed } => {
                Output::Generated(KeyPair::generate(method, &mut seed))
            }
            Work::Solve(challenge) => Output::Solved(challenge.solve()),
            Work::Agree { pair, peer } => Output::Agreed(pair.agree(&peer).ok()),
            Work::GenerateAndAgree {
                method,
                mut seed,
                peer,
            } => {
                let pair = KeyPair::generate(method, &mut seed);
                let secret = pair.agree(&peer).ok();
                Output::Answered(secret.map(|secret| (pair.public_value().into(), secret)))
            }
            Work::Authenticate(authentication) => Output::Authenticated(authentication.run(now)),
        };
        Computed {
            id: self.id,
            output,
        }
    }
}

impl Computed {
    /// Which computation of its IKE SA this is the result of.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }
}

/// Random octets drawn on the shard and stretched where the job runs, so that a job carries no
/// random source and a simulation repeats octet for octet.
struct Seed {
    key: Zeroizing<[u8; 64]>,
    blocks: u32,
}

impl Seed {
    fn draw(entropy: &mut dyn Entropy) -> Self {
        let mut key = Zeroizing::new([0; 64]);
        entropy.fill(key.as_mut_slice());
        Self { key, blocks: 0 }
    }
}

impl Entropy for Seed {
    /// What was drawn is enough for the private key of a curve; stretching it would take a twentieth of the
    /// time that X25519 takes.
    fn fill(&mut self, out: &mut [u8]) {
        if let (0, Some(drawn)) = (self.blocks, self.key.get(..out.len())) {
            out.copy_from_slice(drawn);
            self.blocks = 1;
            return;
        }
        for chunk in out.chunks_mut(PrfAlgorithm::HmacSha512.output_len()) {
            let block = prf(
                PrfAlgorithm::HmacSha512,
                self.key.as_slice(),
                &[&self.blocks.to_be_bytes()],
            );
            self.blocks = self.blocks.wrapping_add(1);
            for (octet, random) in chunk.iter_mut().zip(block.expose()) {
                *octet = *random;
            }
        }
    }
}
