//! Accounts as the clients of the terminal service know them.

use crate::support::engine::{ADMIN, Options, Served};
use serde_json::{Value, json};

fn asked(name: &str, password: &str) -> Value {
    json!({ "username": name, "password": password })
}

#[tokio::test]
async fn an_account_is_made_by_an_admin_and_signs_in() {
    let served = Served::new().await;
    let (status, text) = served.status(served.ask("POST", "/auth/register").json(&asked("ann", "secret1"))).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("registration: open"), "{text}");
    let (write, _) = served.token("write").await;
    let (status, _) = served.status(served.ask("POST", "/auth/register").bearer_auth(write).json(&asked("ann", "secret1"))).await;
    assert_eq!(status, 403);
    let (status, text) = served.status(served.admin("POST", "/auth/register").json(&asked("ann", "secret1"))).await;
    assert_eq!(status, 201, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(made["user"], json!({ "id": "ann", "username": "ann", "projects": [] }));
    assert!(made["token"].as_str().unwrap().starts_with("sb_"));
    let (status, text) = served.status(served.admin("POST", "/auth/register").json(&asked("ann", "another1"))).await;
    assert_eq!((status, serde_json::from_str::<Value>(&text).unwrap()["error"].is_string()), (409, true));
    for (name, password) in [("bob", "short"), ("", "long enough"), ("a b", "long enough"), ("bob", &"x".repeat(2000))] {
        let (status, text) = served.status(served.admin("POST", "/auth/register").json(&asked(name, password))).await;
        assert_eq!(status, 400, "{name:?}: {text}");
    }
    let signed = served.json(served.ask("POST", "/auth/login").json(&asked("ann", "secret1"))).await;
    let token = signed["token"].as_str().unwrap();
    assert_eq!(served.json(served.ask("GET", "/me").bearer_auth(token)).await, made["user"]);
    let list = json!({ "projects": ["Demo", "Ärger"] });
    assert_eq!(served.json(served.ask("PUT", "/me/projects").bearer_auth(token).json(&list)).await, list);
    assert_eq!(served.json(served.ask("GET", "/me/projects").bearer_auth(token)).await, list);
    assert_eq!(served.json(served.ask("GET", "/me").bearer_auth(token)).await["projects"], list["projects"]);
    let long = json!({ "projects": vec!["x"; 300] });
    assert_eq!(served.status(served.ask("PUT", "/me/projects").bearer_auth(token).json(&long)).await.0, 400);
    // It is a token like every other: with a scope, and ended by an admin.
    assert_eq!(served.status(served.ask("GET", "/api/v1/tasks").bearer_auth(token)).await.0, 200);
    assert_eq!(served.status(served.ask("GET", "/api/v1/tokens").bearer_auth(token)).await.0, 403);
    let tokens = served.json(served.admin("GET", "/api/v1/tokens")).await;
    let mine: Vec<&str> =
        tokens.as_array().unwrap().iter().filter_map(|one| one["id"].as_str()).filter(|id| id.starts_with("ann@")).collect();
    assert_eq!(mine.len(), 2);
    for id in mine {
        let (status, text) = served.status(served.admin("DELETE", &format!("/api/v1/tokens/{id}"))).await;
        assert_eq!(status, 204, "{text}");
    }
    assert_eq!(served.status(served.ask("GET", "/me").bearer_auth(token)).await.0, 401);
    assert_eq!(served.status(served.ask("GET", "/me")).await.0, 401);
    assert_eq!(served.status(served.admin("GET", "/me")).await.0, 404, "the admin token is nobody's account");
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down_and_tells_nothing() {
    let served = Served::new().await;
    served.json(served.admin("POST", "/auth/register").json(&asked("ann", "secret1"))).await;
    let mut answers = Vec::new();
    for (name, password) in [("ann", "secret2"), ("nobody", "secret1"), ("../ann", "secret1")] {
        let (status, text) = served.status(served.ask("POST", "/auth/login").json(&asked(name, password))).await;
        assert_eq!(status, 401);
        answers.push(text);
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    // The right one waits as well, and so do tokens from there.
    let right = [("/auth/login", asked("ann", "secret1")), ("/api/v1/sign-in", json!({ "token": ADMIN }))];
    served.slows_down(("/auth/login", asked("ann", "wrong!!")), &right).await;
}

#[tokio::test]
async fn only_an_admin_gives_more_than_the_usual_scope() {
    let served = Served::with(Options { open_registration: true, ..Options::default() }).await;
    let mut body = asked("eve", "secret1");
    body["scope"] = json!("admin");
    let (status, text) = served.status(served.ask("POST", "/auth/register").json(&body)).await;
    assert_eq!(status, 201, "{text}");
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    assert_eq!(served.status(served.ask("GET", "/api/v1/tokens").bearer_auth(&token)).await.0, 403);
    assert_eq!(served.status(served.ask("GET", "/api/v1/tasks").bearer_auth(&token)).await.0, 200);
    body["username"] = json!("ann");
    let made = served.json(served.admin("POST", "/auth/register").json(&body)).await;
    let token = made["token"].as_str().unwrap();
    assert_eq!(served.status(served.ask("GET", "/api/v1/tokens").bearer_auth(token)).await.0, 200);
    let origin = served.ask("POST", "/auth/login").header("origin", "http://evil.example").json(&asked("ann", "secret1"));
    assert_eq!(served.status(origin).await.0, 403);
}
