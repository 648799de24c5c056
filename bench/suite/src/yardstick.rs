//! A yardstick, not a product: the least server that shows a terminal over a WebSocket. One process, one PTY a
//! connection, nothing recorded, nobody isolated. What it takes is what any such server takes on this machine.

use anyhow::{Context as _, Result};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use pty_process::Size;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;

/// How much of the terminal goes into one message.
const READ: usize = 64 * 1024;

/// Serves until it is killed; each connection runs `sh -c <command>`. Its address goes into a file.
pub(crate) async fn serve(command: String, address_file: &Path) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let beside = address_file.with_extension("new");
    std::fs::write(&beside, listener.local_addr()?.to_string())?;
    std::fs::rename(beside, address_file)?;
    loop {
        let (socket, _) = listener.accept().await?;
        let command = command.clone();
        tokio::spawn(async move {
            if let Err(error) = show(socket, &command).await {
                eprintln!("yardstick: {error:#}");
            }
        });
    }
}

async fn show(socket: TcpStream, command: &str) -> Result<()> {
    socket.set_nodelay(true)?;
    let (mut sink, mut stream) = tokio_tungstenite::accept_async(socket).await?.split();
    let (pty, pts) = pty_process::open()?;
    pty.resize(Size::new(36, 120))?;
    let mut child = pty_process::Command::new("/bin/sh").args(["-c", command]).kill_on_drop(true).spawn(pts)?;
    let (mut reader, mut writer) = pty.into_split();
    let typing = async {
        while let Some(Ok(message)) = stream.next().await {
            if let Message::Binary(keys) = message {
                writer.write_all(&keys).await?;
            }
        }
        anyhow::Ok(())
    };
    let showing = async {
        let mut buffer = vec![0; READ];
        // The terminal's other end closes when its programs have ended: an error, for Linux.
        while let Ok(mut count @ 1..) = reader.read(&mut buffer).await {
            while count < buffer.len() {
                match reader.read(&mut buffer[count..]).now_or_never() {
                    Some(Ok(more @ 1..)) => count += more,
                    _ => break,
                }
            }
            sink.send(Message::binary(buffer[..count].to_vec())).await?;
        }
        sink.close().await.context("closing")
    };
    tokio::select! {
        ended = typing => ended?,
        ended = showing => ended?,
    }
    child.start_kill()?;
    child.wait().await?;
    Ok(())
}
