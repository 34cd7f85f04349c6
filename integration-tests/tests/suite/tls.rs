//! TLS between all the programs, as users set it up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use tempfile::TempDir;
use weir_integration_tests::authority::Authority;
use weir_integration_tests::programs::{Program, Ran, Started};
use weir_integration_tests::{chain_dir, expected};

/// Starts a program that serves, and returns it with its URL and what else the first line says.
async fn serving(arguments: &[&str], more: &[Vec<String>]) -> (Started, String, String) {
    let arguments = arguments.iter().map(ToString::to_string);
    let listen = ["--listen", "127.0.0.1:0"].map(ToString::to_string);
    let mut started = Program::Server.start(arguments.chain(listen).chain(more.concat()));
    let line = started.line().await;
    let (_, said) = line.trim().split_once("serving ").unwrap();
    let (url, rest) = said.split_once(", checkpoint ").unwrap_or((said, ""));
    (started, url.to_owned(), rest.to_owned())
}

async fn replaying(data: &TempDir, more: &[Vec<String>]) -> (Started, String) {
    let (data, source) = (data.path().join("data"), chain_dir("happy-epochs"));
    let source = format!("replay:{}", source.display());
    let arguments = ["serve", "--data", data.to_str().unwrap(), "--source", &source];
    let (started, url, _) = serving(&arguments, more).await;
    (started, url)
}

/// Asks what a server of the chain proves.
async fn ask(url: &str, more: &[Vec<String>]) -> Ran {
    let root = expected("happy-epochs").unwrap()[0]["block_id"].as_str().unwrap().to_owned();
    let arguments = ["--server", url, "--no-state", "--checkpoint", &root, "epoch"];
    Program::Client.run(arguments.map(ToString::to_string).into_iter().chain(more.concat())).await
}

#[bounded::test]
async fn from_an_access_node_to_a_wallet_everything_is_encrypted() {
    let (authority, data) = (Authority::make(), tempfile::tempdir().unwrap());
    authority.vouch();
    let network = ["devnet", "--seed", "3", "--history", "300"];
    let (_network, network, root) = serving(&network, &[authority.shown()]).await;
    assert!(network.starts_with("https://"), "{network}");
    let (data, source) = (data.path().join("data"), format!("access:{network}"));
    let server = ["serve", "--data", data.to_str().unwrap(), "--source", &source];
    let server = [&server[..], &["--checkpoint", &root]].concat();
    let closed = vec!["--client-ca".into(), authority.file("ca.pem")];
    let more = [authority.shown(), closed, authority.trusted()];
    let (_server, server, _) = serving(&server, &more).await;
    let proxy = ["proxy", "--upstream", &server, "--checkpoint", &root];
    let more = [authority.shown(), authority.trusted(), authority.as_client()];
    let (_proxy, proxy, _) = serving(&proxy, &more).await;
    for (url, more) in [
        (&proxy, vec![authority.trusted()]),
        (&server, vec![authority.trusted(), authority.as_client()]),
    ] {
        let asked = ["--server", url, "--no-state", "--checkpoint", &root, "epoch"];
        let asked = asked.map(ToString::to_string).into_iter().chain(more.concat());
        Program::Client.run(asked).await.expect(0, &[]);
    }
    let asked = ["--server", &server, "--no-state", "--checkpoint", &root, "epoch"];
    let asked = asked.map(ToString::to_string).into_iter().chain(authority.trusted());
    Program::Client.run(asked).await.expect(5, &["CertificateRequired"]);
}

#[bounded::test]
async fn an_access_node_is_known_by_its_networking_key() {
    let data = tempfile::tempdir().unwrap();
    let network = ["devnet", "--seed", "3", "--history", "300", "--secure-listen", "127.0.0.1:0"];
    let (mut network, _, root) = serving(&network, &[]).await;
    let line = network.line().await;
    let node = line.trim().strip_prefix("weir-server: devnet serving ").unwrap().to_owned();
    let (url, key) = node.split_once('#').unwrap();
    let serve = |data: &str, node: &str| {
        ["serve", "--data", data, "--source", node, "--checkpoint", &root].map(ToString::to_string)
    };
    let folder = |name: &str| data.path().join(name).display().to_string();
    let followed = serve(&folder("right"), &format!("access:{node}"));
    let followed: Vec<_> = followed.iter().map(String::as_str).collect();
    let (_server, server, _) = serving(&followed, &[]).await;
    let asked = ["--server", &server, "--no-state", "--checkpoint", &root, "epoch"];
    Program::Client.run(asked).await.expect(0, &[]);
    // Another node's, or nobody's: authorities do not vouch for access nodes.
    let stranger = Authority::make();
    let other = OTHER_KEY.replace(char::is_whitespace, "");
    assert_ne!(other, key);
    for (source, said) in
        [(format!("access:{url}#{other}"), "it is another node"), (format!("access:{url}"), "TLS")]
    {
        let serve = serve(&folder("wrong"), &source).into_iter().chain(stranger.trusted());
        let refused = Program::Server.run(serve).await;
        assert_ne!(refused.code, Some(0));
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
}

#[bounded::test]
async fn a_port_that_speaks_otherwise_is_named() {
    let (authority, data) = (Authority::make(), tempfile::tempdir().unwrap());
    authority.vouch();
    let (_server, url) = replaying(&data, &[authority.shown()]).await;
    ask(&url, &[authority.trusted()]).await.expect(0, &[]);
    let stranger = Authority::make();
    ask(&url, &[stranger.trusted()]).await.expect(5, &["TLS: invalid peer certificate"]);
    let clear = url.replace("https://", "http://");
    ask(&clear, &[]).await.expect(5, &["this port speaks TLS; its address begins with https://"]);
    let data = tempfile::tempdir().unwrap();
    let (_server, url) = replaying(&data, &[]).await;
    ask(&url, &[]).await.expect(0, &[]);
    let secure = url.replace("http://", "https://");
    let said = "this port speaks plaintext, not TLS; its address begins with http://";
    ask(&secure, &[authority.trusted()]).await.expect(5, &[said]);
    ask("weir.example:9400", &[]).await.expect(2, &["begin it with https://"]);
    ask("https://u:p@weir.example", &[]).await.expect(2, &["name or password is not used"]);
}

#[bounded::test]
async fn a_certificate_that_is_renewed_is_shown_without_a_restart() {
    let (before, after) = (Authority::make(), Authority::make());
    before.vouch();
    let data = tempfile::tempdir().unwrap();
    let (_server, url) = replaying(&data, &[before.shown()]).await;
    ask(&url, &[before.trusted()]).await.expect(0, &[]);
    // Half of it is there: the one of before goes on.
    after.vouch();
    let copy = |name: &str| fs::copy(after.file(name), before.file(name)).unwrap();
    copy("cert.pem");
    ask(&url, &[before.trusted()]).await.expect(0, &[]);
    copy("key.pem");
    ask(&url, &[after.trusted()]).await.expect(0, &[]);
    ask(&url, &[before.trusted()]).await.expect(5, &["invalid peer certificate"]);
}

#[bounded::test]
async fn a_certificate_without_its_key_is_refused_at_the_start() {
    let (authority, data) = (Authority::make(), tempfile::tempdir().unwrap());
    authority.vouch();
    let serve = |more: Vec<String>| {
        let (data, source) = (data.path().display().to_string(), chain_dir("happy-epochs"));
        let source = format!("replay:{}", source.display());
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", &data, "--source", &source];
        Program::Server.run(arguments.map(ToString::to_string).into_iter().chain(more))
    };
    serve(authority.shown()[..2].to_vec()).await.expect(2, &["--tls-key"]);
    let other = Authority::make();
    other.vouch();
    let mixed = [&authority.shown()[..2], &other.shown()[2..]].concat();
    serve(mixed).await.expect(1, &["key.pem"]);
    let missing =
        vec!["--tls-cert".into(), "none.pem".into(), "--tls-key".into(), "none.pem".into()];
    serve(missing).await.expect(1, &["none.pem"]);
}

/// A networking key that the network does not have.
const OTHER_KEY: &str = "dc55631abcc2aeab0131f8175eb1530d57f291efd9239417b202496c882a6bb6
                         3b74110f5f2858b78ace07ae54bba45d908b14195ee6f2732cf02c86f65c4631";
