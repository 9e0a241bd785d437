//! Classic BPF that picks a socket by the octets of a datagram.

use core::net::Ipv4Addr;

/// One classic BPF instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when a comparison holds.
    pub jump_true: u8,
    /// Instructions to skip when it does not.
    pub jump_false: u8,
    /// Constant or offset.
    pub operand: u32,
}

/// What must hold of a datagram for a [`Rule`] to apply. Words are big-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    /// The datagram has at least this many octets.
    LengthAtLeast(u32),
    /// The four octets at `offset` equal `value`.
    WordEquals {
        /// Offset into the payload.
        offset: u32,
        /// Compared value.
        value: u32,
    },
    /// The four octets at `offset` differ from `value`.
    WordDiffers {
        /// Offset into the payload.
        offset: u32,
        /// Compared value.
        value: u32,
    },
    /// One of the bits of `mask` is set in the octet at `offset`.
    AnyBitSet {
        /// Offset into the payload.
        offset: u32,
        /// The bits.
        mask: u8,
    },
    /// None of the bits of `mask` is set in the octet at `offset`.
    NoBitSet {
        /// Offset into the payload.
        offset: u32,
        /// The bits.
        mask: u8,
    },
}

/// Where the number of the socket is found when all conditions hold. A datagram too short for
/// `offset` must be excluded by a condition: the kernel would take it to name socket 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Offset of the octet that names the socket.
    pub offset: u32,
    /// Low bits of that octet which do not belong to the name.
    pub shift_right: u8,
}

/// A program: the first rule whose conditions hold decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    instructions: Vec<Instruction>,
}

// Instruction codes of classic BPF: class, size, mode, operation.
const LOAD_LENGTH: u16 = 0x80;
const LOAD_WORD_ABSOLUTE: u16 = 0x20;
const LOAD_OCTET_ABSOLUTE: u16 = 0x30;
const LOAD_WORD_INDEXED: u16 = 0x40;
const LOAD_OCTET_INDEXED: u16 = 0x50;
const LOAD_X_IP_HEADER_LENGTH: u16 = 0xb1;
const SUBTRACT_X: u16 = 0x1c;
const SHIFT_RIGHT: u16 = 0x74;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN_A: u16 = 0x16;
const RETURN_CONSTANT: u16 = 0x06;

/// Where the kernel tells for whom a packet is: beyond all octets (`SKF_AD_OFF + SKF_AD_PKTTYPE`).
const PACKET_TYPE: u32 = (-0x1000_i32 + 4).cast_unsigned();
/// Offsets into an IPv4 header.
const IPV4_PROTOCOL: u32 = 9;
const IPV4_DESTINATION: u32 = 16;

/// No socket has this number, so the kernel falls back to its own hash of the addresses.
const NO_SOCKET: u32 = u32::MAX;

const fn plain(code: u16, operand: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        operand,
    }
}

impl Program {
    /// A program for [`OuterSocket::steer`](crate::OuterSocket::steer): the octet found is the
    /// socket's number in its group (in order of binding). A datagram for which no rule holds, or
    /// whose octet names no socket, is placed by the kernel's hash of the addresses.
    #[must_use]
    pub fn select(rules: &[Rule]) -> Self {
        Self::selecting(rules, Base::Payload)
    }

    /// The same for [`OuterSocket::fan_out`](crate::OuterSocket::fan_out): datagrams start with an IPv4
    /// header, which the offsets do not count. One that is nobody's goes to any socket.
    #[must_use]
    pub fn select_behind_header(rules: &[Rule]) -> Self {
        Self::selecting(rules, Base::AfterIpHeader)
    }

    fn selecting(rules: &[Rule], base: Base) -> Self {
        let mut instructions = base.prelude();
        for rule in rules {
            let verdict = [
                plain(base.load_octet(), rule.offset),
                plain(SHIFT_RIGHT, u32::from(rule.shift_right)),
                plain(RETURN_A, 0),
            ];
            append_rule(&mut instructions, &rule.conditions, &verdict, base);
        }
        instructions.push(plain(RETURN_CONSTANT, NO_SOCKET));
        Self { instructions }
    }

    /// A filter of a packet socket: IPv4 packets of one protocol that came to this host, and to `address`
    /// if that is not unspecified.
    #[must_use]
    pub(crate) fn of_protocol(protocol: u8, address: Ipv4Addr) -> Self {
        let mut tests = vec![
            (
                plain(LOAD_WORD_ABSOLUTE, PACKET_TYPE),
                u32::from(libc::PACKET_HOST),
            ),
            (
                plain(LOAD_OCTET_ABSOLUTE, IPV4_PROTOCOL),
                u32::from(protocol),
            ),
        ];
        if !address.is_unspecified() {
            let load = plain(LOAD_WORD_ABSOLUTE, IPV4_DESTINATION);
            tests.push((load, address.to_bits()));
        }
        let mut instructions = Vec::new();
        for (load, value) in tests {
            instructions.push(load);
            instructions.push(Instruction {
                code: JUMP_EQUAL,
                jump_true: 1,
                jump_false: 0,
                operand: value,
            });
            instructions.push(plain(RETURN_CONSTANT, 0));
        }
        instructions.push(plain(RETURN_CONSTANT, u32::MAX));
        Self { instructions }
    }

    /// A program for [`OuterSocket::filter`](crate::OuterSocket::filter) on one of several raw
    /// sockets that each see every datagram: accepts those whose octet equals `index`, and those
    /// for which no rule holds when `index` is 0.
    ///
    /// `ip_header` says that a datagram starts with an IPv4 header, which the offsets do not count.
    #[must_use]
    pub fn accept(rules: &[Rule], index: u8, ip_header: bool) -> Self {
        let base = if ip_header {
            Base::AfterIpHeader
        } else {
            Base::Payload
        };
        let mut instructions = base.prelude();
        for rule in rules {
            let verdict = [
                plain(base.load_octet(), rule.offset),
                plain(SHIFT_RIGHT, u32::from(rule.shift_right)),
                Instruction {
                    code: JUMP_EQUAL,
                    jump_true: 0,
                    jump_false: 1,
                    operand: u32::from(index),
                },
                plain(RETURN_CONSTANT, u32::MAX),
                plain(RETURN_CONSTANT, 0),
            ];
            append_rule(&mut instructions, &rule.conditions, &verdict, base);
        }
        let rest = if index == 0 { u32::MAX } else { 0 };
        instructions.push(plain(RETURN_CONSTANT, rest));
        Self { instructions }
    }

    /// A program for [`OuterSocket::filter`](crate::OuterSocket::filter) that accepts no datagram.
    #[must_use]
    pub(crate) fn nothing() -> Self {
        Self {
            instructions: vec![plain(RETURN_CONSTANT, 0)],
        }
    }

    /// The instructions.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}

#[derive(Clone, Copy)]
enum Base {
    Payload,
    /// The index register holds the length of the IPv4 header.
    AfterIpHeader,
}

impl Base {
    fn prelude(self) -> Vec<Instruction> {
        match self {
            Self::Payload => Vec::new(),
            Self::AfterIpHeader => vec![plain(LOAD_X_IP_HEADER_LENGTH, 0)],
        }
    }

    const fn load_octet(self) -> u16 {
        match self {
            Self::Payload => LOAD_OCTET_ABSOLUTE,
            Self::AfterIpHeader => LOAD_OCTET_INDEXED,
        }
    }
}

/// Rules are few and short: a jump over the rest of one never exceeds the 255 of its field.
fn append_rule(
    out: &mut Vec<Instruction>,
    conditions: &[Condition],
    verdict: &[Instruction],
    base: Base,
) {
    let lengths: Vec<usize> = conditions.iter().map(|c| c.load(base).len() + 1).collect();
    for (i, condition) in conditions.iter().enumerate() {
        let remaining: usize = lengths[i + 1..].iter().sum::<usize>() + verdict.len();
        let skip = u8::try_from(remaining).unwrap_or(u8::MAX);
        out.extend(condition.load(base));
        out.push(condition.test(skip));
    }
    out.extend_from_slice(verdict);
}

impl Condition {
    fn load(self, base: Base) -> Vec<Instruction> {
        let (word, octet) = match base {
            Base::Payload => (LOAD_WORD_ABSOLUTE, LOAD_OCTET_ABSOLUTE),
            Base::AfterIpHeader => (LOAD_WORD_INDEXED, LOAD_OCTET_INDEXED),
        };
        match (self, base) {
            (Self::LengthAtLeast(_), Base::Payload) => vec![plain(LOAD_LENGTH, 0)],
            (Self::LengthAtLeast(_), Base::AfterIpHeader) => {
                vec![plain(LOAD_LENGTH, 0), plain(SUBTRACT_X, 0)]
            }
            (Self::WordEquals { offset, .. } | Self::WordDiffers { offset, .. }, _) => {
                vec![plain(word, offset)]
            }
            (Self::AnyBitSet { offset, .. } | Self::NoBitSet { offset, .. }, _) => {
                vec![plain(octet, offset)]
            }
        }
    }

    /// Goes on when the condition holds, else skips `skip` instructions.
    fn test(self, skip: u8) -> Instruction {
        let (code, operand, jump_true, jump_false) = match self {
            Self::LengthAtLeast(octets) => (JUMP_AT_LEAST, octets, 0, skip),
            Self::WordEquals { value, .. } => (JUMP_EQUAL, value, 0, skip),
            Self::WordDiffers { value, .. } => (JUMP_EQUAL, value, skip, 0),
            Self::AnyBitSet { mask, .. } => (JUMP_ANY_BIT, u32::from(mask), 0, skip),
            Self::NoBitSet { mask, .. } => (JUMP_ANY_BIT, u32::from(mask), skip, 0),
        };
        Instruction {
            code,
            jump_true,
            jump_false,
            operand,
        }
    }
}
