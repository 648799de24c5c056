//! A person at a run's terminal.

use crate::World;
use anyhow::{Context as _, Result};
use futures_util::{SinkExt as _, StreamExt as _};
use strawboss_protocol::api::SESSION_PROTOCOL;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Bytes, Message};

impl World {
    /// Types these keys into a run's terminal, as the browser does, and leaves.
    pub async fn type_into(&self, run: &str, keys: &str) -> Result<()> {
        let mut request = format!("ws://{}/ws/sessions/{run}", self.address()).into_client_request()?;
        request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {}", self.token()?))?);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SESSION_PROTOCOL));
        let stream = TcpStream::connect(self.address()).await?;
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.context("attach")?;
        socket.send(Message::Binary(Bytes::copy_from_slice(keys.as_bytes()))).await?;
        socket.close(None).await?;
        // What was sent is taken once the other side has closed as well.
        while let Some(Ok(_)) = socket.next().await {}
        Ok(())
    }
}
