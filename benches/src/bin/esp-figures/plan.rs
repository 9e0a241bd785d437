//! What is measured, and which figures come of it.

use crypto::{EncryptionAlgorithm, IntegrityAlgorithm, ProtectionSuite};
use palisade_benches::{Mix, Traffic, World, aead, cbc};

use crate::cores;
use crate::figures::{Figures, Series};
use crate::pass::{BarePass, EspPass, LibraryPass, Times, through};
use crate::shards::{self, Pair};

const ROUNDS: usize = 15;
/// Batches a round: a few milliseconds.
const BATCHES: u32 = 200;
/// SAs at random.
const MANY: u32 = 200_000;
const GCM: ProtectionSuite = aead(EncryptionAlgorithm::Aes128Gcm16);
const LONG: usize = 1400;
const MIXES: [Mix; 3] = [Mix::Fixed(64), Mix::Imix, Mix::Fixed(LONG)];

const OTHERS: [(&str, ProtectionSuite); 5] = [
    ("aes256gcm16", aead(EncryptionAlgorithm::Aes256Gcm16)),
    (
        "chacha20poly1305",
        aead(EncryptionAlgorithm::ChaCha20Poly1305),
    ),
    (
        "aes128-sha1",
        cbc(
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha1_96,
        ),
    ),
    (
        "aes128-sha256",
        cbc(
            EncryptionAlgorithm::Aes128Cbc,
            IntegrityAlgorithm::HmacSha256_128,
        ),
    ),
    (
        "aes256-sha384",
        cbc(
            EncryptionAlgorithm::Aes256Cbc,
            IntegrityAlgorithm::HmacSha384_192,
        ),
    ),
];

/// One length of packets with one suite: ESP, and its protection alone.
struct Case {
    name: String,
    esp: EspPass,
    bare: BarePass,
    times: Vec<(Times, Times)>,
}

impl Case {
    fn new(name: &str, suite: ProtectionSuite, mix: Mix, batches: u32) -> Self {
        Self {
            name: format!("{name} {}", mix.name()),
            esp: EspPass::new(suite, 1, mix, batches),
            bare: BarePass::new(suite, mix, batches),
            times: Vec::new(),
        }
    }

    fn round(&mut self) {
        let pair = (self.esp.round(), self.bare.round());
        self.times.push(pair);
    }

    fn of(&self, figure: impl Fn(&Times, &Times) -> f64) -> Series {
        self.times
            .iter()
            .map(|(esp, bare)| figure(esp, bare))
            .collect()
    }
}

/// The same with many SAs.
struct ManyCase {
    mix: Mix,
    traffic: Traffic,
    times: Vec<Times>,
}

/// Measures everything.
pub(crate) fn carry_out() -> Figures {
    let cores = cores::usable();
    let pinned = cores.last().is_some_and(|&core| cores::pin(core));
    let mut figures = Figures::new(pinned, ROUNDS);
    let mut cases: Vec<Case> = MIXES
        .iter()
        .map(|&mix| Case::new("aes128gcm16", GCM, mix, BATCHES))
        .collect();
    for (name, suite) in OTHERS {
        for mix in MIXES {
            cases.push(Case::new(name, suite, mix, BATCHES / 4));
        }
    }
    let mut library = LibraryPass::new(Mix::Fixed(LONG), BATCHES);
    let mut by_library = Series::default();
    let mut crowd = World::new(GCM, MANY);
    let mut many: Vec<ManyCase> = MIXES
        .iter()
        .map(|&mix| ManyCase {
            mix,
            traffic: Traffic::new(mix),
            times: Vec::new(),
        })
        .collect();
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.round();
        }
        by_library.push(gigabits(library.round()));
        for case in &mut many {
            case.times
                .push(through(&mut crowd, &mut case.traffic, BATCHES));
        }
    }
    headlines(&mut figures, &cases, &many);
    shard_figures(&mut figures, &cores);
    rows(&mut figures, &cases, &many);
    figures.row(
        "AWS-LC alone, aes128gcm16 1400, seal".into(),
        "Gbit/s",
        by_library,
    );
    figures
}

fn headlines(figures: &mut Figures, cases: &[Case], many: &[ManyCase]) {
    let [_, imix, long, ..] = cases else { return };
    figures.headline("seal_gbps_1400", long.of(|esp, _| gigabits(esp.seal)));
    figures.headline("open_gbps_1400", long.of(|esp, _| gigabits(esp.open)));
    figures.headline(
        "raw_aead_gbps_1400",
        long.of(|_, bare| gigabits(f64::midpoint(bare.seal, bare.open))),
    );
    // The slower direction counts.
    figures.headline("imix_mpps", imix.of(|esp, _| 1e3 / esp.seal.max(esp.open)));
    figures.headline(
        "overhead_ns",
        long.of(|esp, bare| (esp.seal - bare.seal).max(esp.open - bare.open)),
    );
    figures.headline("allocations_per_packet", imix.of(|esp, _| esp.allocations));
    if let [.., longest] = many {
        figures.headline("ratio_200k_sas", kept(long, longest));
    }
}

/// How much of the rate with one SA is left with many: of packets that are sealed and opened.
fn kept(one: &Case, many: &ManyCase) -> Series {
    each_kept(one, many, |times| times.seal + times.open)
}

fn each_kept(one: &Case, many: &ManyCase, cost: impl Fn(&Times) -> f64) -> Series {
    let pairs = one.times.iter().zip(&many.times);
    pairs
        .map(|((one, _), many)| cost(one) / cost(many))
        .collect()
}

fn shard_figures(figures: &mut Figures, cores: &[usize]) {
    let [first, .., last] = cores else {
        return;
    };
    let pair = Pair {
        cores: [*first, *last],
        rounds: ROUNDS,
    };
    let many = shards::many_sas(pair, GCM, Mix::Fixed(LONG));
    figures.headline("ratio_two_shards", many);
    let one = shards::one_sa(pair, GCM, Mix::Fixed(LONG));
    figures.headline("ratio_two_shards_one_sa", one);
}

fn rows(figures: &mut Figures, cases: &[Case], many: &[ManyCase]) {
    for case in cases {
        let name = &case.name;
        figures.row(format!("{name}, seal"), "ns", case.of(|esp, _| esp.seal));
        figures.row(format!("{name}, open"), "ns", case.of(|esp, _| esp.open));
        figures.row(
            format!("{name}, bare seal"),
            "ns",
            case.of(|_, bare| bare.seal),
        );
        figures.row(
            format!("{name}, bare open"),
            "ns",
            case.of(|_, bare| bare.open),
        );
    }
    for (case, one) in many.iter().zip(cases) {
        let name = format!("aes128gcm16 {}, {MANY} SAs", case.mix.name());
        let seal = case.times.iter().map(|times| times.seal).collect();
        let open = case.times.iter().map(|times| times.open).collect();
        figures.row(format!("{name}, seal"), "ns", seal);
        figures.row(format!("{name}, open"), "ns", open);
        figures.row(
            format!("{name}, kept of one SA's rate"),
            "",
            kept(one, case),
        );
        let sealing = each_kept(one, case, |times| times.seal);
        let opening = each_kept(one, case, |times| times.open);
        figures.row(format!("{name}, kept sealing"), "", sealing);
        figures.row(format!("{name}, kept opening"), "", opening);
    }
}

/// Of packets of 1,400 octets.
fn gigabits(nanoseconds: f64) -> f64 {
    (LONG * 8) as f64 / nanoseconds
}
