//! First state machine: which version the protocol state has, and when it changes.
//!
//! Follows flow-go `state/protocol/protocol_state/kvstore/upgrade_statemachine.go` and, for the
//! change itself, `kvstore/models.go`. Whether a version may follow another is for [`Versions`] to
//! say: on Flow's networks it is the next number.

use super::StepError;
use crate::model::{
    ExecutionMeteringParameters, ExecutionParameters, KvStore, MagnitudeVersion, ServiceEvent,
    UpdatableField, Versions, ViewBasedActivator,
};

/// Version in force at a view.
pub(super) fn version_at(parent: &KvStore, view: u64) -> u64 {
    match parent.version_upgrade {
        Some(upgrade) if view >= upgrade.activation_view => upgrade.data,
        _ => parent.version,
    }
}

/// The parent's store in the given version: the same, or one that may follow it.
///
/// The snapshot tree's root is of a state; whoever makes one of the store adds it.
pub(super) fn replicate(
    parent: &KvStore,
    version: u64,
    versions: Versions,
) -> Result<KvStore, StepError> {
    if version == parent.version {
        return Ok(parent.clone());
    }
    if !versions.include(version) {
        return Err(StepError::UnsupportedVersion { found: version });
    }
    if !versions.follow(parent.version, version) {
        return Err(StepError::VersionChange { parent: parent.version, found: version });
    }
    let execution = match version {
        VERSION_WITH_EXECUTION => Some(default_execution_parameters()),
        _ => parent.execution.clone(),
    };
    Ok(KvStore { version, execution, ..parent.clone() })
}

/// Schedules the version upgrades among the events; those that break a rule are ignored.
pub(super) fn apply(
    kv: &mut KvStore,
    parent: &KvStore,
    (view, versions): (u64, Versions),
    events: &[&ServiceEvent],
) {
    for event in events {
        if let ServiceEvent::ProtocolStateVersionUpgrade {
            new_protocol_state_version: version,
            active_view,
        } = **event
        {
            let upgrade = ViewBasedActivator { data: version, activation_view: active_view };
            if versions.follow(parent.version, upgrade.data)
                && is_acceptable(&upgrade, kv, parent, view)
            {
                kv.version_upgrade = Some(upgrade);
            }
        }
    }
}

fn is_acceptable(
    upgrade: &ViewBasedActivator<u64>,
    kv: &KvStore,
    parent: &KvStore,
    view: u64,
) -> bool {
    // Every replica must have finalized the schedule before the new version can be active.
    let deadline = view.saturating_add(parent.finalization_safety_threshold);
    if deadline >= upgrade.activation_view {
        return false;
    }
    match kv.version_upgrade {
        Some(pending) if pending.activation_view >= view => pending.data == upgrade.data,
        _ => true,
    }
}

/// What version 3 begins with: no weights, no memory limit, component versions 0.0.
fn default_execution_parameters() -> ExecutionParameters {
    let metering = ExecutionMeteringParameters {
        execution_memory_limit: u64::MAX,
        ..ExecutionMeteringParameters::default()
    };
    let zero = UpdatableField { current_value: MagnitudeVersion::default(), update: None };
    ExecutionParameters {
        metering: UpdatableField { current_value: metering, update: None },
        execution_component_version: zero.clone(),
        cadence_component_version: zero,
    }
}

const VERSION_WITH_EXECUTION: u64 = 3;

#[cfg(test)]
mod tests {
    use super::super::testing::kv;
    use super::*;
    use crate::model::SIMULATED_KV_STORE_VERSION;
    use alloc::vec::Vec;

    const THRESHOLD: u64 = 10;
    const VIEW: u64 = 100;

    fn scheduled(parent: &KvStore, events: &[(u64, u64)]) -> Option<ViewBasedActivator<u64>> {
        scheduled_on(Versions::Flow, parent, events)
    }

    fn scheduled_on(
        versions: Versions,
        parent: &KvStore,
        events: &[(u64, u64)],
    ) -> Option<ViewBasedActivator<u64>> {
        let events: Vec<_> = events
            .iter()
            .map(|&(new_protocol_state_version, active_view)| {
                ServiceEvent::ProtocolStateVersionUpgrade {
                    new_protocol_state_version,
                    active_view,
                }
            })
            .collect();
        let mut kv = parent.clone();
        apply(&mut kv, parent, (VIEW, versions), &events.iter().collect::<Vec<_>>());
        kv.version_upgrade
    }

    fn at(data: u64, activation_view: u64) -> Option<ViewBasedActivator<u64>> {
        Some(ViewBasedActivator { data, activation_view })
    }

    #[bounded::test]
    fn accepts_an_upgrade_after_the_threshold_only() {
        let parent = kv(1, THRESHOLD);
        assert_eq!(scheduled(&parent, &[(2, VIEW + THRESHOLD + 1)]), at(2, 111));
        assert_eq!(scheduled(&parent, &[(2, VIEW + THRESHOLD)]), None);
    }

    #[bounded::test]
    fn accepts_an_upgrade_by_one_version_only() {
        let parent = kv(1, THRESHOLD);
        assert_eq!(scheduled(&parent, &[(2, 200)]), at(2, 200));
        for version in [0, 1, 3] {
            assert_eq!(scheduled(&parent, &[(version, 200)]), None);
        }
    }

    #[bounded::test]
    fn reschedules_a_pending_upgrade_to_the_same_version_only() {
        assert_eq!(scheduled(&kv(1, THRESHOLD), &[(2, 200), (2, 300)]), at(2, 300));
        let mut parent = kv(1, THRESHOLD);
        parent.version_upgrade = at(3, VIEW);
        assert_eq!(scheduled(&parent, &[(2, 200)]), at(3, VIEW));
        parent.version_upgrade = at(3, VIEW - 1);
        assert_eq!(scheduled(&parent, &[(2, 200)]), at(2, 200));
    }

    #[bounded::test]
    fn activates_at_the_view_and_not_before() {
        let mut parent = kv(2, THRESHOLD);
        parent.version_upgrade = at(3, 200);
        assert_eq!(version_at(&parent, 199), 2);
        assert_eq!(version_at(&parent, 200), 3);
        let upgraded = replicate(&parent, 3, Versions::Flow).unwrap();
        assert_eq!(upgraded.version_upgrade, at(3, 200));
        let execution = upgraded.execution.unwrap();
        assert_eq!(execution.metering.current_value.execution_memory_limit, u64::MAX);
        assert!(execution.metering.current_value.execution_effort_weights.is_empty());
    }

    #[bounded::test]
    fn names_a_version_it_does_not_know() {
        for versions in [Versions::Flow, Versions::Simulated] {
            let parent = replicate(&kv(2, THRESHOLD), 3, versions).unwrap();
            let error = replicate(&parent, 4, versions).unwrap_err();
            assert_eq!(error, StepError::UnsupportedVersion { found: 4 });
        }
    }

    #[bounded::test]
    fn refuses_to_go_back_or_to_skip_a_version() {
        for found in [0, 3] {
            let error = replicate(&kv(1, THRESHOLD), found, Versions::Flow).unwrap_err();
            assert_eq!(error, StepError::VersionChange { parent: 1, found });
        }
    }

    #[bounded::test]
    fn only_a_simulated_network_upgrades_to_the_version_that_is_not_flows() {
        let to = SIMULATED_KV_STORE_VERSION;
        let parent = replicate(&kv(2, THRESHOLD), 3, Versions::Flow).unwrap();
        assert_eq!(scheduled_on(Versions::Simulated, &parent, &[(to, 200)]), at(to, 200));
        assert_eq!(scheduled(&parent, &[(to, 200)]), None);
        assert_eq!(scheduled_on(Versions::Simulated, &kv(2, THRESHOLD), &[(to, 200)]), None);
        let upgraded = replicate(&parent, to, Versions::Simulated).unwrap();
        assert_eq!(upgraded.execution, parent.execution);
        let error = replicate(&parent, to, Versions::Flow).unwrap_err();
        assert_eq!(error, StepError::UnsupportedVersion { found: to });
        let error = replicate(&kv(2, THRESHOLD), to, Versions::Simulated).unwrap_err();
        assert_eq!(error, StepError::VersionChange { parent: 2, found: to });
        assert_eq!(scheduled_on(Versions::Simulated, &upgraded, &[(4, 200), (to, 200)]), None);
    }
}
