//! A run's terminal as plain bytes, in order and without holes: for `run logs` and downloads.

use crate::error::ApiError;
use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use std::io;
use strawboss_core::RunId;
use strawboss_engine::{Engine, Refused, Viewer, ViewerFrame};
use tokio_util::sync::CancellationToken;

/// A terminal being read.
pub(crate) struct Recording {
    engine: Engine,
    run: RunId,
    viewer: Viewer,
    ready: Option<ViewerFrame>,
    offset: u64,
    position: u64,
    end: Option<u64>,
    shutdown: CancellationToken,
}

impl Recording {
    /// From byte `from` on: to the end of what there is now, or with `follow` to the end of the run.
    pub(crate) async fn open(
        engine: Engine,
        run: RunId,
        from: u64,
        follow: bool,
        shutdown: CancellationToken,
    ) -> Result<Self, ApiError> {
        let mut viewer = engine.session_attach(&run, Some(from)).await?;
        let end = if follow || !viewer.live() {
            None
        } else {
            let sessions = engine.session_list().await?;
            let listed = sessions.into_iter().find(|session| session.id == run.as_str());
            Some(listed.and_then(|session| session.bytes).unwrap_or(viewer.offset()))
        };
        // What is recorded comes at once; when the beginning is no longer kept, that is said first.
        let mut offset = viewer.offset();
        let ready = match viewer.next().now_or_never() {
            Some(ViewerFrame::Skipped { offset: kept }) => {
                offset = kept;
                None
            }
            frame => frame,
        };
        Ok(Self { engine, run, viewer, ready, offset, position: offset, end, shutdown })
    }

    /// The first byte that comes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes. An error where some are lost.
    pub(crate) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures_util::stream::try_unfold(self, |mut recording| async move {
            let next = recording.next().await?;
            Ok(next.map(|bytes| (bytes, recording)))
        })
    }

    async fn frame(&mut self) -> ViewerFrame {
        match self.ready.take() {
            Some(frame) => frame,
            None => self.viewer.next().await,
        }
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut again = false;
        loop {
            if self.end.is_some_and(|end| self.position >= end) {
                return Ok(None);
            }
            let shutdown = self.shutdown.clone();
            let frame = tokio::select! {
                () = shutdown.cancelled() => return Ok(None),
                frame = self.frame() => frame,
            };
            match frame {
                ViewerFrame::Ended => return Ok(None),
                ViewerFrame::Bytes { offset, bytes } if offset <= self.position => {
                    let bytes = wanted(&bytes, offset, self.position, self.end);
                    self.position += bytes.len() as u64;
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
                // The hub passes over what a slow reader did not take; what is recorded can still be had, once asked for.
                ViewerFrame::Skipped { .. } | ViewerFrame::Bytes { .. } if !again => {
                    again = true;
                    let viewer = self.engine.session_attach(&self.run, Some(self.position)).await;
                    self.viewer = viewer.map_err(|refused: Refused| io::Error::other(refused.to_string()))?;
                }
                ViewerFrame::Skipped { .. } | ViewerFrame::Bytes { .. } => {
                    return Err(io::Error::other("bytes in between are no longer kept"));
                }
            }
        }
    }
}

/// The part of a frame that lies between `position` and `end`. `offset` is not past `position`.
fn wanted(bytes: &Bytes, offset: u64, position: u64, end: Option<u64>) -> Bytes {
    let length = bytes.len() as u64;
    let from = (position - offset).min(length);
    let to = end.map_or(length, |end| end.saturating_sub(offset).clamp(from, length));
    bytes.slice(usize::try_from(from).unwrap_or(usize::MAX)..usize::try_from(to).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::wanted;
    use bytes::Bytes;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn only_what_was_asked_for_comes(offset in 0u64..50, ahead in 0u64..50, length in 0usize..50, end in proptest::option::of(0u64..120)) {
            let position = offset + ahead;
            let bytes: Vec<u8> = (0..length).map(|at| (offset + at as u64) as u8).collect();
            let got = wanted(&Bytes::from(bytes.clone()), offset, position, end);
            let expected: Vec<u8> = (offset..offset + length as u64)
                .filter(|at| *at >= position && end.is_none_or(|end| *at < end))
                .map(|at| at as u8)
                .collect();
            prop_assert_eq!(got.to_vec(), expected);
        }
    }
}
