//! Third state machine: plain values of the key-value store.
//!
//! Follows flow-go `state/protocol/protocol_state/kvstore/set_value_statemachine.go`.

use crate::model::{KvStore, ServiceEvent};

/// Sets the values among the events; those that break a rule are ignored.
pub(super) fn apply(kv: &mut KvStore, events: &[&ServiceEvent]) {
    for event in events {
        if let ServiceEvent::SetEpochExtensionViewCount { value } = **event
            // A shorter extension could end before its own deadline for recovery.
            && value >= kv.finalization_safety_threshold.saturating_mul(2)
        {
            kv.epoch_extension_view_count = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::kv;
    use super::*;

    fn view_count(value: u64) -> u64 {
        let mut kv = kv(2, 10);
        apply(&mut kv, &[&ServiceEvent::SetEpochExtensionViewCount { value }]);
        kv.epoch_extension_view_count
    }

    #[bounded::test]
    fn accepts_a_view_count_of_twice_the_threshold() {
        assert_eq!(view_count(20), 20);
    }

    #[bounded::test]
    fn ignores_a_view_count_below_twice_the_threshold() {
        assert_eq!(view_count(19), kv(2, 10).epoch_extension_view_count);
    }
}
