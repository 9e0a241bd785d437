//! What the liveness of one peer costs a shard: `cargo bench -p palisade-benches --bench liveness`.
//! Periodic peers on a virtual clock, each asked every ten seconds and answering.

use std::hint::black_box;
use std::time::{Duration, Instant as Stopwatch};

use criterion::{Criterion, criterion_group, criterion_main};
use dpd::{
    Act, BreakerPolicy, BudgetPolicy, Context, DpdPolicy, Liveness, Mode, Nat, Proof, Protocol,
    ServiceHealth, TimerChange, Watch,
};
use timer::{Fired, Instant, TICK, Wheel};

struct Estate {
    policy: DpdPolicy,
    peers: Vec<Liveness>,
    wheel: Wheel<u32>,
    watch: Watch,
    now: Instant,
    due: Vec<Fired<u32>>,
}

impl Estate {
    fn new(peers: u32) -> Self {
        let policy = DpdPolicy {
            mode: Mode::Periodic,
            ..DpdPolicy::default()
        };
        let mut estate = Self {
            policy,
            peers: Vec::new(),
            wheel: Wheel::new(Instant::ZERO),
            watch: Watch::new(&BudgetPolicy::default(), BreakerPolicy::default()),
            now: Instant::ZERO,
            due: Vec::new(),
        };
        for index in 0..peers {
            // They came up one after the other within ten seconds.
            let up = Instant::from_nanos(u64::from(index) * 10_000_000_000 / u64::from(peers));
            let (live, timer) = Liveness::new(up, &estate.policy, 0, Protocol::Ikev2, index);
            estate.peers.push(live);
            estate.set(index, timer);
        }
        estate
    }

    fn set(&mut self, index: u32, timer: TimerChange) {
        if let TimerChange::At(due) = timer {
            self.wheel.arm(due, index);
        }
    }

    /// One tick: fires what is due, and has every probe answered. Returns the probes.
    fn tick(&mut self) -> u64 {
        self.now += TICK;
        let mut due = std::mem::take(&mut self.due);
        self.wheel.fire(self.now, |timer| due.push(timer));
        let mut probes = 0;
        for timer in due.drain(..) {
            let live = &mut self.peers[timer.token as usize];
            let decision = live.fired(
                timer.due,
                &mut Context {
                    now: self.now,
                    policy: &self.policy,
                    health: ServiceHealth::good(self.now),
                    domains: &[],
                    nat: Nat::default(),
                    watch: &mut self.watch,
                },
            );
            if let Act::Probe { .. } = decision.act {
                probes += 1;
                black_box(live.answered(self.now, None));
            }
            self.set(timer.token, decision.timer);
        }
        self.due = due;
        probes
    }
}

fn liveness(criterion: &mut Criterion) {
    for peers in [1_000, 10_000, 100_000, 1_000_000] {
        let mut estate = Estate::new(peers);
        criterion.bench_function(&format!("liveness/probe of one of {peers}"), |bencher| {
            bencher.iter_custom(|wanted| {
                let (mut probes, clock) = (0, Stopwatch::now());
                while probes < wanted {
                    probes += estate.tick();
                }
                clock.elapsed().mul_f64(wanted as f64 / probes as f64)
            });
        });
    }
    let policy = DpdPolicy::default();
    let (mut live, _) = Liveness::new(Instant::ZERO, &policy, 0, Protocol::Ikev2, 1);
    let mut now = Instant::ZERO;
    criterion.bench_function("liveness/heard", |bencher| {
        bencher.iter(|| {
            now += Duration::from_micros(1);
            black_box(&mut live).heard(black_box(now), Proof::Esp);
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = liveness
}
criterion_main!(benches);
