//! A copy in the place of a cipher, for benches that ask what the rest of the path costs. It protects
//! nothing, and only a build with the feature `copy-cipher-for-benches` has it.

use std::hint::black_box;

use crate::IcvMismatch;
use crate::aead::{ICV_LEN, IV_LEN};

/// Where the ICV would be. A peer that encrypts never sends it, so the two do not understand each other.
const MARK: [u8; ICV_LEN] = *b"bench: no cipher";
/// Octets copied at a time; the copy goes nowhere.
const STEP: usize = 256;

/// Copies the text of a packet that has room for IV and ICV.
pub(crate) fn seal(packet: &mut [u8]) {
    if let Some((text, icv)) = packet.split_last_chunk_mut() {
        copy(text.get(IV_LEN..).unwrap_or_default());
        *icv = MARK;
    }
}

/// Copies the text of a packet that [`seal`] made.
pub(crate) fn open(packet: &[u8]) -> Result<(), IcvMismatch> {
    match packet.split_last_chunk() {
        Some((text, icv)) if *icv == MARK => {
            copy(text.get(IV_LEN..).ok_or(IcvMismatch)?);
            Ok(())
        }
        _ => Err(IcvMismatch),
    }
}

fn copy(text: &[u8]) {
    let mut to = [0; STEP];
    for from in text.chunks(STEP) {
        if let Some(to) = to.get_mut(..from.len()) {
            to.copy_from_slice(from);
        }
        black_box(&mut to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else() {
        let mut packet = [7; 600];
        seal(&mut packet);
        assert_eq!(packet[..584], [7; 584]);
        assert_eq!(open(&packet), Ok(()));
        packet[599] ^= 1;
        assert_eq!(open(&packet), Err(IcvMismatch));
        assert_eq!(open(&packet[..8]), Err(IcvMismatch));
    }
}
