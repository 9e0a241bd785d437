//! MODP groups: modular exponentiation in constant time, with Montgomery numbers.

use std::sync::LazyLock;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U1024, U1536, U2048, U3072, U4096, Uint};
use zeroize::{Zeroize, Zeroizing};

use super::InvalidPublicValue;
use crate::{Entropy, KeyExchangeMethod, Secret};

/// Limbs of the longest exponent.
const EXPONENT_LIMBS: usize = 384 / 64;
type Exponent = Uint<EXPONENT_LIMBS>;

/// A private exponent in one of the MODP groups.
pub(super) struct ModpKey {
    method: KeyExchangeMethod,
    exponent: Zeroizing<Exponent>,
}

impl ModpKey {
    pub(super) fn generate(
        method: KeyExchangeMethod,
        entropy: &mut dyn Entropy,
    ) -> (Self, Box<[u8]>) {
        let exponent_len = exponent_bits(method) as usize / 8;
        let mut octets = Zeroizing::new([0; Exponent::BYTES]);
        let used = &mut octets[Exponent::BYTES - exponent_len..];
        entropy.fill(used);
        // The top bit is always set: never a small exponent, and always the same length.
        used[0] |= 0x80;
        let exponent = Zeroizing::new(Exponent::from_be_slice(&*octets));
        let key = Self { method, exponent };
        let public = match method {
            KeyExchangeMethod::Modp1024 => key.power(&GROUP_1024, &U1024::from_u8(GENERATOR)),
            KeyExchangeMethod::Modp1536 => key.power(&GROUP_1536, &U1536::from_u8(GENERATOR)),
            KeyExchangeMethod::Modp3072 => key.power(&GROUP_3072, &U3072::from_u8(GENERATOR)),
            KeyExchangeMethod::Modp4096 => key.power(&GROUP_4096, &U4096::from_u8(GENERATOR)),
            _ => key.power(&GROUP_2048, &U2048::from_u8(GENERATOR)),
        };
        (key, public.into_boxed_slice())
    }

    /// `peer` has the length of the prime.
    pub(super) fn agree(&self, peer: &[u8]) -> Result<Secret, InvalidPublicValue> {
        match self.method {
            KeyExchangeMethod::Modp1024 => self.agree_in(&GROUP_1024, U1024::from_be_slice(peer)),
            KeyExchangeMethod::Modp1536 => self.agree_in(&GROUP_1536, U1536::from_be_slice(peer)),
            KeyExchangeMethod::Modp3072 => self.agree_in(&GROUP_3072, U3072::from_be_slice(peer)),
            KeyExchangeMethod::Modp4096 => self.agree_in(&GROUP_4096, U4096::from_be_slice(peer)),
            _ => self.agree_in(&GROUP_2048, U2048::from_be_slice(peer)),
        }
    }

    fn agree_in<const LIMBS: usize>(
        &self,
        group: &FixedMontyParams<LIMBS>,
        peer: Uint<LIMBS>,
    ) -> Result<Secret, InvalidPublicValue> {
        // RFC 6989 §2.1: 1 < r < p - 1. The value is public, so the comparison may take its time.
        let last = group.modulus().get().wrapping_sub(&Uint::ONE);
        if peer <= Uint::ONE || peer >= last {
            return Err(InvalidPublicValue);
        }
        Ok(Secret::new(self.power(group, &peer)))
    }

    /// `base` to the private exponent, padded to the length of the prime (RFC 7296 §2.14).
    fn power<const LIMBS: usize>(
        &self,
        group: &FixedMontyParams<LIMBS>,
        base: &Uint<LIMBS>,
    ) -> Vec<u8> {
        let mut power = FixedMontyForm::new(base, group)
            .pow_bounded_exp(&self.exponent, exponent_bits(self.method));
        let mut value = power.retrieve();
        let mut octets = Vec::with_capacity(LIMBS * 8);
        for limb in value.as_limbs().iter().rev() {
            octets.extend_from_slice(&limb.0.to_be_bytes());
        }
        power.as_montgomery_mut().zeroize();
        value.zeroize();
        octets
    }
}

/// Twice the group's strength and some more (RFC 3526 §8); the primes are safe primes, so short
/// exponents lose nothing.
fn exponent_bits(method: KeyExchangeMethod) -> u32 {
    match method {
        KeyExchangeMethod::Modp3072 => 320,
        KeyExchangeMethod::Modp4096 => 384,
        _ => 256,
    }
}

const GENERATOR: u8 = 2;

/// RFC 2409 §6.2, group 2.
static GROUP_1024: LazyLock<FixedMontyParams<{ U1024::LIMBS }>> = LazyLock::new(|| {
    group(U1024::from_be_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
     514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
     f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece65381\
     ffffffffffffffff",
    ))
});

/// RFC 3526 §2, group 5.
static GROUP_1536: LazyLock<FixedMontyParams<{ U1536::LIMBS }>> = LazyLock::new(|| {
    group(U1536::from_be_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
     514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
     f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
     c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
     9ed529077096966d670c354e4abc9804f1746c08ca237327ffffffffffffffff",
    ))
});

/// RFC 3526 §3, group 14.
static GROUP_2048: LazyLock<FixedMontyParams<{ U2048::LIMBS }>> = LazyLock::new(|| {
    group(U2048::from_be_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
     514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
     f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
     c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
     9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e8603\
     9b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aacaa68ffffffffffffffff",
    ))
});

/// RFC 3526 §4, group 15.
static GROUP_3072: LazyLock<FixedMontyParams<{ U3072::LIMBS }>> = LazyLock::new(|| {
    group(U3072::from_be_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
     514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
     f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
     c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
     9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e8603\
     9b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7d\
     b3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864\
     d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab31\
     43db5bfce0fd108e4b82d120a93ad2caffffffffffffffff",
    ))
});

/// RFC 3526 §5, group 16.
static GROUP_4096: LazyLock<FixedMontyParams<{ U4096::LIMBS }>> = LazyLock::new(|| {
    group(U4096::from_be_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22\
     514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6\
     f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3d\
     c2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
     9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3be39e772c180e8603\
     9b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510\
     15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7d\
     b3970f85a6e1e4c7abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864\
     d87602733ec86a64521f2b18177b200cbbe117577a615d6c770988c0bad946e208e24fa074e5ab31\
     43db5bfce0fd108e4b82d120a92108011a723c12a787e6d788719a10bdba5b2699c327186af4e23c\
     1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6287c59474e6bc05d\
     99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9\
     93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff",
    ))
});

fn group<const LIMBS: usize>(prime: Uint<LIMBS>) -> FixedMontyParams<LIMBS> {
    FixedMontyParams::new_vartime(Odd::new(prime).expect("a prime above two is odd"))
}
