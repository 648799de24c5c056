//! Twenty agents at work while everything around them is restarted: none is interrupted (but by the engine, which
//! ends containers), nothing is lost, nothing happens twice, and no byte of a terminal is missing.

mod compose;
mod host;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use strawboss_testkit::{System, World};

const RUNS: usize = 20;

/// What a project of twenty agents at once says beside its place.
const PROJECT: &str = "agent: shell\nreview: auto\nmax_concurrent: 20\nlimits: { memory: 64m, pids: 64 }\n";

/// Counts aloud until a person types a line, then leaves its row's mark.
fn action(row: usize) -> String {
    format!(
        "( i=0; while :; do i=$((i+1)); echo \"row {row} counts $i\"; sleep 0.1; done ) & read -r word; kill $!; \
         wait; echo \"row {row} heard $word\"; echo row-{row} >> row-{row}.txt"
    )
}

/// An agent that is begun again goes on with what it had.
fn resumable(row: usize) -> String {
    format!("echo begun >> begun-{row}.txt; echo \"row {row} is at work\"; read -r word; echo row-{row} >> row-{row}.txt")
}

/// Where twenty agents work.
trait Place {
    async fn tasks(&self) -> Result<Vec<Value>>;
    async fn terminal(&self, run: &str) -> Result<String>;
    async fn say(&self, run: &str, text: &str) -> Result<()>;
}

impl Place for World {
    async fn tasks(&self) -> Result<Vec<Value>> {
        self.tasks().await
    }

    async fn terminal(&self, run: &str) -> Result<String> {
        self.terminal(run).await
    }

    async fn say(&self, run: &str, text: &str) -> Result<()> {
        self.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": text })).await.map(drop)
    }
}

impl Place for System {
    async fn tasks(&self) -> Result<Vec<Value>> {
        self.tasks().await
    }

    async fn terminal(&self, run: &str) -> Result<String> {
        self.terminal(run).await
    }

    async fn say(&self, run: &str, text: &str) -> Result<()> {
        self.post(&format!("/api/v1/runs/{run}/say"), serde_json::json!({ "text": text })).await
    }
}

/// The run of each row, in the order of rows.
async fn runs(place: &impl Place) -> Result<Vec<String>> {
    let tasks = place.tasks().await?;
    ensure!(tasks.len() == RUNS, "{} tasks", tasks.len());
    let run = |row| {
        let begins = action(row);
        let task = tasks.iter().find(|task| task["action"].as_str().is_some_and(|text| text.starts_with(&begins)));
        let task = task.with_context(|| format!("row {row} is no task"))?;
        let run = task["run"]["id"].as_str().with_context(|| format!("row {row} has no run: {task}"))?;
        Ok(run.to_owned())
    };
    (0..RUNS).map(run).collect()
}

/// How far an agent has counted; an error when its terminal lacks a line or has one twice.
async fn count(place: &impl Place, row: usize, run: &str) -> Result<usize> {
    let shown = place.terminal(run).await?;
    let start = format!("row {row} counts ");
    // The last line may still be on its way.
    let whole = shown.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let counted: Vec<usize> = whole.lines().filter_map(|line| line.trim().strip_prefix(&start)?.parse().ok()).collect();
    ensure!(counted.iter().copied().eq(1..=counted.len()), "row {row} counted {counted:?}");
    Ok(counted.len())
}

/// How far every agent has counted.
async fn counts(place: &impl Place, runs: &[String]) -> Result<Vec<usize>> {
    let mut counts = Vec::new();
    for (row, run) in runs.iter().enumerate() {
        counts.push(count(place, row, run).await?);
    }
    Ok(counts)
}

/// How far each agent has counted, once every one has gone on.
async fn gone_on(place: &impl Place, runs: &[String], since: &[usize]) -> Result<Option<Vec<usize>>> {
    let now = counts(place, runs).await?;
    Ok(now.iter().zip(since).all(|(now, then)| *now > then + 2).then_some(now))
}

/// The runs, once every row's agent is at work in its try of this number.
async fn at_work(place: &impl Place, attempt: usize) -> Result<Option<Vec<String>>> {
    let mut runs = Vec::new();
    for task in place.tasks().await? {
        let run = task["run"]["id"].as_str().unwrap_or_default();
        ensure!(task["attempts"].as_u64() <= Some(u64::try_from(attempt)?), "begun more often than the engine: {task}");
        let works = task["attempts"] == attempt && task["run"]["state"] == "working";
        if !works || !place.terminal(run).await?.contains("is at work") {
            return Ok(None);
        }
        runs.push(run.to_owned());
    }
    Ok((runs.len() == RUNS).then_some(runs))
}

/// A person tells every agent that it is enough.
async fn enough(place: &impl Place, runs: &[String]) -> Result<()> {
    for run in runs {
        place.say(run, "enough").await?;
    }
    Ok(())
}
