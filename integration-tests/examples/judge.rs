//! Weir's verdicts on blocks, for a program that has flow-go's.
//!
//! Reads frames from standard input, each a letter, a length of four bytes (big-endian) and so many bytes, and
//! answers each with a line, `accepted` or the rule that is broken:
//!
//! | letter | bytes | |
//! |---|---|---|
//! | `R` | a root snapshot, as JSON | where the chain begins; comes first |
//! | `B` | a `flow.entities.Block` | is kept, when it is accepted |
//! | `C` | the same | is judged and forgotten |

use std::io::{self, BufRead, Read as _, Write as _};

use prost::Message as _;
use weir_proto::flow::entities;
use weir_protocol::codec::snapshot::Snapshot;
use weir_server::ingest::certificates::{Thoroughness, verify};
use weir_server::ingest::{Chain, Prepared};

fn main() -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let mut chain = None;
    while !input.fill_buf()?.is_empty() {
        let mut head = [0; 5];
        input.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut bytes = Vec::new();
        input.by_ref().take(u32::from_be_bytes(length).into()).read_to_end(&mut bytes)?;
        let verdict = match (kind, &mut chain) {
            (b'R', chain) => begin(&bytes).map(|begun| *chain = Some(begun)),
            (b'B', Some(chain)) => judge(chain, &bytes).map(|extended| *chain = extended),
            (b'C', Some(chain)) => judge(chain, &bytes).map(drop),
            _ => return Err(io::Error::other("expected R, then B or C")),
        };
        let line =
            verdict.map_or_else(|refused| refused.replace('\n', " "), |()| "accepted".into());
        writeln!(output, "{line}")?;
        output.flush()?;
    }
    Ok(())
}

fn begin(json: &[u8]) -> Result<Chain, String> {
    let snapshot = Snapshot::from_json(json).map_err(|error| error.to_string())?;
    let (chain, _root) =
        Chain::from_snapshot(&snapshot, usize::MAX).map_err(|error| error.to_string())?;
    Ok(chain)
}

/// The chain with the block, when every rule holds, all certificates inside included.
fn judge(chain: &Chain, message: &[u8]) -> Result<Chain, String> {
    let wire = entities::Block::decode(message).map_err(|error| error.to_string())?;
    let prepared = Prepared::new(wire).map_err(|error| error.to_string())?;
    let mut extended = chain.clone();
    let accepted = extended.extend(prepared, 0).map_err(|error| error.to_string())?;
    let claims: Vec<_> = accepted.claim.into_iter().collect();
    verify(&claims, Thoroughness::All).map_err(|error| error.to_string())?;
    Ok(extended)
}
