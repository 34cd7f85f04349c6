//! The suite, as one program: what all tests link is linked once.

mod access_api;
#[path = "../../adversary/mod.rs"]
mod adversary;
mod anchors;
mod bad_blocks;
mod beacons;
mod broken_connections;
mod broken_nodes;
mod command_line;
mod committed_root;
mod conformance;
mod devnet;
mod devnet_command_line;
mod devnet_folder;
mod end_to_end;
mod evidence_codec;
mod examples;
mod faults;
mod grpc_web;
mod ingest;
mod kill_loop;
mod lies;
mod limits;
mod live_kill;
mod migrate;
mod proxy;
mod receipts;
mod replay;
mod server_command_line;
mod servers;
mod snapshot_tree;
mod sporks;
mod state_folder;
mod sync;
mod upgrades;
mod watch;
