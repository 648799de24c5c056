//! One number leads through the log: from a person's request to what the engine and the supervisor did because of it.

use serde_json::Value;
use strawboss_testkit::{World, WorldOptions};

/// Lines of the log that carry this number, in their own fields or in their span's.
fn lines_of(world: &World, request: &str) -> Vec<Value> {
    let log = world.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["request.id"] == request || line["span"]["request.id"] == request).collect()
}

#[tokio::test]
async fn a_stop_is_followed_from_the_request_to_the_supervisor() {
    let options = WorldOptions { more: "log: { format: json }\n".to_owned(), ..WorldOptions::default() };
    let mut world = World::new(options).unwrap();
    world.project("Greeter", &[("README.md", "hi\n")], "agent: shell\n").unwrap();
    world.backlog().append("Greeter", "1", "Pending", "echo begun; read never", ",,").unwrap();
    world.start().await.unwrap();
    let working = async |world: &World| {
        let task = world.task_by_action("echo begun").await?;
        Ok((task["run"]["state"] == "working").then(|| task["run"]["id"].as_str().unwrap_or_default().to_owned()))
    };
    let run = world.until("the agent at work", working).await.unwrap();
    let token = std::fs::read_to_string(world.data_dir().join("admin-token")).unwrap();
    let ask = |method: reqwest::Method, path: &str, said: &str| {
        let request = reqwest::Client::new().request(method, format!("http://{}{path}", world.address()));
        request.bearer_auth(token.trim()).header("x-request-id", said.to_owned()).send()
    };
    let answer = ask(reqwest::Method::POST, &format!("/api/v1/runs/{run}/stop"), "edge-7").await.unwrap();
    assert!(answer.status().is_success());
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_ne!(id, "edge-7", "our own number is never somebody else's");
    let said = |line: &Value| line["message"].as_str().unwrap_or_default().to_owned();
    let followed = async |world: &World| {
        let lines = lines_of(world, &id);
        let told = lines.iter().any(|line| said(line) == "a supervisor is told to stop" && line["run.id"] == run.as_str());
        Ok(told.then_some(lines))
    };
    let lines = world.until("the supervisor told", followed).await.unwrap();
    let asked = lines.iter().find(|line| said(line) == "a run is to stop").unwrap();
    assert_eq!((&asked["run.id"], &asked["span"]["request.parent"]), (&run.as_str().into(), &"edge-7".into()), "{asked}");
    assert!(lines.iter().any(|line| said(line) == "answered" && line["status"] == 200), "{lines:?}");
    let task = world.until_task("echo begun", "paused").await.unwrap();
    let start = format!("/api/v1/tasks/{}/start", task["id"].as_str().unwrap());
    let again = ask(reqwest::Method::POST, &start, "not well-formed").await.unwrap();
    let again = again.headers()["x-request-id"].to_str().unwrap().to_owned();
    let started = async |world: &World| Ok(lines_of(world, &again).into_iter().find(|line| said(line) == "a run starts"));
    world.until("the run that it started", started).await.unwrap();
    assert!(lines_of(&world, &again).iter().all(|line| line["span"]["request.parent"].is_null()), "no strange number is noted");
    assert!(!world.log().contains("not well-formed"));
}
