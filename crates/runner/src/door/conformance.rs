//! What every door must do, whatever it is made of. A door's own tests call [`all`] with a way to open, dial and close it.

use super::{CONNECTIONS_MAX, Door};
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::{RunId, SandboxId, runner::Purpose};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Far longer than anything here takes: a door that hangs fails instead.
const DEADLINE: Duration = Duration::from_mins(1);
const PAYLOAD: usize = 8 << 20;

/// A connection from inside.
pub trait Caller: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Caller for T {}

/// How a kind of door is opened, dialled and closed.
#[async_trait::async_trait]
pub trait Harness: Send + Sync {
    /// Opens the door, or opens it again.
    fn open(&self, id: &SandboxId) -> Arc<dyn Door>;
    /// Connects as the sandbox does that was given the folder `dir`.
    async fn dial(&self, dir: &Path) -> io::Result<Box<dyn Caller>>;
    /// Removes it.
    fn close(&self, id: &SandboxId);
    /// The sandboxes that have doors.
    fn list(&self) -> Vec<SandboxId>;
}

/// Runs the whole suite.
///
/// # Panics
/// When the door fails it.
pub async fn all(harness: &dyn Harness) {
    carries_both_ways_at_once(harness).await;
    keeps_half_closed_connections(harness).await;
    serves_many_at_once(harness).await;
    holds_callers_beyond_the_most_back(harness).await;
    opens_again_for_callers_that_retry(harness).await;
    closes_and_is_forgotten(harness).await;
}

fn id(number: u32) -> SandboxId {
    #[expect(clippy::expect_used, reason = "a fixed text that is an id")]
    let run = RunId::parse("conformance-1.1").expect("an id");
    run.sandbox(Purpose::Agent, number)
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(DEADLINE, future).await;
    assert!(done.is_ok(), "not done in time: {what}");
    #[expect(clippy::expect_used, reason = "asserted just before")]
    done.expect("done")
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn pair(harness: &dyn Harness, door: &dyn Door) -> (Box<dyn Caller>, super::DoorStream) {
    let (inside, outside) = within("connect", async { tokio::join!(harness.dial(door.dir()), door.accept()) }).await;
    (inside.expect("dial"), outside.expect("accept"))
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn carries_both_ways_at_once(harness: &dyn Harness) {
    let door = harness.open(&id(1));
    let (inside, outside) = pair(harness, &*door).await;
    let (mut inside_read, mut inside_write) = tokio::io::split(inside);
    let (mut outside_read, mut outside_write) = tokio::io::split(outside);
    let sent: Vec<u8> = (0..PAYLOAD).map(|n| (n % 251) as u8).collect();
    let (mut came_in, mut came_out) = (Vec::new(), Vec::new());
    within("carry a payload both ways", async {
        tokio::join!(
            async {
                inside_write.write_all(&sent).await.expect("write inside");
                inside_write.shutdown().await.expect("end inside");
            },
            async {
                outside_write.write_all(&sent).await.expect("write outside");
                outside_write.shutdown().await.expect("end outside");
            },
            async { inside_read.read_to_end(&mut came_in).await.expect("read inside") },
            async { outside_read.read_to_end(&mut came_out).await.expect("read outside") },
        )
    })
    .await;
    assert!(came_in == sent && came_out == sent, "what came out is not what went in");
    harness.close(&id(1));
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn keeps_half_closed_connections(harness: &dyn Harness) {
    let door = harness.open(&id(2));
    let (mut inside, mut outside) = pair(harness, &*door).await;
    inside.write_all(b"question").await.expect("write");
    inside.shutdown().await.expect("half-close");
    let mut question = String::new();
    within("read to the half-close", outside.read_to_string(&mut question)).await.expect("read");
    outside.write_all(b"answer").await.expect("write after the other side half-closed");
    drop(outside);
    let mut answer = String::new();
    within("read the answer", inside.read_to_string(&mut answer)).await.expect("read");
    assert_eq!((question.as_str(), answer.as_str()), ("question", "answer"));
    harness.close(&id(2));
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn serves_many_at_once(harness: &dyn Harness) {
    let door = harness.open(&id(3));
    let count = 100_u8;
    let serving = async {
        let mut open = Vec::new();
        for _ in 0..count {
            let mut stream = door.accept().await.expect("accept");
            let byte = stream.read_u8().await.expect("read");
            open.push((stream, byte));
        }
        // All are open before the first is answered.
        for (stream, byte) in &mut open {
            stream.write_u8(*byte).await.expect("write");
        }
    };
    let calling = futures_util::future::join_all((0..count).map(|n| {
        let door = &door;
        async move {
            let mut stream = harness.dial(door.dir()).await.expect("dial");
            stream.write_u8(n).await.expect("write");
            assert_eq!(stream.read_u8().await.expect("read"), n, "another connection's answer");
        }
    }));
    within("serve many", async { tokio::join!(serving, calling) }).await;
    harness.close(&id(3));
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn holds_callers_beyond_the_most_back(harness: &dyn Harness) {
    let door = harness.open(&id(4));
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..CONNECTIONS_MAX {
        let (caller, stream) = pair(harness, &*door).await;
        inside.push(caller);
        outside.push(stream);
    }
    let mut extra = within("dial one more", harness.dial(door.dir())).await.expect("the next one waits in the queue");
    extra.write_u8(7).await.expect("write");
    let accepting = door.accept();
    tokio::pin!(accepting);
    // Polled once it would have the waiting caller at hand, was it not for the limit.
    assert!(futures_util::poll!(accepting.as_mut()).is_pending(), "one more than the most was let in");
    outside.pop();
    let mut let_in = within("let the waiting one in", accepting).await.expect("accept");
    assert_eq!(within("hear it", let_in.read_u8()).await.expect("read"), 7);
    harness.close(&id(4));
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn opens_again_for_callers_that_retry(harness: &dyn Harness) {
    let door = harness.open(&id(5));
    let dir = door.dir().to_owned();
    // The sandbox's mount holds the folder itself: a new folder of the same name would not be seen.
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&dir).expect("the folder"));
    drop(door);
    let retrying = async {
        loop {
            if let Ok(mut stream) = harness.dial(&dir).await
                && stream.write_u8(9).await.is_ok()
                && stream.read_u8().await.is_ok_and(|byte| byte == 10)
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let serving = async {
        let again = harness.open(&id(5));
        assert_eq!(again.dir(), dir, "the folder moved");
        assert_eq!(
            std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&dir).expect("the folder")),
            inode,
            "the folder was replaced"
        );
        loop {
            let mut stream = again.accept().await.expect("accept");
            if stream.read_u8().await.is_ok() && stream.write_u8(10).await.is_ok() {
                return again;
            }
        }
    };
    within("be found again", async { tokio::join!(retrying, serving) }).await;
    harness.close(&id(5));
}

#[expect(clippy::expect_used, reason = "a failure is the suite's finding")]
async fn closes_and_is_forgotten(harness: &dyn Harness) {
    let (one, two) = (harness.open(&id(6)), harness.open(&id(7)));
    assert_ne!(one.dir(), two.dir(), "two sandboxes share a door");
    assert_eq!(harness.list(), [id(6), id(7)]);
    let dir = one.dir().to_owned();
    drop(one);
    harness.close(&id(6));
    harness.close(&id(6));
    assert!(harness.dial(&dir).await.is_err(), "a closed door lets in");
    assert_eq!(harness.list(), [id(7)]);
    let (mut inside, mut outside) = pair(harness, &*two).await;
    inside.write_u8(1).await.expect("write");
    assert_eq!(within("the other door still serves", outside.read_u8()).await.expect("read"), 1);
    harness.close(&id(7));
    assert_eq!(harness.list(), []);
}
