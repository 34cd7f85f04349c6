//! Every rule of [`super`], each one bit away from a valid event.

use super::super::super::testing::{NODE_UNKNOWN, next_commit, next_setup, node_id, state};
use super::*;
use alloc::vec;

fn setup_error(change: impl FnOnce(&mut EpochSetup)) -> InvalidServiceEvent {
    let parent = state();
    let mut setup = next_setup(&parent);
    check_extending_setup(&setup, &parent.epochs().evolving()).unwrap();
    change(&mut setup);
    check_extending_setup(&setup, &parent.epochs().evolving()).unwrap_err()
}

fn commit_error(change: impl FnOnce(&mut EpochCommit, &mut EpochSetup)) -> InvalidServiceEvent {
    let mut setup = next_setup(&state());
    let mut commit = next_commit();
    check_commit(&commit, &setup).unwrap();
    change(&mut commit, &mut setup);
    check_commit(&commit, &setup).unwrap_err()
}

#[bounded::test]
fn rejects_a_wrong_counter() {
    for found in [7, 9] {
        let expected = InvalidServiceEvent::Counter { expected: 8, found };
        assert_eq!(setup_error(|setup| setup.counter = found), expected);
        assert_eq!(commit_error(|commit, _| commit.counter = found), expected);
    }
}

#[bounded::test]
fn rejects_a_gap_or_an_overlap_of_views() {
    for found in [200, 202] {
        let error = setup_error(|setup| setup.first_view = found);
        assert_eq!(error, InvalidServiceEvent::FirstView { expected: 201, found });
    }
}

#[bounded::test]
fn rejects_an_epoch_of_no_length() {
    let error = setup_error(|setup| setup.final_view = 201);
    assert_eq!(error, InvalidServiceEvent::FinalView { first_view: 201, final_view: 201 });
}

#[bounded::test]
fn rejects_a_random_source_of_another_length() {
    for found in [15, 17] {
        let error = setup_error(|setup| setup.random_source = vec![1; found]);
        assert_eq!(error, InvalidServiceEvent::RandomSource { found });
    }
}

#[bounded::test]
fn rejects_participants_out_of_order_or_twice() {
    let error = setup_error(|setup| setup.participants.swap(3, 4));
    assert_eq!(error, InvalidServiceEvent::ParticipantOrder { node_id: node_id(4) });
    let error = setup_error(|setup| setup.participants[4].node_id = node_id(4));
    assert_eq!(error, InvalidServiceEvent::ParticipantOrder { node_id: node_id(4) });
}

#[bounded::test]
fn rejects_a_shared_address() {
    let error = setup_error(|setup| {
        setup.participants[1].address = setup.participants[0].address.clone();
    });
    assert!(matches!(error, InvalidServiceEvent::DuplicateAddress { .. }));
}

#[bounded::test]
fn rejects_a_role_without_weight() {
    for role in [Role::Consensus, Role::Collection, Role::Execution, Role::Verification] {
        let error = setup_error(|setup| {
            for node in setup.participants.iter_mut().filter(|node| node.role == role) {
                node.initial_weight = 0;
            }
        });
        assert_eq!(error, InvalidServiceEvent::MissingRole { role });
    }
}

#[bounded::test]
fn rejects_bad_clusters() {
    use InvalidServiceEvent as E;
    let check = |assignments: vec::Vec<vec::Vec<u8>>, expected: E| {
        let error = setup_error(|setup| {
            let ids = |cluster: vec::Vec<u8>| cluster.into_iter().map(node_id);
            setup.assignments = assignments.into_iter().map(ids).collect();
        });
        assert_eq!(error, expected);
    };
    // Nodes 1 to 3 collect, node 4 does not.
    check(vec![], E::NoClusters);
    check(vec![vec![1, 2, 3], vec![]], E::EmptyCluster { cluster: 1 });
    check(vec![vec![1, 2], vec![4]], E::ClusterMember { cluster: 1, node_id: node_id(4) });
    check(vec![vec![1, 2], vec![2, 3]], E::ClusterMember { cluster: 1, node_id: node_id(2) });
    check(vec![vec![2, 1], vec![3]], E::ClusterOrder { cluster: 0, node_id: node_id(1) });
    check(vec![vec![1], vec![3]], E::Unassigned { node_id: node_id(2) });
}

#[bounded::test]
fn rejects_a_cluster_member_without_weight() {
    let error = setup_error(|setup| setup.participants[2].initial_weight = 0);
    let expected = InvalidServiceEvent::ClusterMember { cluster: 1, node_id: node_id(3) };
    assert_eq!(error, expected);
}

#[bounded::test]
fn rejects_a_commit_with_another_number_of_qcs() {
    let error = commit_error(|commit, _| commit.cluster_qcs.truncate(1));
    assert_eq!(error, InvalidServiceEvent::ClusterQcs { expected: 2, found: 1 });
}

#[bounded::test]
fn rejects_a_commit_with_another_number_of_keys() {
    let error = commit_error(|commit, _| commit.dkg_participant_keys.truncate(2));
    assert_eq!(error, InvalidServiceEvent::DkgKeys { expected: 3, found: 2 });
}

#[bounded::test]
fn rejects_a_member_of_the_key_generation_listed_twice() {
    let error = commit_error(|commit, _| commit.dkg_member_ids[2] = commit.dkg_member_ids[0]);
    assert_eq!(error, InvalidServiceEvent::DuplicateDkgMember { node_id: node_id(4) });
}

#[bounded::test]
fn rejects_a_committee_with_too_few_members_of_the_key_generation() {
    // One of three suffices: floor(0.62 * 3) = 1.
    let expected = InvalidServiceEvent::DkgMembersInCommittee { expected: 1, found: 0 };
    let strangers = [200, 201, 202].map(node_id);
    let error = commit_error(|commit, _| commit.dkg_member_ids = strangers.to_vec());
    assert_eq!(error, expected);
    let weightless = commit_error(|_, setup| {
        for node in setup.participants.iter_mut().filter(|node| node.role == Role::Consensus) {
            node.initial_weight = 0;
        }
    });
    assert_eq!(weightless, expected);
    let mut commit = next_commit();
    commit.dkg_member_ids[1..].copy_from_slice(&strangers[1..]);
    check_commit(&commit, &next_setup(&state())).unwrap();
}

#[bounded::test]
fn needs_62_of_100_members_rounded_down() {
    for (members, expected) in [(0, 0), (1, 0), (2, 1), (7, 4), (50, 31), (100, 62), (101, 62)] {
        assert_eq!(dkg_members_in_committee_min(members), expected);
    }
}

#[bounded::test]
fn a_setup_needs_no_known_nodes() {
    let parent = state();
    let mut setup = next_setup(&parent);
    let last = setup.participants.len() - 1;
    setup.participants[last].node_id = NODE_UNKNOWN;
    check_extending_setup(&setup, &parent.epochs().evolving()).unwrap();
}
