use core::cmp::Ordering;
use core::time::Duration;
use std::collections::BinaryHeap;

use timer::Instant;

use crate::Dice;

/// What happens to a datagram under way.
#[derive(Clone, Debug)]
pub struct Weather {
    /// Datagrams lost, of a thousand.
    pub lost_per_mille: u32,
    /// Datagrams that arrive twice, of a thousand.
    pub doubled_per_mille: u32,
    /// The shortest time under way.
    pub delay_min: Duration,
    /// The longest time under way. Each datagram draws its own, so they overtake each other.
    pub delay_max: Duration,
}

impl Weather {
    /// Nothing is lost or doubled, and everything takes ten milliseconds.
    pub const CALM: Self = Self {
        lost_per_mille: 0,
        doubled_per_mille: 0,
        delay_min: Duration::from_millis(10),
        delay_max: Duration::from_millis(10),
    };

    /// Two in a hundred are lost, one in a hundred is doubled, and a later one may overtake.
    pub const ROUGH: Self = Self {
        lost_per_mille: 20,
        doubled_per_mille: 10,
        delay_min: Duration::from_millis(5),
        delay_max: Duration::from_millis(80),
    };
}

/// What a network has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Sent into it.
    pub sent: u64,
    /// Come out of it, doubles included.
    pub arrived: u64,
    /// Lost to the weather.
    pub lost: u64,
    /// Made twice by the weather.
    pub doubled: u64,
    /// Lost because too much was under way.
    pub overflowed: u64,
}

/// A network that delivers values of type `T` in its own time, or not.
#[derive(Debug)]
pub struct Network<T> {
    weather: Weather,
    dice: Dice,
    under_way: BinaryHeap<UnderWay<T>>,
    serial: u64,
    traffic: Traffic,
}

/// Values under way at most.
const UNDER_WAY_MAX: usize = 1 << 20;
/// Arrivals fall on this grid, so that a receiver sees batches.
const GRID_NANOS: u64 = 1_000_000;

impl<T: Clone> Network<T> {
    /// An empty network.
    #[must_use]
    pub fn new(weather: Weather, dice: Dice) -> Self {
        Self {
            weather,
            dice,
            under_way: BinaryHeap::new(),
            serial: 0,
            traffic: Traffic::default(),
        }
    }

    /// Changes the weather for what is sent from now on.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Takes a value on its way.
    pub fn send(&mut self, now: Instant, value: T) {
        self.traffic.sent += 1;
        if self.dice.per_mille(self.weather.lost_per_mille) {
            self.traffic.lost += 1;
            return;
        }
        if self.dice.per_mille(self.weather.doubled_per_mille) {
            self.traffic.doubled += 1;
            self.put(now, value.clone());
        }
        self.put(now, value);
    }

    fn put(&mut self, now: Instant, value: T) {
        if self.under_way.len() >= UNDER_WAY_MAX {
            self.traffic.overflowed += 1;
            return;
        }
        let delay = self
            .dice
            .between(self.weather.delay_min, self.weather.delay_max);
        let exact = (now + delay).as_nanos();
        self.serial += 1;
        self.under_way.push(UnderWay {
            arrival: Instant::from_nanos(exact.div_ceil(GRID_NANOS) * GRID_NANOS),
            serial: self.serial,
            value,
        });
    }

    /// When the next value arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<Instant> {
        self.under_way.peek().map(|first| first.arrival)
    }

    /// The next value that has arrived by `now`.
    pub fn receive(&mut self, now: Instant) -> Option<T> {
        if self.next_arrival()? > now {
            return None;
        }
        self.traffic.arrived += 1;
        self.under_way.pop().map(|first| first.value)
    }

    /// What it has done so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }
}

#[derive(Debug)]
struct UnderWay<T> {
    arrival: Instant,
    serial: u64,
    value: T,
}

impl<T> Ord for UnderWay<T> {
    /// The earliest is the greatest, since the heap yields that first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.arrival, other.serial).cmp(&(self.arrival, self.serial))
    }
}

impl<T> PartialOrd for UnderWay<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for UnderWay<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for UnderWay<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(weather: Weather, seed: u64) -> (Vec<u32>, Traffic) {
        let mut network = Network::new(weather, Dice::new(seed));
        for value in 0..10_000 {
            network.send(Instant::ZERO, value);
        }
        let mut values = Vec::new();
        while let Some(arrival) = network.next_arrival() {
            values.extend(network.receive(arrival));
        }
        (values, network.traffic())
    }

    #[test]
    fn calm_weather_delivers_everything_in_order() {
        let (values, traffic) = delivered(Weather::CALM, 1);
        assert!(values.into_iter().eq(0..10_000));
        assert_eq!((traffic.lost, traffic.doubled), (0, 0));
    }

    #[test]
    fn rough_weather_loses_doubles_and_reorders_as_told() {
        let (values, traffic) = delivered(Weather::ROUGH, 1);
        assert!((150..250).contains(&traffic.lost), "{traffic:?}");
        assert!((60..140).contains(&traffic.doubled), "{traffic:?}");
        assert_eq!(values.len() as u64, traffic.arrived);
        assert!(!values.is_sorted());
        assert_eq!(values, delivered(Weather::ROUGH, 1).0, "the same seed");
        assert_ne!(values, delivered(Weather::ROUGH, 2).0, "another seed");
    }

    #[test]
    fn nothing_arrives_before_its_time() {
        let mut network = Network::new(Weather::CALM, Dice::new(1));
        network.send(Instant::ZERO, ());
        assert_eq!(network.receive(Instant::from_millis(9)), None);
        assert_eq!(network.receive(Instant::from_millis(10)), Some(()));
    }
}
