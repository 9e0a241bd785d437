//! Congestion marks across the tunnel (RFC 6040).

use ipsec::OuterHeaderPolicy;

const NOT_ECT: u8 = 0b00;
const ECT_1: u8 = 0b01;
const CE: u8 = 0b11;

/// What happens to an inner packet when the outer header goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unmarked {
    /// The inner ECN field is right as it is.
    Keep,
    /// The inner ECN field becomes this.
    Set(u8),
    /// The packet must go.
    Drop,
}

/// RFC 6040 §4.2, figure 4: the inner ECN field after decapsulation.
pub(crate) fn decapsulate(inner_class: u8, outer_class: u8) -> Unmarked {
    let (inner, outer) = (inner_class & CE, outer_class & CE);
    match (inner, outer) {
        (NOT_ECT, CE) => Unmarked::Drop,
        (NOT_ECT | CE, _) => Unmarked::Keep,
        (_, CE) => Unmarked::Set(CE),
        (_, ECT_1) if inner != ECT_1 => Unmarked::Set(ECT_1),
        _ => Unmarked::Keep,
    }
}

/// The outer TOS or Traffic Class: ECN copied (RFC 6040 §4.1, normal mode; a peer that speaks
/// IKEv2 decapsulates by RFC 4301 or 6040), DSCP copied or zero.
pub(crate) const fn encapsulate(inner_class: u8, policy: &OuterHeaderPolicy) -> u8 {
    if policy.copy_dscp {
        inner_class
    } else {
        inner_class & CE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECT_0: u8 = 0b10;

    #[test]
    fn decapsulation_follows_figure_4() {
        // Columns: outer Not-ECT, ECT(0), ECT(1), CE; `None` is a drop.
        let table = [
            (NOT_ECT, [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None]),
            (ECT_0, [Some(ECT_0), Some(ECT_0), Some(ECT_1), Some(CE)]),
            (ECT_1, [Some(ECT_1), Some(ECT_1), Some(ECT_1), Some(CE)]),
            (CE, [Some(CE), Some(CE), Some(CE), Some(CE)]),
        ];
        for (inner, row) in table {
            for (outer, expected) in [NOT_ECT, ECT_0, ECT_1, CE].into_iter().zip(row) {
                let dscp = 0b1011_1000;
                let result = match decapsulate(dscp | inner, outer) {
                    Unmarked::Keep => Some(inner),
                    Unmarked::Set(ecn) => Some(ecn),
                    Unmarked::Drop => None,
                };
                assert_eq!(result, expected, "inner {inner:02b}, outer {outer:02b}");
            }
        }
    }
}
