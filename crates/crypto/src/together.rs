use crate::SealingKey;

/// A packet that is sealed with others; the fields are the arguments of [`SealingKey::seal`].
pub struct Waiting<'a> {
    /// Its key.
    pub key: &'a SealingKey,
    /// The whole packet: `associated | iv | plaintext | icv`.
    pub packet: &'a mut [u8],
    /// Leading octets that are authenticated but not encrypted.
    pub associated: usize,
    /// The unsent half of a 64-bit sequence number.
    pub esn_high: Option<u32>,
    /// What must never repeat under one key.
    pub counter: u64,
}

/// Seals packets, of whatever keys. Those whose keys gain by it
/// ([`SealingKey::gains_by_company`]) are sealed several at a time.
///
/// # Panics
/// As [`SealingKey::seal`].
#[cfg(target_arch = "x86_64")]
pub fn seal_together<'a>(packets: impl IntoIterator<Item = Waiting<'a>>) {
    use crate::chain::LANES;

    let mut company: [Option<Waiting<'a>>; LANES] = Default::default();
    let mut count = 0;
    for packet in packets {
        if !packet.key.gains_by_company() {
            alone(packet);
            continue;
        }
        if let Some(place) = company.get_mut(count) {
            *place = Some(packet);
            count += 1;
        }
        if count == LANES {
            SealingKey::seal_company(&mut company);
            company = Default::default();
            count = 0;
        }
    }
    SealingKey::seal_company(&mut company);
}

/// Seals packets, of whatever keys.
///
/// # Panics
/// As [`SealingKey::seal`].
#[cfg(not(target_arch = "x86_64"))]
pub fn seal_together<'a>(packets: impl IntoIterator<Item = Waiting<'a>>) {
    packets.into_iter().for_each(alone);
}

fn alone(packet: Waiting<'_>) {
    let Waiting {
        key,
        packet,
        associated,
        esn_high,
        counter,
    } = packet;
    key.seal(packet, associated, esn_high, counter);
}
