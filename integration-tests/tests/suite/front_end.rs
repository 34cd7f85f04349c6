//! A real nginx before a server, with TLS and below a path; and its error pages.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use weir_integration_tests::authority::Authority;
use weir_integration_tests::programs::{Program, ServerProcess};
use weir_integration_tests::{chain_dir, expected};

/// An nginx of its own, until it is dropped.
struct Nginx {
    folder: TempDir,
    port: u16,
}

impl Nginx {
    /// None where it is not installed.
    fn start(authority: &Authority, server: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        // Free a moment ago; whoever takes it in between makes this fail, and aloud.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let nginx = Self { folder, port };
        fs::write(nginx.configuration(), nginx.configured(authority, server)).unwrap();
        // It returns when the port is open.
        let Ok(status) = nginx.command().status() else {
            println!("SKIPPED: nginx is not installed");
            return None;
        };
        assert!(status.success(), "nginx does not start");
        Some(nginx)
    }

    fn configuration(&self) -> std::path::PathBuf {
        self.folder.path().join("nginx.conf")
    }

    fn configured(&self, authority: &Authority, server: &str) -> String {
        let path = |name: &str| Path::join(self.folder.path(), name).display().to_string();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};", path(kind)));
        let pages = [301, 401, 404, 429, 500, 502, 503].map(|code| {
            format!("location /{code}/ {{ return {code} '<html><h1>{code}</h1></html>'; }}")
        });
        let (port, server) = (self.port, server.trim_start_matches("http://"));
        format!(
            "pid {}; error_log {}; events {{}} http {{ access_log off; default_type text/html; {}
             server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {}; ssl_certificate_key {};
             location /weir/ {{ rewrite ^/weir(/.*)$ $1 break; grpc_pass grpc://{server}; }}
             location /gone/ {{ grpc_pass grpc://127.0.0.1:1; }} {} }} }}",
            path("pid"),
            path("log"),
            temporary.join(" "),
            authority.file("cert.pem"),
            authority.file("key.pem"),
            pages.join(" "),
        )
    }

    fn command(&self) -> Command {
        let mut command = Command::new("nginx");
        command.arg("-c").arg(self.configuration()).arg("-e").arg(self.folder.path().join("log"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.command().args(["-s", "stop"]).status();
    }
}

#[bounded::test]
async fn a_server_below_a_path_answers_and_error_pages_lead_on_to_it() {
    let (authority, data) = (Authority::make(), tempfile::tempdir().unwrap());
    authority.vouch();
    let server = ServerProcess::start(&data.path().join("data"), &chain_dir(CHAIN)).await;
    let mut server = server.unwrap();
    server.indexed().await;
    let Some(nginx) = Nginx::start(&authority, &server.url) else { return };
    let root = expected(CHAIN).unwrap()[0]["block_id"].as_str().unwrap().to_owned();
    let url = |path: &str| format!("https://127.0.0.1:{}/{path}", nginx.port);
    let ask = |servers: String| {
        let arguments = ["--server", &servers, "--no-state", "--checkpoint", &root, "epoch"];
        let arguments = arguments.map(ToString::to_string).into_iter().chain(authority.trusted());
        Program::Client.run(arguments)
    };
    let good = url("weir");
    ask(good.clone()).await.expect(0, &[]);
    for page in ["301", "401", "404", "429", "500", "502", "503", "gone", "elsewhere"] {
        let bad = url(page);
        let refused = ask(bad.clone()).await;
        refused.expect(5, &[&bad]);
        ask(format!("{bad},{good}")).await.expect(0, &[]);
        let more = ["--ca", &authority.file("ca.pem")];
        let proxy = ServerProcess::proxy_with(&format!("{bad},{good}"), &root, &more).await;
        ask(proxy.unwrap().url.clone()).await.expect(0, &[]);
    }
}

const CHAIN: &str = "happy-epochs";
