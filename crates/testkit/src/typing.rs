//! A person at a run's terminal.

use crate::World;
use crate::world::DEADLINE;
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use strawboss_protocol::api::SESSION_PROTOCOL;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Bytes, Message};

impl World {
    /// Attaches to a run's terminal, as the browser does.
    async fn attach(&self, run: &str) -> Result<WebSocketStream<TcpStream>> {
        let mut request = format!("ws://{}/ws/sessions/{run}", self.address()).into_client_request()?;
        request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {}", self.token()?))?);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SESSION_PROTOCOL));
        let stream = TcpStream::connect(self.address()).await?;
        Ok(tokio_tungstenite::client_async(request, stream).await.context("attach")?.0)
    }

    /// Types these keys into a run's terminal, as the browser does, and leaves.
    pub async fn type_into(&self, run: &str, keys: &str) -> Result<()> {
        let mut socket = self.attach(run).await?;
        socket.send(Message::Binary(Bytes::copy_from_slice(keys.as_bytes()))).await?;
        socket.close(None).await?;
        // What was sent is taken once the other side has closed as well.
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    }

    /// The same, but stays until the terminal has shown this; all that it has shown.
    pub async fn type_until(&self, run: &str, keys: &str, seen: &str) -> Result<String> {
        let mut socket = self.attach(run).await?;
        socket.send(Message::Binary(Bytes::copy_from_slice(keys.as_bytes()))).await?;
        let mut shown = Vec::new();
        loop {
            let message = tokio::time::timeout(DEADLINE, socket.next()).await.context("nothing comes")?;
            if let Message::Binary(bytes) = message.context("the socket is closed")?? {
                shown.extend_from_slice(&bytes);
            }
            let text = String::from_utf8_lossy(&shown);
            if text.contains(seen) {
                return Ok(text.into_owned());
            }
        }
    }
}

/// A terminal as a client of the terminal service before this one sees it: JSON both ways.
#[derive(Debug)]
pub struct OldTerminal {
    socket: WebSocketStream<TcpStream>,
    shown: String,
}

impl World {
    /// Attaches as such a client does, with the token in the query.
    pub async fn attach_old(&self, session: &str) -> Result<OldTerminal> {
        let address = format!("ws://{}/ws/sessions/{session}?projectId=&windowIndex=&token={}", self.address(), self.token()?);
        let stream = TcpStream::connect(self.address()).await?;
        let (socket, _) = tokio_tungstenite::client_async(address, stream).await.context("attach")?;
        Ok(OldTerminal { socket, shown: String::new() })
    }
}

impl OldTerminal {
    /// The next message; an error when there is none any more, or none for too long.
    pub async fn next(&mut self) -> Result<Value> {
        loop {
            let message = tokio::time::timeout(DEADLINE, self.socket.next()).await.context("nothing comes")?;
            match message.context("the socket is closed")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Ping(_) | Message::Pong(_) => {}
                other => bail!("no text: {other:?}"),
            }
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) -> Result<()> {
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    /// Waits until the terminal has shown this.
    pub async fn until_shown(&mut self, text: &str) -> Result<()> {
        while !self.shown.contains(text) {
            let message = self.next().await.with_context(|| format!("waiting for {text:?} after {:?}", self.shown))?;
            match message["type"].as_str() {
                Some("data") => self.shown.push_str(message["payload"].as_str().unwrap_or_default()),
                _ => bail!("{message}"),
            }
        }
        Ok(())
    }
}
