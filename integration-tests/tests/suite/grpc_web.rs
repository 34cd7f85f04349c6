//! What a page sees: gRPC-web over HTTP/1.1, with CORS, against a real server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use weir_integration_tests::TestServer;
use weir_proto::weir::v1;

/// Sends one HTTP/1.1 request and reads the answer to its end.
async fn http(address: SocketAddr, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let head = format!(
        "{request}\r\nhost: {}\r\norigin: http://page.example\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n",
        address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_lowercase();
    let body = answer[end..].to_vec();
    let chunked = head.contains("transfer-encoding: chunked");
    (head, if chunked { unchunked(&body) } else { body })
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = body.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = std::str::from_utf8(&body[..line]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[line + 2..line + 2 + length]);
        body = &body[line + 2 + length + 2..];
    }
}

/// The frames of a gRPC-web body: the message, if any, and the trailers.
fn frames(mut body: &[u8]) -> (Option<Vec<u8>>, String) {
    let (mut message, mut trailers) = (None, String::new());
    while !body.is_empty() {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let content = body[5..5 + length].to_vec();
        if body[0] & 0x80 != 0 {
            trailers = String::from_utf8(content).unwrap().replace(' ', "");
        } else {
            message = Some(content);
        }
        body = &body[5 + length..];
    }
    (message, trailers)
}

/// Asks for a snapshot.
pub(crate) async fn ask_at(
    address: SocketAddr,
    request: &v1::GetSnapshotRequest,
) -> (String, v1::GetSnapshotResponse) {
    let method = "weir.v1.SnapshotAPI/GetSnapshot";
    let (head, message, _) = ask(address, method, &request.encode_to_vec()).await;
    (head, v1::GetSnapshotResponse::decode(&message.unwrap()[..]).unwrap())
}

async fn ask(
    address: SocketAddr,
    method: &str,
    request: &[u8],
) -> (String, Option<Vec<u8>>, String) {
    let length = u32::try_from(request.len()).unwrap().to_be_bytes();
    let body = [&[0][..], &length, request].concat();
    let line = format!(
        "POST /{method} HTTP/1.1\r\ncontent-type: application/grpc-web+proto\r\nx-grpc-web: 1"
    );
    let (head, body) = http(address, &line, &body).await;
    let (message, trailers) = frames(&body);
    (head, message, trailers)
}

#[bounded::test]
async fn a_page_gets_evidence_over_grpc_web() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let selector = v1::block_selector::Selector::LatestFinalized(v1::LatestFinalized {});
    let block = Some(v1::BlockSelector { selector: Some(selector) });
    let question = Some(v1::Question { block, ..Default::default() });
    let request = v1::GetSnapshotRequest { question }.encode_to_vec();
    let method = "weir.v1.SnapshotAPI/GetSnapshot";
    let (head, message, trailers) = ask(server.address, method, &request).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/grpc-web+proto"), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    assert!(head.contains("access-control-expose-headers"), "{head}");
    assert!(trailers.contains("grpc-status:0"), "{trailers}");
    let response = v1::GetSnapshotResponse::decode(&message.unwrap()[..]).unwrap();
    let bytes = &response.evidence;
    weir_protocol::evidence::AnswerProof::from_bytes(bytes).unwrap();
    assert_eq!(response.snapshot.unwrap().epoch_counter, 10);
}

#[bounded::test]
async fn a_page_gets_errors_with_their_message() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let selector = v1::block_selector::Selector::Height(1);
    let block = Some(v1::BlockSelector { selector: Some(selector) });
    let question = Some(v1::Question { block, ..Default::default() });
    let request = v1::GetSnapshotRequest { question }.encode_to_vec();
    let method = "weir.v1.SnapshotAPI/GetSnapshot";
    let (head, message, trailers) = ask(server.address, method, &request).await;
    assert!(message.is_none());
    let told = format!("{head}{trailers}").replace(' ', "");
    assert!(told.contains("grpc-status:11"), "{told}");
    assert!(told.contains("grpc-message"), "{told}");
}

#[bounded::test]
async fn the_access_api_speaks_grpc_web_too() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let (_, message, _) =
        ask(server.address, "flow.access.AccessAPI/GetNetworkParameters", &[]).await;
    let response =
        weir_proto::flow::access::GetNetworkParametersResponse::decode(&message.unwrap()[..]);
    assert_eq!(response.unwrap().chain_id, "flow-localnet");
}

#[bounded::test]
async fn a_preflight_request_is_granted() {
    let server = TestServer::start("happy-epochs").await.unwrap();
    let line = "OPTIONS /weir.v1.SnapshotAPI/GetSnapshot HTTP/1.1\r\n\
                access-control-request-method: POST\r\n\
                access-control-request-headers: content-type,x-grpc-web";
    let (head, _) = http(server.address, line, &[]).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("access-control-allow-origin: *"), "{head}");
    assert!(head.contains("access-control-allow-headers: *"), "{head}");
    assert!(head.contains("access-control-allow-methods"), "{head}");
}
