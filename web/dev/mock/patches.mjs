// Diffs that the stand-in shows: one that a person would review, and one as long as the server lets through.
// tidy: trailing-blank throughout because an empty line of a diff is one blank

export const RETRY_PATCH = `diff --git a/src/upload/retry.rs b/src/upload/retry.rs
index 3f1c2ab..9d0e714 100644
--- a/src/upload/retry.rs
+++ b/src/upload/retry.rs
@@ -1,21 +1,29 @@
 //! How often a chunk is sent again before the upload is given up.
 
 use std::time::Duration;
 
-/// Waits this long before each new try.
-const PAUSE: Duration = Duration::from_secs(2);
+/// The first pause; each next one is twice as long.
+const FIRST_PAUSE: Duration = Duration::from_millis(250);
+/// No pause is longer than this.
+const LONGEST_PAUSE: Duration = Duration::from_secs(30);
 
-pub async fn send_with_retry(chunk: &Chunk, client: &Client) -> Result<Receipt, UploadError> {
-    for _ in 0..5 {
+pub async fn send_with_retry(
+    chunk: &Chunk,
+    client: &Client,
+    jitter: &mut impl Jitter,
+) -> Result<Receipt, UploadError> {
+    let mut pause = FIRST_PAUSE;
+    for attempt in 1..=MAX_ATTEMPTS {
         match client.send(chunk).await {
             Ok(receipt) => return Ok(receipt),
-            Err(error) if error.is_transient() => tokio::time::sleep(PAUSE).await,
+            Err(error) if error.is_transient() && attempt < MAX_ATTEMPTS => {
+                tracing::warn!(%error, attempt, "chunk was not taken, trying again");
+                tokio::time::sleep(jitter.spread(pause)).await;
+                pause = (pause * 2).min(LONGEST_PAUSE);
+            }
             Err(error) => return Err(error.into()),
         }
     }
     Err(UploadError::GaveUp)
 }
 
@@ -44,6 +52,9 @@ mod tests {
     use super::*;
 
+    /// A jitter that changes nothing.
+    struct Still;
+
     #[tokio::test(start_paused = true)]
     async fn gives_up_after_the_last_attempt() {
diff --git a/src/upload/mod.rs b/src/upload/mod.rs
index 77aa0c1..b2c9d00 100644
--- a/src/upload/mod.rs
+++ b/src/upload/mod.rs
@@ -12,7 +12,7 @@ pub use retry::send_with_retry;
 pub async fn upload(file: &Path, client: &Client) -> Result<(), UploadError> {
     let chunks = Chunks::of(file, CHUNK_BYTES).await?;
     for chunk in chunks {
-        send_with_retry(&chunk, client).await?;
+        send_with_retry(&chunk, client, &mut ThreadJitter).await?;
     }
     Ok(())
 }
diff --git a/tests/upload_retry.rs b/tests/upload_retry.rs
new file mode 100644
index 0000000..5c7e1aa
--- /dev/null
+++ b/tests/upload_retry.rs
@@ -0,0 +1,14 @@
+//! A server that answers 503 for a while does not lose the upload.
+
+#[tokio::test(start_paused = true)]
+async fn survives_a_restart_of_the_server() {
+    let server = FakeServer::failing_for(Duration::from_secs(20)).await;
+    let started = tokio::time::Instant::now();
+
+    upload(&fixture("chunky.bin"), &server.client()).await.unwrap();
+
+    assert!(started.elapsed() >= Duration::from_secs(20));
+    assert_eq!(server.received(), fixture_bytes("chunky.bin"));
+    // Fewer than a fixed pause of two seconds would have sent.
+    assert!(server.attempts() < 10);
+}
diff --git a/Cargo.lock b/Cargo.lock
index 1111111..2222222 100644
--- a/Cargo.lock
+++ b/Cargo.lock
@@ -402,3 +402,3 @@
 name = "fastrand"
-version = "2.3.0"
+version = "2.4.1"
 source = "registry"
`;

/** A patch of about so many bytes: many files, one of them huge. */
export function hugePatch(bytes = 2 * 1024 * 1024) {
  /** @type {string[]} */
  const parts = [];
  let size = 0;
  const add = (/** @type {string} */ text) => {
    parts.push(text);
    size += text.length;
  };
  add("diff --git a/data/one.csv b/data/one.csv\nnew file mode 100644\n--- /dev/null\n+++ b/data/one.csv\n");
  const rows = 12_000;
  add(`@@ -0,0 +1,${rows} @@\n`);
  for (let row = 0; row < rows; row += 1) add(`+${row},antenna-${row % 97},${(row * 7919) % 10_007}\n`);
  for (let file = 0; size < bytes; file += 1) {
    const path = `src/generated/module_${file}.rs`;
    add(
      `diff --git a/${path} b/${path}\nindex 1..2 100644\n--- a/${path}\n+++ b/${path}\n@@ -1,40 +1,40 @@\n`,
    );
    for (let line = 0; line < 40; line += 1) {
      add(
        `-    let old_${line} = compute(${file}, ${line});\n+    let new_${line} = compute_better(${file}, ${line});\n`,
      );
    }
  }
  return parts.join("");
}

/** What a diff says in numbers. */
export function statOf(/** @type {string} */ patch) {
  const stat = { files: 0, added: 0, removed: 0 };
  for (const line of patch.split("\n")) {
    if (line.startsWith("diff --git ")) stat.files += 1;
    else if (line.startsWith("+") && !line.startsWith("+++")) stat.added += 1;
    else if (line.startsWith("-") && !line.startsWith("---")) stat.removed += 1;
  }
  return stat;
}
