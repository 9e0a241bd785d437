use wire::ip::{
    InnerPacket, clamp_mss, decrement_hop_limit, packet_too_big, set_dont_fragment, set_dscp,
    set_ecn,
};

/// A packet from inside a tunnel. What is rewritten still reads as the same packet.
pub fn inner_packet(data: &[u8]) {
    let Ok(before) = InnerPacket::parse(data) else {
        return;
    };
    assert!(before.header_len <= before.total_len && before.total_len <= data.len());
    let mut answer = Vec::new();
    for router in ["10.0.0.1", "2001:db8::1"] {
        let router = router.parse().expect("an address");
        if packet_too_big(data, router, 1280, &mut answer).is_ok() {
            let error = InnerPacket::parse(&answer).expect("our own packet is readable");
            assert_eq!(error.destination, before.source);
        }
    }
    let mut packet = data.to_vec();
    clamp_mss(&mut packet, 1000);
    set_ecn(&mut packet, 3);
    set_dscp(&mut packet, 46);
    set_dont_fragment(&mut packet, true);
    decrement_hop_limit(&mut packet);
    let after = InnerPacket::parse(&packet).expect("rewriting keeps a packet readable");
    assert_eq!(after.traffic_class, (46 << 2) | 3);
    assert!(after.dont_fragment);
    assert_eq!(
        (
            after.source,
            after.destination,
            after.upper,
            after.total_len
        ),
        (
            before.source,
            before.destination,
            before.upper,
            before.total_len
        )
    );
}
