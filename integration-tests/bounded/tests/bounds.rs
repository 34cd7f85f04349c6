//! Tests of the bound: which tests it fails, and which it leaves alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};

use proptest::prelude::*;

/// Runs the tests below whose names begin so, with a bound of one second.
fn run(tests: &str, more: &[&str]) -> (Output, String) {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--ignored", tests]).args(more).env(bounded::BOUND_VARIABLE, "1");
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

const HANGS: [&str; 6] = [
    "hangs::in_a_future",
    "hangs::in_a_future_of_many_threads",
    "hangs::in_a_future_that_blocks",
    "hangs::in_a_loop",
    "hangs::in_a_property",
    "hangs::where_a_panic_is_expected",
];

/// Each by its name, and each within its bound: a run of one after another ends as well.
#[bounded::test]
fn a_test_that_hangs_fails_with_its_name_and_the_others_go_on() {
    for threads in ["--test-threads=1", "--test-threads=8"] {
        let (output, said) = run("hangs::", &[threads]);
        assert!(!output.status.success(), "{said}");
        for name in HANGS {
            assert!(said.contains(&format!("{name} does not end: ")), "{name}: {said}");
        }
        assert!(said.contains(&format!("0 passed; {} failed;", HANGS.len())), "{said}");
        assert!(said.contains("said before it hung"), "{said}");
    }
}

#[bounded::test]
fn a_test_waits_for_a_work_apart_and_has_its_bound_after_it() {
    let (output, said) = run("apart::", &["--test-threads=2"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("2 passed"), "{said}");
}

#[bounded::test]
#[should_panic(expected = "with its message")]
fn a_panic_is_the_tests() {
    panic!("with its message");
}

#[bounded::test]
fn a_result_is_the_tests() -> Result<(), std::num::ParseIntError> {
    assert_eq!("12".parse::<u32>()?, 12);
    Ok(())
}

#[bounded::test]
fn an_error_fails_the_test() {
    let (output, said) = run("fails::", &[]);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("ParseIntError { kind: InvalidDigit }"), "{said}");
}

#[bounded::test]
fn a_body_runs_under_the_name_of_its_test() {
    let thread = std::thread::current();
    assert_eq!(thread.name(), Some("a_body_runs_under_the_name_of_its_test"));
}

#[bounded::test(start_paused = true)]
async fn a_future_has_the_runtime_it_asks_for() {
    let start = tokio::time::Instant::now();
    tokio::time::sleep(std::time::Duration::from_secs(86_400)).await;
    assert!(start.elapsed().as_secs() >= 86_400);
}

#[bounded::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_future_has_the_threads_it_asks_for() {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 3);
}

#[bounded::test]
async fn a_future_has_one_thread_unless_it_asks() {
    assert_eq!(tokio::runtime::Handle::current().metrics().num_workers(), 1);
    // The runtime's own clock and sockets are there.
    tokio::task::yield_now().await;
}

proptest! {
    #[bounded::test]
    fn a_property_holds(number in 0_u32..10) {
        prop_assert!(number < 10);
    }
}

/// Run by the test above, with a short bound.
mod hangs {
    use super::*;

    #[bounded::test]
    #[ignore = "hangs"]
    fn in_a_loop() {
        println!("said before it hung");
        let (_sender, receiver) = channel::<()>();
        receiver.recv().unwrap();
    }

    #[bounded::test]
    #[ignore = "hangs"]
    async fn in_a_future() {
        let (_sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<()>();
        receiver.recv().await.unwrap();
    }

    #[bounded::test(flavor = "multi_thread")]
    #[ignore = "hangs"]
    async fn in_a_future_of_many_threads() {
        tokio::spawn(std::future::pending::<()>()).await.unwrap();
    }

    /// No timer of this runtime would ever come.
    #[bounded::test]
    #[ignore = "hangs"]
    async fn in_a_future_that_blocks() {
        let mutex = Mutex::new(());
        let _never = Condvar::new().wait(mutex.lock().unwrap()).unwrap();
    }

    #[bounded::test]
    #[ignore = "hangs"]
    #[should_panic(expected = "another panic than the bound's")]
    fn where_a_panic_is_expected() {
        loop {
            std::thread::park();
        }
    }

    proptest! {
        #[bounded::test]
        #[ignore = "hangs"]
        fn in_a_property(number in 0_u32..10) {
            let (_never, receiver) = channel();
            prop_assert_eq!(receiver.recv(), Ok(number));
        }
    }
}

/// Run by the test above.
mod fails {
    #[bounded::test]
    #[ignore = "fails"]
    fn with_an_error() -> Result<(), std::num::ParseIntError> {
        "x".parse::<u32>().map(drop)
    }
}

/// Run by the test above, with a bound that is shorter than the work.
mod apart {
    /// Both wait for it, as tests do for a program that is built at the first use.
    fn work() {
        static DONE: std::sync::OnceLock<()> = std::sync::OnceLock::new();
        DONE.get_or_init(|| bounded::apart("the work", || std::thread::sleep(TWO_BOUNDS)));
    }

    #[bounded::test]
    #[ignore = "longer than its bound"]
    fn one() {
        work();
    }

    #[bounded::test]
    #[ignore = "longer than its bound"]
    async fn other() {
        work();
    }

    const TWO_BOUNDS: std::time::Duration = std::time::Duration::from_secs(2);
}
