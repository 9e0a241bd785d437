//! What forwarding does to packets.

use crate::packets::sum;

/// Packets after one more hop.
pub(crate) fn a_hop_further(packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let hop = |packet: &Vec<u8>| {
        let mut packet = packet.clone();
        if packet[0] >> 4 == 6 {
            packet[7] -= 1;
        } else {
            packet[8] -= 1;
            packet[10..12].fill(0);
            let sum = sum(&[&packet[..20]]);
            packet[10..12].copy_from_slice(&sum);
        }
        packet
    };
    packets.iter().map(hop).collect()
}

/// Whether a packet goes to one of the peers: the kernel has some of its own to tell.
pub(crate) fn is_of_story(packet: &[u8]) -> bool {
    match packet[0] >> 4 {
        6 => packet[24..26] == [0xfd, 1],
        _ => packet[16..19] == [10, 0, 1],
    }
}
