//! What the engine has, lacks, or is while it is away.

use super::lab::{Image, lab};
use super::{GRACE, exited};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder};
use std::collections::HashMap;
use std::time::Instant;
use strawboss_core::RunId;
use strawboss_core::runner::{Purpose, Runner, RunnerError, SandboxHandle, SandboxStatus};
use strawboss_runner::{DockerConfig, DockerRunner};

#[tokio::test]
async fn what_is_there_is_found_by_its_labels_after_a_restart() {
    lab(async |lab| {
        let (created, running, ended) = (lab.spec(1, "true"), lab.spec(2, "echo up; sleep 1000"), lab.spec(3, "exit 3"));
        for spec in [&running, &ended] {
            let handle = lab.runner.create(spec).await.unwrap();
            lab.runner.start(&handle).await.unwrap();
        }
        lab.runner.create(&created).await.unwrap();
        let leftover = |labels: HashMap<String, String>| ContainerCreateBody {
            image: Some(lab.image.clone()),
            labels: Some(labels),
            cmd: Some(vec!["/bin/sh".to_owned()]),
            ..ContainerCreateBody::default()
        };
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        // A helper of a process that was killed, one of ours that says too little, and one of another installation.
        let helper = leftover([label("strawboss.installation", &lab.installation), label("strawboss.helper", "1-1")].into());
        let vague = leftover([label("strawboss.installation", &lab.installation)].into());
        let options = || None::<bollard::query_parameters::CreateContainerOptions>;
        let helper = lab.docker.create_container(options(), helper).await.unwrap().id;
        let vague = lab.docker.create_container(options(), vague).await.unwrap().id;
        let restarted = lab.another_runner(&lab.host);
        let handle = lab.runner.create(&ended).await.unwrap();
        assert_eq!(restarted.wait(&handle).await.unwrap(), exited(3));
        let mut found = restarted.sandboxes().await.unwrap();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        let statuses: Vec<_> =
            found.iter().map(|sandbox| (sandbox.id.as_str(), sandbox.purpose, sandbox.status.clone())).collect();
        assert_eq!(
            statuses,
            [
                ("lab-1.1-agent", Purpose::Agent, SandboxStatus::Created),
                ("lab-2.1-agent", Purpose::Agent, SandboxStatus::Running),
                ("lab-3.1-agent", Purpose::Agent, exited(3)),
            ]
        );
        let there = lab.containers().await;
        assert!(!there.contains(&helper) && there.contains(&vague));
        for sandbox in found {
            restarted.remove(&sandbox.handle).await.unwrap();
        }
        assert_eq!(restarted.sandboxes().await.unwrap(), []);
        assert_eq!(lab.containers().await, [vague]);
        assert_eq!(restarted.run_volumes().await.unwrap().len(), 3);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_ours_is_never_touched() {
    lab(async |lab| {
        let spec = lab.spec(1, "true");
        // The name of ours, found out by making it once.
        let handle = lab.runner.create(&spec).await.unwrap();
        let name = lab.docker.inspect_container(&handle.0, None::<InspectContainerOptions>).await.unwrap().name.unwrap();
        lab.runner.remove(&handle).await.unwrap();
        lab.runner.run_volume_remove(&spec.run).await.unwrap();
        for labels in [
            HashMap::new(),
            HashMap::from([
                ("strawboss.installation".to_owned(), "another".to_owned()),
                ("strawboss.sandbox".to_owned(), spec.id.to_string()),
            ]),
        ] {
            let body = ContainerCreateBody {
                image: Some(lab.image.clone()),
                labels: Some(labels),
                cmd: Some(vec!["/bin/sleep".to_owned(), "1000".to_owned()]),
                ..ContainerCreateBody::default()
            };
            let options = CreateContainerOptionsBuilder::default().name(name.trim_start_matches('/')).build();
            let foreign = lab.docker.create_container(Some(options), body).await.unwrap().id;
            let handle = SandboxHandle(foreign.clone());
            let tried = [
                lab.runner.create(&spec).await.map(|_| ()),
                lab.runner.start(&handle).await,
                lab.runner.stop(&handle, GRACE).await,
                lab.runner.remove(&handle).await,
                lab.runner.status(&handle).await.map(|_| ()),
                lab.runner.wait(&handle).await.map(|_| ()),
            ];
            let found = lab.runner.sandboxes().await.unwrap();
            let state = lab.docker.inspect_container(&foreign, None::<InspectContainerOptions>).await;
            lab.docker
                .remove_container(&foreign, Some(RemoveContainerOptionsBuilder::default().force(true).build()))
                .await
                .unwrap();
            for result in tried {
                let error = result.unwrap_err();
                assert!(matches!(&error, RunnerError::Failed { .. }), "{error}");
            }
            assert_eq!(found, []);
            assert_eq!(state.unwrap().state.unwrap().status, Some(bollard::models::ContainerStateStatusEnum::CREATED));
        }
        for wrong in ["", "../x", "a?force=1", "lab-1.1-agent"] {
            assert!(lab.runner.remove(&SandboxHandle(wrong.to_owned())).await.is_err(), "{wrong}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_image_that_cannot_serve_is_refused_with_the_fix() {
    lab(async |lab| {
        for (image, why, fix) in [
            (Image { without_git: true, ..Image::default() }, "no `git`", "apt-get install"),
            (Image { without_glibc: true, ..Image::default() }, "no glibc", "-bookworm"),
            (Image { without_shell: true, ..Image::default() }, "no /bin/sh", "with a shell"),
        ] {
            let mut spec = lab.spec(1, "true");
            spec.image = Some(lab.import(image).await);
            for _ in 0..2 {
                let error = lab.runner.create(&spec).await.unwrap_err();
                assert!(
                    matches!(&error, RunnerError::Image { .. })
                        && error.to_string().contains(why)
                        && error.to_string().contains(fix),
                    "{error}"
                );
            }
        }
        let mut spec = lab.spec(1, "true");
        for name in ["127.0.0.1:1/strawboss-no-such-image:1", "-x", "a b", "UPPER:1", "a:b:c"] {
            spec.image = Some(name.to_owned());
            let error = lab.runner.create(&spec).await.unwrap_err();
            assert!(matches!(&error, RunnerError::Image { fix, .. } if !fix.is_empty()), "{name}: {error:?}");
        }
        assert!(lab.containers().await.is_empty(), "a probe stayed");
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_is_away_is_not_taken_for_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let runner = DockerRunner::new(DockerConfig {
        host: Some(format!("unix://{}", dir.path().join("none.sock").display())),
        installation: "away".to_owned(),
        default_image: "none".to_owned(),
        ..DockerConfig::default()
    });
    let handle = SandboxHandle("0".repeat(64));
    let run = RunId::parse("a.1").unwrap();
    let tried = [
        runner.info().await.map(|_| ()),
        runner.start(&handle).await,
        runner.stop(&handle, GRACE).await,
        runner.remove(&handle).await,
        runner.status(&handle).await.map(|_| ()),
        runner.sandboxes().await.map(|_| ()),
        runner.run_volumes().await.map(|_| ()),
        runner.run_volume_remove(&run).await,
    ];
    for result in tried {
        assert!(matches!(&result, Err(RunnerError::Unreachable { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_wait_holds_on_while_the_engine_is_away() {
    lab(async |lab| {
        let Some(engine) = lab.host.clone().strip_prefix("unix://").map(str::to_owned) else {
            panic!("this test needs an engine on a Unix socket")
        };
        let socket = lab.dir.path().join("engine.sock");
        // Between runner and engine, so that the engine can go away without going away for everybody.
        let proxy = |socket: std::path::PathBuf, engine: String| {
            let _ = std::fs::remove_file(&socket);
            let listener = tokio::net::UnixListener::bind(&socket).unwrap();
            tokio::spawn(async move {
                let mut lines = tokio::task::JoinSet::new();
                while let Ok((mut near, _)) = listener.accept().await {
                    let engine = engine.clone();
                    lines.spawn(async move {
                        let mut far = tokio::net::UnixStream::connect(engine).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            })
        };
        let there = proxy(socket.clone(), engine.clone());
        let runner = std::sync::Arc::new(lab.another_runner(&format!("unix://{}", socket.display())));
        let spec = lab.spec(1, "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done");
        let handle = runner.create(&spec).await.unwrap();
        runner.start(&handle).await.unwrap();
        lab.hear(&handle, "up").await;
        let waiting = tokio::spawn({
            let (runner, handle) = (std::sync::Arc::clone(&runner), handle.clone());
            async move { runner.wait(&handle).await }
        });
        there.abort();
        let _ = there.await;
        while !matches!(runner.status(&handle).await, Err(RunnerError::Unreachable { .. })) {
            tokio::task::yield_now().await;
        }
        lab.runner.stop(&handle, GRACE).await.unwrap();
        assert!(!waiting.is_finished(), "the wait ended without an answer of the engine");
        let again = proxy(socket, engine);
        assert_eq!(waiting.await.unwrap().unwrap(), exited(9));
        again.abort();
    })
    .await;
}

#[tokio::test]
async fn the_engine_is_described_and_a_warm_start_is_quick() {
    lab(async |lab| {
        let info = lab.runner.info().await.unwrap();
        assert!(info.kind == "docker" && info.isolated && info.gpus == 0 && info.detail.starts_with("Docker "), "{info:?}");
        assert_eq!(lab.run(&lab.spec(1, "true")).await.0, exited(0));
        let mut spec = lab.spec(2, "true");
        spec.image = Some(lab.import(Image { home_is_ours: true, ..Image::default() }).await);
        assert_eq!(lab.run(&spec).await.0, exited(0));
        // Printed for people, not asserted: machines are shared.
        for (number, image) in [(3, None), (4, spec.image.clone())] {
            let mut warm = lab.spec(number, "true");
            (warm.tools, warm.image) = (spec.tools.clone(), image);
            let began = Instant::now();
            let handle = lab.runner.create(&warm).await.unwrap();
            let made = began.elapsed();
            lab.runner.start(&handle).await.unwrap();
            let started = began.elapsed();
            assert_eq!(lab.runner.wait(&handle).await.unwrap(), exited(0));
            let ended = began.elapsed();
            lab.runner.remove(&handle).await.unwrap();
            eprintln!("{}: created {made:?}, started {started:?}, ended {ended:?}, removed {:?}", info.detail, began.elapsed());
        }
    })
    .await;
}
