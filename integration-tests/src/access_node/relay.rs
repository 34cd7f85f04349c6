//! Passes bytes between clients and a node, as badly as its faults say.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Connection, Faults};

/// A port whose connections lead to a node.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    pub(super) async fn start(node: SocketAddr, faults: watch::Receiver<Faults>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connection(client, node, faults.clone()));
            }
        });
        Self { address, task }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(client: TcpStream, node: SocketAddr, faults: watch::Receiver<Faults>) {
    let Ok(node) = TcpStream::connect(node).await else { return };
    // Closing it with bytes unsent is then a reset.
    let _ = client.set_zero_linger();
    let _ = client.set_nodelay(true);
    let (client_in, client_out) = client.into_split();
    let (node_in, node_out) = node.into_split();
    let mut until_hung = faults.clone();
    let hangs = async {
        let hangs = |faults: &Faults| faults.connection == Connection::Hangs;
        let _ = until_hung.wait_for(hangs).await;
    };
    let (watched, mut held) = (faults.clone(), faults);
    let copying = async {
        tokio::select! {
            _ = requests(client_in, node_out) => {}
            _ = answers(node_in, client_out, &watched) => {}
        }
    };
    let mut copying = std::pin::pin!(copying);
    tokio::select! {
        biased;
        () = hangs => {}
        () = &mut copying => return,
    }
    // Once hung, a connection never recovers, and is not closed either.
    let _ = held.wait_for(|_| false).await;
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    faults: &watch::Receiver<Faults>,
) -> std::io::Result<()> {
    let (mut buffer, mut passed) = ([0; 16 << 10], 0);
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let connection = faults.borrow().connection;
        match connection {
            Connection::Good | Connection::Hangs => to.write_all(&buffer[..count]).await?,
            Connection::Resets { after } => {
                let left = usize::min(count, after.saturating_sub(passed));
                to.write_all(&buffer[..left]).await?;
                if left < count {
                    return Ok(());
                }
            }
            Connection::ByteByByte { pause } => {
                for byte in &buffer[..count] {
                    to.write_all(&[*byte]).await?;
                    if !pause.is_zero() {
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        passed += count;
    }
}
