//! A store that harm is done to, time after time.

use std::path::Path;

use super::device::Device;
use super::store::{BLOCKS, Found, Programs, Store};
use super::{Loop, Rounds};

/// A store on a device, and how often what became of it.
pub(super) struct Trials {
    pub(super) programs: Programs,
    pub(super) rounds: Rounds,
    pub(super) store: Store,
    /// Checks that found no store yet.
    pub(super) none: u32,
    /// Those that `fsck --repair` mended.
    pub(super) mended: u32,
    /// Those that were completed, and as undisturbed.
    pub(super) compared: u32,
}

impl Trials {
    /// With a chain in `target/damage/CHAIN`.
    pub(super) fn begin(
        root: &Path,
        chain: &str,
        device: &Device,
        options: &Loop,
    ) -> anyhow::Result<Self> {
        let programs = Programs::make(root, &root.join("target/damage").join(chain), options.dev)?;
        let (rounds, store) = (Rounds::begin(options), Store::new(device.path()));
        Ok(Self { programs, rounds, store, none: 0, mended: 0, compared: 0 })
    }

    /// Whether there is another one; now and then of a store that is begun anew.
    pub(super) fn goes_on(&mut self) -> anyhow::Result<bool> {
        let goes_on = self.rounds.goes_on();
        if goes_on && (self.store.announced > BLOCKS || self.rounds.below(4) == 0) {
            self.store.clear()?;
        }
        Ok(goes_on)
    }

    /// Checks that nothing is gone; now and then also that it can be completed.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.store.check(&self.programs)? {
            Found::Nothing => self.none += 1,
            Found::Good => {}
            Found::Mended => self.mended += 1,
        }
        if self.rounds.below(6) == 0 {
            self.store.is_as_undisturbed(&self.programs)?;
            (self.store.announced, self.compared) = (BLOCKS + 1, self.compared + 1);
        }
        Ok(())
    }
}
