//! The places that connections take.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

/// All places; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    total: usize,
    per_address: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    next_number: u64,
    by_number: HashMap<u64, Occupant>,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Occupant {
    heard: Arc<Mutex<Instant>>,
    leave: oneshot::Sender<()>,
}

/// A connection's place, which is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    number: u64,
    address: IpAddr,
    heard: Arc<Mutex<Instant>>,
    /// Says when another connection needs the place.
    pub(crate) leaves: oneshot::Receiver<()>,
}

/// One address has too many connections already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Places {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, taken: Arc::default() }
    }

    /// A place for a connection. When all are taken, that of the one that was quiet for longest.
    pub(crate) fn take(&self, address: IpAddr) -> Result<Place, TooMany> {
        let address = host(address);
        let mut taken = self.taken();
        let of_address = taken.by_address.entry(address).or_default();
        // Behind a front end on the same machine stand many clients.
        if *of_address >= self.per_address && !address.is_loopback() {
            return Err(TooMany);
        }
        *of_address += 1;
        if taken.by_number.len() >= self.total {
            taken.free_quietest();
        }
        let (number, now) = (taken.next_number, Instant::now());
        taken.next_number += 1;
        let heard = Arc::new(Mutex::new(now));
        let (leave, leaves) = oneshot::channel();
        taken.by_number.insert(number, Occupant { heard: heard.clone(), leave });
        drop(taken);
        Ok(Place { places: self.clone(), number, address, heard, leaves })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn free_quietest(&mut self) {
        let heard = |occupant: &Occupant| *lock(&occupant.heard);
        let quietest = self.by_number.iter().min_by_key(|(_, occupant)| heard(occupant));
        let Some(number) = quietest.map(|(number, _)| *number) else { return };
        if let Some(occupant) = self.by_number.remove(&number) {
            // It may just have ended by itself.
            let _ = occupant.leave.send(());
        }
    }
}

impl Place {
    /// Something was heard from the other end.
    pub(crate) fn hear(&self, now: Instant) {
        *lock(&self.heard) = now;
    }

    /// When something was heard the last time; first, when the connection was made.
    pub(crate) fn heard(&self) -> Instant {
        *lock(&self.heard)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.by_number.remove(&self.number);
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

fn lock(heard: &Mutex<Instant>) -> MutexGuard<'_, Instant> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever has an IPv6 address has the 2^64 of its network.
fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[bounded::test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Places::new(100, 2);
        let one = address("192.0.2.1");
        let first = places.take(one).unwrap();
        let second = places.take(one).unwrap();
        assert_eq!(places.take(one).unwrap_err(), TooMany);
        let other = places.take(address("192.0.2.2")).unwrap();
        drop(first);
        let third = places.take(one).unwrap();
        drop((second, third, other));
        let taken = places.taken();
        assert!(taken.by_address.is_empty() && taken.by_number.is_empty());
    }

    #[bounded::test]
    fn a_network_of_ipv6_is_one_host_and_the_own_machine_is_many() {
        let places = Places::new(100, 1);
        let _first = places.take(address("2001:db8:0:1::1")).unwrap();
        assert!(places.take(address("2001:db8:0:1:ffff::2")).is_err());
        let _other = places.take(address("2001:db8:0:2::1")).unwrap();
        let _mapped = places.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(places.take(address("192.0.2.1")).is_err());
        let _own: Vec<_> = (0..9).map(|_| places.take(address("127.0.0.1")).unwrap()).collect();
        let _own: Vec<_> = (0..9).map(|_| places.take(address("::1")).unwrap()).collect();
    }

    #[bounded::test]
    fn the_quietest_makes_room() {
        let places = Places::new(3, 9);
        let mut held: Vec<_> =
            (1..4).map(|last| places.take(IpAddr::from([192, 0, 2, last])).unwrap()).collect();
        for (place, seconds) in held.iter().zip([30, 10, 20]) {
            place.hear(Instant::now() + Duration::from_secs(seconds));
        }
        let _new = places.take(address("192.0.2.9")).unwrap();
        let left: Vec<_> = held.iter_mut().map(|place| place.leaves.try_recv().is_ok()).collect();
        assert_eq!(left, [false, true, false]);
    }
}
