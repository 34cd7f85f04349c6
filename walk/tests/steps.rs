//! A walk, step by step, with a driver that has no network.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use weir_protocol::model::Identifier;
use weir_protocol::request::Request;
use weir_walk::{
    AskError, Asked, Beginning, Call, ClockOptions, Heard, Judge, Moment, Reply, Step,
    TransportError, Walk, Walker, start,
};

const CHECKPOINT: Identifier = Identifier([7; 32]);

type Started = Walk<'static, Result<Walker, AskError>>;

fn begin<const N: usize>(urls: [&str; N]) -> Started {
    let clock = ClockOptions::default();
    let beginning = Beginning {
        checkpoint_id: CHECKPOINT,
        clock,
        keeps_evidence: false,
        judge: Some(Judge::new()),
    };
    start(urls, beginning).unwrap()
}

fn asked(walk: &mut Started) -> usize {
    let Step::Call(Asked { peer, call }) = walk.poll(Moment::default()) else { panic!() };
    assert_eq!(call, Call::Send(Request::Checkpoint(CHECKPOINT)));
    peer
}

fn failed(walk: &mut Started) -> AskError {
    let Step::Done(ended) = walk.poll(Moment::default()) else { panic!("it goes on") };
    ended.unwrap_err()
}

fn silence(url: &str) -> TransportError {
    TransportError::Unavailable { url: url.to_owned(), message: "no answer".to_owned() }
}

fn refusal(url: &str) -> TransportError {
    TransportError::UnknownBlock { url: url.to_owned(), message: "not known".to_owned() }
}

fn nonsense() -> Heard {
    Heard::Reply(Reply { bytes: vec![1, 2, 3], receipt: None })
}

#[bounded::test]
fn it_waits_until_it_hears() {
    let mut walk = begin(["a"]);
    assert_eq!(asked(&mut walk), 0);
    assert!(matches!(walk.poll(Moment::default()), Step::Waits));
    walk.hear(Heard::NoAnswer(silence("a")));
    assert_eq!(failed(&mut walk), silence("a").into());
}

#[bounded::test]
fn each_server_is_asked_once_and_the_best_reason_told() {
    let cases: [([Heard; 3], AskError); 4] = [
        (
            [silence("a"), silence("b"), silence("c")].map(Heard::NoAnswer),
            TransportError::All { errors: ["a", "b", "c"].map(silence).to_vec() }.into(),
        ),
        ([silence("a"), refusal("b"), silence("c")].map(Heard::NoAnswer), refusal("b").into()),
        ([refusal("a"), refusal("b"), refusal("c")].map(Heard::NoAnswer), refusal("a").into()),
        (
            [Heard::NoAnswer(refusal("a")), nonsense(), Heard::NoAnswer(silence("c"))],
            refusal("a").into(),
        ),
    ];
    for (heard, expected) in cases {
        let mut walk = begin(["a", "b", "c"]);
        for (peer, heard) in heard.into_iter().enumerate() {
            assert_eq!(asked(&mut walk), peer);
            walk.hear(heard);
        }
        assert_eq!(failed(&mut walk), expected);
    }
}

#[bounded::test]
fn a_wrong_answer_says_more_than_silence() {
    let mut walk = begin(["a", "b"]);
    assert_eq!(asked(&mut walk), 0);
    walk.hear(nonsense());
    assert_eq!(asked(&mut walk), 1);
    walk.hear(Heard::NoAnswer(silence("b")));
    let AskError::Rejected { url, lies, .. } = failed(&mut walk) else { panic!() };
    assert_eq!((&url[..], lies.len()), ("a", 1));
    assert!(lies[0].misbehaviour.is_some());
}

#[bounded::test]
fn an_answer_of_another_kind_is_none() {
    let mut walk = begin(["a"]);
    assert_eq!(asked(&mut walk), 0);
    walk.hear(Heard::Subscribed);
    assert!(matches!(failed(&mut walk), AskError::Transport(error) if error.is_silence()));
}

#[bounded::test]
fn a_cancelled_walk_asks_nobody_any_more() {
    for heard in [None, Some(Heard::NoAnswer(silence("a")))] {
        let mut walk = begin(["a", "b"]);
        assert_eq!(asked(&mut walk), 0);
        heard.into_iter().for_each(|heard| walk.hear(heard));
        walk.cancel();
        assert_eq!(failed(&mut walk), TransportError::Cancelled.into());
    }
}
