//! The store on a disk that fails, fills up or loses its power, at every operation of a run: nothing
//! announced is gone, and it ends as one that nothing happened to.

use weir_log::testing::Fault;

use super::world::{END, OnRefusal, Pace, World};

/// Runs that begin with what is there, and how blocks come.
struct Run {
    name: &'static str,
    begin: World,
    pace: Pace,
}

fn runs() -> [Run; 3] {
    let written = |end| {
        let mut world = World::new();
        world.process(end, Pace::Backfill, OnRefusal::End).unwrap();
        world
    };
    // Synced to the last, as a machine is that was off in between.
    let mut rested = written(END - 8);
    rested.cut(Some(0));
    [
        Run { name: "fresh", begin: World::new(), pace: Pace::Backfill },
        Run { name: "live", begin: written(12), pace: Pace::Live },
        Run { name: "after a clean stop", begin: rested, pace: Pace::Live },
    ]
}

impl Run {
    /// The operations of the disk, the clean end among them.
    fn operations(&self) -> u64 {
        let mut world = self.begin.fork();
        let before = world.disk.operations();
        world.process(END, self.pace, OnRefusal::End).unwrap();
        world.disk.operations() - before
    }
}

#[bounded::test]
fn a_store_outlasts_a_cut_or_a_kill_at_any_operation() {
    for run in runs() {
        let operations = run.operations();
        println!("{}: {operations} operations", run.name);
        assert!(operations > 50, "{}: {operations}", run.name);
        for at in 0..=operations {
            for seed in [Some(0), Some(1), Some(at + 2), None] {
                let context = format!("{}, cut at {at}, seed {seed:?}", run.name);
                let mut world = run.begin.fork();
                world.disk.fail_once(at, Fault::Stop);
                // What happens in the clean end is not seen from outside.
                let _cut = world.process(END, run.pace, OnRefusal::End);
                world.cut(seed);
                world.ends_as_undisturbed(END, &context);
            }
        }
    }
}

/// A process goes on when the disk does, or ends and is started again.
#[bounded::test]
fn a_store_outlasts_a_failing_or_full_disk_at_any_operation() {
    let mut ended = 0;
    for run in runs() {
        for at in 0..run.operations() {
            for fault in [Fault::Io, Fault::Full, Fault::FullForAll] {
                for lasts in [false, true] {
                    let context = format!("{}, {fault:?} at {at}, lasts {lasts}", run.name);
                    let mut world = run.begin.fork();
                    if lasts {
                        world.disk.fail_from(at, fault);
                    } else {
                        world.disk.fail_once(at, fault);
                    }
                    let ran = world.process(END, run.pace, OnRefusal::Mend);
                    ended += u64::from(ran.is_err());
                    world.cut(Some(at));
                    world.ends_as_undisturbed(END, &context);
                }
            }
        }
    }
    assert!(ended > 0);
}
