//! Signing on two threads: nearly all of a network's time goes into signatures.
//!
//! What is signed never depends on which thread does it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::keys::{MessagePoint, SecretKey, SignaturePoint};

/// Something to be signed.
#[derive(Clone, Debug)]
pub struct Job {
    /// With each of these keys.
    pub keys: Vec<SecretKey>,
    /// Under this domain tag.
    pub tag: &'static str,
    /// The message.
    pub message: Vec<u8>,
}

/// The signatures of a job, one for each of its keys.
pub type Signed = Vec<SignaturePoint>;

/// Signs with the help of another thread, which ends with it.
#[derive(Debug)]
pub struct Signer {
    batches: Sender<Arc<Batch>>,
    signed: Mutex<Receiver<(usize, Signed)>>,
}

/// Jobs that both threads take from, one from the front and one from the back.
#[derive(Debug)]
struct Batch {
    jobs: Vec<Job>,
    taken: Vec<AtomicBool>,
}

impl Job {
    /// Something that one key signs.
    #[must_use]
    pub fn single(key: SecretKey, tag: &'static str, message: &[u8]) -> Self {
        Self { keys: vec![key], tag, message: message.to_vec() }
    }

    fn sign(&self) -> Signed {
        let message = MessagePoint::new(self.tag, &self.message);
        self.keys.iter().map(|key| key.sign_message(&message)).collect()
    }
}

impl Signer {
    /// Starts the other thread.
    #[must_use]
    pub fn new() -> Self {
        let (batches, incoming) = channel::<Arc<Batch>>();
        let (outgoing, signed) = channel();
        thread::spawn(move || help(&incoming, &outgoing));
        Self { batches, signed: Mutex::new(signed) }
    }

    /// Signs everything; signatures are in the order of the jobs.
    #[must_use]
    pub fn sign(&self, jobs: Vec<Job>) -> Vec<Signed> {
        if jobs.len() < 2 {
            return jobs.iter().map(Job::sign).collect();
        }
        let taken = jobs.iter().map(|_| AtomicBool::new(false)).collect();
        let batch = Arc::new(Batch { jobs, taken });
        // The lock keeps batches of several callers apart.
        let signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the other thread, all jobs are left to this one.
        let _alone = self.batches.send(Arc::clone(&batch));
        let mut signatures: Vec<Option<Signed>> =
            (0..batch.jobs.len()).map(|index| batch.sign(index)).collect();
        for _ in 0..signatures.iter().filter(|signature| signature.is_none()).count() {
            let (index, signature) = signed.recv().expect("the thread signs what it has taken");
            signatures[index] = Some(signature);
        }
        signatures.into_iter().flatten().collect()
    }
}

impl Default for Signer {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// Signs a job unless the other thread has taken it.
    fn sign(&self, index: usize) -> Option<Signed> {
        let is_taken = self.taken[index].swap(true, Ordering::Relaxed);
        (!is_taken).then(|| self.jobs[index].sign())
    }
}

fn help(incoming: &Receiver<Arc<Batch>>, outgoing: &Sender<(usize, Signed)>) {
    for batch in incoming {
        for index in (0..batch.jobs.len()).rev() {
            if let Some(signature) = batch.sign(index)
                && outgoing.send((index, signature)).is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_protocol::bls::tag;
    use weir_protocol::model::Identifier;

    #[bounded::test]
    fn signs_in_the_order_of_the_jobs() {
        let signer = Signer::new();
        for count in [0u8, 1, 2, 3, 20] {
            let key = |number: u8| SecretKey::derive(&Identifier([number; 32]));
            let job = |number: u8| Job {
                keys: (0..=number % 3).map(|other| key(number + other)).collect(),
                tag: tag::CONSENSUS_VOTE,
                message: vec![number],
            };
            let jobs: Vec<Job> = (0..count).map(job).collect();
            let bytes = |signed: &Signed| -> Vec<_> {
                signed.iter().map(SignaturePoint::to_bytes).collect()
            };
            let expected: Vec<_> = jobs.iter().map(|job| bytes(&job.sign())).collect();
            let signed: Vec<_> = signer.sign(jobs).iter().map(bytes).collect();
            assert_eq!(signed, expected);
        }
    }
}
