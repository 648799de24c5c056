//! Things on the engine that are not this installation's.

use super::ground::{Ground, ground};
use bollard::models::{ContainerCreateBody, ContainerStateStatusEnum, VolumeCreateRequest};
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions, RemoveVolumeOptions};
use serde_json::json;
use std::collections::HashMap;

async fn foreign_container(ground: &Ground, name: &str, labels: HashMap<String, String>) -> String {
    let body = ContainerCreateBody {
        image: Some(ground.image.clone()),
        labels: Some(labels),
        entrypoint: Some(vec!["/never".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    ground.docker.create_container(Some(options), body).await.unwrap().id
}

async fn foreign_volume(ground: &Ground, name: &str, labels: HashMap<String, String>) {
    let request = VolumeCreateRequest { name: Some(name.to_owned()), labels: Some(labels), ..VolumeCreateRequest::default() };
    ground.docker.create_volume(request).await.unwrap();
}

fn whose(id: &str) -> HashMap<String, String> {
    HashMap::from([("strawboss.installation".to_owned(), id.to_owned())])
}

#[tokio::test]
async fn a_container_of_somebody_else_is_neither_seen_nor_touched() {
    ground(async |ground| {
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        for (number, labels, rule) in [(1, HashMap::new(), "labels"), (2, whose("another"), "installation")] {
            let name = ground.name(&format!("foreign{number}"));
            let id = foreign_container(ground, &name, labels).await;
            for object in [name.as_str(), id.as_str(), &id[..12]] {
                for (method, rest) in [
                    ("GET", "/json"),
                    ("POST", "/start"),
                    ("POST", "/stop?t=0"),
                    ("POST", "/wait"),
                    ("GET", "/logs?stdout=1"),
                    ("DELETE", "?force=1"),
                    ("HEAD", "/archive?path=/etc"),
                    ("PUT", "/archive?path=/etc"),
                ] {
                    let answer = ground.call(method, &format!("/containers/{object}{rest}"), None).await;
                    assert!(
                        answer.status == 403 && (method == "HEAD" || answer.is_refused(rule)),
                        "{method} {object}{rest}: {answer:?}"
                    );
                }
            }
            let found = ground.docker.inspect_container(&id, None::<InspectContainerOptions>).await.unwrap();
            assert_eq!(found.state.unwrap().status, Some(ContainerStateStatusEnum::CREATED));
        }
        // By its name one's own passes, and one that is not there is the engine's to say.
        assert_eq!(ground.call("GET", &format!("/containers/{}/json", ground.name("made")), None).await.status, 200);
        assert_eq!(ground.call("GET", &format!("/containers/{}/json", ground.name("none")), None).await.status, 404);
        assert_eq!(ground.call("DELETE", &format!("/containers/{}", ground.name("made")), None).await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn a_volume_of_somebody_else_is_neither_mounted_nor_removed() {
    ground(async |ground| {
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        ground.call("DELETE", &format!("/containers/{}", ground.name("made")), None).await;
        let tool = format!("strawboss-tool-{}-0123456789abcdef-x86_64", ground.installation);
        for (number, labels, rule) in [(1, HashMap::new(), "labels"), (2, whose("another"), "installation")] {
            let name = ground.name(&format!("foreign{number}"));
            foreign_volume(ground, &name, labels).await;
            let mut body = ground.sandbox();
            body["HostConfig"]["Mounts"][0]["Source"] = json!(name);
            let answer = ground.create(&body).await;
            assert!(answer.is_refused("volumes"), "{answer:?}");
            let again = json!({"Name": name, "Driver": "local", "Labels": ground.labels()}).to_string();
            assert!(ground.call("POST", "/volumes/create", Some(&again)).await.is_refused("volumes"));
            for method in ["GET", "DELETE"] {
                let answer = ground.call(method, &format!("/volumes/{name}"), None).await;
                assert!(answer.is_refused(rule), "{method}: {answer:?}");
            }
            ground.docker.inspect_volume(&name).await.unwrap();
        }
        // The name of a tool's makes no tool's of what has other labels.
        foreign_volume(ground, &tool, whose("another")).await;
        let mut body = ground.sandbox();
        body["HostConfig"]["Mounts"][0] = json!({"Type": "volume", "Source": tool, "Target": "/x", "ReadOnly": true});
        assert!(ground.create(&body).await.is_refused("volumes"));
        ground.docker.remove_volume(&tool, None::<RemoveVolumeOptions>).await.unwrap();
        assert_eq!(ground.create(&body).await.status, 201);
        // The engine made it, as a tool's that is not filled yet; through here nobody removes it.
        assert!(ground.call("DELETE", &format!("/volumes/{tool}"), None).await.is_refused("volumes"));
        ground.call("DELETE", &format!("/containers/{}", ground.name("made")), None).await;
        ground.docker.remove_volume(&tool, None::<RemoveVolumeOptions>).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn only_what_is_ours_is_listed() {
    ground(async |ground| {
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        foreign_container(ground, &ground.name("foreign"), HashMap::new()).await;
        let filter = |text: &str| url(&format!("{{\"label\":[\"{text}\"]}}"));
        let ours = filter(&format!("strawboss.installation={}", ground.installation));
        let containers = ground.call("GET", &format!("/containers/json?all=true&filters={ours}"), None).await.json();
        assert_eq!(containers.as_array().unwrap().len(), 1, "{containers}");
        let volumes = ground.call("GET", &format!("/volumes?filters={ours}"), None).await.json();
        assert_eq!(volumes["Volumes"].as_array().unwrap().len(), 1, "{volumes}");
        for (list, rule) in [
            ("", "lists"),
            (&format!("?filters={}", filter("strawboss.volume=home")), "lists"),
            (&format!("?filters={}", filter("strawboss.installation=another")), "installation"),
            (&format!("?filters={}", url("{}")), "keys"),
        ] {
            for path in ["/containers/json", "/volumes"] {
                let answer = ground.call("GET", &format!("{path}{list}"), None).await;
                assert!(answer.is_refused(rule), "{path}{list}: {answer:?}");
            }
        }
    })
    .await;
}

fn url(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn files_go_into_volumes_of_containers_that_never_ran_alone() {
    ground(async |ground| {
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        let container = format!("/containers/{}", ground.name("made"));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, "file", std::io::empty()).unwrap();
        let tar = String::from_utf8(tar.into_inner().unwrap()).unwrap();
        for path in ["/", "/etc", "/run/strawboss", "/home", "/home/agent/x", "/home/agent/"] {
            let answer = ground.call("PUT", &format!("{container}/archive?path={path}"), Some(&tar)).await;
            assert!(answer.is_refused("archives") || answer.is_refused("query"), "{path}: {answer:?}");
        }
        assert_eq!(ground.call("HEAD", &format!("{container}/archive?path=/etc/passwd"), None).await.status, 403);
        assert_eq!(ground.call("HEAD", &format!("{container}/archive?path=/home/agent/file"), None).await.status, 404);
        assert_eq!(ground.call("PUT", &format!("{container}/archive?path=/home/agent"), Some(&tar)).await.status, 200);
        assert_eq!(ground.call("HEAD", &format!("{container}/archive?path=/home/agent/file"), None).await.status, 200);
    })
    .await;
}
