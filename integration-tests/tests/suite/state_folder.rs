//! The folder where `weir` keeps what it proved: warm runs, and that nothing kept is ever lost,
//! passed over or taken back.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use weir_integration_tests::programs::{Program, Ran};
use weir_integration_tests::{TestServer, expected};
use weir_protocol::codec::sha3_256;
use weir_protocol::evidence::HopsPage;
use weir_verifier::TrustedState;

use crate::adversary::proxy::{Call, Hostile};

const LONG: &str = "thirty-epochs";

/// A server over a long chain, and a folder for a client's state.
struct Case {
    server: TestServer,
    folder: TempDir,
}

impl Case {
    async fn new() -> Self {
        let server = TestServer::start(LONG).await.unwrap();
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    /// Runs `weir` with the root block as checkpoint.
    async fn weir(&self, arguments: &str) -> Ran {
        let checkpoint = self.server.root_id;
        self.without_checkpoint(&format!("--checkpoint {checkpoint} {arguments}")).await
    }

    async fn without_checkpoint(&self, arguments: &str) -> Ran {
        self.elsewhere(self.folder.path(), arguments).await
    }

    async fn elsewhere(&self, state: &Path, arguments: &str) -> Ran {
        let url = self.server.url();
        weir(&format!("--server {url} --state-dir {} {arguments}", state.display())).await
    }

    async fn json(&self, arguments: &str) -> Value {
        self.weir(&format!("--json {arguments}")).await.json()
    }

    /// Where the trusted state is kept.
    fn file(&self) -> PathBuf {
        self.path(&format!("{}.trusted", self.server.root_id))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn kept(&self) -> TrustedState {
        TrustedState::from_bytes(&fs::read(self.file()).unwrap()).unwrap()
    }
}

async fn weir(arguments: &str) -> Ran {
    Program::Client.run(arguments.split_whitespace()).await
}

/// The checksum over changed bytes of a trusted state, made anew.
fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let content = bytes.len() - 32;
    let checksum = sha3_256(&[&bytes[..content]]);
    bytes[content..].copy_from_slice(&checksum.0);
    bytes
}

/// Whatever ends the program, what it proved before stays.
#[bounded::test]
async fn a_sync_that_is_killed_keeps_the_hops_it_walked() {
    let case = Case::new().await;
    let (hostile, url) = Hostile::start(&case.server).await;
    // Never answers the question that follows on the hops.
    let asked = hostile.hold(Call::Answer);
    let (folder, checkpoint) = (case.folder.path().display(), case.server.root_id);
    let arguments =
        format!("--server {url} --state-dir {folder} --checkpoint {checkpoint} --json sync");
    let mut weir = Program::Client.start(arguments.split_whitespace());
    weir.until(asked.notified()).await;
    weir.kill().await;
    assert!(case.kept().newest_epoch().counter() > case.kept().oldest_epoch().counter());
    let warm = case.json("sync").await;
    assert_eq!(warm["hops"], 0, "{warm}");
}

#[bounded::test]
async fn the_second_run_is_warm() {
    let case = Case::new().await;
    let cold = case.json("sync").await;
    let fields: Vec<_> = cold.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "bytes_received",
        "elapsed_ms",
        "epoch_counter",
        "head_block_id",
        "head_height",
        "hops",
        "peak_memory_bytes",
        "servers",
        "trust",
        "upgrade_ahead",
    ];
    assert_eq!(fields, expected);
    assert!(cold["upgrade_ahead"].is_null(), "{cold}");
    let head = case.server.prover.head().finalized;
    assert_eq!((&cold["hops"], &cold["trust"]), (&30.into(), &"finalized".into()));
    assert_eq!(cold["head_block_id"], head.id.to_hex());
    assert_eq!(cold["head_height"], head.height);
    assert!(cold["bytes_received"].as_u64().unwrap() > 10_000, "{cold}");
    assert!(cold["elapsed_ms"].is_u64(), "{cold}");
    if cfg!(target_os = "linux") {
        assert!(cold["peak_memory_bytes"].as_u64().unwrap() > 1 << 20, "{cold}");
    }
    let kept = fs::read(case.file()).unwrap();

    let warm = case.json("sync").await;
    assert_eq!(warm["hops"], 0);
    assert!(warm["bytes_received"].as_u64().unwrap() <= 1024, "{warm}");
    for field in ["epoch_counter", "head_block_id", "head_height", "trust"] {
        assert_eq!(warm[field], cold[field], "{field}");
    }
    assert_eq!(fs::read(case.file()).unwrap(), kept);

    let again = case.json("sync --no-state").await;
    assert_eq!(
        (&again["hops"], &again["bytes_received"]),
        (&cold["hops"], &cold["bytes_received"])
    );
    let ran = case.weir("sync").await;
    ran.expect(0, &[]);
    assert_eq!(ran.stderr, "", "a bar is for terminals");
    assert!(ran.stdout.starts_with(&format!("block {} at height {}", head.id, head.height)));
}

#[bounded::test]
async fn questions_begin_at_what_is_kept_and_add_to_it() {
    let case = Case::new().await;
    let first = case.json("epoch --height 1012").await;
    assert!(case.kept().head().height >= 1012, "{:?}", case.kept().head());
    // The page of hops that it took goes on far behind the block.
    assert_eq!(first["anchored_by"]["kind"], "past_committee");
    assert_eq!(first["anchored_by"]["epoch_counter"], first["epoch_counter"]);
    case.weir("status --sealed").await.expect(0, &[]);
    let sealed = case.kept();
    assert!(sealed.head().height > 1300, "{:?}", sealed.head());
    for question in ["seal", "result", "identities --sealed", "snapshot --height 1100"] {
        case.weir(question).await.expect(0, &[]);
        assert_eq!(case.kept().to_bytes(), sealed.to_bytes(), "{question} is about older blocks");
    }
    let synced = case.json("sync").await;
    assert_eq!(synced["hops"], 0);
    assert!(synced["bytes_received"].as_u64().unwrap() < 10_000, "{synced}");

    // The checkpoint is trusted by its ID, and nothing has to certify it.
    let root = case.json(&format!("snapshot --block {}", case.server.root_id)).await;
    assert_eq!(root["anchored_by"]["kind"], "hash_links");
    let ran = case.weir("epoch").await;
    assert!(ran.stdout.lines().nth(1).unwrap().starts_with("  proved by "), "{ran:?}");

    // What fails leaves what was kept.
    let kept = fs::read(case.file()).unwrap();
    case.weir("epoch --height 99999").await.expect(5, &["height 99999 is not served"]);
    assert_eq!(fs::read(case.file()).unwrap(), kept);
}

#[bounded::test]
async fn progress_before_a_failure_is_kept() {
    let case = Case::new().await;
    // All epochs have to be walked before this block turns out to be certified by nobody.
    let blocks = expected(LONG).unwrap();
    let is_parent = |id: &Value| blocks.iter().any(|block| block["parent_id"] == *id);
    let leaf = blocks.iter().rev().find(|block| !is_parent(&block["block_id"])).unwrap();
    let ran = case.weir(&format!("epoch --block {}", leaf["block_id"].as_str().unwrap())).await;
    ran.expect(7, &["is not certified"]);
    let kept = case.kept();
    assert_eq!(kept.newest_epoch().counter() - kept.oldest_epoch().counter(), 30);
    assert_eq!(case.json("sync").await["hops"], 0);
}

#[bounded::test]
async fn nothing_older_replaces_what_is_kept() {
    let case = Case::new().await;
    case.weir("epoch --height 1012").await.expect(0, &[]);
    let old = case.path("old");
    case.weir(&format!("checkpoint export {}", old.display())).await.expect(0, &[]);
    case.weir("sync").await.expect(0, &[]);
    let new = fs::read(case.file()).unwrap();
    let ran = case.weir(&format!("checkpoint set --file {}", old.display())).await;
    ran.expect(0, &["newer than", "stays"]);
    assert_eq!(fs::read(case.file()).unwrap(), new);

    // A state that says another block is final at the height of the head.
    let head = case.kept().head().block_id.0;
    let at = new.windows(32).position(|window| window == head).unwrap();
    let mut forked = new.clone();
    forked[at] ^= 1;
    let fork = case.path("fork");
    fs::write(&fork, with_checksum(forked)).unwrap();
    let ran = case.weir(&format!("checkpoint set --file {}", fork.display())).await;
    ran.expect(3, &["invalid evidence", &case.kept().head().block_id.to_hex()]);
    assert_eq!(fs::read(case.file()).unwrap(), new);
}

#[bounded::test]
async fn many_at_once_keep_the_newest() {
    let case = Case::new().await;
    let runs = [
        "epoch --height 1100",
        "sync --json",
        "status --height 1012",
        "epoch --height 1200",
        "sync --json",
        "identities --height 1399",
    ];
    let [a, b, c, d, e, f] = runs.map(|arguments| case.weir(arguments));
    let (a, b, c, d, e, f) = tokio::join!(a, b, c, d, e, f);
    for ran in [a, b, c, d, e, f] {
        ran.expect(0, &[]);
    }
    assert_eq!(case.kept().head().block_id, case.server.prover.head().finalized.id);
    assert_eq!(case.json("sync").await["hops"], 0);
    let strays = fs::read_dir(case.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let strays: Vec<_> = strays
        .filter(|name| name != "lock" && *name != *case.file().file_name().unwrap())
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
}

#[bounded::test]
async fn what_cannot_be_read_is_named_and_never_passed_over() {
    let case = Case::new().await;
    case.weir("epoch --height 1012").await.expect(0, &[]);
    let honest = fs::read(case.file()).unwrap();
    let mut flipped = honest.clone();
    flipped[honest.len() / 2] ^= 1;
    // The version follows the magic: a list of two length bytes, a string of one.
    let version =
        honest.windows(18).position(|window| window == b"weir-trusted-state").unwrap() + 18;
    let mut newer = honest.clone();
    newer[version] = 2;
    let path = case.file().display().to_string();
    for (bytes, message) in [
        (flipped, "damaged: its checksum differs; delete the file"),
        (honest[..honest.len() - 1].to_vec(), "delete the file"),
        (Vec::new(), "not a weir trusted state; delete the file"),
        (b"hello".to_vec(), "not a weir trusted state"),
        (HopsPage::default().to_bytes(), "not a weir trusted state"),
        (vec![0xc0; (16 << 20) + 1], "at most 16777216 bytes"),
        (newer, "found version 2; use the version of weir that wrote it"),
    ] {
        fs::write(case.file(), &bytes).unwrap();
        for command in ["sync", "epoch", "checkpoint show", "checkpoint export -"] {
            let ran = case.weir(command).await;
            ran.expect(1, &[&path, message]);
            assert_eq!(ran.stdout, "", "{command}");
        }
        assert!(fs::read(case.file()).unwrap() == bytes, "it was changed");
        case.weir("epoch --no-state").await.expect(0, &[]);
    }
    fs::write(case.file(), &honest).unwrap();
    let other = "09".repeat(32);
    fs::rename(case.file(), case.path(&format!("{other}.trusted"))).unwrap();
    let ran = case.without_checkpoint(&format!("--checkpoint {other} sync")).await;
    ran.expect(1, &[&format!("of checkpoint {}", case.server.root_id), &other]);
}

#[bounded::test]
async fn folders_that_do_not_serve_are_named() {
    let case = Case::new().await;
    let checkpoint = case.server.root_id;
    let file = case.path("file");
    fs::write(&file, b"").unwrap();
    let below = file.join("below");
    let ran = case.elsewhere(&below, &format!("--checkpoint {checkpoint} sync")).await;
    ran.expect(1, &["cannot read", &below.display().to_string(), "--state-dir DIR", "--no-state"]);

    fs::create_dir(case.file()).unwrap();
    case.weir("epoch").await.expect(1, &["cannot read", &case.file().display().to_string()]);
    fs::remove_dir(case.file()).unwrap();
    fs::create_dir(case.path("lock")).unwrap();
    let ran = case.weir("epoch").await;
    ran.expect(1, &["cannot write to", &case.folder.path().display().to_string()]);
    assert_eq!(ran.stdout, "");
    fs::remove_dir(case.path("lock")).unwrap();

    let written = case.path("default-checkpoint");
    fs::write(&written, b"nonsense").unwrap();
    let ran = case.without_checkpoint("epoch").await;
    ran.expect(1, &[&written.display().to_string(), "64 hex", "weir checkpoint set"]);
    case.weir("epoch").await.expect(0, &[]);
    case.weir("--no-state epoch").await.expect(0, &[]);
}

#[cfg(unix)]
#[bounded::test]
async fn a_read_only_folder_serves_while_there_is_nothing_new() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new().await;
    case.weir("epoch --height 1012").await.expect(0, &[]);
    let permit = |mode| {
        fs::set_permissions(case.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(0o555);
    // A superuser may write anywhere, which leaves nothing to refuse.
    let refused = fs::write(case.path("probe"), b"").is_err();
    case.weir("epoch --height 1012").await.expect(0, &[]);
    if refused {
        let ran = case.weir("sync").await;
        ran.expect(1, &["cannot write to", "--state-dir DIR", "--no-state"]);
    }
    permit(0o755);
    case.weir("sync").await.expect(0, &[]);
}

#[bounded::test]
async fn a_trusted_state_moves_to_another_folder() {
    let case = Case::new().await;
    let checkpoint = case.server.root_id;
    let missing = case.without_checkpoint("sync").await;
    missing.expect(1, &["--checkpoint BLOCK_ID", "weir checkpoint set BLOCK_ID"]);
    let ran = case.without_checkpoint(&format!("checkpoint set {checkpoint}")).await;
    ran.expect(0, &[]);
    assert!(ran.stdout.contains("run `weir sync`"), "{ran:?}");
    case.without_checkpoint("checkpoint export -").await.expect(1, &["run `weir sync` first"]);
    let before = case.without_checkpoint("checkpoint show --json").await.json();
    assert_eq!((&before["default"], &before["head"]), (&true.into(), &Value::Null));
    case.without_checkpoint("sync").await.expect(0, &[]);
    let shown = case.without_checkpoint("checkpoint show --json").await.json();
    assert_eq!(shown["checkpoint_id"], checkpoint.to_hex());
    assert_eq!(shown["head"]["block_id"], case.server.prover.head().finalized.id.to_hex());
    assert_eq!(
        (&shown["first_epoch_counter"], &shown["newest_epoch_counter"]),
        (&7.into(), &37.into())
    );
    assert_eq!(shown["bytes_kept"], fs::metadata(case.file()).unwrap().len());
    assert_eq!(shown["path"], case.file().display().to_string());

    let other = tempfile::tempdir().unwrap();
    let state = other.path().join("state");
    let exported = other.path().join("exported");
    let export = format!("checkpoint export {}", exported.display());
    case.without_checkpoint(&export).await.expect(0, &[]);
    let import = format!("checkpoint set --json --file {}", exported.display());
    let imported = case.elsewhere(&state, &import).await.json();
    assert_eq!(imported["head"], shown["head"]);
    assert_eq!(imported["default"], true);
    assert_eq!(case.elsewhere(&state, "sync --json").await.json()["hops"], 0);
    let bytes = fs::read(&exported).unwrap();
    let output = std::process::Command::new(Program::Client.path())
        .args(["checkpoint", "export", "-", "--state-dir"])
        .arg(&state)
        .output();
    assert_eq!(output.unwrap().stdout, bytes);

    fs::write(&exported, &bytes[1..]).unwrap();
    let ran = case.elsewhere(&other.path().join("third"), &import).await;
    ran.expect(1, &[&exported.display().to_string(), "trusted state"]);
    let unwritable = exported.join("below");
    let export = format!("checkpoint export {}", unwritable.display());
    case.without_checkpoint(&export).await.expect(1, &["cannot write"]);
    let both = format!("checkpoint set {checkpoint} --file {}", exported.display());
    case.without_checkpoint(&both).await.expect(2, &["cannot be used with"]);
    case.without_checkpoint("checkpoint set").await.expect(2, &["required"]);
}

#[bounded::test]
async fn evidence_stands_alone_and_leaves_the_kept_state() {
    let case = Case::new().await;
    case.weir("sync").await.expect(0, &[]);
    let kept = fs::read(case.file()).unwrap();
    let file = case.path("evidence");
    let online = case.json(&format!("status --sealed --save {}", file.display())).await;
    assert_eq!(fs::read(case.file()).unwrap(), kept);
    case.weir(&format!("checkpoint set {}", case.server.root_id)).await.expect(0, &[]);
    let verify = |rest: &str| format!("verify --json {} {rest}", file.display());
    let status = case.without_checkpoint(&verify("--as status")).await.json();
    assert_eq!(status, online);
    let epoch = case.without_checkpoint(&verify("--as epoch")).await.json();
    assert_eq!((&epoch["trust"], epoch["views_left"].is_u64()), (&"sealed".into(), true));
    let whole = case.without_checkpoint(&verify("")).await.json();
    assert_eq!(whole, case.without_checkpoint(&verify("--as snapshot")).await.json());

    let seal = case.path("seal");
    case.weir(&format!("seal --save {}", seal.display())).await.expect(0, &[]);
    let ran = case.without_checkpoint(&format!("verify {} --as epoch", seal.display())).await;
    ran.expect(2, &["--as is for evidence of a protocol state"]);
    case.weir("sync --save nothing").await.expect(2, &["--save is for questions"]);

    let too_early = case.kept().checkpoint().timestamp_ms;
    let then = format!("--now {too_early} --clock-skew 0s");
    case.without_checkpoint(&verify(&then))
        .await
        .expect(4, &["clock skew of 0 ms", "set the clock"]);
    let then = format!("--now {} --trusting-period 1h", online_ms(&case));
    assert_eq!(case.without_checkpoint(&verify(&then)).await.json(), whole);
    let late = format!("--now {} --trusting-period 1h", online_ms(&case) + 365 * 24 * 3_600_000);
    let ran = case.without_checkpoint(&verify(&late)).await;
    ran.expect(4, &["use a newer checkpoint"]);
}

/// Some time after the newest block.
fn online_ms(case: &Case) -> u64 {
    case.kept().head().timestamp_ms + 1000
}

/// Old heights are answered by committees of the past as long as they are believed, and the answer says
/// so.
#[bounded::test]
async fn past_committees_are_believed_for_so_long() {
    let case = Case::new().await;
    case.weir("sync").await.expect(0, &[]);
    let past = case.json("epoch --height 1012").await;
    assert_eq!(past["anchored_by"]["kind"], "past_committee");
    assert_eq!(past["anchored_by"]["epoch_counter"], past["epoch_counter"]);
    let text = case.weir("epoch --height 1012").await;
    text.expect(0, &[]);
    assert!(
        text.stdout.contains("which is past: taken for proof up to an age of 10years"),
        "{text:?}"
    );
    let now = online_ms(&case);
    let none = format!("--now {now} --past-committee-age 0s");
    let ran = case.weir(&format!("{none} epoch --height 1012")).await;
    ran.expect(4, &["only the committee of epoch 8, which is past", "allow a larger age"]);
    assert!(!ran.stderr.contains("not asked again"), "{}", ran.stderr);
    // The trusting period bounds it too, unless an age of its own is set.
    let month_ms = 30 * 24 * 3_600_000;
    let oldest =
        format!("--now {} --trusting-period 30d", case.kept().head().timestamp_ms + month_ms);
    let ran = case.weir(&format!("{oldest} epoch --height 1012")).await;
    ran.expect(4, &["proof for 2592000000 ms"]);
    case.weir(&format!("{oldest} --past-committee-age 365d epoch --height 1012"))
        .await
        .expect(0, &[]);
    case.weir(&format!("{oldest} epoch")).await.expect(0, &[]);
    let root = format!("{none} snapshot --block {}", case.server.root_id);
    assert_eq!(case.json(&root).await["anchored_by"]["kind"], "hash_links");
    let tree = case.weir("tree root --height 1012").await;
    assert!(tree.stdout.contains("which is past"), "{tree:?}");
}

/// Whose clock is slow has to set it: no server is to blame, and nothing is kept against one.
#[bounded::test]
async fn a_slow_clock_accuses_nobody() {
    let case = Case::new().await;
    case.weir("sync").await.expect(0, &[]);
    let head_ms = case.kept().head().timestamp_ms;
    let fresh = TempDir::new().unwrap();
    let slow = |behind_ms: u64| {
        let now = head_ms - behind_ms;
        format!("--checkpoint {} --now {now} epoch", case.server.root_id)
    };
    let ran = case.elsewhere(fresh.path(), &slow(30_001)).await;
    ran.expect(4, &["the clock says", "clock skew of 30000 ms", "set the clock"]);
    for accusing in ["not asked again", "invalid"] {
        assert!(!ran.stderr.contains(accusing), "{}", ran.stderr);
    }
    assert!(!fresh.path().join("evidence").exists());
    case.elsewhere(fresh.path(), &slow(30_000)).await.expect(0, &[]);
}

#[bounded::test]
async fn bounds_on_time_are_held() {
    let case = Case::new().await;
    for (arguments, message) in [
        ("--trusting-period 1s", "the trusting period is 3600000 to"),
        ("--trusting-period 4000d", "the trusting period is 3600000 to"),
        ("--trusting-period soon", "--trusting-period"),
        ("--past-committee-age 4000d", "past committees certify is at most"),
        ("--clock-skew 2d", "the clock skew is at most 86400000 ms"),
        ("--now yesterday", "invalid digit"),
    ] {
        case.weir(&format!("{arguments} epoch")).await.expect(2, &[message]);
    }
    case.weir("--now 0 epoch").await.expect(4, &["set the clock"]);
    let head = case.server.prover.head().finalized.id;
    case.weir("sync --trusting-period 3000d --clock-skew 10s").await.expect(0, &[]);
    let then = format!("--now {} epoch", case.kept().head().timestamp_ms);
    assert_eq!(case.json(&then).await["block_id"], head.to_hex());
    let later = format!("--now {} --trusting-period 30d epoch", u64::MAX);
    case.weir(&later).await.expect(4, &["use a newer checkpoint"]);
}

#[bounded::test]
async fn a_checkpoint_unknown_to_the_server_says_where_it_serves() {
    let case = Case::new().await;
    let unknown = "09".repeat(32);
    let ran = case.without_checkpoint(&format!("--checkpoint {unknown} sync --json")).await;
    let served = "final blocks are served from height 1000 of epoch 7 to height";
    ran.expect(5, &[&format!("block {unknown} is not known"), served]);
    assert_eq!(ran.stdout, "");
    assert!(!case.path(&format!("{unknown}.trusted")).exists());
}

#[bounded::test]
async fn without_a_folder_named_the_state_is_in_the_users_data_folder() {
    let case = Case::new().await;
    let (url, checkpoint) = (case.server.url(), case.server.root_id.to_hex());
    let arguments = ["--server", &url, "--checkpoint", &checkpoint, "sync"];
    Program::Client.run_at_home(case.folder.path(), arguments).await.expect(0, &[]);
    if cfg!(target_os = "linux") {
        let file = case.path(&format!(".local/share/weir/{checkpoint}.trusted"));
        TrustedState::from_bytes(&fs::read(file).unwrap()).unwrap();
    }
}

#[bounded::test]
async fn completions_and_man_pages_are_made() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = weir(&format!("completions {shell}")).await;
        ran.expect(0, &[]);
        assert!(ran.stdout.contains("checkpoint") && ran.stdout.contains("sync"), "{shell}");
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("weir");
        fs::write(&script, &ran.stdout).unwrap();
        // Where the shell is there, it reads its script.
        let read = std::process::Command::new(shell).arg("-n").arg(&script).output();
        assert!(read.is_err() || read.unwrap().status.success(), "{shell}");
    }
    weir("completions tcsh").await.expect(2, &["tcsh"]);

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    weir(&format!("man --out {}", out.display())).await.expect(0, &[]);
    for page in ["weir", "weir-sync", "weir-checkpoint", "weir-checkpoint-export", "weir-epoch"] {
        let text = fs::read_to_string(out.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(&format!(".TH {page} 1")), "{page}: {text}");
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
    }
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    weir(&format!("man --out {}", file.display())).await.expect(1, &["cannot write to"]);
}
