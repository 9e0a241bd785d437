//! Algorithms in the words of IOS.

/// A transform set from a proposal in swanctl's words: `esp-256-aes esp-sha256-hmac`.
pub(super) fn esp(proposal: &str) -> String {
    let (cipher, integrity) = proposal.split_once('-').unwrap_or((proposal, ""));
    let cipher = match cipher {
        "aes128" => "esp-aes",
        "aes192" => "esp-192-aes",
        "aes256" => "esp-256-aes",
        "3des" => "esp-3des",
        "aes128gcm16" => "esp-gcm",
        "aes192gcm16" => "esp-gcm 192",
        "aes256gcm16" => "esp-gcm 256",
        other => return format!("esp-{other}"),
    };
    match integrity {
        "" => cipher.to_owned(),
        "sha1" => format!("{cipher} esp-sha-hmac"),
        other => format!("{cipher} esp-{other}-hmac"),
    }
}

/// Octets of the initialization vector that each packet carries.
pub(super) fn iv_octets(proposal: &str) -> u8 {
    match proposal
        .split_once('-')
        .map_or(proposal, |(cipher, _)| cipher)
    {
        "aes128" | "aes192" | "aes256" => 16,
        _ => 8,
    }
}

/// Cipher of an IKE SA and the bits of its key: `("AES-GCM", 256)`.
pub(super) fn cipher(word: &str) -> (&'static str, u16) {
    match word {
        "aes128" => ("AES-CBC", 128),
        "aes192" => ("AES-CBC", 192),
        "aes256" => ("AES-CBC", 256),
        "aes128gcm16" => ("AES-GCM", 128),
        "aes192gcm16" => ("AES-GCM", 192),
        "aes256gcm16" => ("AES-GCM", 256),
        "chacha20poly1305" => ("ChaCha20-Poly1305", 256),
        "3des" => ("3DES", 168),
        _ => ("none", 0),
    }
}

/// The same in the table of IKEv1.
pub(super) fn short_cipher(word: &str) -> &'static str {
    match cipher(word).0 {
        "3DES" => "3des",
        "none" => "",
        _ => "aes",
    }
}

/// A hash in the table of IKEv1.
pub(super) fn short_hash(word: &str) -> &str {
    match word {
        "sha1" => "sha",
        other => other,
    }
}

/// The integrity algorithm of IKEv2.
pub(super) fn hash(word: &str) -> String {
    match word {
        "" => "None".to_owned(),
        "sha1" => "SHA96".to_owned(),
        other => other.to_uppercase(),
    }
}
