//! Forged accusations: files about honest answers and about lies, edited at random.

use weir_integration_tests::random::Xorshift;
use weir_verifier::{Act, Misbehaviour, WrongAnswer};

use super::{Counted, HONEST, Judged, LIAR, NOW_MS, Said, Scene, key, lie};

const SEED: u64 = 0x5eed_0014;
/// Edits of each file.
const ROUNDS: usize = 150;

/// The bytes with one thing changed: a bit, a byte, a piece left out, doubled, or of another file.
fn edited(bytes: &[u8], other: &[u8], random: &mut Xorshift) -> Vec<u8> {
    let mut edited = bytes.to_vec();
    let place = place(bytes, random);
    let length = 1 + random.index(64.min(bytes.len() - place));
    match random.below(6) {
        0 => edited[place] ^= 1 << random.below(8),
        1 => edited[place] = u8::try_from(random.below(256)).unwrap(),
        2 => drop(edited.drain(place..place + length)),
        3 => {
            let piece = edited[place..place + length].to_vec();
            edited.splice(place..place, piece);
        }
        4 => {
            // As much of another file, so that lists stay as long as they say.
            let from = place.min(other.len());
            let length = length.min(other.len() - from);
            edited[place..place + length].copy_from_slice(&other[from..from + length]);
        }
        _ => {
            let (from, to) = (key(&LIAR), key(&HONEST));
            let key = edited.windows(32).position(|window| window == from);
            match key {
                Some(place) => edited[place..place + 32].copy_from_slice(&to),
                None => edited[place] ^= 0x80,
            }
        }
    }
    edited
}

/// Half of the edits are near the end or the beginning, where requests, receipts and times are.
fn place(bytes: &[u8], random: &mut Xorshift) -> usize {
    let near = 600.min(bytes.len());
    match random.below(4) {
        0 => random.index(near),
        1 => bytes.len() - 1 - random.index(near),
        _ => random.index(bytes.len()),
    }
}

fn judge(scene: &Scene, bytes: &[u8]) -> (Judged, Option<Misbehaviour>) {
    match Misbehaviour::from_bytes(bytes) {
        Ok(found) => (scene.judge(&found), Some(found)),
        Err(_) => (Judged::Unreadable, None),
    }
}

/// Accusations of all kinds, as files.
fn files(scene: &Scene, said: &[WrongAnswer]) -> Vec<Vec<u8>> {
    said.iter().map(|wrong| scene.accuse(wrong.clone(), NOW_MS).to_bytes()).collect()
}

#[bounded::test]
async fn no_edit_of_an_honest_answers_file_convicts_anybody() {
    println!("seed {SEED:#x}");
    let scene = Scene::new().await;
    let said: Vec<_> = scene.said().await.into_iter().map(|said| said.wrong).collect();
    let mut files = files(&scene, &said);
    let evidence = [scene.head.to_bytes(), scene.state.to_bytes()];
    let act = Act::Conflict { other_server: scene.server.url(), evidence };
    let found = Misbehaviour { server: scene.server.url(), seen_at_ms: NOW_MS, act };
    files.push(found.to_bytes());
    let (mut random, mut all) = (Xorshift::new(SEED), Counted::default());
    for (index, file) in files.iter().enumerate() {
        let other = &files[(index + 1) % files.len()];
        for round in 0..ROUNDS {
            let (judged, _) = judge(&scene, &edited(file, other, &mut random));
            let is_convicted = matches!(judged, Judged::Convicts(_));
            assert!(!is_convicted, "seed {SEED:#x}, file {index}, round {round}: {judged}");
            all.add(judged);
        }
    }
    all.print("edits of honest answers");
}

#[bounded::test]
async fn no_edit_of_a_liars_file_convicts_anybody_else() {
    println!("seed {SEED:#x}");
    let scene = Scene::new().await;
    let said: Vec<Said> = scene.said().await;
    let told: Vec<_> = said.iter().map(|said| lie(&said.wrong, &LIAR)).collect();
    let files = files(&scene, &told);
    let (mut random, mut all) = (Xorshift::new(SEED), Counted::default());
    for (index, (file, told)) in files.iter().zip(&told).enumerate() {
        let name = said[index].name;
        let (judged, _) = judge(&scene, file);
        assert_eq!(judged, Judged::Convicts(key(&LIAR)), "{name}: the lie convicts its teller");
        let other = &files[(index + 1) % files.len()];
        for round in 0..ROUNDS {
            let (judged, found) = judge(&scene, &edited(file, other, &mut random));
            let place = format!("seed {SEED:#x}, {name}, round {round}");
            if let Judged::Convicts(convicted) = judged {
                assert_eq!(convicted, key(&LIAR), "{place}");
                let Some(Act::WrongAnswer(wrong)) = found.map(|found| found.act) else {
                    panic!("{place}: no answer")
                };
                let same = (&wrong.request, &wrong.answer, &wrong.receipt);
                assert_eq!(same, (&told.request, &told.answer, &told.receipt), "{place}");
            }
            all.add(judged);
        }
    }
    all.print("edits of lies");
    // Names and times of whoever accuses are free, so some edits change nothing that counts.
    assert!(all.convicts(key(&LIAR)) && !all.convicts(key(&HONEST)));
}
