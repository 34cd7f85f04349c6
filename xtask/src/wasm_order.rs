//! Puts the functions of a module into an order that compresses well.
//!
//! `gzip` looks back 32 KB and no further. The compiler makes many functions that are nearly the same,
//! one for each type, and where they end up is chance. Side by side they cost a fraction: a tenth of the
//! whole. Nothing but the order changes.

use std::collections::VecDeque;
use std::convert::Infallible;

use anyhow::Context as _;
use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{CodeSection, FunctionSection, Module};
use wasmparser::{CodeSectionReader, FunctionSectionReader, Parser, Payload, TypeRef};

/// The same module, in another order.
pub(crate) fn reorder(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(&module[body.range()]),
            _ => {}
        }
    }
    let order = by_likeness(&bodies);
    let mut places = vec![0; order.len()];
    for (place, index) in order.iter().enumerate() {
        places[*index] = u32::try_from(place)?;
    }
    let mut reordered = Module::new();
    let done = Reordered { imported, order, places }.parse_core_module(
        &mut reordered,
        Parser::new(0),
        module,
    );
    done.context("cannot encode the module again")?;
    Ok(reordered.finish())
}

struct Reordered {
    /// Functions of the host, which come first and stay.
    imported: u32,
    /// By new place the old one.
    order: Vec<usize>,
    /// By old place the new one.
    places: Vec<u32>,
}

impl Reencode for Reordered {
    type Error = Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Infallible>> {
        let own = function.checked_sub(self.imported);
        Ok(own.map_or(function, |own| self.imported + self.places[own as usize]))
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let types = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for index in &self.order {
            functions.function(types[*index]);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: CodeSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        let bodies = section.into_iter().collect::<Result<Vec<_>, _>>()?;
        for index in self.order.clone() {
            self.parse_function_body(code, bodies[index].clone())?;
        }
        Ok(())
    }
}

/// An order in which each function comes after those that it has most in common with.
fn by_likeness(bodies: &[&[u8]]) -> Vec<usize> {
    let mut window = Window::new(bodies);
    let mut left: Vec<usize> = (0..bodies.len()).collect();
    let mut order = Vec::with_capacity(bodies.len());
    while !left.is_empty() {
        // The first of the best, so that the same functions always get the same order.
        let likeness = |place: &usize| {
            let index = left[*place];
            (window.score[index] * 1024 / (bodies[index].len() as u64 + SHORT), left.len() - place)
        };
        let best = (0..left.len()).max_by_key(likeness).unwrap_or(0);
        let next = left.remove(best);
        window.push(next, bodies[next].len());
        order.push(next);
    }
    order
}

/// The functions put last, as far as `gzip` looks back.
struct Window {
    /// By function its shingles: the runs of bytes that some other function has too.
    shingles: Vec<Vec<usize>>,
    /// By shingle the functions that have it.
    owners: Vec<Vec<usize>>,
    /// By shingle how many functions of the window have it.
    present: Vec<u32>,
    /// By function what it has in common with the window.
    score: Vec<u64>,
    functions: VecDeque<(usize, usize)>,
    bytes: usize,
}

impl Window {
    fn new(bodies: &[&[u8]]) -> Self {
        let mut found: Vec<(&[u8], usize)> = Vec::new();
        for (index, body) in bodies.iter().enumerate() {
            found.extend(body.windows(SHINGLE_BYTES).map(|shingle| (shingle, index)));
        }
        found.sort_unstable();
        found.dedup();
        let mut shingles = vec![Vec::new(); bodies.len()];
        let mut owners = Vec::new();
        for group in found.chunk_by(|a, b| a.0 == b.0) {
            if (2..OWNERS_MAX).contains(&group.len()) {
                for (_, index) in group {
                    shingles[*index].push(owners.len());
                }
                owners.push(group.iter().map(|(_, index)| *index).collect());
            }
        }
        let (present, score) = (vec![0; owners.len()], vec![0; bodies.len()]);
        Self { shingles, owners, present, score, functions: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, index: usize, bytes: usize) {
        for shingle in &self.shingles[index] {
            self.present[*shingle] += 1;
            if self.present[*shingle] == 1 {
                let owners = &self.owners[*shingle];
                owners.iter().for_each(|owner| self.score[*owner] += weight(owners.len()));
            }
        }
        self.functions.push_back((index, bytes));
        self.bytes += bytes;
        while self.bytes > WINDOW_BYTES && self.functions.len() > 1 {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some((index, bytes)) = self.functions.pop_front() else { return };
        self.bytes -= bytes;
        for shingle in &self.shingles[index] {
            self.present[*shingle] -= 1;
            if self.present[*shingle] == 0 {
                let owners = &self.owners[*shingle];
                owners.iter().for_each(|owner| self.score[*owner] -= weight(owners.len()));
            }
        }
    }
}

/// What a shingle of so many functions says: a rare one more than a common one.
fn weight(owners: usize) -> u64 {
    u64::from(1024 / (usize::BITS - owners.leading_zeros()))
}

/// Bytes of a run that is looked for.
const SHINGLE_BYTES: usize = 6;
/// What more functions have in common says nothing about any of them.
const OWNERS_MAX: usize = 400;
/// How far back functions count: less than `gzip` looks, for the last one is read as well.
const WINDOW_BYTES: usize = 24 << 10;
/// Bytes added to a function's length, so that the shortest ones do not come first.
const SHORT: u64 = 8;

#[cfg(test)]
mod tests {
    use super::by_likeness;

    #[bounded::test]
    fn puts_like_beside_like() {
        let (first, second) = (b"one kind ".repeat(9), b"other sort ".repeat(9));
        let bodies = [&first[..], &second[..], &first[1..], &second[1..]];
        let order = by_likeness(&bodies);
        assert!(order == [0, 2, 1, 3] || order == [0, 2, 3, 1], "{order:?}");
    }
}
