use wire::ikev1::{
    Body, Message, PAYLOADS_MAX, Payload, PayloadType, Payloads, Vendor, encode_body,
    encode_message, encode_payloads, parse_payloads,
};

/// A datagram of IKEv1, without the marker. What is read can be written and is then read the same.
pub fn ikev1_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    match &message.body {
        Body::Encrypted(octets) => assert!(octets.len() < data.len()),
        Body::Clear(payloads) => {
            check(payloads);
            let written = encode_message(&message.header, &owned(payloads));
            let again = Message::parse(&written).expect("what was written is readable");
            let Body::Clear(again) = again.body else {
                panic!("what was clear became encrypted");
            };
            assert_eq!(owned(&again), owned(payloads));
        }
    }
}

/// The first octet is the type of the first payload, the rest a decrypted chain with its padding.
pub fn ikev1_payloads(data: &[u8]) {
    let Some((first, octets)) = data.split_first() else {
        return;
    };
    let Ok(payloads) = parse_payloads(PayloadType(*first), octets) else {
        return;
    };
    check(&payloads);
    assert!(octets.starts_with(payloads.octets));
    let mut written = Vec::new();
    let first = encode_payloads(&owned(&payloads), &mut written);
    let again = parse_payloads(first, &written).expect("what was written is readable");
    assert_eq!(owned(&again), owned(&payloads));
}

fn owned<'a>(payloads: &Payloads<'a>) -> Vec<Payload<'a>> {
    payloads.iter().cloned().collect()
}

/// Bodies lie in the chain one after the other, and a hash covers exactly what stands after it.
fn check(payloads: &Payloads<'_>) {
    assert!(payloads.parts.len() <= PAYLOADS_MAX);
    let bodies: usize = payloads.parts.iter().map(|part| 4 + part.body.len()).sum();
    assert_eq!(bodies, payloads.octets.len());
    if let Some((hash, covered)) = payloads.hashed() {
        assert_eq!(4 + hash.len() + covered.len(), payloads.octets.len());
        assert!(payloads.octets.ends_with(covered));
    }
    for part in &payloads.parts {
        if let Payload::VendorId(body) = part.payload
            && let Some(vendor) = Vendor::read(body)
        {
            assert_eq!(Vendor::read(&vendor.octets()), Some(vendor));
        }
        let mut written = Vec::new();
        encode_body(&part.payload, &mut written);
        assert_eq!(written.len(), part.body.len());
    }
}
