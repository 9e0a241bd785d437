#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::ikev1_tunnels(data));
