//! The eBPF program that picks the queue of a TUN device, put together from its instructions.

use core::ffi::c_int;

use super::{FROM_FLOW, KEY_LEN};

/// One eBPF instruction, as the kernel's `struct bpf_insn`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Instruction {
    code: u8,
    /// Destination in the lower half, source in the upper.
    registers: u8,
    offset: i16,
    immediate: i32,
}

type Register = u8;
/// The result of a load from the packet, of a call, and of the program.
const RESULT: Register = 0;
/// The first two arguments of a call, which does not keep them. At the start, the packet.
const FIRST: Register = 1;
const SECOND: Register = 2;
/// Where loads from a packet want it.
const PACKET: Register = 6;
const VERSION: Register = 7;
const HASH: Register = 8;
const SCRATCH: Register = 9;
const STACK: Register = 10;

/// The key lies at the end of the stack: the length of the prefix, then an address.
const KEY_AT: i16 = -(KEY_LEN as i16);
const ADDRESS_AT: i16 = KEY_AT + 4;

const CALL_MAP_LOOKUP: i32 = 1;
const PSEUDO_MAP_FD: u8 = 1;
/// 2³² divided by the golden ratio: spreads what differs in any bits over the upper ones.
const SPREADING: i32 = 0x9e37_79b1_u32.cast_signed();
const TCP: i32 = 6;
const UDP: i32 = 17;

/// Instructions, and the jumps among them that have no target yet.
#[derive(Default)]
struct Assembler {
    instructions: Vec<Instruction>,
    jumps: Vec<(usize, Label)>,
    labels: Vec<(Label, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    V6,
    LookUp,
    FromFlow,
    FromFlowV6,
    PortsV4,
    PortsV6,
    Spread,
}

impl Assembler {
    fn put(&mut self, code: u8, to: Register, from: Register, offset: i16, immediate: i32) {
        self.instructions.push(Instruction {
            code,
            registers: to | (from << 4),
            offset,
            immediate,
        });
    }

    fn copy(&mut self, to: Register, from: Register) {
        self.put(0xbf, to, from, 0, 0);
    }

    fn set(&mut self, to: Register, value: i32) {
        self.put(0xb7, to, 0, 0, value);
    }

    fn add(&mut self, to: Register, value: i32) {
        self.put(0x07, to, 0, 0, value);
    }

    fn and(&mut self, to: Register, value: i32) {
        self.put(0x57, to, 0, 0, value);
    }

    fn shift_left(&mut self, to: Register, bits: i32) {
        self.put(0x67, to, 0, 0, bits);
    }

    fn shift_right(&mut self, to: Register, bits: i32) {
        self.put(0x77, to, 0, 0, bits);
    }

    /// Loads from the packet change the first five registers; one beyond its end ends the program with
    /// queue 0.
    fn load_octet(&mut self, at: i32) {
        self.put(0x30, 0, 0, 0, at);
    }

    fn load_half(&mut self, at: i32) {
        self.put(0x28, 0, 0, 0, at);
    }

    fn load_word(&mut self, at: i32) {
        self.put(0x20, 0, 0, 0, at);
    }

    fn load_word_after(&mut self, header_len: Register) {
        self.put(0x40, 0, header_len, 0, 0);
    }

    fn store_word(&mut self, at: i16, from: Register) {
        self.put(0x63, STACK, from, at, 0);
    }

    fn store(&mut self, at: i16, value: [u8; 4]) {
        self.put(0x62, STACK, 0, at, i32::from_ne_bytes(value));
    }

    /// Back to the order in which octets travel.
    fn restore_order(&mut self, register: Register) {
        self.put(0xdc, register, 0, 0, 32);
    }

    fn jump(&mut self, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.put(0x05, 0, 0, 0, 0);
    }

    fn jump_if_equal(&mut self, register: Register, value: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.put(0x15, register, 0, 0, value);
    }

    fn jump_unless_equal(&mut self, register: Register, value: i32, label: Label) {
        self.jumps.push((self.instructions.len(), label));
        self.put(0x55, register, 0, 0, value);
    }

    fn label(&mut self, label: Label) {
        self.labels.push((label, self.instructions.len()));
    }

    fn exit(&mut self) {
        self.put(0x95, 0, 0, 0, 0);
    }

    /// Mixes a word of the packet into the hash (32-bit multiplication, exclusive or).
    fn mix_in_result(&mut self) {
        self.put(0x24, HASH, 0, 0, SPREADING);
        self.put(0xac, HASH, RESULT, 0, 0);
    }

    fn finish(mut self) -> Vec<Instruction> {
        for (at, label) in self.jumps {
            let target = self.labels.iter().find(|(known, _)| *known == label);
            let target = target.map_or(at, |(_, target)| *target);
            // Jumps are forward and short.
            self.instructions[at].offset = (target - at - 1) as i16;
        }
        self.instructions
    }
}

/// The queue that the map names for the destination; the flow's, if it names none or says so.
pub(super) fn program(map: c_int) -> Vec<Instruction> {
    let mut asm = Assembler::default();
    asm.copy(PACKET, FIRST);
    asm.load_octet(0);
    asm.copy(VERSION, RESULT);
    asm.shift_right(VERSION, 4);
    asm.store(KEY_AT, 128_u32.to_ne_bytes());
    asm.jump_if_equal(VERSION, 6, Label::V6);
    // An IPv4 address stands in the lowest 32 bits, behind ::ffff:0:0/96.
    asm.store(ADDRESS_AT, [0; 4]);
    asm.store(ADDRESS_AT + 4, [0; 4]);
    asm.store(ADDRESS_AT + 8, [0, 0, 0xff, 0xff]);
    asm.load_word(16);
    asm.restore_order(RESULT);
    asm.store_word(ADDRESS_AT + 12, RESULT);
    asm.jump(Label::LookUp);
    asm.label(Label::V6);
    for word in 0..4_u8 {
        asm.load_word(24 + i32::from(word) * 4);
        asm.restore_order(RESULT);
        asm.store_word(ADDRESS_AT + i16::from(word) * 4, RESULT);
    }
    asm.label(Label::LookUp);
    asm.put(0x18, FIRST, PSEUDO_MAP_FD, 0, map);
    asm.put(0, 0, 0, 0, 0);
    asm.copy(SECOND, STACK);
    asm.add(SECOND, i32::from(KEY_AT));
    asm.put(0x85, 0, 0, 0, CALL_MAP_LOOKUP);
    asm.jump_if_equal(RESULT, 0, Label::FromFlow);
    asm.put(0x61, RESULT, RESULT, 0, 0);
    asm.jump_if_equal(RESULT, FROM_FLOW.cast_signed(), Label::FromFlow);
    asm.exit();
    from_flow(&mut asm);
    asm.finish()
}

/// Addresses, protocol and, unless the packet is a fragment, ports: packets of one flow agree in them.
fn from_flow(asm: &mut Assembler) {
    asm.label(Label::FromFlow);
    asm.set(HASH, 0);
    asm.jump_if_equal(VERSION, 6, Label::FromFlowV6);
    for at in [12, 16] {
        asm.load_word(at);
        asm.mix_in_result();
    }
    // More fragments, or not the first.
    asm.load_half(6);
    asm.and(RESULT, 0x3fff);
    asm.jump_unless_equal(RESULT, 0, Label::Spread);
    asm.load_octet(9);
    asm.jump_if_equal(RESULT, TCP, Label::PortsV4);
    asm.jump_unless_equal(RESULT, UDP, Label::Spread);
    asm.label(Label::PortsV4);
    asm.load_octet(0);
    asm.and(RESULT, 0x0f);
    asm.shift_left(RESULT, 2);
    asm.copy(SCRATCH, RESULT);
    asm.load_word_after(SCRATCH);
    asm.mix_in_result();
    asm.jump(Label::Spread);
    asm.label(Label::FromFlowV6);
    for word in 2..10 {
        asm.load_word(word * 4);
        asm.mix_in_result();
    }
    asm.load_octet(6);
    asm.jump_if_equal(RESULT, TCP, Label::PortsV6);
    asm.jump_unless_equal(RESULT, UDP, Label::Spread);
    asm.label(Label::PortsV6);
    asm.load_word(40);
    asm.mix_in_result();
    asm.label(Label::Spread);
    asm.put(0x24, HASH, 0, 0, SPREADING);
    asm.put(0x74, HASH, 0, 0, 16);
    asm.copy(RESULT, HASH);
    asm.exit();
}
