//! Work that blocks a thread: so much at once, a queue that ends, and then a word that others are first.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;
use tonic::{Code, Status};

/// Runs what blocks a thread; cheap to clone, and all clones share the same bounds.
#[derive(Clone, Debug)]
pub struct Workers {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// Why work was not done.
#[derive(Debug)]
pub enum Busy {
    /// Too much is waiting already; nothing was begun.
    Full,
    /// It panicked.
    Ended(JoinError),
}

impl Workers {
    /// So many pieces of work at once, and so many that wait.
    #[must_use]
    pub fn new(running: usize, waiting: usize) -> Self {
        Self { running: semaphore(running), waiting: semaphore(waiting) }
    }

    /// Twice as many at once as there are cores, as one may wait for the disk; 1,024 that wait.
    #[must_use]
    pub fn by_cores() -> Self {
        let cores = available_parallelism().map_or(1, NonZero::get);
        Self::new(cores * RUNNING_PER_CORE, WAITING)
    }

    /// Does work for a request, after what came before it.
    ///
    /// # Errors
    /// [`Busy::Full`] at once when too much waits already.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let running = if let Ok(running) = self.running.clone().try_acquire_owned() {
            Some(running)
        } else {
            let waiting = self.waiting.try_acquire();
            let _waiting = waiting.map_err(|_| {
                metrics::counter!("requests_refused_total", "limit" => "work").increment(1);
                Busy::Full
            })?;
            self.next().await
        };
        work_on(running, work).await
    }

    /// Does work for a subscription, of which there are not many: waits as long as it takes.
    ///
    /// # Errors
    /// [`Busy::Ended`].
    pub async fn run_in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        work_on(self.next().await, work).await
    }

    async fn next(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes it.
        self.running.clone().acquire_owned().await.ok()
    }
}

async fn work_on<T: Send + 'static>(
    running: Option<OwnedSemaphorePermit>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Busy> {
    // The permit goes with the work, which goes on when nobody waits for it any more.
    let work = move || {
        let _running = running;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(Busy::Ended)
}

fn semaphore(permits: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)))
}

impl From<Busy> for Status {
    fn from(busy: Busy) -> Self {
        match busy {
            Busy::Full => {
                let message = "too much is asked of this server at once; ask again, or another one";
                let mut status = Self::new(Code::ResourceExhausted, message);
                status.metadata_mut().insert(RETRY_METADATA, RETRY_MS.into());
                status
            }
            Busy::Ended(_) => {
                Self::internal("an answer was not finished, by a fault of this server")
            }
        }
    }
}

/// Says after how many milliseconds to ask again, as gRPC's retry design has it (gRFC A6).
pub const RETRY_METADATA: &str = "grpc-retry-pushback-ms";
const RETRY_MS: u64 = 500;
const RUNNING_PER_CORE: usize = 2;
const WAITING: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[bounded::test]
    async fn so_much_is_done_at_once_and_so_much_waits() {
        let workers = Workers::new(2, 3);
        let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
        let ends: Vec<_> = (0..5)
            .map(|number| {
                let (end, ended) = mpsc::channel::<()>();
                let (workers, begun) = (workers.clone(), begun.clone());
                let work = move || {
                    begun.send(number).unwrap();
                    ended.recv().unwrap();
                    number
                };
                (end, tokio::spawn(async move { workers.run(work).await.unwrap() }))
            })
            .collect();
        for _ in 0..2 {
            beginnings.recv().await.unwrap();
        }
        // The others come to wait, in whatever order.
        while workers.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(beginnings.try_recv().is_err());
        assert!(matches!(workers.run(|| ()).await, Err(Busy::Full)));
        for (number, (end, done)) in ends.into_iter().enumerate() {
            end.send(()).unwrap();
            assert_eq!(done.await.unwrap(), number);
        }
        workers.run(|| ()).await.unwrap();
    }

    #[bounded::test]
    async fn work_that_panics_gives_its_place_back() {
        let workers = Workers::new(1, 0);
        let ended = workers.run(|| panic!("on purpose")).await;
        assert!(matches!(ended, Err(Busy::Ended(_))));
        assert_eq!(workers.run(|| 7).await.unwrap(), 7);
    }

    #[bounded::test]
    fn who_is_turned_away_is_told_when_to_come_again() {
        let status = Status::from(Busy::Full);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get(RETRY_METADATA).unwrap(), "500");
    }
}
