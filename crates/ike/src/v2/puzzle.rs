//! Puzzles (RFC 8019): work that a newcomer does before a responder under attack keeps anything for it.

use crypto::{PrfAlgorithm, prf};
use wire::ikev2::{Proposal, Puzzle, TransformType};

use super::algorithm::Negotiable;

/// RFC 8019 §4.4: so many keys make a solution, so that its time varies less.
const KEYS: usize = 4;
/// Octets of the keys that we try.
const KEY_LEN: usize = 4;
/// Zero bits that we find where the responder leaves it to us (difficulty 0).
const OWN_CHOICE_BITS: u8 = 12;
/// A search is given up after so many times the tries that it takes on average: 16 keys are expected by then, and fewer than four
/// found in one search of ten thousand.
const PATIENCE: u64 = 4;

/// A puzzle that was understood: which function, over which cookie, to how many zero bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    prf: PrfAlgorithm,
    cookie: Box<[u8]>,
    bits: u8,
}

impl Challenge {
    /// What a responder asks with this notify and cookie; `None` if we do not know the function, or the search would take more
    /// than `bits_max` zero bits allow.
    pub(crate) fn accept(puzzle: Puzzle, cookie: &[u8], bits_max: u8) -> Option<Self> {
        let prf = algorithm(puzzle.prf)?;
        let bits = match puzzle.difficulty {
            0 => OWN_CHOICE_BITS.min(bits_max),
            bits => bits,
        };
        (bits > 0 && bits <= bits_max).then(|| Self {
            prf,
            cookie: cookie.into(),
            bits,
        })
    }

    /// Finds four keys, or gives up. Takes `4 x 2^bits` computations of the function on average.
    pub(crate) fn solve(&self) -> Option<Box<[u8]>> {
        let tries = (PATIENCE * KEYS as u64)
            .checked_shl(u32::from(self.bits))
            .unwrap_or(u64::MAX);
        let last = u32::try_from(tries).unwrap_or(u32::MAX);
        let mut solution = Vec::with_capacity(KEYS * KEY_LEN);
        for number in 0..last {
            let key = number.to_be_bytes();
            if zero_bits(self.prf, &key, &self.cookie) >= u32::from(self.bits) {
                solution.extend_from_slice(&key);
                if solution.len() == KEYS * KEY_LEN {
                    return Some(solution.into());
                }
            }
        }
        None
    }
}

/// The function that a puzzle for these proposals uses: the first of the initiator's that we know (RFC 8019 §7.1.1.2). The
/// same request brings the same proposals, so that it need not be remembered.
pub(super) fn function_for(proposals: &[Proposal<'_>]) -> Option<PrfAlgorithm> {
    let mut offered = proposals
        .iter()
        .flat_map(|proposal| &proposal.transforms)
        .filter(|transform| transform.kind == TransformType::PRF);
    offered.find_map(PrfAlgorithm::from_transform)
}

/// What is asked of an initiator.
pub(super) fn challenge(prf: PrfAlgorithm, bits: u8) -> Puzzle {
    Puzzle {
        prf: prf.transform().id,
        difficulty: bits,
    }
}

/// How many zero bits a solution was worked out to: the fewest of its four keys (RFC 8019 §7.1.4). `None` for what is no
/// solution at all: keys of a wrong size, or the same key twice.
pub(super) fn solved_bits(prf: PrfAlgorithm, cookie: &[u8], solution: &[u8]) -> Option<u32> {
    let len = solution.len() / KEYS;
    // RFC 8019 §8.2: from one octet to the preferred key length.
    if len == 0 || len > prf.output_len() || solution.len() != len * KEYS {
        return None;
    }
    let keys: Vec<&[u8]> = solution.chunks_exact(len).collect();
    let repeated = keys
        .iter()
        .enumerate()
        .any(|(place, key)| keys.iter().skip(place + 1).any(|other| other == key));
    if repeated {
        return None;
    }
    keys.iter().map(|key| zero_bits(prf, key, cookie)).min()
}

/// Zero bits at the end of the function's output.
fn zero_bits(algorithm: PrfAlgorithm, key: &[u8], cookie: &[u8]) -> u32 {
    let output = prf(algorithm, key, &[cookie]);
    let mut bits = 0;
    for octet in output.expose().iter().rev() {
        bits += octet.trailing_zeros();
        if *octet != 0 {
            break;
        }
    }
    bits
}

fn algorithm(id: u16) -> Option<PrfAlgorithm> {
    let mut known = PrfAlgorithm::ALL.iter().copied();
    known.find(|prf| prf.transform().id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cookie of RFC 8019 §4.4.
    const COOKIE: [u8; 20] = [
        0x73, 0x9a, 0xe7, 0x49, 0x2d, 0x8a, 0x81, 0x0c, 0xf5, 0xe8, 0xdc, 0x0f, 0x96, 0x26, 0xc9,
        0xdd, 0xa7, 0x73, 0xc5, 0xa3,
    ];
    const PRF: PrfAlgorithm = PrfAlgorithm::HmacSha256;

    /// The first four keys of 14 zero bits and more, found by another program (Python's `hmac`). Those that RFC 8019 §4.4 lists are no
    /// solutions: HMAC-SHA2-256 of the 20 octets of its cookie under its keys ends in none of the digits that it prints.
    #[test]
    fn the_first_keys_are_those_that_another_program_finds() {
        let known = [(50_453_u32, 16), (72_313, 14), (81_397, 15), (97_719, 14)];
        for (key, bits) in known {
            assert_eq!(zero_bits(PRF, &key.to_be_bytes(), &COOKIE), bits, "{key}");
        }
        let solution: Vec<u8> = known
            .iter()
            .flat_map(|(key, _)| key.to_be_bytes())
            .collect();
        assert_eq!(solved_bits(PRF, &COOKIE, &solution), Some(14));
        let challenge = Challenge {
            prf: PRF,
            cookie: COOKIE.into(),
            bits: 14,
        };
        assert_eq!(challenge.solve().as_deref(), Some(&solution[..]));
    }

    #[test]
    fn what_is_no_solution_is_worth_nothing() {
        let good = Challenge {
            prf: PRF,
            cookie: COOKIE.into(),
            bits: 8,
        }
        .solve()
        .expect("four keys of eight bits are found");
        assert!(solved_bits(PRF, &COOKIE, &good) >= Some(8));
        assert_eq!(solved_bits(PRF, &COOKIE, &[]), None);
        assert_eq!(solved_bits(PRF, &COOKIE, &good[..15]), None);
        let one_key = [&good[..4]; 4].concat();
        assert_eq!(solved_bits(PRF, &COOKIE, &one_key), None);
        assert_eq!(solved_bits(PRF, &COOKIE, &[0; 4 * 33]), None);
        assert!(
            solved_bits(PRF, &[0; 20], &good) < Some(8),
            "of another cookie"
        );
    }

    #[test]
    fn only_work_within_our_bounds_is_taken_on() {
        let ask = |prf, difficulty| Puzzle { prf, difficulty };
        let sha256 = PRF.transform().id;
        let bits = |puzzle, bits_max| {
            Challenge::accept(puzzle, &COOKIE, bits_max).map(|challenge| challenge.bits)
        };
        assert_eq!(bits(ask(sha256, 16), 20), Some(16));
        assert_eq!(bits(ask(sha256, 21), 20), None);
        assert_eq!(bits(ask(sha256, 255), 20), None);
        assert_eq!(bits(ask(0xfff0, 10), 20), None);
        assert_eq!(bits(ask(sha256, 0), 20), Some(OWN_CHOICE_BITS));
        assert_eq!(bits(ask(sha256, 0), 0), None, "we solve none");
    }
}
