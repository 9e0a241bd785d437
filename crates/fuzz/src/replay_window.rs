use std::collections::BTreeSet;

use ipsec::ReplayWindow;

/// Sequence numbers in any order, three octets a step: the window against a set. The first two
/// octets are its size, the next four the number that it begins with.
pub fn replay_window(data: &[u8]) {
    let Some((&[high, low, a, b, c, d], steps)) = data.split_first_chunk::<6>() else {
        return;
    };
    let mut window = ReplayWindow::new(u32::from(u16::from_be_bytes([high, low])), true);
    let size = u64::from(window.size());
    let mut top = u64::from(u32::from_be_bytes([a, b, c, d])) + 1;
    let mut received = BTreeSet::from([top]);
    window.advance(top).expect("the first is new");
    for step in steps.chunks_exact(3) {
        let &[back, middle, low] = step else {
            return;
        };
        let distance = u64::from(u16::from_be_bytes([middle, low]));
        let sequence = if back & 1 == 0 {
            top + distance
        } else {
            top.saturating_sub(distance)
        };
        let new = sequence > 0 && sequence + size > top && !received.contains(&sequence);
        assert_eq!(window.check(sequence).is_ok(), new);
        assert_eq!(window.advance(sequence).is_ok(), new);
        if new {
            received.insert(sequence);
            top = top.max(sequence);
        }
        assert_eq!(window.top(), top);
        // A number within reach is found again from its low half.
        let low_half = u32::try_from(sequence & 0xffff_ffff).expect("masked");
        if new {
            assert_eq!(window.complete(low_half), Ok(sequence));
        }
    }
}
