//! RLP as a tree, which edits take apart without breaking lengths.

use weir_protocol::codec::rlp::{Decoder, Encoder, RlpError};
use weir_protocol::codec::sha3_256;

use crate::input::Input;

/// An item of RLP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Bytes(Vec<u8>),
    List(Vec<Item>),
}

impl Item {
    /// Reads bytes that are one item.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RlpError> {
        let mut decoder = Decoder::new(bytes);
        let item = Self::take(&mut decoder, DEPTH_MAX)?;
        decoder.finish()?;
        Ok(item)
    }

    fn take(decoder: &mut Decoder<'_>, depth: u32) -> Result<Self, RlpError> {
        if !decoder.next_is_list() {
            return Ok(Self::Bytes(decoder.bytes()?.to_vec()));
        }
        let depth = depth.checked_sub(1).ok_or(RlpError::Invalid { field: "depth" })?;
        decoder.list_of(|d| Self::take(d, depth)).map(Self::List)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.put(&mut encoder);
        encoder.finish()
    }

    fn put(&self, encoder: &mut Encoder) {
        match self {
            Self::Bytes(bytes) => encoder.bytes(bytes),
            Self::List(items) => encoder.list_of(items, |e, item| item.put(e)),
        }
    }

    /// The items of a list; none of a byte string.
    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Bytes(_) => &[],
            Self::List(items) => items,
        }
    }

    fn items_mut(&mut self) -> Option<&mut Vec<Self>> {
        match self {
            Self::Bytes(_) => None,
            Self::List(items) => Some(items),
        }
    }

    /// Number of items, this one and all below.
    fn count(&self) -> usize {
        1 + self.items().iter().map(Self::count).sum::<usize>()
    }

    /// The item at a position, counted from here downwards, left before right.
    fn at(&self, mut position: usize) -> Option<&Self> {
        if position == 0 {
            return Some(self);
        }
        position -= 1;
        for item in self.items() {
            let count = item.count();
            if position < count {
                return item.at(position);
            }
            position -= count;
        }
        None
    }

    /// The list that the item at a position is in, and its place there; none for this item itself.
    fn parent_of(&mut self, mut position: usize) -> Option<(&mut Vec<Self>, usize)> {
        position = position.checked_sub(1)?;
        let items = self.items_mut()?;
        let mut found = None;
        for (place, item) in items.iter().enumerate() {
            let count = item.count();
            if position < count {
                found = Some(place);
                break;
            }
            position -= count;
        }
        let place = found?;
        if position == 0 { Some((items, place)) } else { items[place].parent_of(position) }
    }

    /// Applies the edits that the rest of an input is; parts of the donors may come in.
    pub(crate) fn edit(&mut self, input: &mut Input<'_>, donors: &[&Self]) {
        for _ in 0..EDITS_MAX {
            if input.is_empty() {
                break;
            }
            self.edit_once(input, donors);
        }
    }

    fn edit_once(&mut self, input: &mut Input<'_>, donors: &[&Self]) {
        let (kind, at) = (input.byte() % EDIT_KINDS, input.number());
        let (donor, from) = (input.choose(donors), input.number());
        let graft = || donor.at(from % donor.count()).cloned();
        let position = at % self.count();
        match kind {
            9 => self.replace_part(at, donor),
            10 => self.join_part(at, donor),
            11 => self.graft_into_answer(at, donor),
            _ => {
                let Some((items, place)) = self.parent_of(position) else { return };
                let len = items.len();
                match kind {
                    0 | 1 => edit_bytes(&mut items[place], from),
                    2 => drop(items.remove(place)),
                    3 => items.insert(place, items[place].clone()),
                    4 => items.swap(place, from % len),
                    5 => items[place] = graft().unwrap_or(Self::List(Vec::new())),
                    6 => items.insert(place, graft().unwrap_or(Self::List(Vec::new()))),
                    7 => items[place] = Self::List(Vec::new()),
                    _ => items[place] = number(from),
                }
            }
        }
    }

    /// Takes an item of the outermost list from another tree.
    fn replace_part(&mut self, at: usize, donor: &Self) {
        let Some(items) = self.items_mut().filter(|items| !items.is_empty()) else { return };
        let place = at % items.len();
        if let Some(part) = donor.items().get(place) {
            items[place] = part.clone();
        }
    }

    /// Appends what another tree has at the same place of the outermost list.
    fn join_part(&mut self, at: usize, donor: &Self) {
        let Some(items) = self.items_mut().filter(|items| !items.is_empty()) else { return };
        let place = at % items.len();
        if let (Some(part), Some(own)) = (donor.items().get(place), items[place].items_mut()) {
            own.extend(part.items().iter().cloned());
        }
    }

    /// Takes a part of the answer's parts from other evidence, with all preimages there: what opens
    /// the part is at hand then, and only a hash says that it is of another block.
    fn graft_into_answer(&mut self, at: usize, donor: &Self) {
        let place = [ANSWER_OF_EVIDENCE, at / 8 % 4, at % 8];
        let Some(part) = place.iter().try_fold(donor, |item, at| item.items().get(*at)) else {
            return;
        };
        let own = place.iter().try_fold(&mut *self, |item, at| item.items_mut()?.get_mut(*at));
        if let Some(own) = own {
            own.clone_from(part);
            self.join_part(PREIMAGES_OF_EVIDENCE, donor);
        }
    }

    /// Puts the preimages of evidence into their order, each once, as an edit rarely would.
    pub(crate) fn sort_preimages(&mut self) {
        let Some(parts) = self.items_mut() else { return };
        if let Some(preimages) = parts.get_mut(PREIMAGES_OF_EVIDENCE) {
            preimages.sort_by_hash();
        }
        let hops = parts.get_mut(HOPS_OF_EVIDENCE).and_then(Self::items_mut);
        for hop in hops.into_iter().flatten() {
            if let Some(preimages) = hop.items_mut().and_then(|hop| hop.get_mut(1)) {
                preimages.sort_by_hash();
            }
        }
    }

    fn sort_by_hash(&mut self) {
        let hash = |item: &Self| match item {
            Self::Bytes(bytes) => Some(sha3_256(&[bytes])),
            Self::List(_) => None,
        };
        if let Some(items) = self.items_mut() {
            items.sort_by_cached_key(hash);
            items.dedup();
        }
    }

    /// Puts the honest question over that of the answer.
    pub(crate) fn ask_as(&mut self, honest: &Self) {
        let Some(question) = honest.items().get(ANSWER_OF_EVIDENCE).and_then(|a| a.items().first())
        else {
            return;
        };
        let answer = self.items_mut().and_then(|parts| parts.get_mut(ANSWER_OF_EVIDENCE));
        if let Some(own) = answer.and_then(Self::items_mut).and_then(|parts| parts.first_mut()) {
            own.clone_from(question);
        }
    }
}

fn edit_bytes(item: &mut Item, how: usize) {
    let Item::Bytes(bytes) = item else { return };
    let [high, low] = [how >> 8, how & 0xff];
    match high % 4 {
        0 => bytes.truncate(low),
        1 => bytes.push(low.to_le_bytes()[0]),
        _ if bytes.is_empty() => (),
        _ => {
            let at = how / 8 % bytes.len();
            bytes[at] ^= 1 << (how % 8);
        }
    }
}

fn number(value: usize) -> Item {
    let mut encoder = Encoder::new();
    encoder.uint(value as u64);
    Item::parse(&encoder.finish()).expect("a number is an item")
}

/// Kinds of edits.
const EDIT_KINDS: u8 = 12;
/// More edits than that say nothing new.
const EDITS_MAX: usize = 32;
/// No format of this project is deeper.
const DEPTH_MAX: u32 = 32;

const HOPS_OF_EVIDENCE: usize = 3;
const ANSWER_OF_EVIDENCE: usize = 5;
const PREIMAGES_OF_EVIDENCE: usize = 6;
