//! Writes a chain folder and says how fast: `archive DIR BLOCKS [NODES]`.

use std::path::Path;
use std::time::Instant;

use weir_devnet::archive::{Amount, write};
use weir_devnet::config::{Config, NodeCounts};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, dir, blocks, nodes @ ..] = &arguments[..] else {
        return Err("usage: archive DIR BLOCKS [NODES]".into());
    };
    let mut config = Config::default();
    if let Some(nodes) = nodes.first() {
        config.nodes = NodeCounts::of_size(nodes.parse()?);
    }
    let blocks: u64 = blocks.parse()?;
    let start = Instant::now();
    let progress = write(config, Path::new(dir), Amount::Blocks(blocks), |_| ())?;
    let seconds = start.elapsed().as_secs_f64();
    println!("{progress:?} in {seconds:.1} s: {:.0} blocks/s", blocks as f64 / seconds);
    Ok(())
}
