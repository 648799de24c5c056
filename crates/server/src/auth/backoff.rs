//! How long an address that guesses tokens must wait. Time comes in as an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use strawboss_core::Timestamp;

/// Mistakes that cost nothing: people paste the wrong line.
const FREE: u32 = 4;
/// The longest wait, in milliseconds: a person who waits that long is not told to wait an hour.
const LONGEST_MS: i64 = 300_000;
/// When an address is forgotten after its last mistake, in milliseconds.
const MEMORY_MS: i64 = 900_000;
/// How many addresses are remembered; past it the one that failed longest ago is forgotten.
const MOST: usize = 4096;

struct Entry {
    failures: u32,
    last: Timestamp,
}

impl Entry {
    fn until(&self) -> Timestamp {
        let wait = match self.failures.checked_sub(FREE) {
            None => 0,
            Some(extra) => 1000_i64.checked_shl(extra.min(20)).unwrap_or(LONGEST_MS).min(LONGEST_MS),
        };
        self.last.plus_ms(wait)
    }
}

/// Remembers wrong sign-ins by address (IPv6: by its /64, which is one household).
#[derive(Default)]
pub(crate) struct Backoff {
    entries: HashMap<IpAddr, Entry>,
}

fn key(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Backoff {
    /// Seconds that the address must wait still.
    pub(crate) fn wait(&mut self, addr: IpAddr, now: Timestamp) -> Option<u64> {
        let addr = key(addr);
        let entry = self.entries.get_mut(&addr)?;
        // The clock was set back since: nobody waits until that moment comes again.
        entry.last = entry.last.min(now);
        if now.ms_since(entry.last) > MEMORY_MS {
            self.entries.remove(&addr);
            return None;
        }
        let left = entry.until().ms_since(now);
        u64::try_from(left).ok().filter(|left| *left > 0).map(|left| left.div_ceil(1000))
    }

    /// A wrong token came.
    pub(crate) fn failed(&mut self, addr: IpAddr, now: Timestamp) {
        let addr = key(addr);
        if self.entries.len() >= MOST && !self.entries.contains_key(&addr) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last).map(|(addr, _)| *addr);
            if let Some(oldest) = oldest {
                self.entries.remove(&oldest);
            }
        }
        let entry = self.entries.entry(addr).or_insert(Entry { failures: 0, last: now });
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
    }

    /// A good one came.
    pub(crate) fn succeeded(&mut self, addr: IpAddr) {
        self.entries.remove(&key(addr));
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, FREE, LONGEST_MS, MEMORY_MS, MOST};
    use std::net::{IpAddr, Ipv4Addr};
    use strawboss_core::Timestamp;

    const A: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn each_mistake_doubles_the_wait_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut now = Timestamp(0);
        let mut waits = Vec::new();
        for _ in 0..16 {
            backoff.failed(A, now);
            let wait = backoff.wait(A, now).unwrap_or(0);
            waits.push(wait);
            now = now.plus_ms(wait as i64 * 1000);
            assert_eq!(backoff.wait(A, now), None, "after waiting it may try again");
        }
        assert_eq!(waits[..8], [0, 0, 0, 1, 2, 4, 8, 16]);
        assert_eq!(FREE, 4);
        assert_eq!(waits[15], LONGEST_MS as u64 / 1000);
    }

    #[test]
    fn success_and_time_forgive_and_others_are_not_held_up() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.failed(A, Timestamp(0));
        }
        assert!(backoff.wait(A, Timestamp(1)).is_some());
        assert_eq!(backoff.wait("192.0.2.2".parse().unwrap(), Timestamp(1)), None);
        assert_eq!(backoff.wait(A, Timestamp(MEMORY_MS + 1)), None);
        for _ in 0..10 {
            backoff.failed(A, Timestamp(0));
        }
        backoff.succeeded(A);
        assert_eq!(backoff.wait(A, Timestamp(1)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out() {
        let mut backoff = Backoff::default();
        for _ in 0..6 {
            backoff.failed(A, Timestamp(3_600_000));
        }
        let wait = backoff.wait(A, Timestamp(0)).unwrap();
        assert_eq!((wait, backoff.wait(A, Timestamp(wait as i64 * 1000))), (4, None));
    }

    #[test]
    fn memory_is_bounded_and_a_v6_net_is_one_address() {
        let mut backoff = Backoff::default();
        for n in 0..(MOST as u32 + 100) {
            backoff.failed(IpAddr::V4(Ipv4Addr::from_bits(n)), Timestamp(i64::from(n)));
        }
        assert_eq!(backoff.entries.len(), MOST);
        for n in 1..=8 {
            backoff.failed(format!("2001:db8::{n}").parse().unwrap(), Timestamp(0));
        }
        assert!(backoff.wait("2001:db8::ffff".parse().unwrap(), Timestamp(1)).is_some());
    }
}
