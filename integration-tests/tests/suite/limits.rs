//! Health, reflection, and requests beyond the limits: each is refused with its code and a message
//! that says what exists, and the server goes on serving.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use prost::bytes::Bytes;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use weir_integration_tests::TestServer;
use weir_proto::status::available;
use weir_proto::weir::v1::block_selector::Selector;
use weir_proto::weir::v1::snapshot_api_client::SnapshotApiClient;
use weir_proto::weir::v1::{self, BlockSelector, GetServerInfoRequest, Held, Question};

const SERVICE: &str = "weir.v1.SnapshotAPI";

struct Case {
    server: TestServer,
    channel: Channel,
    client: SnapshotApiClient<Channel>,
}

impl Case {
    async fn new() -> Self {
        let server = TestServer::start("happy-epochs").await.unwrap();
        let channel = Channel::from_shared(server.url()).unwrap().connect().await.unwrap();
        let client = SnapshotApiClient::new(channel.clone());
        Self { server, channel, client }
    }

    async fn snapshot(&mut self, question: Question) -> Result<v1::GetSnapshotResponse, Status> {
        let request = v1::GetSnapshotRequest { question: Some(question) };
        self.client.get_snapshot(request).await.map(tonic::Response::into_inner)
    }

    /// The honest twin of every refusal, on the same connection.
    async fn still_serves(&mut self) {
        let answer = self.snapshot(about(Selector::Height(1010))).await.unwrap();
        assert_eq!(answer.snapshot.unwrap().block.unwrap().height, 1010);
    }

    /// The question is refused, and the next one is answered.
    async fn refuses(&mut self, question: Question, code: Code, message: &str) -> Status {
        let status = self.snapshot(question).await.unwrap_err();
        refused(&status, code, message);
        self.still_serves().await;
        status
    }
}

fn about(selector: Selector) -> Question {
    let block = Some(BlockSelector { selector: Some(selector) });
    Question { block, ..Question::default() }
}

fn held(held: Held) -> Question {
    Question { held: Some(held), ..about(Selector::Height(1010)) }
}

#[track_caller]
fn refused(status: &Status, code: Code, message: &str) {
    assert_eq!(status.code(), code, "{status:?}");
    assert!(status.message().contains(message), "no `{message}` in {status:?}");
}

fn ids(count: usize, length: usize) -> Vec<Bytes> {
    vec![vec![7; length].into(); count]
}

#[bounded::test]
async fn health_says_serving() {
    let case = Case::new().await;
    let mut health = HealthClient::new(case.channel.clone());
    for service in ["", SERVICE] {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), tonic_health::ServingStatus::Serving.into());
    }
    let status = health.check(HealthCheckRequest { service: "weir.v9".into() }).await;
    assert_eq!(status.unwrap_err().code(), Code::NotFound);
}

#[bounded::test]
async fn reflection_lists_the_services_and_describes_them() {
    let case = Case::new().await;
    let mut reflection = ServerReflectionClient::new(case.channel.clone());
    let mut ask = async |message| {
        let request =
            ServerReflectionRequest { message_request: Some(message), ..Default::default() };
        let request = tokio_stream::once(request);
        let mut answers = reflection.server_reflection_info(request).await.unwrap().into_inner();
        let answer = answers.message().await;
        answer.map(|answer| answer.unwrap().message_response.unwrap())
    };
    let list = ask(MessageRequest::ListServices(String::new())).await.unwrap();
    let MessageResponse::ListServicesResponse(list) = list else { panic!("{list:?}") };
    let names: Vec<_> = list.service.iter().map(|service| &service.name[..]).collect();
    for name in [SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for symbol in [SERVICE, "weir.v1.GetSnapshotRequest", "grpc.health.v1.Health"] {
        let answer = ask(MessageRequest::FileContainingSymbol(symbol.into())).await.unwrap();
        let MessageResponse::FileDescriptorResponse(files) = answer else { panic!("{answer:?}") };
        assert!(!files.file_descriptor_proto.is_empty(), "{symbol}");
    }
    let answer = ask(MessageRequest::FileContainingSymbol("weir.v9.Nothing".into())).await;
    refused(&answer.unwrap_err(), Code::NotFound, "weir.v9.Nothing");
}

#[bounded::test]
async fn malformed_questions_are_invalid_arguments() {
    let mut case = Case::new().await;
    let invalid = Code::InvalidArgument;
    for question in [
        Question::default(),
        Question { block: Some(BlockSelector::default()), ..Question::default() },
    ] {
        case.refuses(question, invalid, "question.block").await;
    }
    for length in [0, 31, 33, 1000] {
        let id = vec![7; length].into();
        case.refuses(about(Selector::BlockId(id)), invalid, "question.block.block_id").await;
    }
    for (form, proof, found) in [(9, 0, "form: 9"), (0, 9, "proof: 9"), (-1, -1, "form: -1")] {
        let question = Question { form, proof, ..about(Selector::Height(1010)) };
        case.refuses(question, invalid, &format!("question.{found} is none of the values")).await;
    }
    let status = case.client.get_snapshot(v1::GetSnapshotRequest::default()).await;
    refused(&status.unwrap_err(), invalid, "question.block");
}

#[bounded::test]
async fn what_the_client_holds_has_limits() {
    let mut case = Case::new().await;
    let invalid = Code::InvalidArgument;
    let of = |preimage_ids| held(Held { preimage_ids, ..Held::default() });
    case.refuses(of(ids(1025, 32)), invalid, "1024").await;
    assert!(case.snapshot(of(ids(1024, 32))).await.is_ok());
    case.refuses(of(ids(1, 33)), invalid, "held.preimage_ids").await;
    let checkpoint_id = vec![7; 31].into();
    let question = held(Held { checkpoint_id, ..Held::default() });
    case.refuses(question, invalid, "held.checkpoint_id").await;
    // An unknown checkpoint is no fault: the answer is proved without it.
    let checkpoint_id = vec![7; 32].into();
    assert!(case.snapshot(held(Held { checkpoint_id, ..Held::default() })).await.is_ok());
}

#[bounded::test]
async fn filters_have_limits() {
    let mut case = Case::new().await;
    let filter = |roles: &[i32], statuses: &[i32], node_ids| v1::ListIdentitiesRequest {
        question: Some(about(Selector::Height(1010))),
        roles: roles.to_vec(),
        statuses: statuses.to_vec(),
        node_ids,
    };
    for (request, message) in [
        (filter(&[], &[], ids(1025, 32)), "1024"),
        (filter(&[], &[], ids(1, 31)), "node_ids"),
        (filter(&[0], &[], Vec::new()), "roles"),
        (filter(&[-1], &[], Vec::new()), "roles"),
        (filter(&[], &[5], Vec::new()), "statuses"),
    ] {
        let status = case.client.list_identities(request).await.unwrap_err();
        refused(&status, Code::InvalidArgument, message);
        case.still_serves().await;
    }
    let answer = case.client.list_identities(filter(&[2], &[1], Vec::new())).await.unwrap();
    assert!(!answer.into_inner().identities.is_empty());
    let answer = case.client.list_identities(filter(&[], &[], ids(1024, 32))).await.unwrap();
    assert!(answer.into_inner().identities.is_empty());
}

#[bounded::test]
async fn a_message_too_large_is_refused() {
    let mut case = Case::new().await;
    let sized = |length: usize| about(Selector::BlockId(vec![7; length].into()));
    // Read, and found to be no block ID; and not read at all.
    case.refuses(sized(200 << 10), Code::InvalidArgument, "question.block.block_id").await;
    case.refuses(sized(300 << 10), Code::OutOfRange, "too large").await;
    case.refuses(sized(8 << 20), Code::OutOfRange, "too large").await;
}

#[bounded::test]
async fn what_does_not_exist_is_answered_with_what_does() {
    let mut case = Case::new().await;
    let head = case.server.prover.head();
    let (first, last) = (head.first_height, head.finalized.height);
    for height in [0, first - 1, last + 1, u64::MAX] {
        let served = format!("finalized heights are {first} to {last}");
        let status = case.refuses(about(Selector::Height(height)), Code::OutOfRange, &served).await;
        let exists = available(status.details()).unwrap();
        assert_eq!((exists.first_height, exists.latest_finalized.unwrap().height), (first, last));
    }
    let unknown = about(Selector::BlockId(vec![7; 32].into()));
    let status = case.refuses(unknown, Code::NotFound, "is not known").await;
    let exists = available(status.details()).unwrap();
    assert_eq!(exists.latest_sealed.unwrap().height, head.sealed.height);

    let checkpoint = async |length, case: &mut Case| {
        let block_id = vec![7; length].into();
        let answer = case.client.get_checkpoint(v1::GetCheckpointRequest { block_id }).await;
        answer.unwrap_err()
    };
    refused(&checkpoint(32, &mut case).await, Code::NotFound, "is not known");
    refused(&checkpoint(31, &mut case).await, Code::InvalidArgument, "block_id");
    let absent = v1::GetIdentityRequest {
        question: Some(about(Selector::Height(first))),
        node_id: vec![9; 32].into(),
    };
    let status = case.client.get_identity(absent.clone()).await.unwrap_err();
    refused(&status, Code::NotFound, "is not in the identity table");
    let short = v1::GetIdentityRequest { node_id: vec![9; 20].into(), ..absent };
    refused(&case.client.get_identity(short).await.unwrap_err(), Code::InvalidArgument, "node_id");
    case.still_serves().await;
}

#[bounded::test]
async fn what_is_not_there_yet_is_a_failed_precondition() {
    let mut case = Case::new().await;
    let head = case.server.prover.head();
    let seal = |height| v1::GetSealRequest { question: Some(about(Selector::Height(height))) };
    let status = case.client.get_seal(seal(head.finalized.height)).await.unwrap_err();
    refused(&status, Code::FailedPrecondition, "is not sealed");
    assert_eq!(
        available(status.details()).unwrap().latest_sealed.unwrap().height,
        head.sealed.height
    );
    assert!(case.client.get_seal(seal(head.sealed.height)).await.is_ok());

    let hop = |epoch_counter| v1::GetEpochHopsRequest { epoch_counter, held: None, max_hops: 0 };
    let (oldest, newest) = (head.first_epoch_counter, head.epoch_counter);
    let epochs = format!("epochs are {oldest} to {newest}");
    for counter in [0, oldest - 1, newest + 1, u64::MAX] {
        let status = case.client.get_epoch_hops(hop(counter)).await.unwrap_err();
        refused(&status, Code::OutOfRange, &epochs);
        assert_eq!(available(status.details()).unwrap().latest_epoch_counter, newest);
    }
    assert!(case.client.get_epoch_hops(hop(oldest)).await.is_ok());

    let epoch =
        |epoch| v1::GetEpochRequest { question: Some(about(Selector::Height(1000))), epoch };
    for unknown in [0, 4, -1] {
        let status = case.client.get_epoch(epoch(unknown)).await.unwrap_err();
        refused(&status, Code::InvalidArgument, "epoch");
    }
    let status = case.client.get_epoch(epoch(v1::EpochPosition::Next.into())).await.unwrap_err();
    refused(&status, Code::NotFound, "there is no next epoch");
    assert!(case.client.get_epoch(epoch(v1::EpochPosition::Current.into())).await.is_ok());
    assert!(case.client.get_server_info(GetServerInfoRequest {}).await.is_ok());
    case.still_serves().await;
}
