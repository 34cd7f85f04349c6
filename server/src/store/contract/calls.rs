//! The store over engines of which any call fails, or does not return.

use std::sync::Arc;
use std::thread;

use super::faulty::{Fault, Plan};
use super::world::{END, OnRefusal, Pace, World, chain};
use crate::store::Opened;

fn calls() -> u64 {
    let mut world = World::new();
    let plan = Arc::new(Plan::default());
    world.plan = Some(plan.clone());
    world.process(END, Pace::Backfill, OnRefusal::End).unwrap();
    plan.calls()
}

#[bounded::test]
fn a_store_outlasts_a_fault_of_its_engines_at_any_call() {
    let calls = calls();
    println!("{calls} calls");
    assert!(calls > 100, "{calls}");
    let mut ends = [0, 0];
    for at in 0..calls {
        for fault in [Fault::Refused, Fault::Full, Fault::Torn, Fault::Unknown] {
            for lasts in [false, true] {
                let context = format!("{fault:?} at {at}, lasts {lasts}");
                let mut world = World::new();
                world.plan = Some(Plan::failing(at, fault, lasts));
                let ended = world.process(END, Pace::Backfill, OnRefusal::Mend);
                ends[usize::from(ended.is_err())] += 1;
                world.ends_as_undisturbed(END, &context);
            }
        }
    }
    println!("{} went on, {} were started again", ends[0], ends[1]);
    assert!(ends.iter().all(|count| *count > 0), "{ends:?}");
}

/// While an engine takes its time, readers read on, and see nothing of what is under way.
#[bounded::test]
fn readers_are_served_while_a_write_hangs() {
    let mut world = World::new();
    let plan = Arc::new(Plan::default());
    world.plan = Some(plan.clone());
    world.process(20, Pace::Backfill, OnRefusal::End).unwrap();
    let Ok(Opened::Existing(mut store)) = world.open() else { panic!("it has blocks") };
    let reader = store.reader();
    let read_all = |blocks: u64| {
        let latest = reader.latest();
        assert_eq!(latest.head().blocks, blocks);
        for ordinal in 0..blocks {
            let block = latest.block(ordinal).unwrap().unwrap();
            assert_eq!(latest.ordinal_of(&block.id()).unwrap(), Some(ordinal));
        }
    };
    thread::scope(|scope| {
        let (coming, go) = plan.hold();
        let plan = &plan;
        let appending = scope.spawn(move || {
            let written = store.commit(&chain().batch(20, 24));
            plan.open_gate();
            written.map(|()| store)
        });
        coming.recv().unwrap();
        read_all(20);
        go.send(()).unwrap();
        let mut store = appending.join().unwrap().unwrap();
        let (coming, go) = plan.hold();
        // What waits to be put is read from memory until it is.
        let putting = scope.spawn(move || {
            let written = store.sync();
            plan.open_gate();
            written.map(|()| store)
        });
        coming.recv().unwrap();
        read_all(24);
        go.send(()).unwrap();
        drop(putting.join().unwrap().unwrap());
    });
}
